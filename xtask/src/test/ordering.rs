//! The order of the rings' accesses, proved by the model checker loom.

use anyhow::Result;

use super::{Tally, counted};
use crate::workspace::{self, Apart};

/// Where the proofs are, in `levitate-virtio`.
const PROOFS: &str = "queue::model";

/// Runs the proofs, in a target directory of their own: every crate is built for the checker.
///
/// # Errors
///
/// cargo cannot be started.
pub(super) fn run() -> Result<Tally> {
    let mut command = workspace::cargo();
    command
        .args(["test", "--release", "--package", "levitate-virtio", "--lib"])
        .arg("--target-dir")
        .arg(Apart::Loom.target_dir())
        .arg(PROOFS);
    workspace::compiler_flags(&mut command, "--cfg loom");
    let mut tally = counted::run(&mut command)?;
    if tally.passed + tally.failed == 0 {
        println!("test ordering ... FAILED: there is no test {PROOFS}");
        tally.count(false);
    }
    Ok(tally)
}
