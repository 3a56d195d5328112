//! Progress on stderr: a line that moves on a terminal, a line now and then
//! elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vesicle_pipeline::run::{Progress, Reading};

use crate::output::{grouped, plain};

/// How often the moving line is drawn.
const FRAME: Duration = Duration::from_millis(150);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Shows how far a run is until it is dropped.
pub struct Display {
    bar: ProgressBar,
    task: tokio::task::JoinHandle<()>,
}

/// The line of progress, where notices go too.
pub fn bar(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if quiet || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    } else if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Prints a notice above the line of progress.
pub fn notice(bar: &ProgressBar, text: &str) {
    bar.suspend(|| eprintln!("{}", plain(text)));
}

impl Display {
    /// Starts to show.
    pub fn start(bar: ProgressBar, progress: Arc<Progress>, quiet: bool) -> Self {
        let moving = std::io::stderr().is_terminal();
        let shown = bar.clone();
        let task = tokio::spawn(async move {
            if quiet {
                return;
            }
            let mut ticks = tokio::time::interval(if moving { FRAME } else { LINE });
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let line = plain(&line(&progress)).into_owned();
                if moving {
                    shown.set_message(line);
                    shown.tick();
                } else {
                    eprintln!("{line}");
                }
            }
        });
        Self { bar, task }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn line(progress: &Progress) -> String {
    let reading = progress.reading();
    let stream = progress.current().unwrap_or_default();
    format!("{stream}: {}", describe(&reading))
}

/// Rows, rows a second, megabytes a second, and when it may end.
pub fn describe(reading: &Reading) -> String {
    let seconds = reading.elapsed.as_secs_f64().max(0.001);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "figures for people"
    )]
    let (rows_a_second, megabytes_a_second) = (
        (reading.rows_read as f64 / seconds) as u64,
        reading.bytes_read as f64 / seconds / 1e6,
    );
    let mut text = format!(
        "{} rows, {} rows/s, {megabytes_a_second:.1} MB/s, {} committed",
        grouped(reading.rows_read),
        grouped(rows_a_second),
        grouped(reading.rows_committed),
    );
    if let Some(left) = remaining(reading) {
        text.push_str(&format!(", about {} s left", left.as_secs().max(1)));
    }
    text
}

/// How long it may still take, if it goes on as it went.
fn remaining(reading: &Reading) -> Option<Duration> {
    let in_all = reading.bytes_in_all?;
    if reading.bytes_read == 0 || reading.bytes_read >= in_all {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let ratio = (in_all - reading.bytes_read) as f64 / reading.bytes_read as f64;
    Duration::try_from_secs_f64(reading.elapsed.as_secs_f64() * ratio).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_tells_rates_and_what_is_left() {
        let reading = Reading {
            rows_read: 20_000,
            bytes_read: 2_000_000,
            rows_committed: 10_000,
            commits: 1,
            bytes_in_all: Some(6_000_000),
            elapsed: Duration::from_secs(2),
        };
        assert_eq!(
            describe(&reading),
            "20,000 rows, 10,000 rows/s, 1.0 MB/s, 10,000 committed, about 4 s left"
        );
    }

    #[test]
    fn nobody_guesses_an_end_that_is_not_known() {
        assert_eq!(remaining(&Reading::default()), None);
    }
}
