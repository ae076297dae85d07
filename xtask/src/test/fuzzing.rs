//! The fuzz targets, for a moment.

use anyhow::{Result, bail};

use super::tally::{Tally, report};
use crate::cli::{FuzzTarget, Sanitizer};
use crate::fuzz::{Amount, Fuzzers};
use crate::interrupt;
use crate::setup::Setup;

/// Inputs for each fuzz target: some seconds.
const SHORT_RUNS: u64 = 20_000;

/// Fuzzes every target for a moment; where the tools cannot be had, that is skipped: `cargo test` has inputs of its own.
pub(super) fn run(setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    let fuzzers = match Fuzzers::build(Sanitizer::Address, setup) {
        Ok(fuzzers) => fuzzers,
        Err(error) if interrupt::interrupted().is_none() => {
            println!("test fuzz ... skipped: {error:#}");
            tally.skipped += FuzzTarget::ALL.len();
            return Ok(tally);
        }
        Err(error) => return Err(error),
    };
    for target in FuzzTarget::ALL {
        let outcome =
            fuzzers
                .run(target, Amount::Runs(SHORT_RUNS))
                .and_then(|outcome| match outcome.found {
                    true => bail!("an input failed, see above"),
                    false => Ok(()),
                });
        report(&format!("fuzz-{}", target.name()), outcome, &mut tally)?;
    }
    Ok(tally)
}
