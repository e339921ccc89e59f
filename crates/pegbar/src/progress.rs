//! Progress: a bar on a terminal, plain lines elsewhere.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// All bars, so that log lines do not cut through them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);
/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of one job.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    unit: &'static str,
    total: Option<u64>,
    done: u64,
    /// Units that an earlier run did: they say nothing of this one's pace.
    before: u64,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    /// Starts. `total` is `None` where it is not known.
    pub(crate) fn start(what: &str, unit: &'static str, total: Option<u64>, quiet: bool) -> Self {
        Self::resume(what, unit, total, 0, quiet)
    }

    /// Starts after `before` units that were done earlier.
    pub(crate) fn resume(
        what: &str,
        unit: &'static str,
        total: Option<u64>,
        before: u64,
        quiet: bool,
    ) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = BARS.add(ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr()));
            let template = if total.is_some() {
                "{msg} {wide_bar} {pos}/{len} {prefix} {per_sec}, {eta} left"
            } else {
                "{msg} {spinner} {pos} {prefix} {per_sec}, {elapsed}"
            };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_message(what.to_owned());
            bar.set_prefix(unit);
            if before > 0 {
                bar.set_position(before);
                bar.reset_eta();
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = Instant::now();
        Self { what: what.into(), unit, total, done: before, before, started: now, said: now, bar, quiet }
    }

    /// One more unit is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if !self.quiet && self.said.elapsed() >= PLAIN_INTERVAL {
            self.said = Instant::now();
            let pace = (self.done - self.before) as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
            errln!("{}", plain_line(&self.what, self.unit, self.done, self.total, pace));
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

/// `film.mkv: 120/480 frames, 3.2 frames/s, 1:53 left`.
fn plain_line(what: &str, unit: &str, done: u64, total: Option<u64>, rate: f64) -> String {
    match total {
        Some(total) if total >= done && rate > 0.0 => {
            let left = Duration::from_secs_f64((total - done) as f64 / rate);
            format!("{what}: {done}/{total} {unit}, {rate:.2} {unit}/s, {} left", clock(left))
        }
        _ => format!("{what}: {done} {unit}, {rate:.2} {unit}/s"),
    }
}

/// `1:02:03`, `2:03`.
pub(crate) fn clock(duration: Duration) -> String {
    let s = duration.as_secs_f64().round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

/// Removes all bars from the terminal.
pub(crate) fn clear() {
    let _ = BARS.clear(); // nothing to do when the terminal is gone
}

/// Where log lines go: standard error, above the bars.
#[derive(Debug, Default)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        BARS.suspend(|| std::io::stderr().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines() {
        let line = plain_line("a.mkv", "frames", 120, Some(480), 2.0);
        assert_eq!(line, "a.mkv: 120/480 frames, 2.00 frames/s, 3:00 left");
        let line = plain_line("a.mkv", "frames", 120, None, 2.0);
        assert_eq!(line, "a.mkv: 120 frames, 2.00 frames/s");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }
}
