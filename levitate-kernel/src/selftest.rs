//! Bookkeeping of self-tests: one line for each test, then the totals ([`Run`]).

use core::fmt::{self, Display, Formatter, Write};

use heapless::String;

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

/// Outcomes counted; its `Display` is the line `N passed, M failed` (`, K skipped` if there are any).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
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
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn passes(calls: &mut Vec<&'static str>) -> Outcome {
        calls.push("passes");
        Outcome::Passed
    }

    fn fails(calls: &mut Vec<&'static str>) -> Outcome {
        calls.push("fails");
        Outcome::failed(format_args!("read {}, not {}", 1, 2))
    }

    fn skips(calls: &mut Vec<&'static str>) -> Outcome {
        calls.push("skips");
        Outcome::skipped(format_args!("no disk"))
    }

    fn run(cases: &[Case<Vec<&'static str>>]) -> (Totals, String, Vec<&'static str>) {
        let (mut calls, mut out) = (Vec::new(), String::new());
        let mut run = Run::new();
        run.cases(cases, &mut calls, &mut out).unwrap();
        let totals = run.finish(&mut out).unwrap();
        (totals, out, calls)
    }

    #[test]
    fn every_case_runs_once_in_order_and_prints_its_line() {
        let (totals, out, calls) = run(&[
            Case {
                name: "a",
                run: passes,
            },
            Case {
                name: "b",
                run: fails,
            },
            Case {
                name: "c",
                run: skips,
            },
            Case {
                name: "d",
                run: passes,
            },
        ]);
        assert_eq!(calls, ["passes", "fails", "skips", "passes"]);
        assert_eq!(
            out,
            "test a ... ok\ntest b ... FAILED: read 1, not 2\ntest c ... skipped: no disk\ntest d ... ok\n\
             2 passed, 1 failed, 1 skipped\n"
        );
        assert_eq!((totals.passed, totals.failed, totals.skipped), (2, 1, 1));
        assert_eq!(totals.exit_status(), 1);
    }

    #[test]
    fn totals_without_skips_do_not_mention_them() {
        let (totals, out, _) = run(&[Case {
            name: "a",
            run: passes,
        }]);
        assert_eq!(out, "test a ... ok\n1 passed, 0 failed\n");
        assert_eq!(totals.exit_status(), 0);
    }

    #[test]
    fn a_run_without_a_test_fails() {
        let (totals, out, _) = run(&[]);
        assert_eq!(
            out,
            "test any ... FAILED: no test ran\n0 passed, 1 failed\n"
        );
        assert_eq!(totals.exit_status(), 1);
        let (totals, _, _) = run(&[Case {
            name: "c",
            run: skips,
        }]);
        assert_eq!(totals.to_string(), "0 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn a_reason_is_one_line_and_is_cut_at_a_character() {
        assert_eq!(Reason::new(format_args!("a\nb")).to_string(), r"a\nb");
        let long = "ä".repeat(500);
        let reason = Reason::new(format_args!("x{long}")).to_string();
        assert!(reason.len() <= Reason::MAX_BYTES);
        assert!(reason.len() > Reason::MAX_BYTES - 3);
        assert!(
            reason.starts_with("xää") && reason.ends_with("ä..."),
            "{reason}"
        );
    }

    #[test]
    fn an_error_becomes_a_failure_with_its_message() {
        #[expect(clippy::result_large_err, reason = "made once")]
        fn inner() -> Result<(), Outcome> {
            let _: u8 = "300".parse()?;
            Ok(())
        }
        let outcome = Outcome::of(inner());
        assert_eq!(
            outcome,
            Outcome::failed(format_args!("number too large to fit in target type"))
        );
        assert_eq!(Outcome::of(Ok(())), Outcome::Passed);
    }

    #[test]
    fn an_error_of_the_writer_is_returned() {
        struct Full;
        impl Write for Full {
            fn write_str(&mut self, _: &str) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        assert!(Run::new().finish(&mut Full).is_err());
        let mut run = Run::new();
        let cases = [Case {
            name: "a",
            run: passes,
        }];
        assert!(run.cases(&cases, &mut Vec::new(), &mut Full).is_err());
        assert_eq!(run.totals.passed, 1);
    }
}
