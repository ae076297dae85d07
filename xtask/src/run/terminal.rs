//! The terminal while the kernel's shell has it: every key goes through at once, and the kernel echoes it.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exec::lock_soon;

/// How the terminal was, while it is different.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in its changed mode; dropping it changes it back.
pub(crate) struct KeyByKey(());

impl KeyByKey {
    /// Changes the terminal that standard input is; there is nothing to change if it is none.
    ///
    /// Ctrl-C still interrupts.
    pub(crate) fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        tcsetattr(&stdin, OptionalActions::Now, &modes).ok()?;
        Some(Self(()))
    }
}

impl Drop for KeyByKey {
    fn drop(&mut self) {
        restore();
    }
}

/// Changes the terminal back, if it is changed.
pub(crate) fn restore() {
    // Not for ever: a panic may have happened under the lock.
    let before = lock_soon(&BEFORE).and_then(|mut before| before.take());
    if let Some(before) = before {
        // A terminal that is gone has no mode.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
    }
}
