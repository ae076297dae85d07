//! The serial line: a thread collects what the kernel says, and [`Serial::wait_for`] matches it against a deadline.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::PROMPT;
use super::deadline::Deadline;

/// Lines shown when an expected text does not come.
const LINES_SHOWN: usize = 20;

/// Bytes that are kept; a kernel that says more is stuck in a loop.
const LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// What came so far.
#[derive(Default)]
struct Received {
    /// Without carriage returns, which only a terminal needs.
    bytes: Vec<u8>,
    /// Nothing more will come.
    closed: bool,
}

type Shared = Arc<(Mutex<Received>, Condvar)>;

/// Both directions of a serial line.
pub(crate) struct Serial {
    shared: Shared,
    input: SerialInput,
    /// Where the next match may begin.
    cursor: usize,
}

/// The sending side; its clones send over the same line.
#[derive(Clone)]
pub(crate) struct SerialInput(Arc<Mutex<Box<dyn Write + Send>>>);

impl SerialInput {
    /// Sends `bytes`.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<()> {
        let mut input = lock(&self.0);
        input
            .write_all(bytes)
            .and_then(|()| input.flush())
            .context("the serial line is closed: QEMU has ended")
    }
}

impl Serial {
    /// Starts to collect what comes from `output`; copies it to the file `log` and, with `echo`, to standard output.
    pub(crate) fn new(
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        log: Option<&Path>,
        echo: bool,
    ) -> Result<Self> {
        let log = log
            .map(|path| {
                File::create(path).with_context(|| format!("cannot create {}", path.display()))
            })
            .transpose()?;
        let shared = Shared::default();
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || collect(output, log, echo, &theirs));
        Ok(Self {
            shared,
            input: SerialInput(Arc::new(Mutex::new(Box::new(input)))),
            cursor: 0,
        })
    }

    /// Returns the sending side.
    pub(crate) fn input(&self) -> SerialInput {
        self.input.clone()
    }

    /// Waits for `text` after the last match; returns everything from there up to its end.
    ///
    /// # Errors
    ///
    /// The deadline passed, or the line was closed; the message has the last lines.
    pub(crate) fn wait_for(&mut self, text: &str, deadline: Duration) -> Result<String> {
        let due = Deadline::after(deadline);
        let (mutex, changed) = &*self.shared;
        let mut received = lock(mutex);
        let mut searched = self.cursor;
        loop {
            if let Some(at) = find(&received.bytes[searched..], text.as_bytes()) {
                let end = searched + at + text.len();
                let seen = lossy(&received.bytes[self.cursor..end]);
                self.cursor = end;
                return Ok(seen);
            }
            // The text may have begun at the end of what was searched.
            searched = (received.bytes.len() + 1)
                .saturating_sub(text.len())
                .max(self.cursor);
            if received.closed || due.has_passed() {
                let why = if received.closed {
                    "before the line was closed".to_owned()
                } else {
                    format!("within {} s", deadline.as_secs_f32())
                };
                bail!(
                    "the serial line did not show {text:?} {why}; its last lines:\n{}",
                    tail(&received.bytes)
                );
            }
            (received, _) = changed
                .wait_timeout(received, due.left())
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nothing more will come, at most for `deadline`.
    pub(crate) fn wait_closed(&self, deadline: Duration) {
        let (mutex, changed) = &*self.shared;
        let received = lock(mutex);
        drop(changed.wait_timeout_while(received, deadline, |received| !received.closed));
    }

    /// Returns everything that came so far.
    pub(crate) fn text(&self) -> String {
        lossy(&lock(&self.shared.0).bytes)
    }

    /// Returns the last lines that came so far.
    pub(crate) fn last_lines(&self) -> String {
        tail(&lock(&self.shared.0).bytes)
    }
}

/// Returns the lines between the echo of `command` and the prompt that ends `seen`.
pub(crate) fn command_output(seen: &str, command: &str) -> Vec<String> {
    let seen = seen.strip_suffix(PROMPT).unwrap_or(seen);
    let mut lines: Vec<String> = seen.lines().map(str::to_owned).collect();
    if lines
        .first()
        .is_some_and(|line| line.trim() == command.trim())
    {
        lines.remove(0);
    }
    lines
}

/// Collects until the stream ends.
fn collect(mut output: impl Read, mut log: Option<File>, echo: bool, shared: &Shared) {
    let mut buffer = [0; 4096];
    let (mutex, changed) = &**shared;
    while let Ok(count @ 1..) = output.read(&mut buffer) {
        let fresh = &buffer[..count];
        if let Some(file) = &mut log
            && file.write_all(fresh).is_err()
        {
            // A full disk is no reason to stop the run: the text is matched in memory.
            log = None;
        }
        if echo {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(fresh).and_then(|()| out.flush());
        }
        let mut received = lock(mutex);
        received
            .bytes
            .extend(fresh.iter().filter(|byte| **byte != b'\r'));
        if received.bytes.len() > LIMIT_BYTES {
            break;
        }
        changed.notify_all();
    }
    lock(mutex).closed = true;
    changed.notify_all();
}

/// Returns where `text` begins in `bytes`.
fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    bytes.windows(text.len()).position(|window| window == text)
}

