//! The kernel's behaviour in QEMU: every case boots it, and compares what it does with what the host knows.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a host tool: the sizes are its own, and what the kernel prints is checked where it is read"
)]

mod bad_input;
mod bench;
mod blk;
mod boot_log;
mod case;
mod changes;
mod command_line;
mod counts;
mod disk_image;
mod drivers;
mod exits;
mod faults;
mod features;
mod harness;
mod interrupts;
mod iommu;
mod lost;
mod matrix;
mod messages;
mod minimal_kernel;
mod pci;
mod pixels;
mod queue_reset;
mod registers;
mod rings;
mod selftest;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::test::Tally;
use crate::{vm, workspace};
pub(crate) use case::Programs;
use case::{Case, Context, Skipped};

/// Machines that run at a time; a translated CPU keeps one of the host's busy.
const WORKERS: usize = 2;

/// What to run, and with what.
pub(crate) struct Options {
    /// What is booted on each architecture.
    pub(crate) programs: Vec<Programs>,
    /// Run only the cases whose name contains this.
    pub(crate) filter: Option<String>,
    /// Print the names of the cases, and run none.
    pub(crate) list: bool,
    /// Where logs and images go; `target/behaviour` if not given.
    pub(crate) keep: Option<PathBuf>,
    /// Write the golden boot logs anew instead of comparing with them.
    pub(crate) bless: bool,
}

/// Runs the cases that [`Options`] picks, which may be none; prints one line for each.
///
/// # Errors
///
/// Nothing could be run at all, because the kernel is missing, or the run was interrupted.
pub(crate) fn run(options: &Options) -> Result<Tally> {
    let mut cases = all();
    if let Some(filter) = &options.filter {
        cases.retain(|case| case.name.contains(filter.as_str()));
    }
    if options.list {
        for case in &cases {
            println!("{}", case.name);
        }
        return Ok(Tally::default());
    }
    for programs in &options.programs {
        let kernel = &programs.kernel;
        ensure!(
            kernel.is_file(),
            "there is no kernel at {}",
            kernel.display()
        );
    }
    let root = match &options.keep {
        Some(path) => std::path::absolute(path)?,
        None => workspace::target_dir().join("behaviour"),
    };
    let tally = run_all(&cases, |case| run_one(case, options, &root));
    ensure!(!vm::is_ending(), "interrupted");
    Ok(tally)
}

/// Every case, in the order in which they start.
fn all() -> Vec<Case> {
    let mut cases = harness::cases();
    cases.extend(matrix::cases());
    cases.extend(selftest::cases());
    cases.extend(bench::cases());
    cases.extend(exits::cases());
    cases.extend(faults::cases());
    cases.extend(changes::cases());
    cases.extend(drivers::cases());
    cases.extend(lost::cases());
    cases.extend(pci::cases());
    cases.extend(messages::cases());
    cases.extend(iommu::cases());
    cases.extend(rings::cases());
    cases.extend(queue_reset::cases());
    cases.extend(command_line::cases());
    cases.extend(counts::cases());
    cases.extend(bad_input::cases());
    cases.extend(minimal_kernel::cases());
    cases
}

/// Runs `cases` on [`WORKERS`] threads.
fn run_all(cases: &[Case], run: impl Fn(&Case) -> Result<()> + Sync) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begin = Instant::now();
                    let result = run(case);
                    if vm::is_ending() {
                        // Its machine was ended; that is no result.
                        break;
                    }
                    let seconds = begin.elapsed().as_secs_f32();
                    let mut tally = tally.lock().unwrap_or_else(|poison| poison.into_inner());
                    // One call for each case, so that two of them do not mix.
                    match result {
                        Ok(()) => {
                            tally.passed += 1;
                            println!("case {} ... ok ({seconds:.1} s)", case.name);
                        }
                        Err(error) if error.is::<Skipped>() => {
                            tally.skipped += 1;
                            println!("case {} ... skipped: {error}", case.name);
                        }
                        Err(error) => {
                            tally.failed += 1;
                            println!("case {} ... FAILED ({seconds:.1} s): {error:#}", case.name);
                        }
                    }
                }
            });
        }
    });
    tally
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner())
}

/// Runs one case in an empty directory of its own.
fn run_one(case: &Case, options: &Options, root: &Path) -> Result<()> {
    let dir = root.join(case.name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let context = Context {
        programs: options.programs.clone(),
        dir,
        name: case.name,
        bless: options.bless,
    };
    match (case.run)(&context) {
        // Logs are small. Whoever names a place for them wants the rest, too.
        Ok(()) if options.keep.is_none() => discard_images(&context.dir),
        Ok(()) => Ok(()),
        Err(error) if error.is::<Skipped>() => Err(error),
        Err(error) => bail!("{error:#}\n  logs: {}", context.dir.display()),
    }
}

/// Removes the images of disks in `dir`.
fn discard_images(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "img") {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
