//! `cargo xtask fuzz`: bytes by the million against the drivers, through a device that lies (`levitate-host/fuzz`).

mod tool;

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::cli::{FuzzOptions, FuzzTarget};
use crate::progress::seconds;
use crate::setup::Setup;
use crate::{exec, interrupt, workspace};
pub(crate) use tool::Fuzzers;

/// Bytes of the longest input.
const MAX_INPUT_BYTES: usize = 400;

/// Seconds that one input may take.
const INPUT_SECONDS: u64 = 10;

/// What a fuzzer says when it keeps an input for what came of it: a crash, or too much time.
const KEPT: &str = "Test unit written to ";

/// Lines that are shown of a fuzzer that failed itself.
const LAST_LINES: usize = 5;

/// How long a target is fuzzed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Seconds(u64),
    Runs(u64),
}

/// How fuzzing a target ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) executions: u64,
    pub(crate) found: bool,
}

/// Fuzzes what `options` pick; returns 0 if nothing was found, else 1.
pub(crate) fn run(options: &FuzzOptions, setup: &Setup) -> Result<u8> {
    let fuzzers = Fuzzers::build(options.sanitizer, setup)?;
    let targets: &[FuzzTarget] = match &options.target {
        Some(target) => std::slice::from_ref(target),
        None => &FuzzTarget::ALL,
    };
    let amount = match options.runs {
        Some(runs) => Amount::Runs(runs),
        None => Amount::Seconds((60 * options.minutes).div_ceil(targets.len() as u64)),
    };
    let mut lines = Vec::new();
    let mut found = false;
    for target in targets {
        let begin = Instant::now();
        let outcome = fuzzers.run(*target, amount)?;
        found |= outcome.found;
        lines.push(format!(
            "fuzz {}: {} executions in {}, {}",
            target.name(),
            outcome.executions,
            seconds(begin.elapsed()),
            if outcome.found { "FAILED" } else { "ok" },
        ));
    }
    for line in lines {
        println!("{line}");
    }
    Ok(u8::from(found))
}

impl Fuzzers {
    /// Fuzzes one target from the corpus of earlier times; what it finds is kept as a regression input.
    pub(crate) fn run(&self, target: FuzzTarget, amount: Amount) -> Result<Outcome> {
        let name = target.name();
        let corpus = workspace::target_dir().join("fuzz-corpus").join(name);
        let regressions = directory().join("regressions").join(name);
        for directory in [&corpus, &regressions] {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make {}", directory.display()))?;
        }
        eprintln!("xtask: fuzzing {name} …");
        let mut command = Command::new(self.program(target));
        command
            .arg(&corpus)
            .arg(match amount {
                Amount::Seconds(seconds) => format!("-max_total_time={seconds}"),
                Amount::Runs(runs) => format!("-runs={runs}"),
            })
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-artifact_prefix={}/", regressions.display()))
            .args(["-print_final_stats=1", "-print_funcs=0"])
            // Targets account for leaks themselves: drivers keep on purpose what a device may still reach.
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let outcome = watch(&mut command);
        // If nothing was found, there is nothing to keep; a directory with inputs stays.
        let _ = std::fs::remove_dir(&regressions);
        let outcome = outcome?;
        if outcome.found {
            eprintln!(
                "xtask: {name}: the input is in {}; run it again with\n    cargo run -p levitate-fuzz --bin {name} -- FILE\n\
                 and commit it: `cargo test -p levitate-fuzz` runs it from now on",
                regressions.display()
            );
        }
        Ok(outcome)
    }
}

/// Runs a fuzzer to its end, shows what it says, and counts.
///
/// # Errors
///
/// It ended for another reason than an input it kept, or this tool is interrupted.
fn watch(command: &mut Command) -> Result<Outcome> {
    let child = exec::spawn(command)?;
    let stderr = child
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        .stderr
        .take()
        .context("the pipe of the fuzzer is missing")?;
    let mut executions = 0;
    let mut found = false;
    let mut last = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = line.context("reading from the fuzzer")?;
        let line = String::from_utf8_lossy(&line);
        executions = counted(&line).unwrap_or(executions);
        found |= line.contains(KEPT);
        if is_worth_showing(&line) {
            eprintln!("{line}");
        }
        last.push_back(line.into_owned());
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    let status = exec::wait(&child, None)?.context("a child without a deadline ends")?;
    if interrupt::interrupted().is_some() {
        bail!("interrupted");
    }
    if !found && !status.success() {
        let last = Vec::from(last).join("\n    ");
        bail!("the fuzzer ended with {status} and kept no input:\n    {last}");
    }
    Ok(Outcome { executions, found })
}

/// Returns the number at the beginning of a line of progress: `#1024  pulse  cov: 7 …`.
fn counted(line: &str) -> Option<u64> {
    line.strip_prefix('#')?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Says whether a line is no news of the corpus, of which there are thousands.
fn is_worth_showing(line: &str) -> bool {
    let is_news = ["NEW ", "REDUCE", "RELOAD"]
        .iter()
        .any(|word| line.contains(word));
    let is_chatter = line.starts_with("INFO:")
        || line.starts_with("######")
        || line.starts_with("\t")
        || line.contains("# Uses");
    !is_news && !is_chatter
}

/// Returns where the package of the targets is.
fn directory() -> PathBuf {
    workspace::root().join("levitate-host/fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_counted_in_lines_of_progress() {
        assert_eq!(counted("#1024\tpulse  cov: 7 ft: 9"), Some(1024));
        assert_eq!(counted("#3\tDONE   cov: 7"), Some(3));
        assert_eq!(counted("Done 3 runs in 1 second(s)"), None);
        assert_eq!(counted("###### Recommended dictionary. ######"), None);
    }

    fn watched(script: &str) -> Result<Outcome> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stderr(Stdio::piped());
        watch(&mut command)
    }

    #[test]
    fn only_an_input_that_was_kept_was_found() {
        let kept = "echo '#7 DONE' >&2; echo \"artifact_prefix='r/'; Test unit written to r/crash-1\" >&2; exit 77";
        let outcome = watched(kept).unwrap();
        assert!(outcome.found);
        assert_eq!(outcome.executions, 7);
        assert!(!watched("echo '#7 DONE' >&2").unwrap().found);
        let error = watched("for n in 1 2 3 4 5 6; do echo $n: no memory >&2; done; exit 1");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("exit status: 1"), "{error}");
        assert!(error.contains("6: no memory"), "{error}");
        assert!(!error.contains("1: no memory"), "{error}");
    }

    #[test]
    fn news_of_the_corpus_is_not_shown() {
        assert!(!is_worth_showing("#12\tNEW    cov: 3 ft: 4"));
        assert!(is_worth_showing("#1024\tpulse  cov: 7 ft: 9"));
        assert!(is_worth_showing("thread panicked at a.rs:1:1:"));
    }
}
