//! The serial line's editor: bytes in, echo and whole lines out ([`LineEditor`]).

mod escape;
mod recall;

use core::mem;

use heapless::String;

use escape::{Escape, Key};
use recall::Recall;

/// What one byte from the terminal led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing yet.
    Pending,
    /// A line was entered; the cursor stands at the start of the next one.
    Line(&'a str),
    /// Ctrl-C: the line was thrown away, and the cursor stands at the start of the next one. Show the prompt again.
    Cancelled,
}

/// Edits one line of at most `LENGTH` characters and remembers the last `HISTORY` lines.
///
/// - Printable ASCII is appended; a character that does not fit rings the bell, and any other byte is ignored.
/// - Backspace and delete take the last character back, Ctrl-U all of them; Ctrl-C throws the line away.
/// - Arrow up and down (Ctrl-P and Ctrl-N) recall earlier lines. Other escape sequences are swallowed whole.
/// - `\r`, `\n` and `\r\n` each end a line once.
///
/// Echo is ASCII in which `\n` means a new line: whoever sends it to the terminal makes it `\r\n`. Keystrokes ahead of
/// the prompt are fine, and none of this depends on the prompt's width.
#[derive(Debug)]
pub struct LineEditor<const LENGTH: usize = 160, const HISTORY: usize = 8> {
    line: String<LENGTH>,
    /// The line that was last given out; the event borrows it.
    entered: String<LENGTH>,
    recall: Recall<LENGTH, HISTORY>,
    escape: Escape,
    after_return: bool,
}

impl<const LENGTH: usize, const HISTORY: usize> LineEditor<LENGTH, HISTORY> {
    /// Starts with an empty line and no history.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            line: String::new(),
            entered: String::new(),
            recall: Recall::new(),
            escape: Escape::new(),
            after_return: false,
        }
    }

    /// Returns the line as it is now, for repeating it after something else was printed.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Takes one byte from the terminal; what the terminal is to show goes to `echo`.
    pub fn feed(&mut self, byte: u8, mut echo: impl FnMut(&str)) -> Event<'_> {
        let after_return = mem::replace(&mut self.after_return, byte == b'\r');
        match self.escape.key(byte) {
            Key::Byte(b'\n') if after_return => Event::Pending,
            Key::Byte(b'\r' | b'\n') => {
                echo("\n");
                self.entered = mem::take(&mut self.line);
                self.recall.remember(&self.entered);
                Event::Line(&self.entered)
            }
            Key::Byte(CTRL_C) => {
                echo("^C\n");
                self.line.clear();
                self.recall.restart();
                Event::Cancelled
            }
            Key::Byte(byte) => {
                self.edit(byte, &mut echo);
                Event::Pending
            }
            Key::Up => {
                let earlier = self.recall.earlier();
                replace(&mut self.line, earlier, &mut echo);
                Event::Pending
            }
            Key::Down => {
                let later = self.recall.later();
                replace(&mut self.line, later, &mut echo);
                Event::Pending
            }
            Key::Nothing => Event::Pending,
        }
    }

    fn edit(&mut self, byte: u8, echo: &mut impl FnMut(&str)) {
        match byte {
            b' '..=b'~' => match self.line.push(char::from(byte)) {
                Ok(()) => echo(char::from(byte).encode_utf8(&mut [0; 4])),
                Err(_) => echo(BELL),
            },
            BACKSPACE | DELETE if self.line.pop().is_some() => echo(RUB_OUT),
            CTRL_U => replace(&mut self.line, Some(""), echo),
            _ => {}
        }
    }
}

impl<const LENGTH: usize, const HISTORY: usize> Default for LineEditor<LENGTH, HISTORY> {
    fn default() -> Self {
        Self::new()
    }
}

const CTRL_C: u8 = 0x03;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;
const BELL: &str = "\x07";
/// Takes the last character off the terminal.
const RUB_OUT: &str = "\x08 \x08";

/// Makes `line` what `new` says, if it says anything, on the terminal too.
fn replace<const LENGTH: usize>(
    line: &mut String<LENGTH>,
    new: Option<&str>,
    echo: &mut impl FnMut(&str),
) {
    let Some(new) = new else { return };
    while line.pop().is_some() {
        echo(RUB_OUT);
    }
    if line.push_str(new).is_ok() {
        echo(new);
    }
}

#[cfg(test)]
mod tests;
