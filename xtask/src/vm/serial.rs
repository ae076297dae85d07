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

/// How many times the silence that is a hang a line may go on that is never silent.
pub(crate) const PATIENCE: u32 = 10;

/// Bytes that are kept.
const LIMIT_BYTES: usize = 32 * 1024 * 1024;

/// What came so far. Places on the line are counted from its first byte, kept or not.
#[derive(Default)]
struct Received {
    /// The last bytes that came, without carriage returns, which only a terminal needs.
    bytes: Vec<u8>,
    /// How many bytes came before them.
    forgotten: usize,
    /// Nothing more will come.
    closed: bool,
    /// More came than is kept, and the rest was not read.
    is_flooded: bool,
}

impl Received {
    /// Returns how many bytes came.
    fn len(&self) -> usize {
        self.forgotten + self.bytes.len()
    }

    /// Returns what is kept from `place` on.
    fn since(&self, place: usize) -> &[u8] {
        let index = place.saturating_sub(self.forgotten).min(self.bytes.len());
        &self.bytes[index..]
    }

    /// Forgets the older half.
    fn forget(&mut self) {
        let count = self.bytes.len() / 2;
        self.bytes.drain(..count);
        self.forgotten += count;
    }
}

/// What a deadline is counted from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// The beginning of the wait.
    Begin,
    /// The last byte that came; the whole wait is at most so many times as long.
    LastByte(u32),
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
    /// Starts to collect what comes from `output`; copies it to the file `log` and to `echo`.
    ///
    /// A kernel that is echoed may say as much as it likes: its user is reading. Another that says more than is kept is
    /// stuck in a loop, and is read no further.
    pub(crate) fn new(
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
        log: Option<&Path>,
        echo: Option<impl Write + Send + 'static>,
    ) -> Result<Self> {
        let log = log
            .map(|path| {
                File::create(path).with_context(|| format!("cannot create {}", path.display()))
            })
            .transpose()?;
        let shared = Shared::default();
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || collect(output, log, echo, LIMIT_BYTES, &theirs));
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
        self.wait(text, deadline, Since::Begin)
    }

    /// Waits for `text` as [`Serial::wait_for`] does, as long as the line is never silent for `silence`, and at most
    /// [`PATIENCE`] times that.
    pub(crate) fn wait_unless_silent(&mut self, text: &str, silence: Duration) -> Result<String> {
        self.wait(text, silence, Since::LastByte(PATIENCE))
    }

    fn wait(&mut self, text: &str, deadline: Duration, since: Since) -> Result<String> {
        let mut due = Deadline::after(deadline);
        let patience = match since {
            Since::Begin => None,
            Since::LastByte(patience) => Some(patience),
        };
        let end = Deadline::after(deadline.saturating_mul(patience.unwrap_or(1)));
        let (mutex, changed) = &*self.shared;
        let mut received = lock(mutex);
        let mut searched = self.cursor;
        let mut heard = received.len();
        loop {
            searched = searched.max(received.forgotten);
            if let Some(at) = find(received.since(searched), text.as_bytes()) {
                let end = searched + at + text.len();
                let seen = received.since(self.cursor);
                let seen = lossy(&seen[..seen.len() - (received.len() - end)]);
                self.cursor = end;
                return Ok(seen);
            }
            // The text may have begun at the end of what was searched.
            searched = (received.len() + 1)
                .saturating_sub(text.len())
                .max(self.cursor);
            if patience.is_some() && received.len() > heard {
                heard = received.len();
                due = Deadline::after(deadline);
            }
            if received.closed || due.has_passed() || end.has_passed() {
                let seconds = deadline.as_secs_f32();
                let why = if received.is_flooded {
                    format!("among its first {} bytes", received.len())
                } else if received.closed {
                    "before the line was closed".to_owned()
                } else {
                    match patience {
                        None => format!("within {seconds} s"),
                        Some(times) if end.has_passed() => {
                            format!("though it went on for {times} times {seconds} s")
                        }
                        Some(_) => format!("and was silent for {seconds} s"),
                    }
                };
                bail!(
                    "the serial line did not show {text:?} {why}; its last lines:\n{}",
                    tail(&received.bytes)
                );
            }
            (received, _) = changed
                .wait_timeout(received, due.left().min(end.left()))
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until nothing more will come, at most for `deadline`.
    pub(crate) fn wait_closed(&self, deadline: Duration) {
        let (mutex, changed) = &*self.shared;
        let received = lock(mutex);
        drop(changed.wait_timeout_while(received, deadline, |received| !received.closed));
    }

    /// Returns whether nothing more will come.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.shared.0).closed
    }

    /// Returns whether more came than is kept, and the rest was not read.
    pub(crate) fn is_flooded(&self) -> bool {
        lock(&self.shared.0).is_flooded
    }

    /// Returns how many bytes came so far.
    pub(crate) fn heard(&self) -> usize {
        lock(&self.shared.0).len()
    }

    /// Returns what came so far; of a very long session, what came last.
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

/// Collects until the stream ends, keeping at most `limit` bytes.
fn collect(
    mut output: impl Read,
    mut log: Option<File>,
    mut echo: Option<impl Write>,
    limit: usize,
    shared: &Shared,
) {
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
        if let Some(out) = &mut echo {
            let _ = out.write_all(fresh).and_then(|()| out.flush());
        }
        let mut received = lock(mutex);
        received
            .bytes
            .extend(fresh.iter().filter(|byte| **byte != b'\r'));
        if received.bytes.len() > limit {
            if echo.is_none() {
                received.is_flooded = true;
                break;
            }
            received.forget();
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
mod tests;
