//! A directory with a script in QEMU's place, and runs of the tool with it ([`Bench`]).

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a run may take here; none waits for anything but its own processes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A kernel's shell, as far as the serial line shows it: it says what it is told.
pub(crate) const SHELL: &str = r#"
printf 'booting\nlevitate> '
while IFS= read -r line; do
  printf '%s\n' "$line"
  case "$line" in
    shutdown) exit 0;;
    panic) exit 101;;
    kill) kill -9 $$;;
    *) printf 'you said %s\nlevitate> ' "$line";;
  esac
done
"#;

/// A kernel that says two lines and hangs.
pub(crate) const HANGING: &str = "printf 'first line\\nlast line\\n'\nexec sleep 600\n";

/// A directory with a QEMU, a kernel and a disk.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// A bench whose QEMU does what `script` says.
    pub(crate) fn new(script: &str) -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        // The process id tells afterwards whether it was ended.
        let pid = bench.path("pid");
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'QEMU emulator version 9.9.9'; exit; fi\necho $$ > '{}'\n{script}",
            pid.display()
        );
        let qemu = bench.path("qemu");
        std::fs::write(&qemu, text).unwrap();
        std::fs::set_permissions(&qemu, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(bench.path("kernel"), "no kernel").unwrap();
        std::fs::write(bench.path("disk"), [0; 1024]).unwrap();
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a run without a display.
    pub(crate) fn start(&self, arguments: &[&str]) -> Run {
        self.start_with_display(&[&["--no-gpu"], arguments].concat())
    }

    /// Starts a run of a machine with a display, where there is no screen for a window.
    pub(crate) fn start_with_display(&self, arguments: &[&str]) -> Run {
        let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["run", "--no-install", "--qemu"])
            .arg(self.path("qemu"))
            .arg("--kernel")
            .arg(self.path("kernel"))
            .arg("--disk")
            .arg(self.path("disk"))
            .args(arguments)
            .env("CARGO_TARGET_DIR", self.directory.path())
            .env("RUST_BACKTRACE", "1")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run { child }
    }

    /// Waits until the script runs; returns its process id.
    pub(crate) fn qemu_pid(&self) -> Pid {
        let begin = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.path("pid")).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return Pid::from_raw(pid).unwrap();
            }
            assert!(begin.elapsed() < DEADLINE, "the script did not start");
            std::thread::yield_now();
        }
    }

    /// Returns whether the script still runs.
    pub(crate) fn qemu_is_running(&self) -> bool {
        Path::new("/proc")
            .join(self.qemu_pid().as_raw_nonzero().to_string())
            .exists()
    }
}

/// A run of the tool.
pub(crate) struct Run {
    pub(crate) child: Child,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Gives it `input`, and waits for its end.
    pub(crate) fn end(mut self, input: &str) -> Ended {
        let mut stdin = self.child.stdin.take().unwrap();
        // A run that was refused reads nothing.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        self.wait()
    }

    /// Waits for its end; what feeds it stays open.
    pub(crate) fn wait(mut self) -> Ended {
        let stdin = self.child.stdin.take();
        let pid = Pid::from_child(&self.child);
        let (sender, receiver) = std::sync::mpsc::channel();
        let child = self.child;
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let output: Output = match receiver.recv_timeout(DEADLINE) {
            Ok(output) => output.unwrap(),
            Err(_) => {
                kill_process(pid, Signal::KILL).unwrap();
                panic!("the run did not end");
            }
        };
        drop(stdin);
        Ended {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Returns the one line that says what went wrong.
    pub(crate) fn error(&self) -> &str {
        let mut errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "));
        let error = errors.next().expect("an error line");
        assert_eq!(errors.next(), None, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        assert!(!self.stderr.contains("stack backtrace"), "{}", self.stderr);
        error
    }
}
