//! What parts of `test` need: got where it is to be had, and else what needs it is skipped.

use std::process::Output;

use crate::bench::{Bench, SUDO, stderr};

/// A cargo whose only test says that it is skipped where nothing demands the disk.
const CARGO_TEST: &str = r#"
echo "cargo $1: disk=$LEVITATE_DEMAND_QEMU_STORAGE_DAEMON display=$LEVITATE_DEMAND_VHOST_USER_GPU" >> "$BENCH/calls"
[ "$LEVITATE_DEMAND_QEMU_STORAGE_DAEMON" ] || echo 'test disks::answers is skipped: qemu-storage-daemon: there is none'
echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'
"#;

/// A machine with a display to drive and no disk.
fn host_bench(apt_get: &str) -> Bench {
    let apt_cache = "printf 'qemu-system-common:\\n  Candidate: 7.2\\n'\n";
    Bench::new(&[
        ("apt-get", apt_get),
        ("apt-cache", apt_cache),
        ("sudo", SUDO),
        ("cargo", CARGO_TEST),
        ("vhost-user-gpu", ""),
    ])
}

/// Returns what the tool printed as results.
fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_plays_real_devices_is_installed_for_the_tests_on_the_host_and_then_demanded() {
    let bench = host_bench(
        r#"
echo "apt-get $*" >> "$BENCH/calls"
PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/qemu-storage-daemon"
"#,
    );
    let output = bench.xtask(&["test", "--only", "host"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let install = "apt-get install -y --no-install-recommends --no-remove qemu-system-common";
    let demanded = "cargo test: disk=1 display=1";
    assert_eq!(bench.calls(), [install, demanded, demanded]);
    assert!(stdout(&output).ends_with("\n2 passed, 0 failed\n"));
}

#[test]
fn what_cannot_play_a_device_has_its_tests_skipped_and_no_others() {
    let fails = "echo 'E: Unable to fetch some archives' >&2\nexit 100\n";
    for (argument, why) in [
        ("--yes", "Unable to fetch some archives"),
        ("--no-install", "no qemu-storage-daemon in PATH"),
    ] {
        let bench = host_bench(fails);
        let output = bench.xtask(&["test", "--only", "host", argument]);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let warning = "warning: QEMU's qemu-storage-daemon is missing";
        assert!(stderr.contains(warning), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
        let demanded = "cargo test: disk= display=1";
        assert_eq!(bench.calls(), [demanded, demanded]);
        assert!(stdout(&output).ends_with("\n0 passed, 0 failed, 2 skipped\n"));
    }
}

#[test]
fn a_part_that_is_skipped_altogether_is_no_failure() {
    for (part, skipped) in [("sanitizers", 2), ("coverage", 4), ("fuzz", 7)] {
        let bench = Bench::new(&[]);
        let output = bench.xtask(&["test", "--no-install", "--only", part]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let last = format!("\n0 passed, 0 failed, {skipped} skipped\n");
        assert!(stdout(&output).ends_with(&last), "{}", stdout(&output));
    }
}

#[test]
fn fuzzers_that_do_not_start_are_tried_once() {
    let cargo = r#"
PATH=/usr/bin:/bin cp "$BENCH/cargo-fuzz" "$CARGO_TARGET_DIR/tools/bin/cargo-fuzz"
echo "cargo-fuzz $4" > "$BENCH/version"
"#;
    let bench = Bench::new(&[
        ("c++", ""),
        ("cargo", cargo),
        ("rustc", "echo 'host: here'"),
    ]);
    std::fs::create_dir_all(bench.path("target/tools/bin")).unwrap();
    // One that builds every target as a program without the memory it needs.
    bench.program(
        "cargo-fuzz",
        r#"
PATH=/usr/bin:/bin
[ "$1" = --version ] && exec cat "$BENCH/version"
mkdir -p "$8/here/release"
for name in queue block gpu probe config display; do cp "$BENCH/fuzzer" "$8/here/release/$name"; done
"#,
    );
    bench.program(
        "fuzzer",
        r#"
echo "fuzzer $*" >> "$BENCH/calls"
echo 'no shadow memory' >&2; exit 1
"#,
    );
    let output = bench.xtask(&["test", "--only", "fuzz"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let stdout = stdout(&output);
    let why = "test fuzz ... skipped: fuzzers do not start on this machine: exit status: 1: no shadow memory";
    assert!(stdout.starts_with(why), "{stdout}");
    assert_eq!(bench.calls(), ["fuzzer -help=1"]);
}

#[test]
fn what_fuzzing_needs_is_installed_and_cargo_fuzz_of_another_version_is_replaced() {
    let apt_cache = "printf 'g++:\\n  Candidate: 12\\n'\n";
    let apt_get = r#"
echo "apt-get $*" >> "$BENCH/calls"
PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/c++"
"#;
    // A cargo that installs what answers with the version that was asked for; building the targets fails.
    let cargo = r#"
echo "cargo $*" >> "$BENCH/calls"
tool="$CARGO_TARGET_DIR/tools/bin/cargo-fuzz"
printf '#!/bin/sh\n[ "$1" = --version ] && echo cargo-fuzz %s || exit 1\n' "$4" > "$tool"
PATH=/usr/bin:/bin chmod +x "$tool"
"#;
    let bench = Bench::new(&[
        ("apt-get", apt_get),
        ("apt-cache", apt_cache),
        ("sudo", SUDO),
        ("cargo", cargo),
    ]);
    std::fs::create_dir_all(bench.path("target/tools/bin")).unwrap();
    bench.program("target/tools/bin/cargo-fuzz", "echo cargo-fuzz 0.1.0");

    // Against the user's will nothing is installed, and the message has both commands.
    let output = bench.xtask(&["fuzz", "--no-install"]);
    assert_eq!(output.status.code(), Some(1));
    let refused = stderr(&output);
    assert!(refused.contains("cargo-fuzz 0.1.0, not "), "{refused}");
    assert!(refused.contains("recommends g++"), "{refused}");
    assert!(bench.calls().is_empty());

    let output = bench.xtask(&["fuzz"]);
    let stderr = stderr(&output);
    let calls = bench.calls();
    let install = "apt-get install -y --no-install-recommends --no-remove g++";
    assert_eq!(calls[0], install, "{stderr}");
    let install = "cargo install cargo-fuzz --version ";
    assert!(calls[1].starts_with(install), "{calls:?}");
    assert!(stderr.contains("no compiler builds"), "{stderr}");
    // What is there is not installed again.
    bench.xtask(&["fuzz"]);
    assert_eq!(bench.calls(), calls);
}
