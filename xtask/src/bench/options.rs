//! What `cargo xtask bench` can be told: [`BenchOptions`].

use std::env::consts::ARCH;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand, ValueEnum};

use super::machine::{SETTINGS, Setting};
use crate::cli::Accel;
use crate::platform::{Arch, Board, Transport};
use crate::run::ensure_kvm;

/// What to measure on, and where the results go.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchOptions {
    #[command(subcommand)]
    pub(crate) other: Option<Other>,
    /// Measure on machines of this architecture only
    #[arg(long, value_enum)]
    pub(crate) arch: Option<Arch>,
    /// Measure on this machine only
    #[arg(long, value_enum)]
    pub(crate) machine: Option<Board>,
    /// Measure through this transport only
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,
    /// How QEMU runs the guest's instructions; with the host's own CPUs, only machines of their architecture are measured
    #[arg(long, value_enum, default_value_t)]
    pub(crate) accel: Accel,
    /// How long to measure
    #[arg(long, value_enum, default_value_t)]
    pub(crate) effort: Effort,
    /// Have QEMU count the guest's instructions for its clock: a nanosecond is one of them
    #[arg(long, conflicts_with = "accel")]
    pub(crate) icount: bool,
    /// Write the results to this file too, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Write tables and chart of docs/performance.md anew, which are of all machines
    #[arg(long, conflicts_with_all = ["arch", "machine", "transport", "accel", "effort", "icount"])]
    pub(crate) save: bool,
}

/// What else there is to measure than drivers in the kernel.
#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// Measure what a request costs in a virtqueue, in a process on the host: instructions, time and allocations
    Queue(QueueOptions),
}

/// Where the results go.
#[derive(Args, Debug)]
pub(crate) struct QueueOptions {
    /// Write the results to this file too, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Write table and chart of docs/performance.md anew
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
    /// There is none like that, or the host's CPUs do not run one that is.
    pub(super) fn settings(&self) -> Result<Vec<Setting>> {
        let mut settings = SETTINGS.to_vec();
        settings.retain(|setting| {
            self.arch.is_none_or(|arch| arch == setting.board.arch())
                && self.machine.is_none_or(|board| board == setting.board)
                && self
                    .transport
                    .is_none_or(|transport| transport == setting.transport)
        });
        if self.accel == Accel::Kvm {
            let is_any = self.arch.is_none() && self.machine.is_none();
            settings.retain(|setting| !is_any || setting.board.arch().name() == ARCH);
            for setting in &settings {
                ensure_kvm(setting.board.arch())?;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut BenchOptions)) -> BenchOptions {
        let mut options = BenchOptions {
            other: None,
            arch: None,
            machine: None,
            transport: None,
            accel: Accel::Tcg,
            effort: Effort::Full,
            icount: false,
            json: None,
            save: false,
        };
        change(&mut options);
        options
    }

    #[test]
    fn what_is_named_is_measured() {
        assert_eq!(options(|_| {}).settings().unwrap().len(), SETTINGS.len());
        let named = options(|it| it.transport = Some(Transport::Mmio));
        assert_eq!(named.settings().unwrap().len(), 2);
        let contradiction = options(|it| {
            it.arch = Some(Arch::Aarch64);
            it.machine = Some(Board::Q35);
        });
        contradiction.settings().unwrap_err();
    }

    #[test]
    fn a_host_runs_no_guest_of_another_architecture() {
        let foreign = match ARCH {
            "x86_64" => Arch::Aarch64,
            _ => Arch::X86_64,
        };
        let error = options(|it| {
            it.accel = Accel::Kvm;
            it.arch = Some(foreign);
        });
        let error = error.settings().unwrap_err().to_string();
        assert!(error.contains(foreign.name()), "{error}");
    }
}
