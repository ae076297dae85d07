//! `cargo xtask run` as a program, with a script in QEMU's place: what goes in, what comes out, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a run may take here; none waits for anything but its own processes.
const DEADLINE: Duration = Duration::from_secs(60);

/// A kernel's shell, as far as the serial line shows it: it says what it is told.
const SHELL: &str = r#"
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
const HANGING: &str = "printf 'first line\\nlast line\\n'\nexec sleep 600\n";

/// A directory with a QEMU, a kernel and a disk.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    /// A bench whose QEMU does what `script` says.
    fn new(script: &str) -> Self {
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

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a run without a display.
    fn start(&self, arguments: &[&str]) -> Run {
        let child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["run", "--no-install", "--no-gpu", "--qemu"])
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
    fn qemu_pid(&self) -> Pid {
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
    fn qemu_is_running(&self) -> bool {
        Path::new("/proc")
            .join(self.qemu_pid().as_raw_nonzero().to_string())
            .exists()
    }
}

/// A run of the tool.
struct Run {
    child: Child,
}

/// How a run ended.
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    /// Gives it `input`, and waits for its end.
    fn end(mut self, input: &str) -> Ended {
        let mut stdin = self.child.stdin.take().unwrap();
        // A run that was refused reads nothing.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        self.wait()
    }

    /// Waits for its end; what feeds it stays open.
    fn wait(mut self) -> Ended {
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
    fn error(&self) -> &str {
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

#[test]
fn lines_are_typed_one_by_one_and_then_the_machine_is_shut_down() {
    let ended = Bench::new(SHELL).start(&[]).end("one\ntwo");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(
        ended.stdout,
        "booting\nlevitate> one\nyou said one\nlevitate> two\nyou said two\nlevitate> shutdown\n"
    );
}

#[test]
fn without_any_input_the_machine_boots_and_is_shut_down() {
    let ended = Bench::new(SHELL).start(&[]).end("");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "booting\nlevitate> shutdown\n");
}

#[test]
fn the_end_of_the_machine_ends_the_run_though_the_pipe_stays_open() {
    let bench = Bench::new(SHELL);
    let mut run = bench.start(&[]);
    let stdin = run.child.stdin.as_mut().unwrap();
    stdin.write_all(b"shutdown\n").unwrap();
    assert_eq!(run.wait().status, Some(0));
}

#[test]
fn the_kernels_exit_status_is_the_runs() {
    let ended = Bench::new(SHELL).start(&[]).end("panic\n");
    assert_eq!(ended.status, Some(101));
    assert!(ended.error().contains("status 101"), "{}", ended.stderr);
}

#[test]
fn a_machine_that_is_killed_is_an_error() {
    let ended = Bench::new(SHELL).start(&[]).end("kill\n");
    assert_eq!(ended.status, Some(1));
    assert!(ended.error().contains("signal: 9"), "{}", ended.stderr);
}

#[test]
fn self_tests_end_without_a_prompt() {
    let bench = Bench::new("printf 'test a ... FAILED\\n0 passed, 1 failed\\n'\nexit 1\n");
    let ended = bench.start(&["--append", "selftest"]).wait();
    assert_eq!(ended.status, Some(1));
    assert!(ended.stdout.contains("0 passed, 1 failed"));
    assert!(
        ended.error().contains("a self-test failed"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_kernel_that_ends_before_its_prompt_keeps_its_status() {
    let ended = Bench::new("echo 'panic: no memory'\nexit 101\n")
        .start(&[])
        .wait();
    assert_eq!(ended.status, Some(101));
    assert!(ended.error().contains("it panicked"), "{}", ended.stderr);
}

#[test]
fn what_qemu_complains_about_is_shown() {
    let bench = Bench::new("echo 'qemu: -foo: invalid option' >&2\nexit 1\n");
    let ended = bench.start(&["--qemu-args", "-foo"]).wait();
    assert_eq!(ended.status, Some(1));
    assert!(
        ended.error().contains("-foo: invalid option"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_qemu_complains_about_is_waited_for() {
    // It comes after the end of the process: so late that it would be missed if nobody waited.
    let late = "(sleep 0.3; echo 'qemu: too late' >&2) >/dev/null </dev/null &\nexit 1\n";
    let ended = Bench::new(late).start(&[]).wait();
    assert_eq!(ended.status, Some(1));
    assert!(ended.error().contains("too late"), "{}", ended.stderr);
}

#[test]
fn a_boot_that_hangs_is_ended_and_its_last_lines_are_shown() {
    for append in [[].as_slice(), &["--append", "selftest"]] {
        let bench = Bench::new(HANGING);
        let ended = bench
            .start(&[&["--boot-timeout", "5"], append].concat())
            .wait();
        assert_eq!(ended.status, Some(1));
        assert!(ended.error().contains("5 s"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("0 s"), "{}", ended.stderr);
        assert!(ended.stderr.contains("last line"), "{}", ended.stderr);
        assert!(!bench.qemu_is_running());
    }
}

#[test]
fn a_command_that_hangs_is_ended_and_its_last_lines_are_shown() {
    let bench = Bench::new("printf 'levitate> '\nread -r line\necho hanging\nexec sleep 600\n");
    // What feeds it ends later than the run: a script waits for its answer.
    let mut run = bench.start(&["--boot-timeout", "5"]);
    let stdin = run.child.stdin.as_mut().unwrap();
    stdin.write_all(b"blk flush\n").unwrap();
    let ended = run.wait();
    assert_eq!(ended.status, Some(1));
    let error = ended.error();
    assert!(error.contains("\"blk flush\" did not end"), "{error}");
    assert!(error.contains("silent for 5 s"), "{error}");
    assert!(ended.stderr.contains("> hanging"), "{}", ended.stderr);
    assert!(!bench.qemu_is_running());
}

#[test]
fn a_mistyped_suite_is_no_self_test() {
    let bench = Bench::new(SHELL);
    let ended = bench.start(&["--append", "selftest=cuases"]).end("");
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "booting\nlevitate> shutdown\n");
}

#[test]
fn a_failure_shows_though_qemu_ends_with_status_0() {
    for (said, append, status, part) in [
        ("2 passed, 1 failed", "selftest", 1, "1 failed"),
        ("test a ... ok", "selftest", 1, "did not come to their end"),
        ("panic: no memory at a.rs:1", "", 101, "panic: no memory"),
        ("unhandled data abort", "", 102, "unhandled data abort"),
    ] {
        let bench = Bench::new(&format!("echo '{said}'\n"));
        let ended = bench.start(&["--append", append]).wait();
        assert_eq!(ended.status, Some(status), "{said}: {}", ended.stderr);
        assert!(ended.error().contains(part), "{said}: {}", ended.stderr);
    }
}

#[test]
fn an_interruption_ends_qemu() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        for script in [HANGING, SHELL] {
            let bench = Bench::new(script);
            let run = bench.start(&[]);
            bench.qemu_pid();
            kill_process(Pid::from_child(&run.child), signal).unwrap();
            let ended = run.wait();
            assert_eq!(ended.status, Some(status), "{}", ended.stderr);
            assert!(ended.error().contains("interrupted"), "{}", ended.stderr);
            assert!(ended.error().ends_with("images are intact"));
            assert!(!bench.qemu_is_running());
        }
    }
}

#[test]
fn a_qemu_that_ignores_the_request_to_end_is_made_to() {
    let bench = Bench::new("trap '' TERM\necho deaf\nwhile :; do sleep 1; done\n");
    let run = bench.start(&[]);
    bench.qemu_pid();
    kill_process(Pid::from_child(&run.child), Signal::INT).unwrap();
    assert_eq!(run.wait().status, Some(130));
    assert!(!bench.qemu_is_running());
}

#[test]
fn what_is_wrong_with_the_input_is_said_in_one_line() {
    let bench = Bench::new(SHELL);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let odd = bench.path("odd");
    std::fs::write(&odd, [0; 700]).unwrap();
    let empty = bench.path("empty");
    std::fs::write(&empty, "").unwrap();
    let disk = bench.path("disk");
    let other = bench.path("other");
    let mut content = [0; 1024];
    content[..4].copy_from_slice(b"QFI\xfb");
    std::fs::write(&other, content).unwrap();
    for (option, value, part) in [
        ("--disk", "/nonexistent/disk", "/nonexistent/disk"),
        ("--disk", "/", "is a directory"),
        ("--disk", &text(&odd), "700 bytes"),
        ("--disk", &text(&empty), "is empty"),
        ("--disk", &text(&other), "is a qcow2 image"),
        ("--disk", &text(&disk), "given twice"),
        ("--qmp-socket", &text(&disk), "is occupied"),
        ("--arch", "x86_64", "only aarch64"),
        ("--arch", "mips", "only aarch64"),
        ("--memory", "16M", "64M to 255G"),
        ("--frobnicate", "1", "--frobnicate"),
        ("--qemu-args", "'", "not closed"),
        ("--boot-timeout", "0", "0"),
    ] {
        let ended = bench.start(&[option, value]).wait();
        assert!(matches!(ended.status, Some(1 | 2)), "{option} {value}");
        assert!(
            ended.error().contains(part),
            "{option} {value}: {}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(
            !bench.path("pid").exists(),
            "{option} {value}: QEMU was started"
        );
    }
    assert_eq!(std::fs::read(&disk).unwrap(), [0; 1024]);
    assert_eq!(std::fs::read(&other).unwrap(), content);
}

#[test]
fn a_missing_qemu_is_named_with_the_command_that_gets_it() {
    let bench = Bench::new(SHELL);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["run", "--no-install", "--kernel"])
        .arg(bench.path("kernel"))
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with("error: QEMU is missing"), "{stderr}");
    assert!(stderr.contains("to get it: "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_reader_that_has_enough_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--list"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
