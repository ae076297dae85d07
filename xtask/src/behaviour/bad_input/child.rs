//! `cargo xtask run` as a child process, and what it leaves behind.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::behaviour::case::Context;
use crate::{vm, workspace};

/// How long a command may take that has nothing to boot.
pub(super) const REFUSAL_DEADLINE: Duration = Duration::from_secs(90);

/// This tool, run by itself.
pub(super) struct Xtask {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
}

/// What a child writes, as it comes.
struct Stream {
    chunks: Receiver<Vec<u8>>,
    text: Vec<u8>,
    /// Where the next match may begin.
    cursor: usize,
}

impl Stream {
    fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            chunks,
            text: Vec::new(),
            cursor: 0,
        }
    }

    /// Takes what came; returns whether more can come.
    fn receive(&mut self, wait: Duration) -> bool {
        match self.chunks.recv_timeout(wait) {
            Ok(chunk) => {
                self.text
                    .extend(chunk.iter().filter(|byte| **byte != b'\r'));
                true
            }
            Err(error) => error == RecvTimeoutError::Timeout,
        }
    }
}

impl Xtask {
    /// Starts `cargo xtask run` with this case's kernel and QEMU, unless `arguments` name others.
    pub(super) fn run(context: &Context, arguments: &[&str]) -> Result<Self> {
        let mut command = workspace::this_program().context("this program's own path")?;
        command.args(["run", "--no-install"]);
        let names = |option: &str| arguments.contains(&option);
        if !names("--kernel") {
            command
                .arg("--kernel")
                .arg(context.machine().kernel.unwrap_or_default());
        }
        if !names("--qemu") {
            command.arg("--qemu").arg(context.machine().qemu);
        }
        command
            .args(arguments)
            // No window, wherever the tests run.
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start cargo xtask run")?;
        let stdin = child.stdin.take();
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("the pipes of cargo xtask run are missing");
        };
        Ok(Self {
            child,
            stdin,
            stdout: Stream::new(stdout),
            stderr: Stream::new(stderr),
        })
    }

    /// Sends SIGINT to this process alone.
    pub(super) fn interrupt(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::INT)?)
    }

    /// Types `text`.
    pub(super) fn send(&mut self, text: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        stdin.write_all(text.as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// Waits until standard output shows `text` after the last match.
    pub(super) fn wait_for(&mut self, text: &str, deadline: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let fresh = &self.stdout.text[self.stdout.cursor..];
            let found = fresh
                .windows(text.len())
                .position(|window| window == text.as_bytes());
            if let Some(at) = found {
                self.stdout.cursor += at + text.len();
                return Ok(());
            }
            ensure!(!vm::is_ending(), "interrupted");
            let open = self.stdout.receive(Duration::from_millis(50));
            if !open || begin.elapsed() > deadline {
                let stderr = self.stderr();
                let stdout = String::from_utf8_lossy(&self.stdout.text);
                bail!("cargo xtask run did not show {text:?}: {stdout}{stderr}");
            }
        }
    }

    /// Waits for the end; standard input stays open until then, so that its end is not what ends the run.
    pub(super) fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        match self.ends_within(deadline, vm::is_ending)? {
            Some(status) => Ok(status),
            None => bail!(
                "cargo xtask run did not end within {} s: {}",
                deadline.as_secs(),
                self.stderr()
            ),
        }
    }

    /// Waits for the end as long as `is_over` allows; `None` if it did not come.
    fn ends_within(
        &mut self,
        deadline: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<ExitStatus>> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if begin.elapsed() > deadline || is_over() {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns what came on standard error; all of it once the process has ended.
    pub(super) fn stderr(&mut self) -> String {
        let begin = Instant::now();
        while self.stderr.receive(Duration::from_millis(100))
            && begin.elapsed() < Duration::from_secs(5)
        {}
        String::from_utf8_lossy(&self.stderr.text).into_owned()
    }

    /// Checks that it ends at once, with one error line that names what is wrong.
    pub(super) fn ensure_refused(&mut self, part: &str) -> Result<()> {
        let status = self.wait(REFUSAL_DEADLINE)?;
        let stderr = self.stderr();
        ensure!(!status.success(), "it ended with {status}: {stderr}");
        ensure!(status.code().is_some(), "it was ended: {status}: {stderr}");
        ensure_one_error(&stderr)?;
        ensure!(
            stderr
                .lines()
                .any(|line| line.starts_with("error: ") && line.contains(part)),
            "its error does not name \"{part}\": {stderr}"
        );
        Ok(())
    }
}

impl Drop for Xtask {
    fn drop(&mut self) {
        // Asked first, so that it can end its QEMU; the only error is that it has ended.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            if !matches!(self.ends_within(REFUSAL_DEADLINE, || false), Ok(Some(_))) {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }
    }
}

/// Checks that there is exactly one line that starts with `error: `, and no panic.
pub(super) fn ensure_one_error(stderr: &str) -> Result<()> {
    let count = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    ensure!(count == 1, "{count} error lines instead of one: {stderr}");
    ensure!(
        !stderr.contains("panicked at"),
        "the tool panicked: {stderr}"
    );
    Ok(())
}

/// Checks that no process names `path` in its arguments.
pub(super) fn ensure_no_process_has(path: &Path) -> Result<()> {
    let left = processes_that_have(path)?;
    ensure!(left.is_empty(), "left behind: {}", left.join("\n"));
    Ok(())
}

/// Returns the command lines of the processes that name `path`.
pub(super) fn processes_that_have(path: &Path) -> Result<Vec<String>> {
    let path = text(path)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // A process may end while its entry is read.
        let Ok(command_line) = std::fs::read(entry?.path().join("cmdline")) else {
            continue;
        };
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
        if command_line.contains(path) {
            found.push(command_line);
        }
    }
    Ok(found)
}

pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn one_error_is_neither_none_nor_two() {
        ensure_one_error("a warning\nerror: broken\n").unwrap();
        assert!(ensure_one_error("broken\n").is_err());
        assert!(ensure_one_error("error: a\nerror: b\n").is_err());
        assert!(ensure_one_error("error: a\nthread 'main' panicked at x.rs:1\n").is_err());
    }

    #[test]
    fn a_process_is_found_by_its_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        assert!(processes_that_have(&path).unwrap().is_empty());
        let mut child = Command::new("sh")
            .args(["-c", "echo ready; read line", text(&path).unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // `spawn` may return before the kernel shows the new arguments; a program that speaks has them.
        let mut ready = [0; 6];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut ready).unwrap();
        let found = processes_that_have(&path).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(ensure_no_process_has(&path).is_err());
        child.kill().unwrap();
        child.wait().unwrap();
        ensure_no_process_has(&path).unwrap();
    }
}
