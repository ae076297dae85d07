//! Bookkeeping of self-tests: one line for each test, then the totals ([`Run`]).

use core::fmt::{self, Display, Formatter, Write};

use heapless::String;

use crate::expectations::Expectation;
use crate::log_format::OneLine;

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was to be shown was shown.
    Passed,
    /// It was not, for this reason.
    Failed(Reason),
    /// The machine lacks what the test needs.
    Skipped(Reason),
    /// It was not, as is known of the driver, for this reason.
    Expected(Reason),
}

impl Outcome {
    /// Makes a failure: `Outcome::failed(format_args!("read {got}, not {wanted}"))`.
    #[must_use]
    pub fn failed(why: fmt::Arguments<'_>) -> Self {
        Self::Failed(Reason::new(why))
    }

    /// Makes a skip: `Outcome::skipped(format_args!("no GPU"))`.
    #[must_use]
    pub fn skipped(why: fmt::Arguments<'_>) -> Self {
        Self::Skipped(Reason::new(why))
    }

    /// Judges it by what is known of the driver: `expected` is how the test is to fail, if it is.
    ///
    /// A test that passes though it is to fail has failed, for what was known is not so any more; and so has one that fails in
    /// another way.
    #[must_use]
    pub fn expecting(self, expected: Option<&Expectation>) -> Self {
        let Some(expected) = expected else {
            return self;
        };
        let reason = expected.reason;
        match self {
            Self::Failed(why) if expected.is_how(&why.0) => {
                Self::Expected(Reason::new(format_args!("{reason}")))
            }
            Self::Failed(why) => Self::failed(format_args!(
                "{why} (it is expected to fail, but in another way: {reason})"
            )),
            Self::Passed => {
                Self::failed(format_args!("it passes, and is expected to fail: {reason}"))
            }
            outcome => outcome,
        }
    }

    /// Turns the result of a test written with `?` into its outcome.
    ///
    /// Large for an error (`clippy::result_large_err`), but made once a test and cheaper than a heap for the reason.
    #[must_use]
    pub fn of(result: Result<(), Self>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(outcome) => outcome,
        }
    }
}

/// `?` in a function that returns `Result<_, Outcome>` makes any error a failure with the error's message.
impl<E: core::error::Error> From<E> for Outcome {
    fn from(error: E) -> Self {
        Self::failed(format_args!("{error}"))
    }
}

/// Why a test failed or was skipped: one line of at most [`Reason::MAX_BYTES`] bytes, cut off with `...` if longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String<{ Reason::MAX_BYTES }>);

impl Reason {
    /// Capacity in bytes.
    pub const MAX_BYTES: usize = 240;

    /// Formats a reason; control characters are escaped.
    #[must_use]
    pub fn new(why: fmt::Arguments<'_>) -> Self {
        let mut text = Truncating(String::new());
        let mut one_line = OneLine(&mut text);
        if one_line.write_fmt(why).is_err() {
            // The text did not fit: `Truncating` kept room for the dots, so pushing them cannot fail.
            let _ = text.0.push_str(Truncating::DOTS);
        }
        Self(text.0)
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes as many characters as fit before the dots, then fails.
struct Truncating(String<{ Reason::MAX_BYTES }>);

impl Truncating {
    const DOTS: &str = "...";
}

impl Write for Truncating {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() + character.len_utf8() + Self::DOTS.len() > Reason::MAX_BYTES {
                return Err(fmt::Error);
            }
            self.0.push(character).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

/// One test: its name, and what runs it on the machine `C`.
#[derive(Debug)]
pub struct Case<C> {
    /// Name that the line of the test shows, without spaces.
    pub name: &'static str,
    /// The test.
    pub run: fn(&mut C) -> Outcome,
}

/// The tests of one start: prints a line for each, counts, and prints the totals at the end.
#[derive(Debug, Default)]
#[must_use = "`finish` prints the totals and says whether the tests passed"]
pub struct Run {
    totals: Totals,
}

impl Run {
    /// Starts with nothing counted.
    pub const fn new() -> Self {
        Self {
            totals: Totals {
                passed: 0,
                failed: 0,
                skipped: 0,
                expected: 0,
            },
        }
    }

    /// Runs all of `cases` in their order, whatever their outcomes.
    ///
    /// A case's line is written in one piece after it ended, so that log lines of the case do not break it; which one
    /// is running is logged at debug level.
    ///
    /// # Errors
    ///
    /// That of `out`; the case it concerned is counted.
    pub fn cases<C>(
        &mut self,
        cases: &[Case<C>],
        context: &mut C,
        out: &mut impl Write,
    ) -> fmt::Result {
        for case in cases {
            log::debug!("test {} starts", case.name);
            let outcome = (case.run)(context);
            self.record(case.name, &outcome, out)?;
        }
        Ok(())
    }

    /// Counts one outcome and writes its line.
    ///
    /// # Errors
    ///
    /// That of `out`; the outcome is counted.
    pub fn record(&mut self, name: &str, outcome: &Outcome, out: &mut impl Write) -> fmt::Result {
        match outcome {
            Outcome::Passed => {
                self.totals.passed += 1;
                writeln!(out, "test {name} ... ok")
            }
            Outcome::Failed(why) => {
                self.totals.failed += 1;
                writeln!(out, "test {name} ... FAILED: {why}")
            }
            Outcome::Skipped(why) => {
                self.totals.skipped += 1;
                writeln!(out, "test {name} ... skipped: {why}")
            }
            Outcome::Expected(why) => {
                self.totals.expected += 1;
                writeln!(out, "test {name} ... failed as expected: {why}")
            }
        }
    }

    /// Writes the totals and returns them.
    ///
    /// A run in which no test passed and none failed proved nothing: that itself is counted as a failure, with a line.
    ///
    /// # Errors
    ///
    /// That of `out`.
    pub fn finish(mut self, out: &mut impl Write) -> Result<Totals, fmt::Error> {
        if self.totals.passed == 0 && self.totals.failed == 0 {
            self.record("any", &Outcome::failed(format_args!("no test ran")), out)?;
        }
        writeln!(out, "{}", self.totals)?;
        Ok(self.totals)
    }
}

/// Outcomes counted; its `Display` is the line `N passed, M failed` (`, K skipped`, `, L failed as expected` if there are any).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
    /// Tests that failed as is known of the driver.
    pub expected: usize,
}

impl Totals {
    /// Returns the status to end QEMU with: 0 if nothing failed, else 1.
    #[must_use]
    pub const fn exit_status(self) -> u32 {
        if self.failed == 0 { 0 } else { 1 }
    }
}

impl Display for Totals {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped != 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        if self.expected != 0 {
            write!(f, ", {} failed as expected", self.expected)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
