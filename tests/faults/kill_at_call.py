"""Kills a program when it is about to change the disk for the n-th time.

    kill_at_call.py REPORT WHICH N PROGRAM ARGUMENT...

Counted are the system calls of PROGRAM, in any of its threads, that change a
file or folder in the current one: with WHICH `all` those that make, write,
truncate, rename, remove or sync one, with `names` only those that make, rename
or remove. When the N-th comes, the program is killed with SIGKILL before that
call does anything; with 0 it never is. REPORT is written as JSON: `{"calls":
["fsync out/load.json", ...], "killed": true}`. The exit code is the program's,
or 137 if it was killed.

strace counts the calls of each thread apart, and a thread that does a step is
another one each time; hence this. Linux on x86-64 and aarch64.
"""

import ctypes
import json
import os
import platform
import signal
import struct
import sys

# The numbers of the calls, and which argument says what they are about: a file,
# a path, or a path in a folder. A create is an open that may make a file.
FD, PATH, PATH_AT = "fd", "path", "path at"
CALLS = {
    "x86_64": {
        1: ("write", FD),
        18: ("pwrite", FD),
        20: ("write", FD),
        74: ("fsync", FD),
        75: ("fsync", FD),
        77: ("truncate", FD),
        82: ("rename", PATH),
        83: ("mkdir", PATH),
        84: ("rmdir", PATH),
        87: ("unlink", PATH),
        257: ("create", PATH_AT),
        258: ("mkdir", PATH_AT),
        263: ("unlink", PATH_AT),
        264: ("rename", PATH_AT),
        296: ("pwrite", FD),
        316: ("rename", PATH_AT),
        328: ("pwrite", FD),
        437: ("create how", PATH_AT),
    },
    "aarch64": {
        34: ("mkdir", PATH_AT),
        35: ("unlink", PATH_AT),
        38: ("rename", PATH_AT),
        46: ("truncate", FD),
        56: ("create", PATH_AT),
        64: ("write", FD),
        66: ("write", FD),
        68: ("pwrite", FD),
        70: ("pwrite", FD),
        82: ("fsync", FD),
        83: ("fsync", FD),
        276: ("rename", PATH_AT),
        287: ("pwrite", FD),
        437: ("create how", PATH_AT),
    },
}
NAMES = ("create", "create how", "mkdir", "rename", "rmdir", "unlink")
CURRENT_FOLDER = -100

TRACEME, CONT, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 0x4200, 0x420E
# Threads, children and new programs too; stop where the filter says; die with the tracer.
OPTIONS = 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
EVENT_SECCOMP = 7
WALL = 0x40000000
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, TRACE = 0x7FFF0000, 0x7FF00000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=0, data=0):
    result = libc.ptrace(request, pid, address, data)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request:#x}): {os.strerror(number)}")
    return result


def instruction(code, yes, no, value):
    return struct.pack("HBBI", code, yes, no, value)


def install_filter(numbers):
    """From here on, the calls of these numbers stop for the tracer."""
    program = instruction(0x20, 0, 0, 0)  # load the number of the call
    for left, number in zip(range(len(numbers), 0, -1), numbers):
        program += instruction(0x15, left, 0, number)  # jump if it is this one
    program += instruction(0x06, 0, 0, ALLOW) + instruction(0x06, 0, 0, TRACE)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    for arguments in ((NO_NEW_PRIVILEGES, 1, 0, 0, 0), (SET_SECCOMP, FILTER, header, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def start(command, numbers):
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            install_filter(numbers)
            os.execvp(command[0], command)
        except OSError as error:
            print(f"{command[0]}: {error}", file=sys.stderr)
        os._exit(127)
    os.waitpid(pid, WALL)
    ptrace(SETOPTIONS, pid, 0, OPTIONS)
    ptrace(CONT, pid)
    return pid


def read_memory(tid, address, size):
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def path_of(tid, kind, arguments):
    """The path that a call is about, from the root on."""
    if kind == FD:
        return os.readlink(f"/proc/{tid}/fd/{arguments[0]}")
    address = arguments[1 if kind == PATH_AT else 0]
    path = read_memory(tid, address, 4096).split(bytes(1))[0].decode()
    folder = CURRENT_FOLDER
    if kind == PATH_AT:
        folder = ctypes.c_int(arguments[0] & 0xFFFFFFFF).value
    name = "cwd" if folder == CURRENT_FOLDER else f"fd/{folder}"
    return os.path.normpath(os.path.join(os.readlink(f"/proc/{tid}/{name}"), path))


def describe(tid, calls):
    """What a stopped thread is about to change here, if it is."""
    buffer = ctypes.create_string_buffer(128)
    ptrace(GET_SYSCALL_INFO, tid, len(buffer), ctypes.addressof(buffer))
    number, *arguments = struct.unpack_from("7Q", buffer, 24)
    name, kind = calls[number]
    flags = os.O_CREAT
    if name == "create":
        flags = arguments[2]
    elif name == "create how":
        flags = struct.unpack("Q", read_memory(tid, arguments[2], 8))[0]
    path = path_of(tid, kind, arguments)
    here = os.getcwd() + "/"
    if not flags & os.O_CREAT or not path.startswith(here):
        return None
    return f"{name.split()[0]} {path[len(here):]}"


def watch(pid, at, calls):
    """What was done, how it ended, and whether it was killed."""
    seen, known, killed = [], {pid}, False
    while True:
        tid, status = os.waitpid(-1, WALL)
        if not os.WIFSTOPPED(status):
            if tid == pid:
                return seen, status, killed
            continue
        pass_on = 0
        if status >> 16 == EVENT_SECCOMP:
            call = None if killed else describe(tid, calls)
            if call is not None:
                seen.append(call)
                if len(seen) == at:
                    os.kill(pid, signal.SIGKILL)
                    killed = True
        elif status >> 16 == 0:
            # A new thread begins with a stop of its own.
            fresh = tid not in known and os.WSTOPSIG(status) == signal.SIGSTOP
            pass_on = 0 if fresh else os.WSTOPSIG(status)
        known.add(tid)
        try:
            ptrace(CONT, tid, 0, pass_on)
        except ProcessLookupError:
            pass  # It was killed meanwhile.


def main():
    report, which, at, *command = sys.argv[1:]
    calls = CALLS[platform.machine()]
    if which == "names":
        calls = {number: call for number, call in calls.items() if call[0] in NAMES}
    pid = start(command, list(calls))
    seen, status, killed = watch(pid, int(at), calls)
    with open(report, "w") as file:
        json.dump({"calls": seen, "killed": killed}, file)
    sys.exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
