//! `cargo xtask test`: the crates' own tests on the host, also under a model checker and sanitizers, the library crates for
//! every bare-metal target, the kernel in QEMU.

pub(crate) mod counted;
mod host;
mod ordering;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cli::{FuzzTarget, Part, Sanitizer, TestOptions};
use crate::fuzz::{Amount, Fuzzers};
use crate::progress::seconds;
use crate::sanitize::{self, Extent};
use crate::setup::{BackEnd, Prerequisite, Setup};
use crate::toolchain::{Compiler, Probe as _, Target, host::HostProbe};
use crate::{behaviour, build, exec, interrupt, workspace};

/// Inputs for each fuzz target: some seconds.
const SHORT_RUNS: u64 = 20_000;

/// Runs one part.
type Run = fn(&TestOptions, &Setup) -> Result<Tally>;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Counts one test.
    fn count(&mut self, passed: bool) {
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

/// The parts, in the order they are run.
const PARTS: [(Part, &str, Run); 6] = [
    (Part::Host, "host", |options, setup| {
        host::run(options.filter.as_deref(), has_real_devices(setup))
    }),
    (Part::Ordering, "ordering", |_, _| ordering::run()),
    (Part::Sanitizers, "sanitizers", |_, setup| {
        sanitize::all(Extent::Short, setup)
    }),
    (Part::Targets, "targets", |_, setup| targets(setup)),
    (Part::Fuzz, "fuzz", |_, setup| fuzz_targets(setup)),
    (Part::Behaviour, "behaviour", in_qemu),
];

/// Runs the parts that `options` pick; returns 0 if no test failed, else 1.
pub(crate) fn run(options: &TestOptions, setup: &Setup) -> Result<u8> {
    let is_picked = |part| options.only.is_none_or(|only| only == part);
    if options.list {
        return list(options, setup);
    }
    setup.ensure(&needed(is_picked))?;
    if is_picked(Part::Targets) {
        get_if_wanted(setup, &[Prerequisite::DistributionCompiler])?;
    }
    if is_picked(Part::Host) {
        get_if_wanted(setup, &BACK_ENDS)?;
    }
    let mut total = Tally::default();
    let mut times = Vec::new();
    for round in 1..=options.repeat {
        if options.repeat > 1 {
            eprintln!("xtask: test: round {round} of {} …", options.repeat);
        }
        total.add(once(options, setup, &mut times)?);
        if total.failed > 0 {
            break;
        }
    }
    for line in times {
        println!("{line}");
    }
    if total.passed + total.failed == 0 {
        bail!("no test was run: the filter fits none");
    }
    println!("{}", total.line());
    Ok(u8::from(total.failed > 0))
}

/// Runs the parts that `options` pick, once; adds a line for each to `times`.
fn once(options: &TestOptions, setup: &Setup, times: &mut Vec<String>) -> Result<Tally> {
    let mut total = Tally::default();
    for (part, name, run) in PARTS {
        let is_picked = options.only.is_none_or(|only| only == part);
        if !is_picked || options.filter.is_some() && !part.has_filter() {
            continue;
        }
        eprintln!("xtask: test: {name} …");
        let begin = Instant::now();
        let tally = match run(options, setup) {
            Ok(tally) => tally,
            Err(error) if interrupt::interrupted().is_none() => {
                // What keeps one part from running keeps no other from it.
                eprintln!("error: {name}: {error:#}");
                Tally {
                    failed: 1,
                    ..Tally::default()
                }
            }
            Err(error) => return Err(error),
        };
        total.add(tally);
        times.push(summary(name, tally, begin.elapsed()));
    }
    Ok(total)
}

fn summary(name: &str, tally: Tally, time: Duration) -> String {
    format!("test: {name}: {} ({})", tally.line(), seconds(time))
}

/// Returns what the picked parts need.
fn needed(is_picked: impl Fn(Part) -> bool) -> Vec<Prerequisite> {
    let mut needed = Vec::new();
    if is_picked(Part::Targets) {
        needed.extend(Target::ALL.map(Prerequisite::Compiler));
    }
    if is_picked(Part::Behaviour) {
        needed.push(Prerequisite::Qemu);
        needed.push(Prerequisite::Compiler(Target::Aarch64));
    }
    needed.sort_by_key(|what| Prerequisite::ALL.iter().position(|other| other == what));
    needed.dedup();
    needed
}

/// What plays real devices for tests on the host.
const BACK_ENDS: [Prerequisite; 2] = [
    Prerequisite::BackEnd(BackEnd::Storage),
    Prerequisite::BackEnd(BackEnd::Display),
];

/// Gets what some tests need, where it is to be had; a user who does not want it has those tests skipped.
fn get_if_wanted(setup: &Setup, what: &[Prerequisite]) -> Result<()> {
    if what.iter().all(|what| what.is_optional()) {
        return Ok(());
    }
    match setup.ensure(what) {
        Err(error) if setup.is_users_choice() => {
            eprintln!("xtask: warning: {error:#}");
            Ok(())
        }
        result => result,
    }
}

/// Returns whether every program that plays a real device is there, so that no test may be skipped for the lack of one.
fn has_real_devices(setup: &Setup) -> bool {
    let probe = HostProbe::default();
    BACK_ENDS
        .iter()
        .all(|what| setup.look_for(*what, &probe).is_ok())
}

/// Builds the library crates for every target: by the compiler of this run, and by the distribution's, through the switch.
fn targets(setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    for target in Target::ALL {
        let result = build::libraries(setup, target);
        report(
            &format!("libraries-{}", target.triple()),
            result,
            &mut tally,
        )?;
    }
    for target in Target::ALL {
        let name = format!("libraries-{}-by-distribution", target.triple());
        if let Err(why) = HostProbe::default().distribution() {
            println!("test {name} ... skipped: {why}");
            tally.skipped += 1;
            continue;
        }
        let result = by_distribution(&["--libraries", target.triple()]);
        report(&name, result, &mut tally)?;
    }
    // Where the distribution's compiler is the only one, the tests in QEMU boot what it built.
    if !matches!(setup.compiler(Target::Aarch64)?, Compiler::Distribution(_))
        && HostProbe::default().distribution().is_ok()
    {
        report("kernel-by-distribution", by_distribution(&[]), &mut tally)?;
    }
    Ok(tally)
}

/// Fuzzes every target for a moment; where the tools cannot be had, that is skipped: `cargo test` has inputs of its own.
fn fuzz_targets(setup: &Setup) -> Result<Tally> {
    let mut tally = Tally::default();
    let fuzzers = match Fuzzers::build(Sanitizer::Address, setup) {
        Ok(fuzzers) => fuzzers,
        Err(error) if interrupt::interrupted().is_none() => {
            println!("test fuzz ... skipped: {error:#}");
            tally.skipped += FuzzTarget::ALL.len();
            return Ok(tally);
        }
        Err(error) => return Err(error),
    };
    for target in FuzzTarget::ALL {
        let outcome =
            fuzzers
                .run(target, Amount::Runs(SHORT_RUNS))
                .and_then(|outcome| match outcome.found {
                    true => bail!("an input failed, see above"),
                    false => Ok(()),
                });
        report(&format!("fuzz-{}", target.name()), outcome, &mut tally)?;
    }
    Ok(tally)
}

/// Runs this tool's `build` with the switch that leaves only the distribution's compiler.
fn by_distribution(arguments: &[&str]) -> Result<()> {
    let mut command = workspace::this_program()?;
    command.args(["--toolchain", "distribution", "--no-install", "build"]);
    command.args(arguments);
    // Standard output is for results.
    command.stdout(std::io::stderr());
    let status = exec::status(&mut command)?;
    if !status.success() {
        bail!("the build ended with {status}");
    }
    Ok(())
}

/// Prints and counts one test.
fn report(name: &str, result: Result<()>, tally: &mut Tally) -> Result<()> {
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

/// Runs the kernel's tests in QEMU.
fn in_qemu(options: &TestOptions, setup: &Setup) -> Result<Tally> {
    let kernel = build::kernel(setup)?;
    let summary = behaviour::run(&behaviour_options(options, setup, kernel)?)?;
    Ok(Tally {
        passed: summary.passed,
        failed: summary.failed,
        skipped: 0,
    })
}

/// Prints the names of the tests in QEMU.
fn list(options: &TestOptions, setup: &Setup) -> Result<u8> {
    // Nothing is booted, so nothing need be there.
    behaviour::run(&behaviour_options(
        options,
        setup,
        std::path::PathBuf::new(),
    )?)?;
    Ok(0)
}

fn behaviour_options(
    options: &TestOptions,
    setup: &Setup,
    kernel: std::path::PathBuf,
) -> Result<behaviour::Options> {
    let qemu = match setup.qemu() {
        Ok(qemu) => qemu.path,
        Err(_) if options.list => std::path::PathBuf::new(),
        Err(why) => bail!("{why}"),
    };
    Ok(behaviour::Options {
        kernel,
        qemu,
        filter: options.filter.clone(),
        list: options.list,
        keep: options.keep.clone(),
        bless: options.bless,
    })
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

    #[test]
    fn the_host_tests_need_nothing_but_cargo() {
        assert!(needed(|part| part == Part::Host).is_empty());
        assert!(needed(|part| part == Part::Behaviour).contains(&Prerequisite::Qemu));
        assert!(!needed(|part| part == Part::Targets).contains(&Prerequisite::Qemu));
    }

    #[test]
    fn nothing_is_needed_twice() {
        let all = needed(|_| true);
        let mut unique = all.clone();
        unique.dedup();
        assert_eq!(all, unique);
        for target in Target::ALL {
            assert!(all.contains(&Prerequisite::Compiler(target)));
        }
    }
}
