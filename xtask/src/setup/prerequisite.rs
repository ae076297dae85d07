//! What the commands need: [`Prerequisite`] says what each thing is for, and the ways to install it.

use super::action::Action;
use super::{BackEnd, apt};
use crate::platform::Arch;
use crate::toolchain::{Choice, Target};

/// Something a command needs and a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prerequisite {
    /// `cc`, by which rustc links for the host: this tool itself, build scripts, tests.
    HostLinker,
    /// `rustfmt` and `clippy` of rustup's toolchain.
    Components,
    /// A compiler for a bare-metal target, from whom `--toolchain` says.
    Compiler(Target),
    /// The distribution's compiler, which `test` tries whoever builds the rest.
    DistributionCompiler,
    /// QEMU for an architecture.
    Qemu(Arch),
    /// A program of QEMU that plays a real device.
    BackEnd(BackEnd),
    /// Miri, of rustup's nightly.
    Miri,
    /// `cargo llvm-cov`, and the tools of LLVM it calls.
    Coverage,
    /// `c++`, which compiles the runtime of libFuzzer.
    CxxCompiler,
    /// `cargo fuzz`, of the version that is pinned.
    CargoFuzz,
    /// valgrind, which counts instructions.
    Valgrind,
    /// QEMU's windows, and a display to show them on; without it `run` saves a screenshot.
    Window,
}

impl Prerequisite {
    /// Returns everything any command may need.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::HostLinker, Self::Components];
        all.extend(Target::ALL.map(Self::Compiler));
        all.push(Self::DistributionCompiler);
        all.extend(Arch::ALL.map(Self::Qemu));
        all.extend([
            Self::BackEnd(BackEnd::Storage),
            Self::BackEnd(BackEnd::Display),
            Self::Miri,
            Self::Coverage,
            Self::CxxCompiler,
            Self::CargoFuzz,
            Self::Valgrind,
            Self::Window,
        ]);
        all
    }

    /// Returns what it is, for people.
    pub(crate) fn name(self) -> String {
        match self {
            Self::HostLinker => "a linker for the host".to_owned(),
            Self::Components => "rustfmt and clippy".to_owned(),
            Self::Compiler(target) => format!("a compiler for {}", target.triple()),
            Self::DistributionCompiler => "the distribution's compiler with its source".to_owned(),
            Self::Qemu(arch) => format!("QEMU for {}", arch.name()),
            Self::BackEnd(kind) => format!("QEMU's {}", kind.program()),
            Self::Miri => "Miri".to_owned(),
            Self::Coverage => "cargo llvm-cov".to_owned(),
            Self::CxxCompiler => "a C++ compiler".to_owned(),
            Self::CargoFuzz => "cargo fuzz".to_owned(),
            Self::Valgrind => "valgrind".to_owned(),
            Self::Window => "a window".to_owned(),
        }
    }

    /// Returns the commands that need it.
    pub(crate) fn needed_by(self) -> &'static str {
        match self {
            Self::HostLinker => "every command: cargo builds xtask with it",
            Self::Components => "check",
            Self::Compiler(target) if Arch::ALL.iter().any(|arch| arch.target() == target) => {
                "run, screenshot, test, check"
            }
            Self::Compiler(_) | Self::DistributionCompiler | Self::BackEnd(_) => "test",
            Self::Qemu(_) => "run, screenshot, test",
            Self::Miri => "sanitize, test",
            Self::Coverage => "coverage, test",
            Self::CxxCompiler | Self::CargoFuzz => "fuzz, test",
            Self::Valgrind => "bench queue, test",
            Self::Window => "nothing; run shows one if it can",
        }
    }

    /// Returns whether every command works without it.
    pub(crate) fn is_optional(self) -> bool {
        match self {
            // `test` says that it skips what needs these.
            Self::Miri | Self::Coverage | Self::CxxCompiler | Self::CargoFuzz => true,
            Self::BackEnd(_) | Self::Valgrind | Self::Window => true,
            // So it does where Debian's packages are not to be had.
            Self::DistributionCompiler => !apt::is_there(),
            _ => false,
        }
    }

    /// Returns the ways to install it, the best first; none if only a person can.
    pub(super) fn actions(self, choice: Choice) -> Vec<Action> {
        match self {
            Self::HostLinker => vec![Action::Apt("gcc")],
            Self::Components => vec![Action::RustupComponents],
            Self::Compiler(target) => {
                let rustup = Action::RustupTarget(target);
                match choice {
                    Choice::Auto if apt::is_there() => vec![rustup, Action::AptCompiler],
                    Choice::Auto | Choice::Rustup => vec![rustup],
                    Choice::Distribution => vec![Action::AptCompiler],
                }
            }
            Self::DistributionCompiler => vec![Action::AptCompiler],
            Self::Qemu(arch) => vec![Action::Apt(arch.qemu_package())],
            Self::BackEnd(kind) => kind.packages().map(Action::Apt).to_vec(),
            Self::Miri => vec![Action::Miri],
            Self::Coverage => vec![Action::Coverage],
            Self::CxxCompiler => vec![Action::Apt("g++")],
            Self::CargoFuzz => vec![Action::CargoFuzz],
            Self::Valgrind => vec![Action::Apt("valgrind")],
            Self::Window => vec![Action::Apt("qemu-system-gui")],
        }
    }

    /// Returns the one command that gets it: of several ways, the one that the machine's own packages offer, and of several
    /// packages the likeliest.
    pub(crate) fn remedy(self, choice: Choice) -> String {
        let actions = self.actions(choice);
        let action = match self {
            Self::BackEnd(_) => actions.first(),
            _ => actions.last(),
        };
        match action {
            Some(action) => action.remedy(),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prerequisite_can_be_got() {
        for what in Prerequisite::all() {
            for choice in [Choice::Auto, Choice::Rustup, Choice::Distribution] {
                assert!(!what.actions(choice).is_empty(), "{what:?}");
            }
        }
    }

    #[test]
    fn of_several_packages_the_likeliest_is_named() {
        for (kind, package) in [
            (BackEnd::Storage, "qemu-system-common"),
            (BackEnd::Display, "qemu-system-gui"),
        ] {
            let remedy = Prerequisite::BackEnd(kind).remedy(Choice::Auto);
            assert!(remedy.contains(&format!(" {package}")), "{remedy}");
        }
    }

    #[test]
    fn the_switch_decides_who_is_asked_for_a_compiler() {
        let compiler = Prerequisite::Compiler(Target::Aarch64);
        assert_eq!(
            compiler.actions(Choice::Rustup),
            [Action::RustupTarget(Target::Aarch64)]
        );
        assert_eq!(
            compiler.actions(Choice::Distribution),
            [Action::AptCompiler]
        );
        assert_eq!(
            compiler.actions(Choice::Auto).first(),
            Some(&Action::RustupTarget(Target::Aarch64))
        );
    }
}
