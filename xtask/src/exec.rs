//! Child processes other than QEMU: run to their end, and ended when this tool is interrupted.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Every child that may still run.
static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

/// How often a child is asked whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// Asks every running child to end.
pub(crate) fn terminate_all() {
    for child in lock(&RUNNING).iter().filter_map(Weak::upgrade) {
        let mut child = lock(&child);
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
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    let child = Arc::new(Mutex::new(child));
    running.retain(|other| other.strong_count() > 0);
    running.push(Arc::downgrade(&child));
    Ok(child)
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

/// Locks even after a panic elsewhere: the children must be ended all the same.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_probe_that_fails_says_nothing() {
        assert_eq!(
            probe(Command::new("sh").args(["-c", "echo x; exit 1"])),
            None
        );
        assert_eq!(probe(&mut Command::new("/nonexistent/program")), None);
        assert_eq!(probe(Command::new("echo").arg("x")).as_deref(), Some("x"));
    }
}
