//! `cargo xtask test`: the crates' own tests on the host, also under a model checker and sanitizers, and what they reach; the
//! library crates for every bare-metal target; what a request costs; the kernel in QEMU.

pub(crate) mod counted;
mod fuzzing;
mod host;
mod instructions;
pub(crate) mod options;
mod ordering;
mod tally;
mod targets;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::platform::Arch;
use crate::progress::seconds;
use crate::setup::{Prerequisite, Setup};
use crate::toolchain::Target;
use crate::{behaviour, build, coverage, interrupt, sanitize, space};
use options::{Part, TestOptions};
pub(crate) use tally::Tally;

/// How much is run of what takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What `cargo xtask test` has time for.
    Short,
    /// Everything.
    Full,
}

/// Runs one part.
type Run = fn(&TestOptions, &Setup) -> Result<Tally>;

/// The parts, in the order they are run.
const PARTS: [(Part, &str, Run); 8] = [
    (Part::Host, "host", |options, setup| {
        host::run(options.filter.as_deref(), setup)
    }),
    (Part::Ordering, "ordering", |_, _| ordering::run()),
    (Part::Sanitizers, "sanitizers", |_, setup| {
        sanitize::all(Extent::Short, setup)
    }),
    (Part::Coverage, "coverage", |_, setup| coverage::test(setup)),
    (Part::Targets, "targets", |_, setup| targets::run(setup)),
    (Part::Fuzz, "fuzz", |_, setup| fuzzing::run(setup)),
    (Part::Instructions, "instructions", |options, setup| {
        instructions::run(options.bless, setup)
    }),
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
        get_if_wanted(setup, Prerequisite::DistributionCompiler)?;
    }
    if is_picked(Part::Host) {
        host::prepare(setup)?;
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
    if total == Tally::default() {
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
        space::warn_if_short();
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
        if options.discard_builds {
            part.builds().iter().try_for_each(|build| build.discard())?;
        }
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
        for arch in Arch::ALL {
            needed.push(Prerequisite::Qemu(arch));
            needed.push(Prerequisite::Compiler(arch.target()));
        }
    }
    let all = Prerequisite::all();
    needed.sort_by_key(|what| all.iter().position(|other| other == what));
    needed.dedup();
    needed
}

/// Gets what some tests need, where it is to be had; a user who does not want it has those tests skipped.
fn get_if_wanted(setup: &Setup, what: Prerequisite) -> Result<()> {
    if what.is_optional() {
        return Ok(());
    }
    match setup.ensure(&[what]) {
        Err(error) if setup.is_users_choice() => {
            eprintln!("xtask: warning: {error:#}");
            Ok(())
        }
        result => result,
    }
}

/// Runs the kernel's tests in QEMU.
fn in_qemu(options: &TestOptions, setup: &Setup) -> Result<Tally> {
    behaviour::run(&behaviour_options(options, setup)?)
}

/// Prints the names of the tests in QEMU.
fn list(options: &TestOptions, setup: &Setup) -> Result<u8> {
    // Nothing is booted, so nothing need be there.
    behaviour::run(&behaviour_options(options, setup)?)?;
    Ok(0)
}

/// Builds what is to be booted, unless only names are asked for.
fn behaviour_options(options: &TestOptions, setup: &Setup) -> Result<behaviour::Options> {
    let mut programs = Vec::new();
    if !options.list {
        for arch in Arch::ALL {
            programs.push(behaviour::Programs {
                arch,
                kernel: build::kernel(arch, setup)?,
                minimal_kernel: build::minimal_kernel(arch, setup)?,
                qemu: setup.qemu(arch).map_err(anyhow::Error::msg)?.path,
            });
        }
    }
    Ok(behaviour::Options {
        programs,
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
    fn the_host_tests_need_nothing_but_cargo() {
        assert!(needed(|part| part == Part::Host).is_empty());
        assert!(needed(|part| part == Part::Behaviour).contains(&Prerequisite::Qemu(Arch::X86_64)));
        assert!(!needed(|part| part == Part::Targets).contains(&Prerequisite::Qemu(Arch::X86_64)));
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
