//! Where things are: the workspace, its target directory, and the cargo that runs this tool.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// Returns the workspace's top directory.
pub(crate) fn root() -> PathBuf {
    // cargo tells where the crate is now; what was compiled in is where it was then.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|path| path.ends_with("xtask") && path.is_dir())
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    own.parent().unwrap_or(Path::new(".")).to_owned()
}

/// Returns the directory for everything that can be made again.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) if !path.is_empty() => {
            std::path::absolute(&path).unwrap_or_else(|_| path.into())
        }
        _ => root().join("target"),
    }
}

/// What is built in a way of its own, and so in a target directory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// For bare metal, by rustup's toolchain.
    BareRustup,
    /// For bare metal, by rustup's nightly.
    BareNightly,
    /// For bare metal, by the distribution's compiler.
    BareDistribution,
    /// For the model checker.
    Loom,
    /// With AddressSanitizer's runtime.
    Sanitized,
    /// To be interpreted by Miri.
    Miri,
    /// With counters of what is reached.
    Coverage,
    /// Fuzz targets, by rustup's nightly.
    FuzzNightly,
    /// Fuzz targets, by the compiler of this run.
    FuzzBootstrap,
}

impl Apart {
    /// Returns its target directory.
    pub(crate) fn target_dir(self) -> PathBuf {
        target_dir().join(match self {
            Self::BareRustup => "bare-rustup",
            Self::BareNightly => "bare-nightly",
            Self::BareDistribution => "bare-distribution",
            Self::Loom => "loom",
            Self::Sanitized => "sanitize",
            Self::Miri => "miri",
            Self::Coverage => "coverage",
            Self::FuzzNightly => "fuzz-nightly",
            Self::FuzzBootstrap => "fuzz-bootstrap",
        })
    }

    /// Removes what was built, if anything was.
    pub(crate) fn discard(self) -> Result<()> {
        remove(&self.target_dir())
    }
}

/// Removes a directory with all that is in it, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Returns a `cargo` command that runs in the workspace.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    quiet_environment(&mut command);
    command.current_dir(root());
    command
}

/// Returns a command that runs this very program once more.
///
/// Not by its path, where there is another way: cargo links the tool anew when it tests it along with crates that want
/// other features of what it depends on, and what runs is then a file without a name.
pub(crate) fn this_program() -> std::io::Result<Command> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(Command::new(running));
    }
    std::env::current_exe().map(Command::new)
}

/// Has rustup leave the installed toolchains as they are: no command of ours is to update a compiler by the way.
pub(crate) fn quiet_environment(command: &mut Command) {
    command.env("RUSTUP_AUTO_INSTALL", "0");
}

/// Gives every crate that `command` builds for its target these flags of the compiler, in place of any others.
pub(crate) fn compiler_flags(command: &mut Command, flags: &str) {
    command
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_file_is_gone_runs_itself_again() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy");
        std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
        // The copy runs the other test, which first takes its own file away.
        let run = Command::new(&copy)
            .args(["--exact", "workspace::tests::without_a_file", "--nocapture"])
            .env("LEVITATE_OWN_FILE", &copy)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
        assert!(!copy.exists());
    }

    #[test]
    fn what_is_discarded_is_gone_and_no_more() {
        let parent = tempfile::tempdir().unwrap();
        let own = parent.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("program"), "").unwrap();
        // The second time there is nothing left, which is what was wanted.
        for _ in 0..2 {
            remove(&own).unwrap();
            assert!(!own.exists());
        }
        let error = remove(&parent.path().join("a\0b")).unwrap_err();
        assert!(error.to_string().contains("cannot remove"), "{error}");
        assert!(parent.path().exists());
    }

    #[test]
    fn without_a_file() {
        if let Some(own) = std::env::var_os("LEVITATE_OWN_FILE") {
            std::fs::remove_file(own).unwrap();
        }
        let list = this_program().unwrap().arg("--list").output().unwrap();
        let names = String::from_utf8(list.stdout).unwrap();
        assert!(names.contains("workspace::tests::without_a_file: test"));
    }
}
