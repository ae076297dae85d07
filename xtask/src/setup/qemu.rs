//! The QEMU to use: [`Qemu`], its version and whether it can open a window.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::exec;
use crate::platform::Arch;

/// The oldest version whose `screendump` writes PNG files.
const OLDEST: (u32, u32) = (7, 1);

/// A `qemu-system-…` that answers.
#[derive(Clone, Debug)]
pub(crate) struct Qemu {
    pub(crate) path: PathBuf,
    version: String,
}

impl Qemu {
    /// Finds the QEMU of `arch`: at `given`, else in PATH.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) fn find(arch: Arch, given: Option<&Path>) -> Result<Self, String> {
        let path = match given {
            Some(path) => {
                which::which(path).map_err(|_| format!("there is no program {}", path.display()))?
            }
            None => {
                let program = arch.qemu();
                which::which(program).map_err(|_| format!("no {program} in PATH"))?
            }
        };
        let answer = exec::probe(Command::new(&path).arg("--version"))
            .ok_or_else(|| format!("{} does not tell its version", path.display()))?;
        let version = version_in(&answer)
            .ok_or_else(|| format!("{} does not tell a version of QEMU", path.display()))?;
        if numbers(&version) < Some(OLDEST) {
            return Err(format!(
                "{} is version {version}, and {}.{} is needed",
                path.display(),
                OLDEST.0,
                OLDEST.1
            ));
        }
        Ok(Self { path, version })
    }

    /// Returns version and path, for people.
    pub(super) fn describe(&self) -> String {
        format!("{} {}", self.path.display(), self.version)
    }

    /// Returns the kind of window to open.
    ///
    /// # Errors
    ///
    /// Why none can be opened.
    pub(crate) fn window(&self) -> Result<&'static str, String> {
        if !has_screen() {
            return Err("neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned());
        }
        let kinds = exec::probe(Command::new(&self.path).args(["-display", "help"]));
        window_in(&kinds.unwrap_or_default())
            .ok_or_else(|| "QEMU has neither gtk nor sdl".to_owned())
    }
}

/// Returns whether there is a screen to open a window on.
pub(crate) fn has_screen() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

/// Returns the best window of those that `-display help` lists, one a line.
fn window_in(kinds: &str) -> Option<&'static str> {
    ["gtk", "sdl"]
        .into_iter()
        .find(|kind| kinds.lines().any(|line| line.trim() == *kind))
}

/// Returns the version in `QEMU emulator version 7.2.22 (Debian …)`.
fn version_in(answer: &str) -> Option<String> {
    let rest = answer.strip_prefix("QEMU emulator version ")?;
    let version = rest.split_whitespace().next()?;
    numbers(version).map(|_| version.to_owned())
}

/// Returns major and minor number.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    /// Makes a program that answers `--version` with `answer`.
    fn program(dir: &Path, answer: &str) -> PathBuf {
        let path = dir.join("qemu");
        std::fs::write(&path, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_program_that_is_not_qemu_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path(), "hello");
        let error = Qemu::find(Arch::Aarch64, Some(&path)).unwrap_err();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn an_old_qemu_is_refused_with_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path(), "QEMU emulator version 5.2.0 (Debian 1:5.2)");
        let error = Qemu::find(Arch::Aarch64, Some(&path)).unwrap_err();
        assert!(error.contains("5.2.0") && error.contains("7.1"), "{error}");
    }

    #[test]
    fn a_qemu_that_is_new_enough_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path(), "QEMU emulator version 10.0.2 (Debian 1:10)");
        assert_eq!(
            Qemu::find(Arch::Aarch64, Some(&path)).unwrap().version,
            "10.0.2"
        );
    }

    #[test]
    fn gtk_is_preferred_and_a_headless_build_has_no_window() {
        let all = "Available display backend types:\nnone\nsdl\ngtk\ncurses";
        assert_eq!(window_in(all), Some("gtk"));
        assert_eq!(window_in("none\nsdl\n"), Some("sdl"));
        assert_eq!(window_in("none\negl-headless\n"), None);
    }
}
