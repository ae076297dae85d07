//! QEMU's process: it ends with its owner, or when [`end_all`] says so, always by its own id.

use std::io::Read;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::exec::{self, lock_soon};

/// Every process that may still run; `None` once [`end_all`] was called, so that none starts after it.
static RUNNING: Mutex<Option<Vec<Weak<Mutex<Child>>>>> = Mutex::new(Some(Vec::new()));

/// Whether any process was started.
static HAS_RUN: AtomicBool = AtomicBool::new(false);

/// Bytes of QEMU's standard error that are kept.
const STDERR_LIMIT: usize = 64 * 1024;

/// Ends every QEMU that this process started, and lets none start after it.
///
/// Raw images lose nothing: what the kernel flushed is in the host's page cache at least.
pub(crate) fn end_all() {
    // If a panic holds the list, nothing can be ended by it.
    let running = lock_soon(&RUNNING).and_then(|mut running| running.take());
    for child in running.unwrap_or_default().iter().filter_map(Weak::upgrade) {
        end(&child);
    }
}

/// Returns whether [`end_all`] was called.
pub(crate) fn is_ending() -> bool {
    lock(&RUNNING).is_none()
}

/// Returns whether any QEMU was started.
pub(crate) fn has_run() -> bool {
    HAS_RUN.load(Ordering::SeqCst)
}

/// A child process that is killed and waited for on drop.
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    stderr: Arc<(Mutex<Kept>, Condvar)>,
}

/// What came on a stream so far.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Nothing more will come.
    closed: bool,
}

impl Process {
    /// Starts `command` with all three standard streams piped.
    pub(crate) fn start(command: &mut Command) -> Result<(Self, ChildStdin, ChildStdout)> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut running = lock(&RUNNING);
        let Some(running) = running.as_mut() else {
            bail!("interrupted");
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = exec::start(command).with_context(|| format!("cannot start {program}"))?;
        HAS_RUN.store(true, Ordering::SeqCst);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        running.retain(|other| other.strong_count() > 0);
        running.push(Arc::downgrade(&child));
        let process = Self {
            child,
            stderr: Arc::default(),
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            bail!("the pipes of {program} are missing");
        };
        let kept = Arc::clone(&process.stderr);
        std::thread::spawn(move || keep(stderr, &kept));
        Ok((process, stdin, stdout))
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Returns the exit status, if the process has ended.
    pub(crate) fn try_status(&self) -> Result<Option<ExitStatus>> {
        Ok(lock(&self.child).try_wait()?)
    }

    /// Returns what the process wrote to its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&lock(&self.stderr.0).bytes).into_owned()
    }

    /// Waits until nothing more will come on standard error, at most for `deadline`.
    ///
    /// A process that has ended may have written what is still on its way through the pipe.
    pub(crate) fn wait_stderr_closed(&self, deadline: Duration) {
        let (kept, changed) = &*self.stderr;
        drop(changed.wait_timeout_while(lock(kept), deadline, |kept| !kept.closed));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&self.child);
    }
}

/// Kills the child unless it has ended, and takes its status, so that its id is free only afterwards.
fn end(child: &Mutex<Child>) {
    let Some(mut child) = lock_soon(child) else {
        return;
    };
    if matches!(child.try_wait(), Ok(None)) {
        // The only error is that it has just ended.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Reads a stream to its end, keeping its beginning.
fn keep(mut stream: impl Read, (kept, changed): &(Mutex<Kept>, Condvar)) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let bytes = &mut lock(kept).bytes;
        let room = STDERR_LIMIT.saturating_sub(bytes.len());
        bytes.extend_from_slice(&buffer[..count.min(room)]);
    }
    lock(kept).closed = true;
    changed.notify_all();
}

/// Locks; a panic elsewhere ends the whole tool, so that nothing is left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_ended() {
        let (process, _stdin, mut stdout) =
            Process::start(Command::new("sleep").arg("600")).unwrap();
        assert!(process.try_status().unwrap().is_none());
        drop(process);
        // The other end of its pipe is closed, so the process is gone.
        assert_eq!(stdout.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = Process::start(&mut Command::new("/nonexistent/qemu"))
            .err()
            .unwrap();
        assert_eq!(error.to_string(), "cannot start /nonexistent/qemu");
    }

    #[test]
    fn standard_error_is_kept() {
        let (process, _stdin, mut stdout) =
            Process::start(Command::new("sh").args(["-c", "echo broken >&2"])).unwrap();
        stdout.read_to_end(&mut Vec::new()).unwrap();
        process.wait_stderr_closed(Duration::from_secs(10));
        assert_eq!(process.stderr(), "broken\n");
    }
}
