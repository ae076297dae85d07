//! `cargo xtask check`: everything that can be checked without running it.
//!
//! Format, lints, documentation, the crate graph ([`graph`]), unsafe code in drivers and tidiness ([`tidy`]), the reasons for other unsafe code ([`safety`]), source files that documents show ([`excerpts`]).

mod excerpts;
mod graph;
mod lexer;
mod safety;
pub(crate) mod sources;
mod tidy;

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::build::{IN_MINIMAL_KERNEL, KERNEL, MINIMAL_KERNEL_MANIFEST, OTHER_DRIVERS};
use crate::progress::seconds;
use crate::setup::{Prerequisite, Setup};
use crate::toolchain::{Compiler, Target};
use crate::{exec, interrupt, workspace};

/// How one check ended.
enum Outcome {
    Ok,
    /// What is wrong, one line each; a check that showed it already has none.
    Failed(Vec<String>),
    /// Why it could not be done.
    Skipped(String),
}

/// One check, by name.
type Check = (&'static str, fn(&Setup) -> Result<Outcome>);

/// Cheap ones first, so that a slip shows at once.
const CHECKS: [Check; 14] = [
    ("format", |_| cargo(&["fmt", "--all", "--check"])),
    ("format of the example", |_| {
        cargo(&["fmt", "--check", "--manifest-path", MINIMAL_KERNEL_MANIFEST])
    }),
    ("tidiness", |_| Ok(listed(tidy::check(&sources::all()?)))),
    ("reasons for unsafe code", |_| {
        Ok(listed(safety::check(&sources::all()?)))
    }),
    ("source files in documents", |_| {
        Ok(listed(excerpts::check(&workspace::root())?))
    }),
    ("crate graph", |_| Ok(listed(graph::check()?))),
    ("conformance table", |_| {
        Ok(listed(crate::conformance::complaints()?))
    }),
    ("lints on the host", |_| clippy(&[])),
    ("lints on the host, all features", |_| {
        clippy(&["--all-features"])
    }),
    ("lints on aarch64", |setup| {
        bare_metal_clippy(Target::Aarch64, setup)
    }),
    ("lints on x86_64", |setup| {
        bare_metal_clippy(Target::X86_64, setup)
    }),
    ("warnings on aarch64", |setup| {
        bare_metal_warnings(Target::Aarch64, setup)
    }),
    ("warnings on x86_64", |setup| {
        bare_metal_warnings(Target::X86_64, setup)
    }),
    ("documentation", |_| {
        let mut command = workspace::cargo();
        command
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        succeeds(&mut command)
    }),
];

/// Runs every check; returns 0 if none failed, else 1.
pub(crate) fn run(setup: &Setup) -> Result<u8> {
    setup.ensure(&[
        Prerequisite::Components,
        Prerequisite::Compiler(Target::Aarch64),
        Prerequisite::Compiler(Target::X86_64),
    ])?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, check) in CHECKS {
        eprintln!("xtask: check {name} …");
        let begin = Instant::now();
        let outcome = check(setup)?;
        if interrupt::interrupted().is_some() {
            bail!("interrupted");
        }
        let time = seconds(begin.elapsed());
        match outcome {
            Outcome::Ok => {
                passed += 1;
                println!("check {name} ... ok ({time})");
            }
            Outcome::Failed(lines) => {
                failed += 1;
                for line in lines {
                    println!("  {line}");
                }
                println!("check {name} ... FAILED ({time})");
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                println!("check {name} ... skipped: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(u8::from(failed > 0))
}

/// Returns the outcome of a check that made a list of what is wrong.
fn listed(wrong: Vec<String>) -> Outcome {
    if wrong.is_empty() {
        Outcome::Ok
    } else {
        Outcome::Failed(wrong)
    }
}

/// Runs a command that shows by itself what is wrong.
fn succeeds(command: &mut Command) -> Result<Outcome> {
    let status = exec::status(command)?;
    Ok(if status.success() {
        Outcome::Ok
    } else {
        Outcome::Failed(Vec::new())
    })
}

fn cargo(arguments: &[&str]) -> Result<Outcome> {
    succeeds(workspace::cargo().args(arguments))
}

fn clippy(features: &[&str]) -> Result<Outcome> {
    let mut command = workspace::cargo();
    command
        .args(["clippy", "--workspace", "--all-targets", "--keep-going"])
        .args(features)
        .args(["--", "-D", "warnings"]);
    succeeds(&mut command)
}

/// Lints the kernel and the example as they are on bare metal, where most of both is.
fn bare_metal_clippy(target: Target, setup: &Setup) -> Result<Outcome> {
    let compiler = setup.compiler(target)?;
    if let Compiler::Distribution(distribution) = &compiler {
        return Ok(Outcome::Skipped(format!(
            "{} comes without clippy, and rustup's toolchain has no target {}",
            distribution.rustc.display(),
            target.triple()
        )));
    }
    let parts = [
        &["--package", KERNEL][..],
        &["--package", KERNEL, "--features", OTHER_DRIVERS],
        &IN_MINIMAL_KERNEL,
    ];
    without_warnings(&compiler, "clippy", target, &parts)
}

/// Compiles the kernel and the example as they are on bare metal, with every warning an error.
fn bare_metal_warnings(target: Target, setup: &Setup) -> Result<Outcome> {
    let parts = [
        &["--package", KERNEL, "--lib"][..],
        &["--package", KERNEL, "--bin", KERNEL],
        &[
            "--package",
            KERNEL,
            "--features",
            OTHER_DRIVERS,
            "--bin",
            KERNEL,
        ],
        &IN_MINIMAL_KERNEL,
    ];
    without_warnings(&setup.compiler(target)?, "rustc", target, &parts)
}

/// Runs cargo's `subcommand` on each of `parts`; all of them, so that what is wrong with one hides nothing of the next.
fn without_warnings(
    compiler: &Compiler,
    subcommand: &str,
    target: Target,
    parts: &[&[&str]],
) -> Result<Outcome> {
    let mut outcome = Outcome::Ok;
    for part in parts {
        let mut command = compiler.cargo(subcommand, target);
        command
            .arg("--release")
            .args(*part)
            .args(["--", "-D", "warnings"]);
        if let failed @ Outcome::Failed(_) = succeeds(&mut command)? {
            outcome = failed;
        }
    }
    Ok(outcome)
}
