#![doc = include_str!("../README.md")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a fuzz harness may panic on its own mistakes; it is what tells the fuzzer of one"
)]

mod bench;
mod device;
mod memory;
mod sabotage;
mod script;
mod spec;
mod target;

pub use sabotage::Sabotage;
pub use target::{block, config, display, gpu, pci, probe, queue};

/// What takes an input; it panics if something does not hold.
pub type Run = fn(&[u8]);

/// A target with sabotage, to prove its oracle.
pub type SabotagedRun = fn(&[u8], Sabotage);

/// Every target by its name.
pub const TARGETS: [(&str, Run, SabotagedRun); 7] = [
    ("queue", queue, target::queue::run),
    ("block", block, target::block::run),
    ("gpu", gpu, target::gpu::run),
    ("probe", probe, target::probe::run),
    ("config", config, target::config::run),
    ("display", display, target::display::run),
    ("pci", pci, target::pci::run),
];

/// Runs each file that the command line names, and says so; for programs without a fuzzer in them.
///
/// # Errors
///
/// A file cannot be read.
pub fn replay(run: Run) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        run(&std::fs::read(&path)?);
        println!("{}: ok", path.display());
    }
    Ok(())
}
