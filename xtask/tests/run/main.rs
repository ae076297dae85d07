//! `cargo xtask run` as a program, with a script in QEMU's place: what goes in, what comes out, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic"
)]

mod bench;
mod endings;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bench::{Bench, SHELL};

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
fn where_the_display_is_to_be_seen_is_said_before_the_kernel_says_anything() {
    let bench = Bench::new("echo 'panic: no memory'\nexit 101\n");
    let ended = bench.start_with_display(&[]).wait();
    assert_eq!(ended.status, Some(101));
    let (ours, kernels) = ended.stdout.split_once("panic: ").unwrap();
    assert!(
        ours.starts_with("xtask: no window can be opened here (neither DISPLAY nor"),
        "{ours}"
    );
    assert!(ours.contains("screenshot-aarch64-virt-mmio.png"), "{ours}");
    assert!(ours.lines().all(|line| line.starts_with("xtask: ")));
    assert_eq!(kernels, "no memory\n");
}

#[test]
fn nothing_is_said_of_a_display_that_nobody_is_to_look_at() {
    let ends = "echo '1 passed, 0 failed'\n";
    for arguments in [&["--append", "selftest"][..], &["--no-gpu"]] {
        let ended = Bench::new(ends).start_with_display(arguments).wait();
        assert_eq!(ended.stdout, "1 passed, 0 failed\n", "{}", ended.stderr);
    }
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
        ("--arch", "riscv64", "riscv64"),
        ("--machine", "microvm", "--machine microvm is x86_64"),
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
    assert!(
        stderr.starts_with("error: QEMU for aarch64 is missing"),
        "{stderr}"
    );
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
