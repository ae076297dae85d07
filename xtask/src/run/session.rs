//! The shell's session: what comes from standard input goes to the kernel, until the machine ends.
//!
//! - From a terminal, every key goes through at once.
//! - Otherwise a line is typed when the shell has answered the one before. When there are no more lines, the machine
//!   is shut down; if it has a window, it stays until the window is closed.

use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::terminal::KeyByKey;
use crate::vm::{PROMPT, Vm};

/// How often it is looked whether the machine has ended.
const POLL: Duration = Duration::from_millis(20);

/// Longer than any session.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long `shutdown` may take: it flushes the disks.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(60);

/// Connects standard input until the machine ends; returns QEMU's exit status.
///
/// # Errors
///
/// A line that did not come from a terminal was not answered, and the kernel said nothing for `silence`.
pub(super) fn run(vm: &mut Vm, has_window: bool, silence: Duration) -> Result<ExitStatus> {
    if std::io::stdin().is_terminal() {
        return by_key(vm);
    }
    by_line(vm, silence)?;
    if !has_window && vm.wait_exit(POLL).is_err() {
        // If the machine ends at this moment, there is nobody to tell.
        let _ = vm.send("shutdown\n");
        return vm.wait_exit(SHUTDOWN_DEADLINE);
    }
    vm.wait_exit(FOREVER)
}

/// Forwards a terminal.
fn by_key(vm: &mut Vm) -> Result<ExitStatus> {
    let _terminal = KeyByKey::enter();
    let input = vm.serial_input();
    std::thread::spawn(move || {
        let mut keys = [0; 256];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut keys) {
            if input.send(keys.get(..count).unwrap_or_default()).is_err() {
                // The machine has ended; the main thread sees that too.
                break;
            }
        }
    });
    vm.wait_exit(FOREVER)
}

/// Types every line of standard input at a prompt of its own; returns when there are no more, or the machine has ended.
fn by_line(vm: &mut Vm, silence: Duration) -> Result<()> {
    let lines = lines();
    loop {
        let line = match lines.recv_timeout(POLL) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            // Whoever feeds us may keep the pipe open after `shutdown`.
            Err(RecvTimeoutError::Timeout) if vm.wait_exit(POLL).is_ok() => return Ok(()),
            Err(RecvTimeoutError::Timeout) => continue,
        };
        if vm.send(&format!("{line}\n")).is_err() {
            // The machine has ended, or is ending; its status tells.
            return Ok(());
        }
        // With the line break before it: an editor that redraws its line prints the prompt too.
        match vm.wait_unless_silent(&format!("\n{PROMPT}"), silence) {
            Ok(_) => {}
            Err(_) if vm.is_silenced() => return Ok(()),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "the shell command \"{line}\" did not end, and QEMU is ended (--boot-timeout)"
                    )
                });
            }
        }
    }
}

/// Reads standard input on a thread, line by line.
fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut line = Vec::new();
        while let Ok(1..) = stdin.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line);
            if sender
                .send(text.trim_end_matches(['\r', '\n']).to_owned())
                .is_err()
            {
                break;
            }
            line.clear();
        }
    });
    receiver
}
