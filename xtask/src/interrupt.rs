//! Ctrl-C and its like: children and QEMU are ended, the terminal is as before, one line says so.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The signal that came, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The QEMU that a person talks to, or 0: it is asked to end before it is made to.
static QEMU: AtomicU32 = AtomicU32::new(0);

/// How long QEMU has to end by itself, closing its images.
const QEMU_GRACE: Duration = Duration::from_secs(3);

/// How long the main thread has to notice that everything it waits for has ended.
const MAIN_GRACE: Duration = Duration::from_secs(5);

/// Makes SIGINT, SIGTERM and SIGHUP end what this tool started.
///
/// # Errors
///
/// The signals cannot be handled.
pub(crate) fn install() -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle interruptions")?;
    std::thread::spawn(move || {
        let mut arrived = signals.forever();
        let Some(signal) = arrived.next() else { return };
        SIGNAL.store(signal, Ordering::SeqCst);
        crate::exec::terminate_all();
        end_qemu();
        crate::vm::end_all();
        // Every wait of the main thread is for one of those; were there another, the user has waited long enough.
        std::thread::sleep(MAIN_GRACE);
        crate::run::terminal::restore();
        if let Some(status) = report() {
            std::process::exit(i32::from(status));
        }
    });
    Ok(())
}

/// Names the QEMU that is to be asked first; the value withdraws the name when it is dropped.
#[must_use]
pub(crate) fn ask_first(pid: u32) -> Asked {
    QEMU.store(pid, Ordering::SeqCst);
    Asked
}

/// Withdraws the name given to [`ask_first`].
pub(crate) struct Asked;

impl Drop for Asked {
    fn drop(&mut self) {
        QEMU.store(0, Ordering::SeqCst);
    }
}

/// Asks the named QEMU to end, and gives it time. The main thread waits for it, and then withdraws its name.
fn end_qemu() {
    let end = Instant::now() + QEMU_GRACE;
    let mut asked = false;
    while Instant::now() < end {
        let pid = QEMU.load(Ordering::SeqCst);
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        if !asked {
            // The only error is that it has just ended.
            let _ = kill_process(pid, Signal::TERM);
            asked = true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the signal that came.
pub(crate) fn interrupted() -> Option<i32> {
    Some(SIGNAL.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// If a signal came, says so in one line, and returns the exit status that a shell would give it.
pub(crate) fn report() -> Option<u8> {
    let signal = interrupted()?;
    let name = match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "SIGHUP",
    };
    if std::io::stderr().is_terminal() {
        // What was being typed stays on its own line.
        eprintln!();
    }
    eprintln!("{}", closing_line(name, crate::vm::has_run()));
    u8::try_from(128 + signal).ok()
}

/// Returns the line that says it; images are spoken of only if there was a machine to use them.
fn closing_line(name: &str, machine_ran: bool) -> String {
    let images = if machine_ran {
        ", and the disk images are intact"
    } else {
        ""
    };
    format!("error: interrupted by {name}: everything that was started has been ended{images}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_nobody_used_are_not_spoken_of() {
        assert!(closing_line("SIGINT", true).ends_with("ended, and the disk images are intact"));
        assert!(closing_line("SIGINT", false).ends_with("has been ended"));
    }
}
