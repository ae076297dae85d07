//! `cargo xtask sanitize`: the host tests under AddressSanitizer, and what can be interpreted under Miri.

mod interpreted;

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::exec;
use crate::setup::Setup;
use crate::test::{Extent, Tally, counted};
use crate::workspace::{self, Apart};

/// The crates whose tests give back all they allocate.
const WITHOUT_LEAKS: &[&str] = &["levitate-hal"];

/// The crates whose tests leave memory to a device that never confirms its reset, as they must; the pool accounts for it.
const WITH_LEAKS: &[&str] = &[
    "levitate-virtio",
    "levitate-host",
    "levitate-drivers-gpu",
    "levitate-drivers-blk",
];

/// The toolchain with the sanitizer's runtime: cargo's own first, for it compiles the workspace in any case.
const TOOLCHAINS: [Option<&str>; 2] = [None, Some("nightly")];

/// Runs everything; returns 0 if no test failed, else 1.
pub(crate) fn run(setup: &Setup) -> Result<u8> {
    let tally = all(Extent::Full, setup)?;
    println!("{}", tally.line());
    Ok(u8::from(tally.failed > 0))
}

/// Runs the tests under both, as far as `extent` says; what the machine cannot have is skipped.
pub(crate) fn all(extent: Extent, setup: &Setup) -> Result<Tally> {
    let mut tally = address()?;
    tally.add(interpreted::run(extent, setup)?);
    Ok(tally)
}

/// Runs the tests under AddressSanitizer.
fn address() -> Result<Tally> {
    let found = TOOLCHAINS
        .into_iter()
        .find_map(|toolchain| Some((toolchain, host_with_runtime(toolchain)?)));
    let Some((toolchain, host)) = found else {
        return Ok(skipped(
            "address-sanitizer",
            "no toolchain has its runtime for this host",
        ));
    };
    let mut tally = Tally::default();
    for (packages, detects_leaks) in [(WITHOUT_LEAKS, 1), (WITH_LEAKS, 0)] {
        let mut command = program("cargo", toolchain);
        command
            .args(["test", "--no-fail-fast", "--all-features"])
            // Doctests are linked without the runtime.
            .args(["--lib", "--tests"])
            // With a target named, build scripts and macros are built without it.
            .args(["--target", &host, "--target-dir"])
            .arg(Apart::Sanitized.target_dir())
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "ASAN_OPTIONS",
                format!("detect_leaks={detects_leaks}:detect_stack_use_after_return=1"),
            );
        for package in packages {
            command.args(["--package", package]);
        }
        workspace::compiler_flags(&mut command, "-Zsanitizer=address");
        tally.add(counted::run(&mut command)?);
    }
    Ok(tally)
}

/// Returns the host of a toolchain that has AddressSanitizer's runtime.
fn host_with_runtime(toolchain: Option<&str>) -> Option<String> {
    let ask = |argument: &[&str]| exec::probe(program("rustc", toolchain).args(argument));
    let host = host_of(&ask(&["--version", "--verbose"])?)?;
    let library = ask(&["--print", "target-libdir"])?;
    holds_runtime(Path::new(&library)).then_some(host)
}

/// Returns the host in what `rustc --version --verbose` prints: `host: x86_64-unknown-linux-gnu`.
fn host_of(version: &str) -> Option<String> {
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))?;
    Some(host.trim().to_owned())
}

/// Returns whether a target's library directory holds the runtime.
fn holds_runtime(library: &Path) -> bool {
    std::fs::read_dir(library).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().ends_with("_rt.asan.a"))
    })
}

/// Returns a program of this run's toolchain, or of the one of rustup's that is named.
fn program(name: &str, toolchain: Option<&str>) -> Command {
    let mut command = match toolchain {
        None if name == "cargo" => return workspace::cargo(),
        None => Command::new(name),
        Some(toolchain) => {
            let mut command = Command::new("rustup");
            command.args(["run", toolchain, name]);
            // Those of the toolchain that runs this tool.
            for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
                command.env_remove(variable);
            }
            command
        }
    };
    workspace::quiet_environment(&mut command);
    command.current_dir(workspace::root());
    command
}

fn skipped(name: &str, why: &str) -> Tally {
    println!("test {name} ... skipped: {why}");
    Tally {
        skipped: 1,
        ..Tally::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_what_the_compiler_says_of_itself() {
        let text = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0";
        assert_eq!(host_of(text).as_deref(), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host_of("rustc 1.95.0"), None);
    }

    #[test]
    fn the_runtime_is_known_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!holds_runtime(directory.path()));
        std::fs::write(directory.path().join("librustc-stable_rt.tsan.a"), "").unwrap();
        assert!(!holds_runtime(directory.path()));
        std::fs::write(directory.path().join("librustc-stable_rt.asan.a"), "").unwrap();
        assert!(holds_runtime(directory.path()));
        assert!(!holds_runtime(&directory.path().join("none")));
    }

    #[test]
    fn every_library_crate_is_sanitized() {
        for library in crate::build::LIBRARIES {
            assert!(
                WITHOUT_LEAKS.contains(&library) || WITH_LEAKS.contains(&library),
                "{library}"
            );
        }
    }
}
