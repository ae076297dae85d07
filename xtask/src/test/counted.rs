//! A run of `cargo test`, counted as it goes by: [`run`].

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Tally;
use crate::{exec, interrupt};

/// Runs a `cargo test`, shows what it prints, and counts.
///
/// # Errors
///
/// cargo cannot be started. Tests that do not compile count as one that failed.
pub(crate) fn run(command: &mut Command) -> Result<Tally> {
    let child = exec::spawn(command.stdout(Stdio::piped()))?;
    let stdout = child
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        .stdout
        .take()
        .context("the pipe of cargo test is missing")?;
    let mut counter = Counter::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("reading from cargo test")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counter.read(&line);
    }
    let mut tally = counter.tally;
    let status = exec::wait(&child, None)?.context("a child without a deadline ends")?;
    if interrupt::interrupted().is_some() {
        bail!("interrupted");
    }
    if !status.success() && tally.failed == 0 {
        // Nothing that was counted failed: the build did, or a test program came to a sudden end.
        println!("test cargo-test ... FAILED: it ended with {status}");
        tally.count(false);
    }
    Ok(tally)
}

/// What the lines so far say.
#[derive(Debug, Default)]
struct Counter {
    tally: Tally,
    /// The tests of this program that said that they are skipped; the program counts them as passed.
    skipped: BTreeSet<String>,
}

impl Counter {
    fn read(&mut self, line: &str) {
        if let Some(test) = skipped(line) {
            self.skipped.insert(test.to_owned());
        }
        if let Some(mut tally) = counted(line) {
            let skipped = std::mem::take(&mut self.skipped).len().min(tally.passed);
            tally.passed -= skipped;
            tally.skipped += skipped;
            self.tally.add(tally);
        }
    }
}

/// Returns the test that says that it is skipped: `test disks::answers is skipped: there is no disk`.
fn skipped(line: &str) -> Option<&str> {
    let (before, _) = line.split_once(" is skipped: ")?;
    // With one thread the test's name is on the line already.
    let (_, name) = before.rsplit_once("test ")?;
    Some(name)
}

/// Returns the counts of a test program's closing line: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn counted(line: &str) -> Option<Tally> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let count = |name: &str| {
        counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(name)?.trim().parse().ok())
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("ignored").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s";
        let tally = Tally {
            passed: 12,
            failed: 3,
            skipped: 1,
        };
        assert_eq!(counted(line), Some(tally));
    }

    #[test]
    fn a_test_that_skips_itself_has_not_passed() {
        let closing = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let mut counter = Counter::default();
        for line in [
            "test a::b is skipped: x: none",
            "test a::b is skipped: y: none",
            "test a::b ... ok",
            "test a::c ... test a::c is skipped: x: none",
            closing,
            closing,
        ] {
            counter.read(line);
        }
        let tally = Tally {
            passed: 4,
            failed: 0,
            skipped: 2,
        };
        assert_eq!(counter.tally, tally);
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["", "test a ... ok", "running 3 tests", "test result: ok"] {
            assert_eq!(counted(line), None, "{line}");
        }
    }
}
