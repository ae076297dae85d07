//! `cargo test` for every crate.

use anyhow::Result;

use super::{Tally, counted};
use crate::workspace;

/// What is tested: everything, and what is different without its default features.
const SELECTIONS: [&[&str]; 2] = [
    &["--workspace"],
    &["--package", "levitate-hal", "--no-default-features"],
];

/// Set for tests that may not be skipped for the lack of a program that plays a real device.
const DEMAND: &str = "LEVITATE_DEMAND_REAL_DEVICES";

/// Runs the tests whose name contains `filter`, all if there is none; `has_real_devices` says whether none may skip itself.
///
/// # Errors
///
/// cargo cannot be started. Tests that do not compile count as one that failed.
pub(super) fn run(filter: Option<&str>, has_real_devices: bool) -> Result<Tally> {
    let mut tally = Tally::default();
    for selection in SELECTIONS {
        let mut command = workspace::cargo();
        command.args(["test", "--no-fail-fast"]).args(selection);
        if has_real_devices {
            command.env(DEMAND, "1");
        }
        if let Some(filter) = filter {
            command.args(["--", filter]);
        }
        tally.add(counted::run(&mut command)?);
    }
    Ok(tally)
}
