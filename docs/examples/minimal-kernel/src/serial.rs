//! The serial line: `say!` for a line of text, and [`wait_for_enter`].

use core::fmt::{Result, Write};

use crate::machine;

/// Prints a line.
macro_rules! say {
    ($($part:tt)*) => {
        $crate::serial::line(format_args!($($part)*))
    };
}

/// Prints `text`, and ends the line.
pub(crate) fn line(text: core::fmt::Arguments<'_>) {
    // The port takes everything: it has no error to return.
    let _ = writeln!(Port, "{text}\r");
}

/// Waits for a person, who may take as long as they like.
pub(crate) fn wait_for_enter() {
    while !matches!(machine::receive(), Some(b'\r' | b'\n')) {
        core::hint::spin_loop();
    }
}

struct Port;

impl Write for Port {
    fn write_str(&mut self, text: &str) -> Result {
        text.bytes().for_each(machine::send);
        Ok(())
    }
}
