//! Instructions by valgrind's tool callgrind: [`count`].
//!
//! The program has a function for each phase that nothing is inlined into; callgrind says how much each call of it took, with all
//! that it called. So the device, which is called between them, is not in the driver's figures.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::program::{Case, Program, succeed};

/// Requests that are counted, a multiple of all depths: with so many, what only the first ones cost is next to nothing.
const REQUESTS: usize = 2048;

/// How long that may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// The module with the phases.
const PHASES: &str = "levitate_bench::contender::phase::";

/// Instructions of a request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Counts {
    /// To make it available.
    pub(crate) submit: f64,
    /// Its share of the decision whether to notify, and of the notification.
    pub(crate) notify: f64,
    /// To take it back.
    pub(crate) complete: f64,
    /// The device's, which is in none of the others.
    pub(crate) device: f64,
}

impl Counts {
    /// Returns the driver's phases together.
    pub(crate) const fn driver(&self) -> f64 {
        self.submit + self.notify + self.complete
    }
}

/// Counts what a case takes.
///
/// # Errors
///
/// valgrind or the program does not end well, or the phases are not what they should be.
pub(super) fn count(program: &Program, case: &Case) -> Result<Counts> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let file = directory.path().join("callgrind.out");
    let batches = REQUESTS / case.depth;
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program.path())
        .args(["run", &format!("{}/{}", case.driver, case.way)])
        .args(["--depth", &case.depth.to_string()])
        .args(["--batches", &batches.to_string()]);
    succeed(&mut command, DEADLINE)?;
    let text = std::fs::read_to_string(&file).context("callgrind left no file")?;
    let calls = calls(&text);
    let phase = |name: &str, times: usize| {
        let called = calls.get(&format!("{PHASES}{name}"));
        let Calls { count, cost } = called.copied().unwrap_or_default();
        ensure!(
            count == times as u64,
            "{case}: {name} was called {count} times, not {times}"
        );
        Ok(cost as f64 / (batches * case.depth) as f64)
    };
    Ok(Counts {
        submit: phase("submit", batches * case.depth)?,
        notify: phase("notify", batches)?,
        complete: phase("complete", batches)?,
        device: phase("serve", batches)?,
    })
}

/// All calls of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    count: u64,
    /// Instructions, those of what it called in turn included.
    cost: u64,
}

/// Sums up the calls of each function in a file of callgrind's, with the one event that it counts by itself.
///
/// A function is `cfn=(12) its::name`, and `cfn=(12)` from then on; then comes `calls=3 …` and a line with a position and the cost.
fn calls(text: &str) -> HashMap<String, Calls> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut all: HashMap<String, Calls> = HashMap::new();
    let mut callee = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let called = line.strip_prefix("cfn=");
        if let Some((id, name)) = called.or_else(|| line.strip_prefix("fn=")).map(split) {
            if let Some(name) = name {
                names.insert(id, name);
            }
            if called.is_some() {
                callee = names.get(id).copied();
            }
        } else if let Some(count) = line.strip_prefix("calls=") {
            let count = first_number(count);
            let cost = lines.next().and_then(|line| line.split_once(' '));
            let cost = cost.and_then(|(_, cost)| first_number(cost));
            if let (Some(name), Some(count), Some(cost)) = (callee, count, cost) {
                let calls = all.entry(name.to_owned()).or_default();
                calls.count += count;
                calls.cost += cost;
            }
        }
    }
    all
}

/// Splits `(12) its::name`, or `(12)` alone.
fn split(function: &str) -> (&str, Option<&str>) {
    match function.split_once(' ') {
        Some((id, name)) => (id, Some(name.trim())),
        None => (function, None),
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_by_name_over_all_callers() {
        let text = "\
events: Ir
fn=(1) main
12 5
cfi=(2) a.rs
cfn=(2) a::submit
calls=1 -53
* 1360
cfn=(3) a::notify
calls=64 -59
+3 640
cfn=(2)
calls=63 +1
-2 1000

fn=(3)
1 600
cfn=(4) b
calls=64 1
* 40

totals: 2000
";
        let calls = calls(text);
        let submit = Calls {
            count: 64,
            cost: 2360,
        };
        let notify = Calls {
            count: 64,
            cost: 640,
        };
        assert_eq!(calls.get("a::submit"), Some(&submit));
        assert_eq!(calls.get("a::notify"), Some(&notify));
        assert_eq!(calls.get("main"), None);
    }
}
