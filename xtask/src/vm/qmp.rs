//! A client of QEMU's machine protocol: one JSON object a line over a Unix socket.
//!
//! Each command has an `id`, because an event may arrive where its reply is due; events are kept for whoever asks.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::deadline::Deadline;

/// The longest line that is accepted; QEMU's longest answers are some 100 KiB.
const LINE_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Events that are kept; the oldest go first.
const EVENTS_KEPT: usize = 256;

/// A connection in command mode.
pub(crate) struct Qmp {
    stream: UnixStream,
    /// What was read and is not taken yet.
    buffer: Vec<u8>,
    events: VecDeque<Value>,
    next_id: u64,
}

impl Qmp {
    /// Connects to the socket at `path`, which QEMU may still be about to open.
    pub(crate) fn connect(path: &Path, deadline: Duration) -> Result<Self> {
        let deadline = Deadline::after(deadline);
        let stream = connect(path, deadline)?;
        Self::over(stream, deadline.left())
    }

    /// Takes a connected stream: reads the greeting, and negotiates.
    pub(crate) fn over(stream: UnixStream, deadline: Duration) -> Result<Self> {
        let mut qmp = Self {
            stream,
            buffer: Vec::new(),
            events: VecDeque::new(),
            next_id: 1,
        };
        let greeting = qmp.message(Deadline::after(deadline))?;
        ensure!(
            greeting.get("QMP").is_some(),
            "a QMP greeting was due, not {greeting}"
        );
        qmp.execute("qmp_capabilities", json!({}), deadline)?;
        Ok(qmp)
    }

    /// Runs `command`; returns what it returned.
    ///
    /// # Errors
    ///
    /// QEMU answered with an error, with something that is no QMP message, or not within `deadline`.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: Value,
        deadline: Duration,
    ) -> Result<Value> {
        let deadline = Deadline::after(deadline);
        let id = self.next_id;
        self.next_id += 1;
        let mut line = json!({ "execute": command, "arguments": arguments, "id": id }).to_string();
        line.push('\n');
        self.stream
            .write_all(line.as_bytes())
            .with_context(|| format!("sending the QMP command {command}"))?;
        loop {
            let message = self
                .message(deadline)
                .with_context(|| format!("waiting for the reply to the QMP command {command}"))?;
            if message.get("event").is_some() {
                self.keep(message);
            } else if message.get("id").and_then(Value::as_u64) == Some(id) {
                return reply(command, message);
            } else if message.get("id").is_none() && message.get("error").is_some() {
                // QEMU could not even read the id.
                bail!("QEMU did not understand the QMP command {command}: {message}");
            }
            // Else it is the late reply to a command whose deadline passed.
        }
    }

    /// Returns the events that came since the last call.
    pub(crate) fn events(&mut self) -> Vec<Value> {
        self.events.drain(..).collect()
    }

    fn keep(&mut self, event: Value) {
        if self.events.len() == EVENTS_KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Reads the next line.
    fn message(&mut self, deadline: Deadline) -> Result<Value> {
        let mut searched = 0;
        loop {
            let fresh = &self.buffer[searched..];
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                searched = 0;
                let line = String::from_utf8_lossy(&line);
                let line = line.trim();
                if line.is_empty() {
                    continue;
                }
                let parsed: Result<Value, _> = serde_json::from_str(line);
                return match parsed {
                    Ok(message @ Value::Object(_)) => Ok(message),
                    _ => bail!("the QMP socket sent something that is no QMP message: {line:.200}"),
                };
            }
            ensure!(
                self.buffer.len() <= LINE_LIMIT_BYTES,
                "the QMP socket sent a line of more than {LINE_LIMIT_BYTES} bytes"
            );
            searched = self.buffer.len();
            let mut chunk = [0; 4096];
            let count = read(&mut self.stream, &mut chunk, deadline, "QMP")?;
            self.buffer.extend_from_slice(&chunk[..count]);
        }
    }
}

/// Takes a reply apart.
fn reply(command: &str, mut message: Value) -> Result<Value> {
    if let Some(error) = message.get("error") {
        let text = |key| error.get(key).and_then(Value::as_str).unwrap_or("?");
        bail!(
            "QEMU refused the QMP command {command}: {} ({})",
            text("desc"),
            text("class")
        );
    }
    match message.get_mut("return") {
        Some(value) => Ok(value.take()),
        None => bail!("the reply to the QMP command {command} has no return value: {message}"),
    }
}

/// Connects to a Unix socket, again and again until `deadline`, because QEMU may not have opened it yet.
pub(super) fn connect(path: &Path, deadline: Deadline) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if deadline.has_passed() => {
                return Err(error).with_context(|| {
                    format!("cannot connect to QEMU's socket {}", path.display())
                });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Reads at least one byte, or says why not.
pub(super) fn read(
    stream: &mut UnixStream,
    buffer: &mut [u8],
    deadline: Deadline,
    what: &str,
) -> Result<usize> {
    loop {
        if deadline.has_passed() {
            bail!("the {what} socket did not answer in time");
        }
        stream.set_read_timeout(Some(deadline.left().max(Duration::from_millis(1))))?;
        match stream.read(buffer) {
            Ok(0) => bail!("the {what} socket was closed: QEMU has ended"),
            Ok(count) => return Ok(count),
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock
                | std::io::ErrorKind::TimedOut
                | std::io::ErrorKind::Interrupted => {}
                _ => return Err(error).context(format!("reading from the {what} socket")),
            },
        }
    }
}

#[cfg(test)]
mod tests;
