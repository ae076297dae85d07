//! What a request costs in a virtqueue, in instructions: compared with what it was, and with what it may be at most.

use anyhow::Result;

use super::tally::{Tally, report};
use crate::bench::queue;
use crate::bench::queue::expected::Expected;
use crate::bench::queue::limits::{self, Fate};
use crate::interrupt;
use crate::setup::{Prerequisite, Setup};

/// Turns for times, of which only the allocations are looked at.
const ROUNDS: usize = 1;

/// Counts; with `bless`, what is counted is what will be compared with. Without valgrind all of it is skipped.
pub(super) fn run(bless: bool, setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    if let Err(error) = setup.ensure(&[Prerequisite::Valgrind]) {
        if interrupt::interrupted().is_some() {
            return Err(error);
        }
        println!("test instructions ... skipped: {error:#}");
        tally.skipped += 1;
        return Ok(tally);
    }
    let all = queue::measure(ROUNDS)?;
    let measured = Expected::of(&all)?;
    if bless {
        measured.save()?;
    }
    compare(&measured, &mut tally)?;
    for limit in limits::counted() {
        let name = format!("limit: {}", limit.name());
        match limit.check(&all) {
            Ok(Fate::NotYet(value)) => {
                let value = value.map_or_else(
                    || "there is no such contender".to_owned(),
                    |value| format!("it is {value:.2}"),
                );
                println!("test {name} ... skipped: not yet, {value}");
                tally.skipped += 1;
            }
            Ok(Fate::Kept) => report(&name, Ok(()), &mut tally)?,
            Err(error) => report(&name, Err(error), &mut tally)?,
        }
    }
    Ok(tally)
}

/// Compares with the file.
fn compare(measured: &Expected, tally: &mut Tally) -> Result<()> {
    let expected = Expected::load()?;
    if let Some(compiler) = expected.other_compiler(measured) {
        println!("test instructions ... skipped: what to compare with was compiled by {compiler}");
        tally.skipped += 1;
        return Ok(());
    }
    for case in expected.cases(measured) {
        let outcome = expected.check(measured, case);
        report(&format!("instructions-{case}"), outcome, tally)?;
    }
    Ok(())
}
