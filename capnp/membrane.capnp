# Sessions that are handed out for an epoch, and taken back with it.
@0x9e2b5d7f0c4a8813;

using import "outcome.capnp".Outcome;

# Gives sessions of whatever kind. Everything that comes with one, over any number
# of calls, answers with a stale epoch once the epoch has advanced.
interface Membrane(Session) {
  # A session of the epoch there is now. Where the membrane asks who wants it, the
  # signer has to answer.
  graft @0 (signer :Signer) -> Outcome(Graft(Session));

  # What epoch there is now.
  status @1 () -> Status;
}

struct Graft(Session) {
  epoch @0 :UInt64;
  session @1 :Session;
}

struct Status {
  epoch @0 :UInt64;
  # Whether `graft` asks for a signature.
  asksForSigner @1 :Bool;
}

# Shows who it is by signing what it is given.
interface Signer {
  # The key is an Ed25519 public key of 32 bytes, the signature that of RFC 8032 over
  # the challenge.
  sign @0 (challenge :Data) -> (key :Data, signature :Data);
}

# Whoever holds it says when an epoch is over.
interface Epochs {
  current @0 () -> (epoch :UInt64);

  # Ends the epoch there is, and returns the one that follows.
  advance @1 () -> (epoch :UInt64);
}
