//! What fuzzing needs: cargo-fuzz, and a compiler that puts sanitizers into programs ([`Fuzzers`]).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::directory;
use crate::cli::{FuzzTarget, Sanitizer};
use crate::setup::{CARGO_FUZZ, Prerequisite, Setup};
use crate::{exec, interrupt, workspace};

/// Whose compiler accepts what is not stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// rustup's nightly.
    Nightly,
    /// The compiler of this run, told that it is one.
    Bootstrap,
}

/// The targets, built.
#[derive(Debug)]
pub(crate) struct Fuzzers {
    programs: PathBuf,
}

impl Fuzzers {
    /// Gets what building takes, where it is missing, and builds every target.
    ///
    /// # Errors
    ///
    /// cargo-fuzz or a C++ compiler cannot be had, or neither a nightly nor the compiler of this run builds the targets.
    pub(crate) fn build(sanitizer: Sanitizer, setup: &Setup) -> Result<Self> {
        // libFuzzer's runtime is C++, compiled with the targets.
        setup.ensure(&[Prerequisite::CxxCompiler, Prerequisite::CargoFuzz])?;
        let program = CARGO_FUZZ.path();
        let mut ways = vec![Way::Bootstrap];
        if has_nightly() {
            ways.insert(0, Way::Nightly);
        }
        for way in &ways {
            // Each compiler has a directory of its own: they do not share what they build.
            let target_dir = workspace::target_dir().join(match way {
                Way::Nightly => "fuzz-nightly",
                Way::Bootstrap => "fuzz-bootstrap",
            });
            if build(&program, *way, sanitizer, &target_dir)? {
                let programs = target_dir.join(host()?).join("release");
                return Ok(Self { programs });
            }
            eprintln!("xtask: {way:?} does not build the fuzz targets, see above");
        }
        bail!("no compiler builds the fuzz targets: tried {ways:?}")
    }

    /// Returns the program of a target.
    pub(super) fn program(&self, target: FuzzTarget) -> PathBuf {
        self.programs.join(target.name())
    }
}

fn has_nightly() -> bool {
    let mut command = Command::new("rustup");
    workspace::quiet_environment(&mut command);
    exec::probe(command.args(["run", "nightly", "rustc", "--version"])).is_some()
}

/// Builds every target; says whether it could.
fn build(program: &Path, way: Way, sanitizer: Sanitizer, target_dir: &Path) -> Result<bool> {
    let mut command = Command::new(program);
    workspace::quiet_environment(&mut command);
    command
        .current_dir(workspace::root())
        .args(["fuzz", "build", "--sanitizer", sanitizer.name()])
        .arg("--fuzz-dir")
        .arg(directory())
        .arg("--target-dir")
        .arg(target_dir);
    match way {
        Way::Nightly => {
            // The cargo and the compiler of this run must not be found by cargo-fuzz.
            command
                .env("RUSTUP_TOOLCHAIN", "nightly")
                .env_remove("CARGO")
                .env_remove("RUSTC")
        }
        Way::Bootstrap => command.env("RUSTC_BOOTSTRAP", "1"),
    };
    eprintln!(
        "xtask: building the fuzz targets with sanitizer {} ({way:?}) …",
        sanitizer.name()
    );
    let status = exec::status(&mut command)?;
    if interrupt::interrupted().is_some() {
        bail!("interrupted");
    }
    Ok(status.success())
}

/// Returns the host's target triple, as rustc tells it.
fn host() -> Result<String> {
    let mut command = Command::new("rustc");
    workspace::quiet_environment(&mut command);
    let text = exec::probe(command.arg("-vV")).context("rustc does not run")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc tells no host")?.to_owned())
}
