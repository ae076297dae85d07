//! `cargo xtask coverage`: how many lines of each library crate the host tests reach ([`Lines`]).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::build::LIBRARIES;
use crate::setup::coverage::Tools;
use crate::setup::{Prerequisite, Setup};
use crate::test::{Extent, Tally};
use crate::workspace::{self, Apart};
use crate::{exec, interrupt};

/// Lines that must be reached, of a hundred.
const LEAST_PERCENT: usize = 90;

/// Parts of the names of tests that repeat for seconds, or with threads, what others reach too: no line is theirs alone.
const REPETITIVE: [&str; 5] = [
    "soak",
    "threads::",
    "ring_indices",
    "rings_go_round",
    "indices_go_round",
];

/// What a module of tests beside the code begins with; all that follows in the file is tests.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

/// The lines of a file or a crate that have code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    all: usize,
    reached: usize,
}

impl Lines {
    fn add(&mut self, other: Self) {
        self.all += other.all;
        self.reached += other.reached;
    }

    fn is_enough(self) -> bool {
        self.reached * 100 >= self.all * LEAST_PERCENT && self.all > 0
    }

    /// Returns the share in percent, with one decimal, rounded down.
    fn percent(self) -> String {
        let tenths = (self.reached * 1000).checked_div(self.all).unwrap_or(0);
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// Runs the host tests and prints a table; returns 0 if enough lines of each crate were reached, else 1.
///
/// # Errors
///
/// The tools cannot be had: nothing was measured, so nothing is enough.
pub(crate) fn run(setup: &Setup) -> Result<u8> {
    let tools = tools(setup)?;
    let libraries = measure(&tools, Extent::Full)?;
    println!(
        "{:<24}{:>8}{:>10}{:>10}",
        "crate", "lines", "reached", "percent"
    );
    for (library, lines) in libraries {
        let verdict = if lines.is_enough() { "" } else { "  too few" };
        println!(
            "{library:<24}{:>8}{:>10}{:>10}{verdict}",
            lines.all,
            lines.reached,
            lines.percent()
        );
    }
    Ok(u8::from(
        !libraries.iter().all(|(_, lines)| lines.is_enough()),
    ))
}

/// Measures with each library crate's own tests, less those that take long: one test for each, that enough lines are reached.
///
/// # Errors
///
/// A test failed, or the tool was interrupted. Where the tools cannot be had, the tests are skipped.
pub(crate) fn test(setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    let tools = match tools(setup) {
        Ok(tools) => tools,
        Err(why) if interrupt::interrupted().is_none() => {
            println!("test coverage ... skipped: {why:#}");
            tally.skipped += LIBRARIES.len();
            return Ok(tally);
        }
        Err(error) => return Err(error),
    };
    for (library, lines) in measure(&tools, Extent::Short)? {
        let verdict = if lines.is_enough() { "ok" } else { "FAILED" };
        let percent = lines.percent();
        println!("test coverage-{library} ... {verdict} ({percent} % of lines)");
        tally.count(lines.is_enough());
    }
    Ok(tally)
}

/// Gets what measuring takes.
fn tools(setup: &Setup) -> Result<Tools> {
    setup.ensure(&[Prerequisite::Coverage])?;
    Tools::find().map_err(anyhow::Error::msg)
}

/// Runs the tests; returns the lines of each library crate.
fn measure(tools: &Tools, extent: Extent) -> Result<[(&'static str, Lines); LIBRARIES.len()]> {
    let directory = Apart::Coverage.target_dir();
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let output = directory.join("lines.info");
    let mut command = tools.command();
    command
        .args(["test", "--all-features", "--lib", "--tests", "--lcov"])
        .arg("--output-path")
        .arg(&output)
        .env("CARGO_TARGET_DIR", &directory)
        // Standard output is for results.
        .stdout(std::io::stderr());
    for library in LIBRARIES {
        command.args(["--package", library]);
    }
    match extent {
        Extent::Full => {
            command.args(["--package", "levitate-host"]);
        }
        Extent::Short => {
            command.arg("--");
            for name in REPETITIVE {
                command.args(["--skip", name]);
            }
        }
    }
    let status = exec::status(&mut command)?;
    if !status.success() {
        bail!("cargo llvm-cov ended with {status}");
    }
    let text = std::fs::read_to_string(&output)
        .with_context(|| format!("cannot read {}", output.display()))?;
    let root = workspace::root();
    let files = counted(&text, |path| {
        let short = Path::new(path).strip_prefix(&root).ok()?;
        let text = std::fs::read_to_string(path).ok()?;
        Some((short.to_string_lossy().into_owned(), lines_of_code(&text)))
    });
    Ok(LIBRARIES.map(|library| {
        let own = format!("{library}/src/");
        let mut lines = Lines::default();
        for (_, of_file) in files.iter().filter(|(path, _)| path.starts_with(&own)) {
            lines.add(*of_file);
        }
        (library, lines)
    }))
}

/// Returns how many lines of a file come before its tests.
fn lines_of_code(text: &str) -> usize {
    let code = text.split(TESTS).next().unwrap_or_default();
    code.lines().count()
}

/// Counts what a trace in LCOV's format says: `SF:path`, then a `DA:line,count` for each line with code.
///
/// `file` returns the name of a file and how many of its lines count, if it is one of ours.
fn counted(trace: &str, file: impl Fn(&str) -> Option<(String, usize)>) -> BTreeMap<String, Lines> {
    let mut files = BTreeMap::<String, Lines>::new();
    let mut current = None;
    for line in trace.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            current = file(path);
        }
        let (Some(data), Some((name, most))) = (line.strip_prefix("DA:"), &current) else {
            continue;
        };
        let mut numbers = data.split(',').map(str::parse::<u64>);
        if let (Some(Ok(line)), Some(Ok(count))) = (numbers.next(), numbers.next())
            && line <= *most as u64
        {
            files.entry(name.clone()).or_default().add(Lines {
                all: 1,
                reached: usize::from(count > 0),
            });
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_counted_by_file_and_without_tests() {
        let trace = "SF:/w/a/src/lib.rs\nFN:1,f\nDA:1,5\nDA:2,0\nDA:9,1\nend_of_record\nSF:/other.rs\nDA:1,1\nend_of_record\nSF:/w/b/src/lib.rs\nDA:3,0,x\n";
        let files = counted(trace, |path| {
            Some((path.strip_prefix("/w/")?.to_owned(), 4))
        });
        let lines = |all, reached| Lines { all, reached };
        let expected = [("a/src/lib.rs", lines(2, 1)), ("b/src/lib.rs", lines(1, 0))];
        assert_eq!(
            files,
            expected
                .map(|(name, lines)| (name.to_owned(), lines))
                .into()
        );
    }

    #[test]
    fn tests_at_the_end_of_a_file_are_no_code() {
        assert_eq!(
            lines_of_code("fn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n"),
            2
        );
        assert_eq!(
            lines_of_code("fn f() {}\n#[cfg(test)]\nmod tests;\nfn g() {}\n"),
            4
        );
    }

    #[test]
    fn nine_of_ten_lines_are_enough_and_no_lines_are_not() {
        let lines = |all, reached| Lines { all, reached };
        assert!(lines(10, 9).is_enough());
        assert!(!lines(1000, 899).is_enough());
        assert!(!lines(0, 0).is_enough());
        assert_eq!(lines(1000, 899).percent(), "89.9");
        assert_eq!(lines(3, 3).percent(), "100.0");
        assert_eq!(lines(0, 0).percent(), "0.0");
    }
}
