//! What measures coverage: `cargo llvm-cov`, and LLVM's tools of the version that the compiler is built with ([`Tools`]).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::cargo_tool::CargoTool;
use super::rustup;
use crate::{exec, workspace};

/// What is installed where there is none.
const CARGO_LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
};

/// The tools of LLVM that it calls, and the variables that say where they are.
const LLVM_TOOLS: [(&str, &str); 2] =
    [("llvm-cov", "LLVM_COV"), ("llvm-profdata", "LLVM_PROFDATA")];

/// What is there.
#[derive(Debug)]
pub(crate) struct Tools {
    cargo_llvm_cov: PathBuf,
    /// Where LLVM's tools are.
    llvm: PathBuf,
}

impl Tools {
    /// Looks for them: ours, or the program's in PATH; those of rustup's toolchain, or the distribution's.
    pub(crate) fn find() -> Result<Self, String> {
        let own = CARGO_LLVM_COV.path();
        let cargo_llvm_cov = if own.is_file() {
            own
        } else {
            which::which("cargo-llvm-cov").map_err(|_| "no cargo-llvm-cov in PATH".to_owned())?
        };
        let (sysroot, version) = compiler().ok_or("rustc does not run")?;
        let llvm = places(&sysroot, &version)
            .into_iter()
            .find(|place| {
                LLVM_TOOLS
                    .iter()
                    .all(|(name, _)| place.join(name).is_file())
            })
            .ok_or("no llvm-cov of the compiler's version")?;
        Ok(Self {
            cargo_llvm_cov,
            llvm,
        })
    }

    /// Returns where both are.
    pub(crate) fn describe(&self) -> String {
        format!("{}, {}", self.cargo_llvm_cov.display(), self.llvm.display())
    }

    /// Returns a `cargo llvm-cov` that runs in the workspace.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo_llvm_cov);
        workspace::quiet_environment(&mut command);
        command.arg("llvm-cov").current_dir(workspace::root());
        for (name, variable) in LLVM_TOOLS {
            command.env(variable, self.llvm.join(name));
        }
        command
    }
}

/// Returns the compiler's sysroot, and what it says of its version.
fn compiler() -> Option<(PathBuf, String)> {
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("rustc");
        workspace::quiet_environment(&mut command);
        exec::probe(command.args(arguments).current_dir(workspace::root()))
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    Some((sysroot, ask(&["--version", "--verbose"])?))
}

/// Returns where LLVM's tools may be that read what the compiler `version` writes.
fn places(sysroot: &Path, version: &str) -> Vec<PathBuf> {
    let value = |key: &str| version.lines().find_map(|line| line.strip_prefix(key));
    let mut places = Vec::new();
    if let Some(host) = value("host: ") {
        places.push(sysroot.join("lib/rustlib").join(host).join("bin"));
    }
    if let Some((major, _)) = value("LLVM version: ").and_then(|text| text.split_once('.')) {
        places.push(format!("/usr/lib/llvm-{major}/bin").into());
    }
    places
}

/// Returns what a person would type.
pub(super) fn command_line() -> String {
    format!(
        "rustup component add llvm-tools && {}",
        CARGO_LLVM_COV.command_line()
    )
}

/// Gets both: the tools of LLVM unless the distribution's will do, and the program.
pub(super) fn install() -> Result<()> {
    // Without rustup, the distribution's tools may be there.
    let tools = rustup::add(&["component", "add", "llvm-tools"]);
    if CARGO_LLVM_COV.find().is_err() {
        CARGO_LLVM_COV.install()?;
    }
    Tools::find().map(drop).or(tools)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_looked_for_beside_the_compiler_and_then_in_the_distribution() {
        let version = "rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2";
        assert_eq!(
            places(Path::new("/sysroot"), version),
            [
                PathBuf::from("/sysroot/lib/rustlib/x86_64-unknown-linux-gnu/bin"),
                PathBuf::from("/usr/lib/llvm-22/bin"),
            ]
        );
        assert!(places(Path::new("/sysroot"), "rustc 1.95.0").is_empty());
    }
}
