//! What fuzzing needs: cargo-fuzz, and a compiler that puts sanitizers into programs ([`Fuzzers`]).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::directory;
use crate::cli::{FuzzTarget, Sanitizer};
use crate::progress::Step;
use crate::setup::Setup;
use crate::{exec, interrupt, workspace};

/// The version that is installed, with its own lock file.
const CARGO_FUZZ: &str = "0.13.2";

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
    /// Installs cargo-fuzz into the target directory unless it is there, and builds every target.
    ///
    /// # Errors
    ///
    /// cargo-fuzz cannot be had, or neither a nightly nor the compiler of this run builds the targets.
    pub(crate) fn build(sanitizer: Sanitizer, setup: &Setup) -> Result<Self> {
        let program = install(setup)?;
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

/// Returns the path of cargo-fuzz; it is installed where it was not.
fn install(setup: &Setup) -> Result<PathBuf> {
    let root = workspace::target_dir().join("tools");
    let program = root.join("bin/cargo-fuzz");
    if program.is_file() {
        return Ok(program);
    }
    if setup.global().no_install {
        bail!(
            "cargo-fuzz is missing; to get it: cargo install cargo-fuzz --version {CARGO_FUZZ} --locked --root {}",
            root.display()
        );
    }
    let mut command = workspace::cargo();
    command
        .args(["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ])
        .arg("--root")
        .arg(&root);
    let step = Step::begin("installing cargo-fuzz");
    let status = exec::status(&mut command)?;
    step.end(if status.success() { "done" } else { "failed" });
    if !status.success() {
        bail!("cargo-fuzz cannot be installed: see above");
    }
    Ok(program)
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
