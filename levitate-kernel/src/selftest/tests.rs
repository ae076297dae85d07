//! How tests are counted, and what their lines look like.

use super::*;
use crate::command_line::{Driver, Kind};
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
fn what_is_expected_to_fail_may_fail_in_that_way_and_must_not_pass() {
    let (mut run, mut out) = (Run::new(), String::new());
    let failed = || Outcome::failed(format_args!("no"));
    let skipped = || Outcome::skipped(format_args!("no disk"));
    let expected = |failures| Expectation {
        test: "one",
        driver: Driver::VirtioDrivers,
        kind: Kind::Blk,
        over: None,
        failures,
        reason: "it cannot",
    };
    let (no, never) = (expected(&["never", "no"]), expected(&["never"]));
    for (name, outcome) in [
        ("a", Outcome::Passed.expecting(None)),
        ("b", failed().expecting(None)),
        ("c", skipped().expecting(None)),
        ("d", failed().expecting(Some(&no))),
        ("e", Outcome::Passed.expecting(Some(&no))),
        ("f", skipped().expecting(Some(&no))),
        ("g", failed().expecting(Some(&never))),
    ] {
        run.record(name, &outcome, &mut out).unwrap();
    }
    let totals = run.finish(&mut out).unwrap();
    assert_eq!(
        out,
        "test a ... ok\ntest b ... FAILED: no\ntest c ... skipped: no disk\n\
         test d ... failed as expected: it cannot\n\
         test e ... FAILED: it passes, and is expected to fail: it cannot\n\
         test f ... skipped: no disk\n\
         test g ... FAILED: no (it is expected to fail, but in another way: it cannot)\n\
         1 passed, 3 failed, 2 skipped, 1 failed as expected\n"
    );
    assert_eq!(totals.exit_status(), 1);
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
