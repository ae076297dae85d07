//! What fuzzing needs: cargo-fuzz, and a compiler that puts sanitizers into programs ([`Fuzzers`]).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::directory;
use crate::cli::{FuzzTarget, Sanitizer};
use crate::setup::{CARGO_FUZZ, Prerequisite, Setup};
use crate::workspace::{self, Apart};
use crate::{exec, interrupt};

/// How long a fuzzer may take to start.
const START_DEADLINE: Duration = Duration::from_secs(60);

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
    /// cargo-fuzz or a C++ compiler cannot be had, neither a nightly nor the compiler of this run builds the targets, or
    /// what they build does not start.
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
            let target_dir = match way {
                Way::Nightly => Apart::FuzzNightly,
                Way::Bootstrap => Apart::FuzzBootstrap,
            }
            .target_dir();
            if build(&program, *way, sanitizer, &target_dir)? {
                let programs = target_dir.join(host()?).join("release");
                let fuzzers = Self { programs };
                fuzzers.probe()?;
                return Ok(fuzzers);
            }
            eprintln!("xtask: {way:?} does not build the fuzz targets, see above");
        }
        bail!("no compiler builds the fuzz targets: tried {ways:?}")
    }

    /// Starts one of the programs, and has it do nothing: a sanitizer asks more of a machine than some have.
    fn probe(&self) -> Result<()> {
        let [target, ..] = FuzzTarget::ALL;
        let mut command = Command::new(self.program(target));
        let output = exec::capture(command.arg("-help=1"), START_DEADLINE)
            .context("fuzzers do not start on this machine")?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().next_back().unwrap_or_default();
        bail!(
            "fuzzers do not start on this machine: {}: {last}",
            output.status
        )
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
