//! An eye on loops that touch neither a register nor the clock, where nothing else would end a run ([`Watch`]).

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long one input may take: most take a millisecond.
const DEADLINE: Duration = Duration::from_secs(20);

/// Ends the tests if one of the inputs does not end.
#[derive(Debug)]
pub(crate) struct Watch(Sender<()>);

impl Watch {
    pub(crate) fn new() -> Self {
        let (sender, inputs) = channel();
        std::thread::spawn(move || {
            loop {
                match inputs.recv_timeout(DEADLINE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        // Not by a macro, whose output is shown only when a test ends.
                        let _ =
                            writeln!(std::io::stderr(), "an input has no end after {DEADLINE:?}");
                        // Nothing else stops a thread that is in a loop.
                        std::process::abort();
                    }
                }
            }
        });
        Self(sender)
    }

    /// Says that the next input is about to run.
    pub(crate) fn next(&self) {
        // The watch lives as long as its sender.
        let _ = self.0.send(());
    }
}
