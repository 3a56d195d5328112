# What a call comes to: an answer, or an error that programs can tell apart.
@0xc1f5c9a2a5f0b6d1;

struct Outcome(T) {
  union {
    ok @0 :T;
    error @1 :Error;
  }
}

struct Nothing {}

struct Error {
  # What happened, where, and what to do, for people.
  message @0 :Text;

  union {
    # None of those below.
    other @1 :Void;

    # What was used came with a session whose epoch is over. Graft again.
    staleEpoch :group {
      issued @2 :UInt64;
      current @3 :UInt64;
    }

    # Something was waited for as long as it may be.
    late :group {
      milliseconds @4 :UInt64;
      stuck @5 :Side;
    }

    # There is no more of something.
    exhausted @6 :Resource;

    # Whoever asked may not.
    denied @7 :Void;

    # What was given cannot be used: it is no component, no name, no address.
    invalid @8 :Void;

    # Each of these processes waits for the next one, and the last for the first.
    circle @9 :List(Text);

    # There is no way to a peer.
    unreachable @10 :Void;

    # It has ended or was closed.
    gone @11 :Void;
  }
}

enum Resource {
  fuel @0;
  memory @1;
  time @2;
  processes @3;
}

# The two ends of a link.
enum Side {
  host @0;
  guest @1;
}