/// Returns the last lines of `bytes`, each indented.
fn tail(bytes: &[u8]) -> String {
    let text = lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return "  (nothing came)".to_owned();
    }
    let first = lines.len().saturating_sub(LINES_SHOWN);
    let shown: Vec<String> = lines[first..]
        .iter()
        .map(|line| format!("  | {line}"))
        .collect();
    shown.join("\n")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    fn serial() -> (Serial, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let input = ours.try_clone().unwrap();
        (Serial::new(input, ours, None, false).unwrap(), theirs)
    }

    #[test]
    fn a_text_that_comes_in_pieces_is_found() {
        let (mut serial, mut kernel) = serial();
        kernel.write_all(b"boot\r\nlevi").unwrap();
        let writer = std::thread::spawn(move || {
            kernel.write_all(b"tate> ").unwrap();
            kernel
        });
        assert_eq!(serial.wait_for(PROMPT, LONG).unwrap(), "boot\nlevitate> ");
        drop(writer.join().unwrap());
    }

    #[test]
    fn what_was_matched_once_is_not_matched_again() {
        let (mut serial, mut kernel) = serial();
        kernel.write_all(b"one two one").unwrap();
        assert_eq!(serial.wait_for("one", LONG).unwrap(), "one");
        assert_eq!(serial.wait_for("one", LONG).unwrap(), " two one");
        assert!(serial.wait_for("one", Duration::from_millis(20)).is_err());
    }

    #[test]
    fn a_miss_shows_the_last_twenty_lines() {
        let (mut serial, mut kernel) = serial();
        for line in 0..30 {
            writeln!(kernel, "line {line}.").unwrap();
        }
        serial.wait_for("line 29.", LONG).unwrap();
        let error = serial
            .wait_for("ready", Duration::from_millis(50))
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"ready\" within 0.05 s"), "{error}");
        assert!(error.contains("| line 10."), "{error}");
        assert!(error.ends_with("| line 29."), "{error}");
        assert!(!error.contains("| line 9."), "{error}");
    }

    #[test]
    fn a_closed_line_is_no_reason_to_wait() {
        let (mut serial, mut kernel) = serial();
        kernel.write_all(b"panic: broken").unwrap();
        drop(kernel);
        let begin = Instant::now();
        let error = serial.wait_for("ready", LONG).unwrap_err().to_string();
        assert!(begin.elapsed() < LONG, "{error}");
        assert!(error.contains("line was closed"), "{error}");
        assert!(error.contains("| panic: broken"), "{error}");
    }

    #[test]
    fn a_silent_line_says_so() {
        let (mut serial, _kernel) = serial();
        let error = serial.wait_for("x", Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().ends_with("(nothing came)"), "{error}");
    }

    #[test]
    fn what_is_sent_arrives() {
        let (serial, mut kernel) = serial();
        serial.input().send(b"help\n").unwrap();
        let mut bytes = [0; 5];
        kernel.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"help\n");
    }

    #[test]
    fn the_echo_and_the_prompt_are_no_output() {
        let seen = "blk info\ndisk 0\n  2048 sectors\nlevitate> ";
        assert_eq!(
            command_output(seen, "blk info"),
            ["disk 0", "  2048 sectors"]
        );
        assert!(command_output("help\nlevitate> ", "help").is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_it() {
        let (mut serial, mut kernel) = serial();
        kernel.write_all(&[0xff, 0xfe, b'o', b'k']).unwrap();
        assert_eq!(serial.wait_for("ok", LONG).unwrap(), "\u{fffd}\u{fffd}ok");
    }
}
