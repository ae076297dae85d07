//! `cargo test` for every crate.

use anyhow::Result;

use super::{Tally, counted};
use crate::setup::{BackEnd, Prerequisite, Setup};
use crate::toolchain::host::HostProbe;
use crate::{interrupt, workspace};

/// What is tested: everything, and what is different without its default features.
const SELECTIONS: [&[&str]; 2] = [
    &["--workspace"],
    &["--package", "levitate-hal", "--no-default-features"],
];

/// What plays real devices.
const BACK_ENDS: [BackEnd; 2] = [BackEnd::Storage, BackEnd::Display];

/// An example that tests run; cargo builds it along with them.
const EXAMPLE: &str = "vhost_blk";

/// Gets what plays real devices, where it is to be had; the tests that lack one skip themselves.
///
/// # Errors
///
/// This tool is interrupted.
pub(super) fn prepare(setup: &Setup) -> Result<()> {
    match setup.ensure(&BACK_ENDS.map(Prerequisite::BackEnd)) {
        Err(error) if interrupt::interrupted().is_none() => {
            eprintln!("xtask: warning: {error:#}; the tests with it are skipped");
            Ok(())
        }
        result => result,
    }
}

/// Runs the tests whose name contains `filter`, all if there is none.
///
/// # Errors
///
/// cargo cannot be started. Tests that do not compile count as one that failed.
pub(super) fn run(filter: Option<&str>, setup: &Setup) -> Result<Tally> {
    let probe = HostProbe::default();
    let back_ends = BACK_ENDS
        .iter()
        .filter(|kind| {
            setup
                .look_for(Prerequisite::BackEnd(**kind), &probe)
                .is_ok()
        })
        .map(|kind| kind.program());
    let demands: Vec<String> = back_ends.chain([EXAMPLE]).map(demand).collect();
    let mut tally = Tally::default();
    for selection in SELECTIONS {
        let mut command = workspace::cargo();
        command.args(["test", "--no-fail-fast"]).args(selection);
        command.envs(demands.iter().map(|variable| (variable, "1")));
        if let Some(filter) = filter {
            command.args(["--", filter]);
        }
        tally.add(counted::run(&mut command)?);
    }
    Ok(tally)
}

/// Returns the variable that is set for tests that may not be skipped for the lack of `program`.
fn demand(program: &str) -> String {
    format!(
        "LEVITATE_DEMAND_{}",
        program.replace('-', "_").to_uppercase()
    )
}
