//! What `cargo xtask test` can be told: [`TestOptions`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which tests to run.
#[derive(Args, Debug)]
pub(crate) struct TestOptions {
    /// Run this part only
    #[arg(long, value_enum)]
    pub(crate) only: Option<Part>,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Run everything this often, unless a test fails
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// Print the names of the tests in QEMU, and run none
    #[arg(long)]
    pub(crate) list: bool,
    /// Write golden boot logs and counts of instructions anew instead of comparing with them
    #[arg(long)]
    pub(crate) bless: bool,
    /// Where the tests in QEMU keep logs and images [default: target/behaviour]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) keep: Option<PathBuf>,
}

/// A part of `cargo xtask test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// `cargo test` for every crate
    Host,
    /// The order of the rings' accesses, proved by the model checker loom
    Ordering,
    /// The host tests under AddressSanitizer, and some under Miri
    Sanitizers,
    /// How many lines of each library crate its own tests reach
    Coverage,
    /// The library crates for all bare-metal targets
    Targets,
    /// The fuzz targets, for a moment
    Fuzz,
    /// What a request costs in a virtqueue, in instructions
    Instructions,
    /// The kernel in QEMU
    Behaviour,
}

impl Part {
    /// Returns whether its tests have names to filter by.
    pub(crate) const fn has_filter(self) -> bool {
        matches!(self, Self::Host | Self::Behaviour)
    }
}
