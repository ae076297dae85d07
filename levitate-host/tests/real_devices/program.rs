//! Programs of the system that tests need: found, started, stopped, or the test says that it is skipped.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// Begins the variable that `cargo xtask test` sets for each program it has seen: without that one, a test fails.
const DEMAND: &str = "LEVITATE_DEMAND_";

/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks for a program in PATH, then in `elsewhere`; without it the calling test has to return.
///
/// One that does not even tell how it is used, because a library is missing or it is for another machine, counts as absent.
///
/// # Panics
///
/// If there is none and `cargo xtask test` demands it.
pub(crate) fn find(name: &str, elsewhere: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(elsewhere.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file() && is_working(file));
    or_skip(found, name, "there is no program of that name that starts")
}

/// Says whether a program starts.
fn is_working(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Looks for an example of this package, which cargo builds when it tests the whole of it, and not for a single `--test`.
///
/// # Panics
///
/// As [`find`].
pub(crate) fn find_example(name: &str) -> Option<PathBuf> {
    // This program is in `deps`, beside `examples`.
    let this = std::env::current_exe().unwrap();
    let file = this.ancestors().nth(2).unwrap().join("examples").join(name);
    let found = file.is_file().then_some(file);
    or_skip(found, name, "the example is not built")
}

/// Says that the calling test is skipped if there is nothing to run it with.
fn or_skip(found: Option<PathBuf>, name: &str, why: &str) -> Option<PathBuf> {
    if found.is_none() {
        let demand = format!("{DEMAND}{}", name.replace('-', "_").to_uppercase());
        assert!(std::env::var_os(demand).is_none(), "{name}: {why}");
        let test = std::thread::current();
        let test = test.name().unwrap_or("test");
        // Past the test harness, which shows what a passed test printed to nobody; `cargo xtask test` counts these lines.
        let _ = writeln!(std::io::stdout(), "test {test} is skipped: {name}: {why}");
    }
    found
}

/// A running back end; killed when dropped.
pub(crate) struct BackEnd {
    child: Child,
}

impl BackEnd {
    /// Starts `command` and waits until it listens at `socket`, where nothing is before; what it says goes to a file beside it.
    pub(crate) fn start(command: &mut Command, socket: &Path) -> Self {
        let log = socket.with_extension("log");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut back_end = Self { child };
        let end = Instant::now() + PATIENCE;
        // The file appears when the socket is bound; that it listens shows in that a connection is not refused.
        while !is_listening(socket) {
            let ended = back_end.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < end,
                "the back end does not listen ({ended:?}): {}",
                std::fs::read_to_string(&log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        back_end
    }

    /// Has it stand still, in the middle of whatever it does.
    pub(crate) fn stop(&self) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::STOP).unwrap();
        // The signal is on its way: only what is reported here has every thread stand still.
        let (_, status) = waitpid(Some(id), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "the back end has ended: {status:?}");
    }

    /// Ends it at once, and waits until it has ended.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says whether somebody listens at `socket`, without talking to them.
fn is_listening(socket: &Path) -> bool {
    // Paths of anybody's sockets, in any encoding; ours is the rest of its line, and may have spaces in it.
    let listeners = std::fs::read("/proc/net/unix").unwrap();
    let path = [b" ", socket.as_os_str().as_bytes()].concat();
    listeners.split(|byte| *byte == b'\n').any(|line| {
        let mut columns = line.split(|byte| *byte == b' ').filter(|it| !it.is_empty());
        // Bit 16 of the flags, the fourth column: the socket accepts connections.
        columns.nth(3) == Some(b"00010000") && line.ends_with(&path)
    })
}
