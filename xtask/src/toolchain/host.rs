//! What this machine has: [`HostProbe`] asks rustup and the distribution's rustc.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Distribution, Probe, Target};
use crate::exec;

/// The oldest rustc that compiles the workspace: major and minor, as `rust-version` in its Cargo.toml says.
pub(crate) const OLDEST_RUSTC: (u32, u32) = (1, 95);

/// Where distributions install their compiler.
const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";

/// Asks this machine; each answer is kept, for a probe starts processes.
#[derive(Default)]
pub(crate) struct HostProbe {
    nightly: OnceCell<Result<(), String>>,
    distribution: OnceCell<Result<Distribution, String>>,
}

impl Probe for HostProbe {
    fn rustup_target(&self, target: Target) -> Result<(), String> {
        let triple = target.triple();
        let library = exec::probe(rustc().args(["--print", "target-libdir", "--target", triple]));
        let found = library.is_some_and(|library| holds_core(Path::new(&library)));
        found
            .then_some(())
            .ok_or_else(|| format!("rustup's toolchain has no target {triple}"))
    }

    fn nightly(&self) -> Result<(), String> {
        self.nightly.get_or_init(nightly).clone()
    }

    fn distribution(&self) -> Result<Distribution, String> {
        self.distribution.get_or_init(distribution).clone()
    }
}

/// Returns rustup's active compiler as a command.
fn rustc() -> Command {
    let mut command = Command::new("rustc");
    crate::workspace::quiet_environment(&mut command);
    command.current_dir(crate::workspace::root());
    command
}

/// Returns whether a target's library directory holds the core library.
fn holds_core(library: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(library) else {
        return false;
    };
    entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// Returns whether a compiler's installation holds the source of its standard library.
fn holds_source(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .is_file()
}

fn nightly() -> Result<(), String> {
    let mut command = Command::new("rustup");
    crate::workspace::quiet_environment(&mut command);
    let sysroot = exec::probe(command.args(["run", "nightly", "rustc", "--print", "sysroot"]))
        .ok_or("rustup has no toolchain \"nightly\"")?;
    holds_source(Path::new(&sysroot))
        .then_some(())
        .ok_or_else(|| "rustup's nightly has no rust-src".to_owned())
}

fn distribution() -> Result<Distribution, String> {
    let rustc = Path::new(DISTRIBUTION_RUSTC);
    if !rustc.is_file() {
        return Err(format!(
            "the distribution's {DISTRIBUTION_RUSTC} is not installed"
        ));
    }
    let ask = |arguments: &[&str]| {
        exec::probe(
            Command::new(rustc)
                .args(arguments)
                .env_remove("LD_LIBRARY_PATH"),
        )
        .ok_or_else(|| format!("{DISTRIBUTION_RUSTC} does not run"))
    };
    let version = version_of(&ask(&["--version"])?)
        .ok_or_else(|| format!("{DISTRIBUTION_RUSTC} tells no version"))?;
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    // A distribution may package rustup itself; its /usr/bin/rustc is then rustup's.
    if sysroot
        .join("lib/rustlib/multirust-channel-manifest.toml")
        .exists()
    {
        return Err(format!("{DISTRIBUTION_RUSTC} is rustup's"));
    }
    if !is_new_enough(&version) {
        let (major, minor) = OLDEST_RUSTC;
        return Err(format!(
            "{DISTRIBUTION_RUSTC} is {version}, and {major}.{minor} is needed"
        ));
    }
    if !holds_source(&sysroot) {
        return Err(format!(
            "the source of {DISTRIBUTION_RUSTC}'s standard library is not installed"
        ));
    }
    let linker = linker().ok_or("no rustup toolchain has rust-lld")?;
    Ok(Distribution {
        rustc: rustc.to_owned(),
        version,
        linker,
    })
}

/// Returns the `rust-lld` of rustup's active toolchain.
fn linker() -> Option<PathBuf> {
    let sysroot = PathBuf::from(exec::probe(rustc().args(["--print", "sysroot"]))?);
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    hosts
        .filter_map(Result::ok)
        .map(|host| host.path().join("bin/rust-lld"))
        .find(|path| path.is_file())
}

/// Returns the version in what `rustc --version` prints: `rustc 1.96.0 (…)`.
fn version_of(line: &str) -> Option<String> {
    let version = line.strip_prefix("rustc ")?.split_whitespace().next()?;
    Some(version.to_owned())
}

/// Returns whether a version, which may have a packager's suffix, is at least [`OLDEST_RUSTC`].
pub(crate) fn is_new_enough(version: &str) -> bool {
    let mut numbers = version
        .split(|character: char| !character.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST_RUSTC,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(is_new_enough("1.95.0"));
        assert!(is_new_enough("1.100.0-nightly"));
        assert!(is_new_enough("2.0"));
        assert!(!is_new_enough("1.85.0+dfsg3-1~deb12u3"));
        assert!(!is_new_enough("1.9.0"));
        assert!(!is_new_enough("(none)"));
        assert!(!is_new_enough(""));
    }

    #[test]
    fn the_version_is_read_from_the_compilers_answer() {
        let line = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)";
        assert_eq!(version_of(line).as_deref(), Some("1.96.0"));
        assert_eq!(version_of("clang version 19"), None);
    }

    #[test]
    fn the_oldest_rustc_is_the_workspaces() {
        let manifest =
            std::fs::read_to_string(crate::workspace::root().join("Cargo.toml")).unwrap();
        let (major, minor) = OLDEST_RUSTC;
        assert!(manifest.contains(&format!("rust-version = \"{major}.{minor}\"")));
    }

    #[test]
    fn a_library_directory_without_core_is_no_target() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!holds_core(dir.path()));
        std::fs::write(dir.path().join("libstd-1.rlib"), "").unwrap();
        assert!(!holds_core(dir.path()));
        std::fs::write(dir.path().join("libcore-1.rlib"), "").unwrap();
        assert!(holds_core(dir.path()));
    }

    #[test]
    fn the_source_is_known_by_its_lock_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!holds_source(dir.path()));
        let library = dir.path().join("lib/rustlib/src/rust/library");
        std::fs::create_dir_all(&library).unwrap();
        std::fs::write(library.join("Cargo.lock"), "").unwrap();
        assert!(holds_source(dir.path()));
    }
}
