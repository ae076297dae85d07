//! What `cargo xtask test` can be told: [`TestOptions`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::workspace::Apart;

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
    /// Remove what a part has built for itself alone once it is over, for a machine with little room on its disk
    #[arg(long)]
    pub(crate) discard_builds: bool,
    /// Where the tests in QEMU keep logs and all images [default: target/behaviour, and images of what fails alone]
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
    /// Returns what it builds for itself alone, or what later parts can do without.
    pub(crate) const fn builds(self) -> &'static [Apart] {
        match self {
            Self::Ordering => &[Apart::Loom],
            Self::Sanitizers => &[Apart::Sanitized, Apart::Miri],
            Self::Coverage => &[Apart::Coverage],
            // Where the distribution's compiler is the only one, the tests in QEMU build their kernels again.
            Self::Targets => &[Apart::BareDistribution],
            Self::Fuzz => &[Apart::FuzzNightly, Apart::FuzzBootstrap],
            Self::Host | Self::Instructions | Self::Behaviour => &[],
        }
    }

    /// Returns whether its tests have names to filter by.
    pub(crate) const fn has_filter(self) -> bool {
        matches!(self, Self::Host | Self::Behaviour)
    }
}
