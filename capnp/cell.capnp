# What a cell is given, and what it can ask for.
@0xf37a1d20b64e95c8;

using import "outcome.capnp".Outcome;
using import "outcome.capnp".Nothing;
using import "outcome.capnp".Resource;

# What the membrane of a cell gives. A child that was given no capability of its
# parent's choice finds the same behind its own link.
struct Session {
  host @0 :Host;
  executor @1 :Executor;
}

# Where the cell is, seen from outside.
interface Host {
  # The identity in the network; empty without one.
  id @0 () -> Outcome(Text);

  # Where the host can be reached from elsewhere, as multiaddrs.
  addresses @1 () -> Outcome(List(Text));

  # Those to whom there is a connection now.
  peers @2 () -> Outcome(List(Peer));

  # What a peer exports.
  connect @3 (peer :Text) -> Outcome(Exported);
}

struct Peer {
  id @0 :Text;
  addresses @1 :List(Text);
}

struct Exported {
  capability @0 :Capability;
}

# Starts processes of components that export wasi:cli/run.
interface Executor {
  # Starts a component.
  runBytes @0 (wasm :Data, launch :Launch) -> Outcome(Process);

  # "Echo: " and the text.
  echo @1 (text :Text) -> Outcome(Text);

  # Makes a component ready to be started any number of times: its bytes cross the link
  # once. They count as memory of whoever holds the program.
  load @2 (wasm :Data) -> Outcome(Program);
}

# A component that is ready to be started.
interface Program {
  start @0 (launch :Launch) -> Outcome(Process);
}

# What a process is started with.
struct Launch {
  # The first is the program's name.
  arguments @0 :List(Text);
  environment @1 :List(Variable);

  # What it finds on its link, and nothing else; without one a membrane that gives the
  # session of whoever started it.
  bootstrap @2 :Capability;
  budget @3 :Budget;
}

struct Variable {
  name @0 :Text;
  value @1 :Text;
}

# What a process may use, of what its parent may. Zero is as much as is left there.
struct Budget {
  # Units of fuel, over all that it starts.
  fuel @0 :UInt64;
  # Bytes of memories and tables, over all that it starts.
  memory @1 :UInt64;
  # How long it may live, waiting included.
  milliseconds @2 :UInt64;
  # How many processes it may have at a time, over all that those start.
  processes @3 :UInt32;
}

# A component that runs, or has run.
interface Process {
  # What the process reads. It finds the end once this is closed, or nobody holds it.
  stdin @0 () -> Outcome(ByteStream);

  # What the process writes. Nothing of it waits for a reader: of what nobody reads the
  # oldest is lost, and the next piece says how much.
  stdout @1 () -> Outcome(ByteStream);
  stderr @2 () -> Outcome(ByteStream);

  # Returns when the process has ended, to any number of callers. Where that takes
  # longer than so many milliseconds it is late, or a circle if the process waits for
  # the caller, over any number of others; zero is as long as it takes.
  wait @3 (milliseconds :UInt64) -> Outcome(Exit);

  # Ends it, with all that it started. Returns when that is done.
  kill @4 () -> Outcome(Nothing);

  # What the process itself serves.
  exported @5 () -> Outcome(Exported);
}

# How a process has ended.
struct Exit {
  union {
    # It said so itself: 0 is success.
    code @0 :UInt8;

    trap :group {
      kind @1 :Trap;
      message @2 :Text;
    }

    exhausted @3 :Resource;

    killed @4 :Void;

    # The epoch of the session that it was started from is over.
    revoked :group {
      issued @5 :UInt64;
      current @6 :UInt64;
    }

    # It never ran: no such export, an import that nobody gave, no memory for it.
    start @7 :Text;
  }
}

# What a component did that no component may.
enum Trap {
  other @0;
  unreachable @1;
  memoryOutOfBounds @2;
  tableOutOfBounds @3;
  stackOverflow @4;
  integerDivisionByZero @5;
  integerOverflow @6;
  indirectCall @7;
}

# Bytes in order, one way or both; each way goes on whatever the other does.
interface ByteStream {
  # Waits for bytes, and returns `most` of them at most; zero is as many as there are.
  read @0 (most :UInt32) -> Outcome(Piece);

  # Returns when there is room for more.
  write @1 (bytes :Data) -> Outcome(Nothing);

  # Says that no more is written. What was written can still be read.
  close @2 () -> Outcome(Nothing);
}

struct Piece {
  bytes @0 :Data;
  # There will be no more.
  ended @1 :Bool;
  # How many bytes before these were lost since nobody read them.
  lost @2 :UInt64;
}
