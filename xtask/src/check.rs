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
use crate::platform::Arch;
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
type Check = (String, Box<dyn Fn(&Setup) -> Result<Outcome>>);

/// One of the workspace as a whole, by name.
type HostCheck = (&'static str, fn() -> Result<Outcome>);

/// One that each architecture has to pass, by the beginning of its name.
type TargetCheck = (&'static str, fn(Target, &Setup) -> Result<Outcome>);

/// Cheap ones first, so that a slip shows at once.
const ON_THE_HOST: [HostCheck; 10] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("format of the example", || {
        cargo(&["fmt", "--check", "--manifest-path", MINIMAL_KERNEL_MANIFEST])
    }),
    ("tidiness", || Ok(listed(tidy::check(&sources::all()?)))),
    ("reasons for unsafe code", || {
        Ok(listed(safety::check(&sources::all()?)))
    }),
    ("source files in documents", || {
        Ok(listed(excerpts::check(&workspace::root())?))
    }),
    ("crate graph", || Ok(listed(graph::check()?))),
    ("conformance table", || {
        Ok(listed(crate::conformance::complaints()?))
    }),
    ("lints on the host", || clippy(&[])),
    ("lints on the host, all features", || {
        clippy(&["--all-features"])
    }),
    ("documentation", || {
        let mut command = workspace::cargo();
        command
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        succeeds(&mut command)
    }),
];

const ON_BARE_METAL: [TargetCheck; 2] = [
    ("lints", bare_metal_clippy),
    ("warnings", bare_metal_warnings),
];

/// Returns every check, in the order they run in.
fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for (name, check) in ON_THE_HOST {
        checks.push((name.to_owned(), Box::new(move |_| check())));
    }
    for (what, check) in ON_BARE_METAL {
        checks.extend(Arch::ALL.map(|arch| -> Check {
            let name = format!("{what} on {}", arch.name());
            (name, Box::new(move |setup| check(arch.target(), setup)))
        }));
    }
    checks
}

/// Runs every check; returns 0 if none failed, else 1.
pub(crate) fn run(setup: &Setup) -> Result<u8> {
    let mut needed = vec![Prerequisite::Components];
    needed.extend(Arch::ALL.map(|arch| Prerequisite::Compiler(arch.target())));
    setup.ensure(&needed)?;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, check) in checks() {
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
