//! How far a transfer is: a line that moves on a terminal, and one at the end everywhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the line moves.
const TICK: Duration = Duration::from_millis(100);

/// Width of the bar, in characters.
const BAR: u64 = 30;

/// A transfer of known length.
pub(crate) struct Progress {
    what: &'static str,
    done_bytes: u64,
    all_bytes: u64,
    begin: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn begin(what: &'static str, all_bytes: u64) -> Self {
        Self {
            what,
            done_bytes: 0,
            all_bytes,
            begin: Instant::now(),
            shown: None,
            is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Moves on by `bytes`.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.done_bytes += bytes as u64;
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= TICK);
        if self.is_terminal && is_due {
            self.shown = Some(Instant::now());
            let full = (self.done_bytes * BAR)
                .checked_div(self.all_bytes)
                .unwrap_or(BAR);
            let bar = "#".repeat(full as usize) + &".".repeat((BAR - full) as usize);
            let percent = (self.done_bytes * 100)
                .checked_div(self.all_bytes)
                .unwrap_or(100);
            eprint!("\r{} [{bar}] {percent:3} % {}", self.what, self.speed());
            let _ = std::io::stderr().flush();
        }
    }

    /// Says that it is done.
    pub(crate) fn end(mut self) {
        self.clear();
        let seconds = self.begin.elapsed().as_secs_f64();
        let (what, bytes, speed) = (self.what, self.done_bytes, self.speed());
        eprintln!("{what}: {bytes} bytes in {seconds:.2} s, {speed}");
    }

    fn speed(&self) -> String {
        let mebibytes = self.done_bytes as f64 / f64::from(1 << 20);
        format!(
            "{:.0} MiB/s",
            mebibytes / self.begin.elapsed().as_secs_f64()
        )
    }

    /// Takes the line away, so that what follows does not begin in its middle.
    fn clear(&mut self) {
        if self.shown.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
