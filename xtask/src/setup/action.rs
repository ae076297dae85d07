//! One way to install something: [`Action`].

use anyhow::Result;

use super::cargo_tool::CARGO_FUZZ;
use super::{apt, coverage, rustup};
use crate::toolchain::Target;
use crate::toolchain::host::OLDEST_RUSTC;

/// One way to install something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    RustupTarget(Target),
    RustupComponents,
    Miri,
    Coverage,
    CargoFuzz,
    Apt(&'static str),
    /// The distribution's compiler and its source, under the names that have one that is new enough.
    AptCompiler,
}

impl Action {
    /// Returns what a person would type.
    pub(super) fn command_line(&self) -> String {
        match self {
            Self::RustupTarget(target) => format!("rustup target add {}", target.triple()),
            Self::RustupComponents => "rustup component add rustfmt clippy".to_owned(),
            Self::Miri => format!("rustup {}", rustup::MIRI.join(" ")),
            Self::Coverage => coverage::command_line(),
            Self::CargoFuzz => CARGO_FUZZ.command_line(),
            Self::Apt(package) => apt::command_line(&[(*package).to_owned()]),
            Self::AptCompiler => apt::command_line(&apt::compiler_packages()),
        }
    }

    /// Returns what a person would do, on a system without Debian's packages too.
    pub(super) fn remedy(&self) -> String {
        let (major, minor) = OLDEST_RUSTC;
        match self {
            Self::Apt(package) if !apt::is_there() => {
                format!("install what Debian calls {package} with the system's package manager")
            }
            Self::AptCompiler if !apt::is_there() => format!(
                "install rustc {major}.{minor} or later, and the source of its library, with the system's package manager"
            ),
            _ => self.command_line(),
        }
    }

    /// Returns whether the system has what this is done with.
    pub(super) fn is_possible(&self) -> bool {
        match self {
            Self::Apt(_) | Self::AptCompiler => apt::is_there(),
            _ => true,
        }
    }

    pub(super) fn perform(&self, attended: bool) -> Result<()> {
        match self {
            Self::RustupTarget(target) => rustup::add(&["target", "add", target.triple()]),
            Self::RustupComponents => rustup::add(&["component", "add", "rustfmt", "clippy"]),
            Self::Miri => rustup::add(&rustup::MIRI),
            Self::Coverage => coverage::install(),
            Self::CargoFuzz => CARGO_FUZZ.install(),
            Self::Apt(package) => apt::install(&[(*package).to_owned()], attended),
            Self::AptCompiler => {
                apt::know_compilers(attended)?;
                apt::install(&apt::compiler_packages(), attended)
            }
        }
    }
}
