//! How many tests ended how: [`Tally`], and [`report`] for those that are no test of cargo's.

use anyhow::{Result, bail};

use crate::interrupt;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Counts one test.
    pub(crate) fn count(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Returns the line that says it: skipped tests are named only if there are any.
    pub(crate) fn line(self) -> String {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        match skipped {
            0 => format!("{passed} passed, {failed} failed"),
            _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
}

/// Prints and counts one test.
pub(super) fn report(name: &str, result: Result<()>, tally: &mut Tally) -> Result<()> {
    if interrupt::interrupted().is_some() {
        bail!("interrupted");
    }
    match &result {
        Ok(()) => println!("test {name} ... ok"),
        Err(error) => println!("test {name} ... FAILED: {error:#}"),
    }
    tally.count(result.is_ok());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_names_skipped_tests_only_if_there_are_any() {
        let mut tally = Tally::default();
        tally.count(true);
        tally.count(false);
        assert_eq!(tally.line(), "1 passed, 1 failed");
        tally.skipped = 2;
        assert_eq!(tally.line(), "1 passed, 1 failed, 2 skipped");
    }
}
