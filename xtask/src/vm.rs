//! A QEMU machine that boots our kernel: [`Machine`] says what it is made of, [`Vm`] is one that runs.
//!
//! A [`Vm`] ends its QEMU when it is dropped, and [`end_all`] ends every one of them from a signal handler's thread.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a host tool: a wrong size from QEMU may end it, and what is computed here is checked where it is read"
)]

mod deadline;
mod difference;
mod disk;
pub(crate) mod image;
pub(crate) mod log;
mod machine;
pub(crate) mod process;
pub(crate) mod qmp;
mod qtest;
pub(crate) mod serial;
pub(crate) mod vnc;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::platform::Board;

pub(crate) use disk::Disk;
pub(crate) use image::Image;
pub(crate) use machine::{Machine, attached};
pub(crate) use process::{end_all, has_run, is_ending};

use deadline::Deadline;
use process::Process;
use qmp::Qmp;
use qtest::Qtest;
pub(crate) use serial::PATIENCE;
use serial::{Serial, SerialInput};
use vnc::Vnc;

/// What the kernel's shell prints when it waits for a line.
pub(crate) const PROMPT: &str = "levitate> ";

/// How long QEMU may take to open its sockets, and to answer a QMP command.
const QEMU_DEADLINE: Duration = Duration::from_secs(60);

/// How long one shell command may take; the slowest reads a whole disk.
const COMMAND_DEADLINE: Duration = Duration::from_secs(180);

/// A running machine. Dropping it ends QEMU.
pub(crate) struct Vm {
    process: Process,
    serial: Serial,
    qmp_socket: PathBuf,
    qmp: Option<Qmp>,
    vnc_socket: Option<PathBuf>,
    vnc: Option<Vnc>,
    qtest_socket: Option<PathBuf>,
    qtest: Option<Qtest>,
    board: Board,
    gpu: bool,
    log_dir: PathBuf,
    guest_errors: PathBuf,
    screendumps: u32,
    /// The sockets' directory, removed last.
    _sockets: tempfile::TempDir,
}

impl Vm {
    /// Waits until the serial line shows `text`; returns everything from the last match up to its end.
    ///
    /// # Errors
    ///
    /// `text` did not come within `deadline`, or QEMU ended first; the message has the last serial lines.
    pub(crate) fn wait_for(&mut self, text: &str, deadline: Duration) -> Result<String> {
        match self.serial.wait_for(text, deadline) {
            Ok(seen) => Ok(seen),
            Err(error) => bail!("{error}{}", self.said()),
        }
    }

    /// Waits until the serial line shows `text`, as long as it is never silent for `silence`.
    ///
    /// # Errors
    ///
    /// It was, or QEMU ended first; the message has the last serial lines.
    pub(crate) fn wait_unless_silent(&mut self, text: &str, silence: Duration) -> Result<String> {
        self.serial.wait_unless_silent(text, silence)
    }

    /// Waits for the shell's first prompt; returns what the kernel said before it.
    pub(crate) fn wait_for_prompt(&mut self, deadline: Duration) -> Result<String> {
        self.wait_for(PROMPT, deadline)
    }

    /// Types `line` at the prompt; returns the lines that came before the next prompt.
    pub(crate) fn command(&mut self, line: &str) -> Result<Vec<String>> {
        self.send(&format!("{line}\n"))?;
        // With the line break before it: an editor that redraws its line prints the prompt too.
        let seen = self
            .wait_for(&format!("\n{PROMPT}"), COMMAND_DEADLINE)
            .with_context(|| format!("the shell command \"{line}\" did not end"))?;
        Ok(serial::command_output(&seen, line))
    }

