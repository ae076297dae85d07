//! Child processes other than QEMU: run to their end, and ended when this tool is interrupted.

use std::io::{ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Every child that may still run.
static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// How long a lock may be held by somebody else when everything is to end.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// How long a program may be busy: somebody still has it open for writing.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// Asks every running child to end. A panic that holds a lock is no obstacle: what cannot be locked is left.
pub(crate) fn terminate_all() {
    let Some(running) = lock_soon(&RUNNING) else {
        return;
    };
    for child in running.iter().filter_map(Weak::upgrade) {
        let Some(mut child) = lock_soon(&child) else {
            continue;
        };
        // While it has not been waited for, the id is this child's and nobody else's.
        if matches!(child.try_wait(), Ok(None)) {
            signal(&child, Signal::TERM);
        }
    }
}

/// Runs `command` to its end; its output goes where ours goes.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let child = spawn(command)?;
    wait(&child, None)?.context("a child without a deadline ends")
}

/// Runs `command` to its end, which must come within `deadline`; returns what it printed. It reads no input.
pub(crate) fn capture(command: &mut Command, deadline: Duration) -> Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = spawn(command)?;
    let (stdout, stderr) = {
        let mut child = lock(&child);
        (reader(child.stdout.take()), reader(child.stderr.take()))
    };
    let Some(status) = wait(&child, Some(Instant::now() + deadline))? else {
        bail!("{name} did not end within {} s", deadline.as_secs());
    };
    Ok(Output {
        status,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

/// Runs a probe: what it printed on standard output, trimmed, if it succeeded within ten seconds.
pub(crate) fn probe(command: &mut Command) -> Option<String> {
    let output = capture(command, Duration::from_secs(10)).ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Starts `command` where an interruption finds it.
pub(crate) fn spawn(command: &mut Command) -> Result<Arc<Mutex<Child>>> {
    let mut running = lock(&RUNNING);
    if crate::interrupt::interrupted().is_some() {
        bail!("interrupted");
    }
    let child = start(command)
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    let child = Arc::new(Mutex::new(child));
    running.retain(|other| other.strong_count() > 0);
    running.push(Arc::downgrade(&child));
    Ok(child)
}

/// Starts `command`; one that was written a moment ago may be busy, and is given time.
///
/// A child that another thread starts has everything open that this process has, until it runs its own program.
pub(crate) fn start(command: &mut Command) -> std::io::Result<Child> {
    let end = Instant::now() + BUSY_PATIENCE;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < end => {
                std::thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

/// Waits for a child; `None` if the deadline came first, and then the child was killed.
pub(crate) fn wait(child: &Mutex<Child>, deadline: Option<Instant>) -> Result<Option<ExitStatus>> {
    loop {
        {
            let mut child = lock(child);
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                // The only error is that it has just ended.
                let _ = child.kill();
                child.wait()?;
                return Ok(None);
            }
        }
        std::thread::sleep(POLL);
    }
}

/// Sends a signal to a child that has not been waited for.
fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The only error is that it has just ended.
        let _ = kill_process(pid, signal);
    }
}

/// Reads a stream to its end on a thread, so that the child never waits for us.
fn reader<R: Read + Send + 'static>(stream: Option<R>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Locks; a panic elsewhere ends the whole tool, so that nothing is left half changed.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks, unless somebody keeps the lock: the panic that is being reported may have happened under it.
pub(crate) fn lock_soon<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poison)) => return Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_prints_is_captured() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let output = capture(&mut command, Duration::from_secs(20)).unwrap();
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.stderr, b"err\n");
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_child_that_does_not_end_is_killed_at_the_deadline() {
        let begin = Instant::now();
        let error =
            capture(Command::new("sleep").arg("600"), Duration::from_millis(50)).unwrap_err();
        assert!(
            error.to_string().starts_with("sleep did not end"),
            "{error}"
        );
        assert!(begin.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_is_still_open_for_writing_is_given_time() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let mut file = std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, b"#!/bin/sh\nexit 7\n").unwrap();
        let error = start(&mut Command::new(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
        let writer = std::thread::spawn(move || {
            std::thread::sleep(5 * POLL);
            drop(file);
        });
        let status = status(&mut Command::new(&path)).unwrap();
        assert_eq!(status.code(), Some(7));
        writer.join().unwrap();
    }

    #[test]
    fn a_lock_that_is_kept_stops_nobody() {
        let mutex = Mutex::new(1);
        assert_eq!(lock_soon(&mutex).as_deref(), Some(&1));
        let _kept = mutex.lock().unwrap();
        assert!(lock_soon(&mutex).is_none());
    }

    #[test]
    fn a_probe_that_fails_says_nothing() {
        assert_eq!(
            probe(Command::new("sh").args(["-c", "echo x; exit 1"])),
            None
        );
        assert_eq!(probe(&mut Command::new("/nonexistent/program")), None);
        assert_eq!(probe(Command::new("echo").arg("x")).as_deref(), Some("x"));
    }
}
