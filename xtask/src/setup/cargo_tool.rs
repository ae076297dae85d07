//! A program that cargo installs into the target directory, in one version: [`CargoTool`].

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{exec, workspace};

/// What builds the fuzz targets.
pub(crate) const CARGO_FUZZ: CargoTool = CargoTool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// A package with the program of the same name, installed by its own lock file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CargoTool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

impl CargoTool {
    /// Returns where the program is once it is installed.
    pub(crate) fn path(self) -> PathBuf {
        directory().join("bin").join(self.name)
    }

    /// Finds the program.
    ///
    /// # Errors
    ///
    /// There is none, or it is of another version.
    pub(super) fn find(self) -> Result<PathBuf, String> {
        let Self { name, version } = self;
        let path = self.path();
        if !path.is_file() {
            return Err(format!("no {}", path.display()));
        }
        let found = exec::probe(std::process::Command::new(&path).arg("--version"))
            .ok_or_else(|| format!("{} does not run", path.display()))?;
        if found == format!("{name} {version}") {
            Ok(path)
        } else {
            Err(format!("{} is {found}, not {version}", path.display()))
        }
    }

    /// Returns what a person would type.
    pub(super) fn command_line(self) -> String {
        let Self { name, version } = self;
        format!(
            "cargo install {name} --version {version} --locked --force --root {}",
            directory().display()
        )
    }

    /// Installs the program, in the place of another version.
    pub(super) fn install(self) -> Result<()> {
        let build = directory().join("build");
        let mut command = workspace::cargo();
        command
            .args(["install", self.name, "--version", self.version])
            // cargo leaves a program alone that it does not remember.
            .args(["--locked", "--force"])
            .arg("--root")
            .arg(directory())
            .arg("--target-dir")
            .arg(&build);
        let status = exec::status(&mut command)?;
        if !status.success() {
            bail!("cargo install ended with {status}");
        }
        // It is not built again, and takes ten times the room of the program.
        workspace::remove(&build)
    }
}

/// Returns where cargo puts such programs.
fn directory() -> PathBuf {
    workspace::target_dir().join("tools")
}
