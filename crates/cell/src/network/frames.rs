//! Messages of Cap'n Proto that are let through when their bytes are there.
//!
//! Whoever reads a message takes as much memory as its first words say. A peer may
//! say anything: so a large message is gathered here as it comes, and its first
//! words are let through after the last.
//!
//! Invariants: no more is held than has come, and no more of one message than
//! [`LARGEST`] bytes; what comes out is what came in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::io::AsyncRead;
use tokio::sync::oneshot;

use super::vat::LARGEST;

/// Messages up to this many bytes are let through as they come.
const SMALL: usize = 64 << 10;
/// How many segments a message may have; as many as the reader takes.
const MOST_SEGMENTS: usize = 512;
/// How much is read at once of a message that is gathered, in bytes.
const STEP: usize = 64 << 10;

/// What comes from a peer, by messages.
pub(super) struct Frames<R> {
    from: R,
    /// What has been gathered, and how much of that was let through.
    gathered: Vec<u8>,
    passed: usize,
    state: State,
    /// Dropped when nothing more comes.
    over: Option<oneshot::Sender<()>>,
}

enum State {
    /// The first words are gathered, as many bytes as they have as far as is known.
    Table(usize),
    /// A message is gathered that will be so long.
    Gather(usize),
    /// So much of a message comes after what is gathered.
    Pass(usize),
    Over,
}

impl<R> Frames<R> {
    /// The messages of a reader, and what ends when nothing more comes of it.
    pub(super) fn new(from: R) -> (Self, oneshot::Receiver<()>) {
        let (over, is_over) = oneshot::channel();
        let frames = Self {
            from,
            gathered: Vec::new(),
            passed: 0,
            state: State::Table(8),
            over: Some(over),
        };
        (frames, is_over)
    }

    /// What follows now that the state's bytes are gathered.
    fn advance(&mut self) -> io::Result<State> {
        let (State::Table(known), table) = (&self.state, &self.gathered) else {
            return Ok(State::Pass(0));
        };
        let word = |index: usize| {
            let bytes = table.get(index * 4..index * 4 + 4);
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes) as usize
        };
        // It says one less than there are.
        let segments = word(0).saturating_add(1);
        if segments > MOST_SEGMENTS {
            return Err(refused(format!("a message of {segments} segments")));
        }
        let whole = (1 + segments).next_multiple_of(2) * 4;
        if *known < whole {
            return Ok(State::Table(whole));
        }
        let words: usize = (1..=segments).map(word).sum();
        let body = words.saturating_mul(8);
        Ok(match body {
            0..=SMALL => State::Pass(body),
            _ if body <= LARGEST => State::Gather(whole + body),
            _ => return Err(refused(format!("a message of {body} bytes"))),
        })
    }
}

fn refused(what: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} is larger than any may be ({LARGEST} bytes, {MOST_SEGMENTS} segments)"),
    )
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Gathers up to so many bytes in all. False if no more come.
    fn gather(&mut self, until: usize, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.gathered.len() < until {
            let had = self.gathered.len();
            let next = until.min(had + STEP);
            self.gathered.resize(next, 0);
            let read = Pin::new(&mut self.from).poll_read(context, &mut self.gathered[had..]);
            let count = match &read {
                Poll::Ready(Ok(count)) => *count,
                _ => 0,
            };
            self.gathered.truncate(had + count);
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }

    fn step(&mut self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.state {
                State::Table(until) | State::Gather(until) => {
                    self.state = match ready!(self.gather(until, context))? {
                        true => self.advance()?,
                        false => State::Over,
                    };
                }
                State::Pass(_) | State::Over if self.passed < self.gathered.len() => {
                    let left = &self.gathered[self.passed..];
                    let count = left.len().min(into.len());
                    into[..count].copy_from_slice(&left[..count]);
                    self.passed += count;
                    return Poll::Ready(Ok(count));
                }
                State::Pass(0) => {
                    // One that was large leaves nothing behind.
                    self.gathered.clear();
                    self.gathered.shrink_to(SMALL);
                    self.passed = 0;
                    self.state = State::Table(8);
                }
                State::Pass(left) => {
                    let most = left.min(into.len());
                    let read = Pin::new(&mut self.from).poll_read(context, &mut into[..most]);
                    let count = ready!(read)?;
                    self.state = match count {
                        0 => State::Over,
                        _ => State::Pass(left - count),
                    };
                    if count > 0 {
                        return Poll::Ready(Ok(count));
                    }
                }
                State::Over => return Poll::Ready(Ok(0)),
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Frames<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let read = ready!(self.step(context, into));
        if matches!(read, Ok(0) | Err(_)) {
            self.state = State::Over;
            self.gathered = Vec::new();
            self.passed = 0;
            self.over = None;
        }
        Poll::Ready(read)
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::io::Cursor;
    use proptest::prelude::*;

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    /// A reader that gives so many bytes at a time.
    struct Crumbs(Cursor<Vec<u8>>, usize);

    impl AsyncRead for Crumbs {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let most = self.1.min(into.len());
            Pin::new(&mut self.0).poll_read(context, &mut into[..most])
        }
    }

    /// A message of segments with so many words each.
    fn message(segments: &[usize]) -> Vec<u8> {
        let mut table = vec![segments.len() as u32 - 1];
        table.extend(segments.iter().map(|words| *words as u32));
        if table.len() % 2 == 1 {
            table.push(0);
        }
        let mut bytes: Vec<_> = table.into_iter().flat_map(u32::to_le_bytes).collect();
        let words: usize = segments.iter().sum();
        bytes.extend((0..words * 8).map(|index| index as u8));
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_comes_out_is_what_came_in(
            messages in prop::collection::vec(prop::collection::vec(0..10_000usize, 1..6), 0..6),
            crumb in 1..100_000usize,
            cut in 0..64usize,
        ) {
            let mut bytes: Vec<_> = messages.iter().flat_map(|one| message(one)).collect();
            bytes.truncate(bytes.len().saturating_sub(cut));
            let (mut frames, _over) = Frames::new(Crumbs(Cursor::new(bytes.clone()), crumb));
            let mut read = Vec::new();
            block_on(frames.read_to_end(&mut read)).unwrap();
            prop_assert!(read == bytes);
        }
    }

    #[test]
    fn a_message_that_says_it_is_large_takes_no_more_than_has_come() {
        let whole = message(&[LARGEST / 8]);
        let (mut frames, mut over) = Frames::new(Cursor::new(whole[..100].to_vec()));
        let mut read = [0; 8];
        assert_eq!(block_on(frames.read(&mut read)).unwrap(), 8);
        assert!(frames.gathered.capacity() <= 4 * STEP);
        assert!(matches!(
            over.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        ));
        block_on(frames.read_to_end(&mut Vec::new())).unwrap();
        assert!(matches!(
            over.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        ));
    }

    #[test]
    fn a_message_beyond_the_bounds_is_refused() {
        let table = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let large = LARGEST as u32 / 8 + 1;
        let cases: [Vec<u8>; 4] = [
            table(&[0, large]),
            table(&[1, large / 2, large / 2 + 2, 0]),
            table(&[u32::MAX, 0]),
            table(&[MOST_SEGMENTS as u32, 0]),
        ];
        for case in cases {
            let (mut frames, _over) = Frames::new(Cursor::new(case));
            let error = block_on(frames.read(&mut [0; 8])).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            // And nothing follows.
            assert_eq!(block_on(frames.read(&mut [0; 8])).unwrap(), 0);
        }
    }
}
