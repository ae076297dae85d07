//! Setting up a machine that lacks things, with scripts in the place of `apt-get`, `rustup` and their like.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A package system that knows nothing before its lists are read, and then has QEMU.
const APT_CACHE: &str = r#"
if [ -e "$BENCH/lists" ]; then printf 'qemu-system-arm:\n  Candidate: 1:7.2\n'; fi
"#;
const APT_GET: &str = r#"
echo "apt-get $*" >> "$BENCH/calls"
case "$*" in
  update) : > "$BENCH/lists";;
  *qemu-system-arm) [ -e "$BENCH/lists" ] && PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/qemu-system-aarch64";;
  *) echo 'E: no such package' >&2; exit 100;;
esac
"#;

/// A QEMU whose kernel shuts down at once.
const QEMU: &str = r#"
if [ "$1" = --version ]; then echo 'QEMU emulator version 9.9.9'; exit; fi
printf 'levitate> '
read -r line
"#;

/// A `sudo` for when the tests are not run by root.
const SUDO: &str = r#"
[ "$1" = -n ] && shift
PATH=/usr/bin:/bin:$PATH exec env "PATH=$PATH" "$@"
"#;

/// A toolchain with one target's directory, which is empty at first.
const RUSTC: &str = r#"
case "$*" in *target-libdir*) echo "$BENCH/libdir";; esac
"#;
const RUSTUP: &str = r#"
echo "rustup $* (RUSTUP_AUTO_INSTALL=$RUSTUP_AUTO_INSTALL)" >> "$BENCH/calls"
[ "$1" = run ] && exit 1
if [ -e "$BENCH/offline" ]; then echo 'error: could not download' >&2; exit 1; fi
: > "$BENCH/libdir/libcore-1.rlib"
"#;
const CARGO: &str = r#"
echo "cargo $*" >> "$BENCH/calls"
out="$CARGO_TARGET_DIR/aarch64-unknown-none/release"
PATH=/usr/bin:/bin mkdir -p "$out"
: > "$out/levitate-kernel"
"#;

