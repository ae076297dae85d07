//! rustup: adding to its active toolchain, never updating it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::exec;
use crate::progress::Step;
use crate::toolchain::Probe as _;
use crate::toolchain::host::HostProbe;

/// How long a download may take: without a network there is still the distribution.
const DEADLINE: Duration = Duration::from_secs(120);

/// What gets Miri for a nightly that is there.
pub(super) const MIRI: [&str; 6] = [
    "component",
    "add",
    "--toolchain",
    "nightly",
    "miri",
    "rust-src",
];

/// Runs `rustup` with `arguments`, quietly.
///
/// # Errors
///
/// There is no rustup, it cannot fetch what is wanted, or it takes too long.
pub(super) fn add(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    crate::workspace::quiet_environment(&mut command);
    command
        .args(arguments)
        .current_dir(crate::workspace::root())
        // One attempt: the next way is waiting.
        .env("RUSTUP_MAX_RETRIES", "0");
    let step = Step::begin(format!("rustup {}", arguments.join(" ")));
    match exec::capture(&mut command, DEADLINE) {
        Ok(output) if output.status.success() => {
            step.end("done");
            Ok(())
        }
        Ok(output) => {
            step.end("not to be had");
            let text = String::from_utf8_lossy(&output.stderr);
            let why = text.lines().find(|line| line.starts_with("error"));
            bail!(
                "rustup: {}",
                why.unwrap_or("failed").trim_start_matches("error: ")
            )
        }
        Err(error) => {
            step.end("not to be had");
            Err(error)
        }
    }
}

/// Returns the versions of rustfmt and clippy.
pub(super) fn components() -> Result<String, String> {
    let version = |subcommand: &str| {
        exec::probe(crate::workspace::cargo().args([subcommand, "--version"]))
            .ok_or_else(|| format!("cargo {subcommand} does not run"))
    };
    Ok(format!("{}, {}", version("fmt")?, version("clippy")?))
}

/// Returns Miri's version, if rustup's nightly has it with the source it builds the standard library from.
pub(super) fn miri() -> Result<String, String> {
    HostProbe::default().nightly()?;
    let mut command = Command::new("rustup");
    crate::workspace::quiet_environment(&mut command);
    exec::probe(command.args(["run", "nightly", "cargo", "miri", "--version"]))
        .ok_or_else(|| "rustup's nightly has no miri".to_owned())
}
