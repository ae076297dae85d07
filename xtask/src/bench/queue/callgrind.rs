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
use super::slow::Slow;

/// Requests that are counted, a multiple of all depths: with so many, what only the first ones cost is next to nothing
/// (to lay out 32 slots is five instructions of each of 2048).
const REQUESTS: usize = 65_536;

/// How long that may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// The module with the phases.
const PHASES: &str = "levitate_bench::contender::phase::";

/// What our contenders are called.
const OUR_DRIVER: &str = "levitate";

/// How often something is executed at most that sets up the queue, or lays out the first request of each slot, of which there are 32.
const SET_UP: u64 = 33;

/// The crates that are ours.
const OURS: [&str; 3] = [
    "levitate_hal::",
    "levitate_virtio::",
    "levitate_drivers_blk::",
];

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
    /// Full barriers among them, of the phases and of functions of ours that they call; of other crates' functions nothing is known.
    #[serde(skip)]
    pub(crate) full_barriers: f64,
    /// Divisions, likewise.
    #[serde(skip)]
    pub(crate) divisions: f64,
}

impl Counts {
    /// Returns the driver's phases together.
    pub(crate) const fn driver(&self) -> f64 {
        self.submit + self.notify + self.complete
    }
}

/// Counts what a case takes; `slow` are the program's slow instructions.
///
/// # Errors
///
/// valgrind or the program does not end well, or the phases are not what they should be.
pub(super) fn count(program: &Program, case: &Case, slow: &HashMap<u64, Slow>) -> Result<Counts> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let file = directory.path().join("callgrind.out");
    let batches = REQUESTS / case.depth;
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .args([
            "--dump-instr=yes",
            "--compress-strings=no",
            "--compress-pos=no",
        ])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program.path())
        .args(["run", &format!("{}/{}", case.driver, case.way)])
        .args(["--depth", &case.depth.to_string()])
        .args(["--batches", &batches.to_string()]);
    succeed(&mut command, DEADLINE)?;
    let text = std::fs::read_to_string(&file).context("callgrind left no file")?;
    // callgrind has the file's own name, whatever links lead to it.
    let path = program.path().canonicalize()?;
    let Profile { calls, executed } = Profile::parse(&text, &path.display().to_string());
    let requests = (batches * case.depth) as f64;
    if case.driver == OUR_DRIVER {
        let phases = ["submit", "notify", "complete"].map(|name| format!("{PHASES}{name}"));
        let phases = phases.iter().filter_map(|name| calls.get(name));
        let all: u64 = phases.map(|calls| calls.cost).sum();
        let known: u64 = executed.values().sum();
        // Else functions are called of which nothing is known, slow instructions among them.
        ensure!(
            known >= all - all / 20,
            "{case}: of {all} instructions only {known} are in functions with known names"
        );
    }
    let phase = |name: &str, times: usize| {
        let called = calls.get(&format!("{PHASES}{name}"));
        let Calls { count, cost } = called.copied().unwrap_or_default();
        ensure!(
            count == times as u64,
            "{case}: {name} was called {count} times, not {times}"
        );
        Ok(cost as f64 / requests)
    };
    let share = |kind| {
        let all = executed
            .iter()
            .filter(|(address, times)| slow.get(address) == Some(&kind) && **times > SET_UP);
        all.map(|(_, times)| times).sum::<u64>() as f64 / requests
    };
    Ok(Counts {
        full_barriers: share(Slow::FullBarrier),
        divisions: share(Slow::Division),
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

/// What callgrind says of a run.
#[derive(Debug, Default)]
struct Profile {
    /// Calls by the name of the function.
    calls: HashMap<String, Calls>,
    /// How often each instruction of the driver's was executed, by its address in the program's file.
    executed: HashMap<u64, u64>,
}

impl Profile {
    /// Reads a file of callgrind's about `program`, with the one event that it counts by itself, and nothing in it compressed.
    ///
    /// `fn=its::name` comes before what it executed itself, a line each with address, source line and cost; `cfn=its::name` before
    /// what it called: `calls=3 …`, and such a line with the cost of all calls.
    fn parse(text: &str, program: &str) -> Self {
        let mut profile = Self::default();
        let (mut is_program, mut is_driver, mut callee) = (false, false, None);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(object) = line.strip_prefix("ob=") {
                is_program = object == program;
            } else if let Some(name) = line.strip_prefix("fn=") {
                is_driver = is_drivers(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = Some(name);
            } else if let Some(count) = line.strip_prefix("calls=") {
                let cost = lines.next().and_then(parse_cost);
                if let (Some(name), Some(count), Some((_, cost))) =
                    (callee, first_number(count), cost)
                {
                    let calls = profile.calls.entry(name.to_owned()).or_default();
                    calls.count += count;
                    calls.cost += cost;
                }
            } else if is_program
                && is_driver
                && let Some((address, cost)) = parse_cost(line)
            {
                *profile.executed.entry(address).or_default() += cost;
            }
        }
        profile
    }
}

/// Says whether a function is a phase of the driver's, or one of ours that a phase may call.
fn is_drivers(function: &str) -> bool {
    let is_phase = |name| function.strip_prefix(PHASES) == Some(name);
    ["submit", "notify", "complete"].into_iter().any(is_phase)
        || OURS.iter().any(|name| function.contains(name))
}

/// Reads address and cost.
fn parse_cost(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    Some((address, words.nth(1)?.parse().ok()?))
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_summed_by_name_and_instructions_of_the_driver_by_address() {
        let text = "\
events: Ir
ob=/bench
fn=main
0x10 12 5
cob=/bench
cfi=a.rs
cfn=levitate_bench::contender::phase::submit
calls=1 0x40 53
0x14 0 1360
cfn=levitate_bench::contender::phase::notify
calls=64 0x80 59
0x18 3 640
cfn=levitate_bench::contender::phase::submit
calls=63 0x40 1
0x18 2 1000

fn=levitate_bench::contender::phase::submit
0x40 1 64
fi=b.rs
0x44 7 32
cfn=<levitate_virtio::queue::Queue>::late
calls=64 0x90 1
0x48 0 40
0x44 8 32

fn=<levitate_virtio::queue::Queue>::late
0x90 0 40

fn=levitate_bench::contender::phase::serve
0xa0 0 4

ob=/lib/libc.so
fn=levitate_virtio::elsewhere
0x40 1 1

totals: 2000
";
        let Profile { calls, executed } = Profile::parse(text, "/bench");
        let called = |name: &str| calls.get(name).map(|Calls { count, cost }| (*count, *cost));
        assert_eq!(
            called("levitate_bench::contender::phase::submit"),
            Some((64, 2360))
        );
        assert_eq!(
            called("levitate_bench::contender::phase::notify"),
            Some((64, 640))
        );
        assert_eq!(called("main"), None);
        let wanted = [(0x40, 64), (0x44, 64), (0x90, 40)];
        assert_eq!(executed, HashMap::from(wanted));
    }
}
