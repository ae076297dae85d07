//! A machine of scripts: [`Bench`].

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A package system that knows nothing before its lists are read, and then has QEMU.
pub(crate) const APT_CACHE: &str = r#"
if [ -e "$BENCH/lists" ]; then printf 'qemu-system-arm:\n  Candidate: 1:7.2\n'; fi
"#;
pub(crate) const APT_GET: &str = r#"
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
pub(crate) const SUDO: &str = r#"
[ "$1" = -n ] && shift
PATH=/usr/bin:/bin:$PATH exec env "PATH=$PATH" "$@"
"#;

/// A machine that has only what is put in its PATH.
pub(crate) struct Bench {
    directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(programs: &[(&str, &str)]) -> Self {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the tool; nobody is there to answer, and there is no screen.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .env("PATH", self.path("bin"))
            .env("BENCH", self.directory.path())
            .env("CARGO", self.path("bin/cargo"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env_remove("RUSTUP_AUTO_INSTALL")
            .env_remove("LEVITATE_DEMAND_QEMU_STORAGE_DAEMON")
            .env_remove("LEVITATE_DEMAND_VHOST_USER_GPU")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null());
        command
    }

    /// Returns what was asked of the scripts, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Returns what the tool said.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