    /// Sends `text` to the serial line as it is.
    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        self.serial_input().send(text.as_bytes())
    }

    /// Returns the sending side of the serial line, for a thread that forwards a terminal.
    pub(crate) fn serial_input(&self) -> SerialInput {
        self.serial.input()
    }

    /// Returns the QMP connection, opened at the first call.
    pub(crate) fn qmp(&mut self) -> Result<&mut Qmp> {
        if self.qmp.is_none() {
            let connected = Qmp::connect(&self.qmp_socket, QEMU_DEADLINE);
            self.qmp = Some(connected.with_context(|| format!("QMP{}", self.said()))?);
        }
        self.qmp.as_mut().context("QMP is connected")
    }

    /// Returns the way to the machine's registers from outside, opened at the first call.
    pub(crate) fn qtest(&mut self) -> Result<&mut Qtest> {
        if self.qtest.is_none() {
            let socket = self.qtest_socket.as_ref();
            let socket = socket.context("the machine's registers are not open")?;
            self.qtest = Some(Qtest::connect(socket, QEMU_DEADLINE)?);
        }
        self.qtest.as_mut().context("qtest is connected")
    }

    /// Returns what the scanout shows now, by QMP `screendump`.
    ///
    /// This reads the scanout's surface, so that it does not notice a missing `RESOURCE_FLUSH`; [`Vm::vnc_frame`] does.
    pub(crate) fn screendump(&mut self) -> Result<Image> {
        self.screendumps += 1;
        let path = self
            .log_dir
            .join(format!("screendump-{}.png", self.screendumps));
        self.screendump_to(&path)?;
        Image::read_png(&path)
    }

    /// Has QEMU write what the scanout shows now to a PNG file at `path`.
    pub(crate) fn screendump_to(&mut self, path: &Path) -> Result<()> {
        if !self.gpu {
            bail!("the machine has no display device");
        }
        let path = std::path::absolute(path)?;
        // The device is named: without it, a machine whose display is missing would show a text console.
        let arguments = serde_json::json!({
            "filename": path, "format": "png", "device": machine::GPU_ID, "head": 0,
        });
        self.qmp()?
            .execute("screendump", arguments, QEMU_DEADLINE)?;
        Ok(())
    }

    /// Connects to QEMU's VNC server, if that was not done.
    ///
    /// Call it before the kernel draws what is to be checked: QEMU copies the whole surface for its first client, flushed
    /// or not, and only what is flushed from then on.
    pub(crate) fn connect_vnc(&mut self) -> Result<&mut Vnc> {
        if self.vnc.is_none() {
            let socket = self
                .vnc_socket
                .as_ref()
                .context("the machine has no VNC server")?;
            let connected = Vnc::connect(socket, QEMU_DEADLINE);
            self.vnc = Some(connected.with_context(|| format!("VNC{}", self.said()))?);
        }
        self.vnc.as_mut().context("VNC is connected")
    }

    /// Returns one full frame as a VNC client sees it.
    pub(crate) fn vnc_frame(&mut self) -> Result<Image> {
        self.connect_vnc()?.frame(QEMU_DEADLINE)
    }

    /// Waits until QEMU ends by itself; returns its exit status, or the kernel's if that set it.
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let due = Deadline::after(deadline);
        while !due.has_passed() {
            if let Some(status) = self.process.try_status()? {
                // What QEMU wrote last may still be on its way through the pipes.
                self.serial.wait_closed(Duration::from_secs(5));
                self.process.wait_stderr_closed(Duration::from_secs(5));
                return Ok(self.kernels(status));
            }
            if self.serial.is_flooded() {
                bail!(
                    "the kernel does not stop talking: {} bytes came; the last serial lines:\n{}",
                    self.heard(),
                    self.last_lines()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "QEMU did not end within {} s; the last serial lines:\n{}",
            deadline.as_secs(),
            self.serial.last_lines()
        )
    }

    /// Returns the exit status that the kernel asked for, of the one QEMU ended with.
    fn kernels(&self, status: ExitStatus) -> ExitStatus {
        match status.code() {
            Some(code) => ExitStatus::from_raw(self.board.exit_code(code) << 8),
            None => status,
        }
    }

    /// Returns QEMU's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns whether the serial line is closed: QEMU has ended, or is ending.
    pub(crate) fn is_silenced(&self) -> bool {
        self.serial.is_closed()
    }

    /// Returns how many bytes came over the serial line, without carriage returns.
    pub(crate) fn heard(&self) -> usize {
        self.serial.heard()
    }

    /// Returns what came over the serial line, without carriage returns; of a very long session, what came last.
    pub(crate) fn serial_log(&self) -> String {
        self.serial.text()
    }

    /// Returns the last lines that came over the serial line.
    pub(crate) fn last_lines(&self) -> String {
        self.serial.last_lines()
    }

    /// Returns what QEMU logged about wrong accesses of the guest (`-d guest_errors`), without the trace lines asked for.
    pub(crate) fn guest_errors(&self) -> Result<Vec<String>> {
        Ok(self
            .qemu_log()?
            .lines()
            .filter(|line| !log::is_trace_line(line))
            .map(str::to_owned)
            .collect())
    }

    /// Returns QEMU's whole log: `guest_errors` and the trace events asked for.
    pub(crate) fn qemu_log(&self) -> Result<String> {
        // QEMU creates the file with its first line.
        match std::fs::read(&self.guest_errors) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error).context(format!("reading {}", self.guest_errors.display())),
        }
    }

    /// Returns what QEMU itself wrote to its standard error; all of it once its end was waited for.
    pub(crate) fn qemu_stderr(&self) -> String {
        self.process.stderr().trim().to_owned()
    }

    /// What QEMU itself said, as the tail of an error message.
    fn said(&self) -> String {
        match self.qemu_stderr() {
            said if said.is_empty() => said,
            said => format!("; QEMU said: {said}"),
        }
    }
}
