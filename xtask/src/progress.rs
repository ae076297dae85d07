//! A line for each long step, with the time it takes: [`Step`].

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a terminal shows the time.
const TERMINAL_TICK: Duration = Duration::from_secs(1);

/// How often a log does.
const LOG_TICK: Duration = Duration::from_secs(30);

/// A step that takes a while and prints nothing itself.
pub(crate) struct Step {
    what: String,
    begin: Instant,
    stop: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Step {
    /// Says that `what` begins; from then on the time is shown.
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let begin = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        if !terminal {
            eprintln!("xtask: {what} …");
        }
        let (stop, stopped) = channel();
        let text = what.clone();
        let ticker = std::thread::spawn(move || {
            let tick = if terminal { TERMINAL_TICK } else { LOG_TICK };
            loop {
                let seconds = begin.elapsed().as_secs();
                if terminal {
                    eprint!("\rxtask: {text} … {seconds} s ");
                    let _ = std::io::stderr().flush();
                } else if seconds > 0 {
                    eprintln!("xtask: {text} … {seconds} s");
                }
                if stopped.recv_timeout(tick) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            if terminal {
                eprint!("\r\x1b[K");
            }
        });
        Self {
            what,
            begin,
            stop: Some((stop, ticker)),
        }
    }

    /// Says how the step ended.
    pub(crate) fn end(mut self, how: &str) {
        self.silence();
        eprintln!(
            "xtask: {}: {how} ({})",
            self.what,
            seconds(self.begin.elapsed())
        );
    }

    /// Stops showing the time.
    fn silence(&mut self) {
        if let Some((stop, ticker)) = self.stop.take() {
            drop(stop);
            // A ticker that panicked has no line left to clear.
            let _ = ticker.join();
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.silence();
    }
}

/// Returns a time as seconds with one digit.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
