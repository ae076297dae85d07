//! What `cargo xtask bench` can be told: [`BenchOptions`].

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use super::machine::{SETTINGS, Setting};
use crate::cli::Accel;
use crate::platform::{Arch, Board, Transport};

/// What to measure on, and where the results go.
#[derive(Args, Debug)]
pub(crate) struct BenchOptions {
    /// Measure on machines of this architecture only
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
    /// Measure on this machine only
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Board>,
    /// Measure through this transport only
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,
    /// How QEMU runs the guest's instructions
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accel: Accel,
    /// How long to measure
    #[arg(long, value_enum, default_value_t)]
    pub(crate) effort: Effort,
    /// Have QEMU count the guest's instructions for its clock: a nanosecond is one of them
    #[arg(long, conflicts_with_all = ["save", "accel"])]
    pub(crate) icount: bool,
    /// Write the results to this file too, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Write tables and chart of docs/performance.md anew
    #[arg(long)]
    pub(crate) save: bool,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Effort {
    /// Long enough for times that mean something
    #[default]
    Full,
    /// Long enough to count
    Short,
}

impl BenchOptions {
    /// Returns the machines to measure on.
    ///
    /// # Errors
    ///
    /// There is none like that.
    pub(super) fn settings(&self) -> Result<Vec<Setting>> {
        let mut settings = SETTINGS.to_vec();
        settings.retain(|setting| {
            self.arch.is_none_or(|arch| arch == setting.board.arch())
                && self.machine.is_none_or(|board| board == setting.board)
                && self
                    .transport
                    .is_none_or(|transport| transport == setting.transport)
        });
        ensure!(
            !settings.is_empty(),
            "no machine to measure on is like that"
        );
        for setting in &mut settings {
            setting.accel = self.accel;
        }
        Ok(settings)
    }

    /// Returns the word on the kernel's command line.
    pub(super) const fn word(&self) -> &'static str {
        match self.effort {
            Effort::Full => "bench=full",
            Effort::Short => "bench=short",
        }
    }
}