/// A machine that has only what is put in its PATH.
struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(programs: &[(&str, &str)]) -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        for directory in ["bin", "libdir"] {
            std::fs::create_dir(bench.path(directory)).unwrap();
        }
        for (name, text) in programs {
            bench.program(&format!("bin/{name}"), text);
        }
        bench.program("qemu", QEMU);
        std::fs::write(bench.path("kernel"), "no kernel").unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the tool; nobody is there to answer, and there is no screen.
    fn xtask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .env("PATH", self.path("bin"))
            .env("BENCH", self.directory.path())
            .env("CARGO", self.path("bin/cargo"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env_remove("RUSTUP_AUTO_INSTALL")
            .env_remove("LEVITATE_DEMAND_REAL_DEVICES")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null());
        command
    }

    /// Returns what was asked of the scripts, in order.
    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn qemu_is_installed_from_the_systems_packages() {
    let bench = Bench::new(&[
        ("apt-get", APT_GET),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let arguments = ["run", "--no-gpu", "--kernel", kernel.to_str().unwrap()];
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let install = "apt-get install -y --no-install-recommends --no-remove qemu-system-arm";
    assert_eq!(bench.calls(), ["apt-get update", install]);
    // What is there is not installed again.
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.calls().len(), 2);
}

#[test]
fn what_plays_real_devices_is_installed_for_the_tests_on_the_host_and_then_demanded() {
    let apt_cache = "printf 'qemu-system-common:\\n  Candidate: 7.2\\nqemu-system-gui:\\n  Candidate: 7.2\\n'\n";
    let apt_get = r#"
echo "apt-get $*" >> "$BENCH/calls"
for name in qemu-storage-daemon vhost-user-gpu; do PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/$name"; done
"#;
    let cargo = r#"
echo "cargo $1 (LEVITATE_DEMAND_REAL_DEVICES=$LEVITATE_DEMAND_REAL_DEVICES)" >> "$BENCH/calls"
echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'
"#;
    let programs = [
        ("apt-get", apt_get),
        ("apt-cache", apt_cache),
        ("sudo", SUDO),
        ("cargo", cargo),
    ];
    let bench = Bench::new(&programs);
    let output = bench.xtask(&["test", "--only", "host"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let calls = bench.calls();
    let install = "apt-get install -y --no-install-recommends --no-remove qemu-system-common";
    assert_eq!(calls[0], install);
    let demanded = "cargo test (LEVITATE_DEMAND_REAL_DEVICES=1)";
    assert_eq!(calls[1..], [demanded, demanded]);

    // Who wants nothing installed has the tests skipped.
    let bench = Bench::new(&programs);
    let output = bench.xtask(&["test", "--only", "host", "--no-install"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warning = "warning: QEMU's qemu-storage-daemon is missing";
    assert!(stderr(&output).contains(warning), "{}", stderr(&output));
    let skipped = "cargo test (LEVITATE_DEMAND_REAL_DEVICES=)";
    assert_eq!(bench.calls(), [skipped, skipped]);
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

#[test]
fn a_package_in_the_way_is_replaced_and_not_removed() {
    let apt_cache = r#"
if [ "$2" = qemu-utils ]; then
  printf 'qemu-utils:\n  Version table:\n *** 10.0 100\n        100 installed\n     7.2 500\n        500 offered\n'
else
  printf 'qemu-system-arm:\n  Candidate: 7.2\n'
fi
"#;
    let apt_get = r#"
echo "apt-get $*" >> "$BENCH/calls"
case "$*" in
  update) ;;
  *--simulate*) echo 'Remv qemu-utils [10.0]';;
  *qemu-utils=7.2) PATH=/usr/bin:/bin cp "$BENCH/qemu" "$BENCH/bin/qemu-system-aarch64";;
  *) echo 'E: Packages need to be removed but remove is disabled.' >&2; exit 100;;
esac
"#;
    let bench = Bench::new(&[
        ("apt-get", apt_get),
        ("apt-cache", apt_cache),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let output = bench.xtask(&["run", "--no-gpu", "--kernel", kernel.to_str().unwrap()]);
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("to be replaced: qemu-utils 10.0 by 7.2"),
        "{stderr}"
    );
    assert_eq!(
        bench.calls().last().unwrap(),
        "apt-get install -y --no-install-recommends --no-remove --allow-downgrades qemu-system-arm qemu-utils=7.2"
    );
}

#[test]
fn a_window_is_installed_where_there_is_a_screen_and_its_lack_ends_nothing() {
    const REFUSES: &str = r#"
echo "apt-get $*" >> "$BENCH/calls"
[ "$*" = update ] && exit
echo 'E: no such package' >&2; exit 100
"#;
    let qemu = "[ \"$1\" = --version ] && echo 'QEMU emulator version 9.9.9'\nexit 0\n";
    let programs = [
        ("qemu-system-aarch64", qemu),
        ("apt-get", REFUSES),
        ("sudo", SUDO),
    ];
    for (display, is_wanted) in [(":0", true), ("", false)] {
        let bench = Bench::new(&programs);
        let kernel = bench.path("kernel");
        let mut command = bench.command(&["run", "--kernel", kernel.to_str().unwrap()]);
        let output = command.env("DISPLAY", display).output().unwrap();
        let stderr = stderr(&output);
        // The machine boots all the same.
        assert!(
            stderr.contains("before the kernel said anything"),
            "{stderr}"
        );
        let calls = bench.calls();
        let is_installed = |call: &String| call.ends_with(" qemu-system-gui");
        assert_eq!(calls.iter().any(is_installed), is_wanted, "{calls:?}");
    }
}

#[test]
fn the_toolchain_file_asks_for_nothing_that_must_be_fetched() {
    // Without a network rustup would fail before this tool can look for another way.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../rust-toolchain.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let settings: Vec<&str> = text.lines().filter(|line| line.contains('=')).collect();
    assert_eq!(settings, ["channel = \"stable\""]);
}

#[test]
fn nothing_is_installed_against_the_users_will() {
    let bench = Bench::new(&[
        ("apt-get", APT_GET),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let arguments = ["run", "--no-install", "--kernel", kernel.to_str().unwrap()];
    let output = bench.xtask(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.starts_with("error: QEMU is missing"), "{stderr}");
    assert!(
        stderr.contains("install -y --no-install-recommends qemu-system-arm"),
        "{stderr}"
    );
    assert!(bench.calls().is_empty());
}

#[test]
fn a_package_system_that_fails_is_quoted() {
    let broken = "echo 'E: Unable to fetch some archives' >&2\nexit 100\n";
    let bench = Bench::new(&[
        ("apt-get", broken),
        ("apt-cache", APT_CACHE),
        ("sudo", SUDO),
    ]);
    let kernel = bench.path("kernel");
    let output = bench.xtask(&["run", "--kernel", kernel.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains("Unable to fetch some archives"), "{stderr}");
    assert!(stderr.contains("to get it: "), "{stderr}");
}

#[test]
fn a_target_is_added_by_rustup_and_the_toolchain_is_not_updated() {
    let bench = Bench::new(&[("rustc", RUSTC), ("rustup", RUSTUP), ("cargo", CARGO)]);
    let output = bench.xtask(&["build", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let path = String::from_utf8(output.stdout).unwrap();
    assert!(path.ends_with("bare-rustup/aarch64-unknown-none/release/levitate-kernel\n"));
    let calls = bench.calls();
    let add = "rustup target add aarch64-unknown-none (RUSTUP_AUTO_INSTALL=0)".to_owned();
    assert!(calls.contains(&add), "{calls:?}");
    assert!(
        calls
            .iter()
            .filter(|call| call.starts_with("rustup"))
            .all(|call| call.ends_with("(RUSTUP_AUTO_INSTALL=0)")),
        "{calls:?}"
    );
    let build = "cargo build --target aarch64-unknown-none --release --package levitate-kernel";
    assert_eq!(calls.last().unwrap(), build);
}

#[test]
fn a_target_that_cannot_be_had_stops_the_build_with_the_command_that_helps() {
    let bench = Bench::new(&[("rustc", RUSTC), ("rustup", RUSTUP), ("cargo", CARGO)]);
    std::fs::write(bench.path("offline"), "").unwrap();
    let output = bench.xtask(&["build", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    let error = stderr.lines().last().unwrap();
    assert!(
        error.starts_with("error: a compiler for aarch64-unknown-none is missing"),
        "{stderr}"
    );
    assert!(error.contains("could not download"), "{stderr}");
    assert!(
        error.ends_with("to get it: rustup target add aarch64-unknown-none"),
        "{stderr}"
    );
    assert!(bench.calls().iter().all(|call| !call.starts_with("cargo")));
}

#[test]
fn the_doctor_lists_what_is_missing_and_fails() {
    let bench = Bench::new(&[("apt-get", APT_GET), ("apt-cache", APT_CACHE)]);
    let output = bench.xtask(&["doctor", "--toolchain", "rustup"]);
    assert_eq!(output.status.code(), Some(1));
    let stdout = String::from_utf8(output.stdout).unwrap();
    for part in [
        "missing  QEMU: no qemu-system-aarch64 in PATH",
        "missing  a linker for the host: no cc in PATH",
        "missing  a compiler for aarch64-unknown-none",
        "optional a C++ compiler: no c++ in PATH",
        "--no-install-recommends g++\n",
        "optional cargo fuzz: no ",
        "to get it: cargo install cargo-fuzz --version ",
        "to get it: rustup target add riscv64gc-unknown-none-elf",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(bench.calls().is_empty(), "the doctor only looks");
}
