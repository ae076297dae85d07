//! What the commands need, and getting it: [`Prerequisite`] says how each is looked for and installed.
//!
//! `doctor` prints the list; [`Setup::ensure`] installs what a command lacks, and asks first if somebody is there to answer.

mod action;
pub(crate) mod apt;
mod back_end;
mod cargo_tool;
pub(crate) mod coverage;
pub(crate) mod qemu;
mod question;
mod rustup;

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Result, bail};

use crate::cli::Global;
use crate::platform::Arch;
use crate::toolchain::host::HostProbe;
use crate::toolchain::{Choice, Compiler, Probe as _, Target, choose};
use action::Action;
pub(crate) use back_end::BackEnd;
pub(crate) use cargo_tool::CARGO_FUZZ;
use qemu::Qemu;

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
    /// Everything any command may need.
    pub(crate) const ALL: [Self; 16] = [
        Self::HostLinker,
        Self::Components,
        Self::Compiler(Target::Aarch64),
        Self::Compiler(Target::X86_64),
        Self::Compiler(Target::Riscv64),
        Self::DistributionCompiler,
        Self::Qemu(Arch::Aarch64),
        Self::Qemu(Arch::X86_64),
        Self::BackEnd(BackEnd::Storage),
        Self::BackEnd(BackEnd::Display),
        Self::Miri,
        Self::Coverage,
        Self::CxxCompiler,
        Self::CargoFuzz,
        Self::Valgrind,
        Self::Window,
    ];

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
            Self::Compiler(Target::Aarch64 | Target::X86_64) => "run, screenshot, test, check",
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
    fn actions(self, choice: Choice) -> Vec<Action> {
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

/// Looks for prerequisites, and installs them as the user's options allow.
pub(crate) struct Setup {
    global: Global,
}

impl Setup {
    /// Sets up as `global` says.
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            global: global.clone(),
        }
    }

    /// Returns the user's options.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    /// Looks for a prerequisite: what was found, or why it is not there.
    pub(crate) fn look_for(&self, what: Prerequisite, probe: &HostProbe) -> Result<String, String> {
        match what {
            Prerequisite::HostLinker => in_path("cc"),
            Prerequisite::Components => rustup::components(),
            Prerequisite::Compiler(target) => choose(self.global.toolchain, target, probe)
                .map(|compiler| compiler.describe())
                .map_err(|missing| missing.join("; ")),
            Prerequisite::DistributionCompiler => probe.distribution().map(|distribution| {
                format!("{} {}", distribution.rustc.display(), distribution.version)
            }),
            Prerequisite::Qemu(arch) => self.qemu(arch).map(|qemu| qemu.describe()),
            Prerequisite::BackEnd(kind) => kind.find().map(|path| path.display().to_string()),
            Prerequisite::Miri => rustup::miri(),
            Prerequisite::Coverage => coverage::Tools::find().map(|tools| tools.describe()),
            Prerequisite::CxxCompiler => in_path("c++"),
            Prerequisite::CargoFuzz => CARGO_FUZZ.find().map(|path| path.display().to_string()),
            Prerequisite::Valgrind => in_path("valgrind"),
            Prerequisite::Window => self.qemu(Arch::Aarch64)?.window().map(str::to_owned),
        }
    }

    /// Returns the QEMU to use for `arch`, or why there is none.
    pub(crate) fn qemu(&self, arch: Arch) -> Result<Qemu, String> {
        // The tests boot every architecture: the path of one's QEMU is not the other's.
        let is_others = |path: &&Path| {
            let name = path.file_name();
            let mut others = Arch::ALL.iter().filter(|other| **other != arch);
            others.any(|other| name.is_some_and(|name| name == other.qemu()))
        };
        let given = self.global.qemu.as_deref();
        Qemu::find(arch, given.filter(|path| !is_others(path)))
    }

    /// Returns the compiler for `target`; [`Setup::ensure`] comes first.
    pub(crate) fn compiler(&self, target: Target) -> Result<Compiler> {
        match choose(self.global.toolchain, target, &HostProbe::default()) {
            Ok(compiler) => Ok(compiler),
            Err(missing) => bail!(
                "no compiler for {}: {}",
                target.triple(),
                missing.join("; ")
            ),
        }
    }

    /// Makes sure that everything in `needed` is there.
    ///
    /// # Errors
    ///
    /// Something is missing, and installing it was refused, failed or cannot be done; the message has the command that helps.
    pub(crate) fn ensure(&self, needed: &[Prerequisite]) -> Result<()> {
        let probe = HostProbe::default();
        let mut missing = Vec::new();
        for what in needed {
            if let Err(why) = self.look_for(*what, &probe) {
                missing.push((*what, why));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        // A path given by hand is not ours to put something at.
        if let Some((_, why)) = missing
            .iter()
            .find(|(what, _)| matches!(what, Prerequisite::Qemu(_)) && self.global.qemu.is_some())
        {
            bail!("{why}");
        }
        let choice = self.global.toolchain;
        let can_be_had = |(what, _): &(Prerequisite, String)| {
            what.actions(choice).iter().any(Action::is_possible)
        };
        if self.global.no_install || !missing.iter().any(can_be_had) || !self.is_agreed(&missing)? {
            let list: Vec<String> = missing
                .iter()
                .map(|(what, why)| self.complaint(*what, why))
                .collect();
            bail!("{}", list.join("; "));
        }
        // Each is tried, whatever became of those before.
        let failed: Vec<String> = missing
            .into_iter()
            .filter_map(|(what, why)| self.install(what, &why).err())
            .map(|error| error.to_string())
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("{}", failed.join("; "))
    }

    /// Installs one prerequisite, by the first way that gets it.
    fn install(&self, what: Prerequisite, why: &str) -> Result<()> {
        // What was installed just before may have brought this one along.
        if self.look_for(what, &HostProbe::default()).is_ok() {
            return Ok(());
        }
        let mut said = why.to_owned();
        for action in what.actions(self.global.toolchain) {
            if let Err(error) = action.perform(self.is_attended()) {
                said = format!("{error:#}");
                continue;
            }
            match self.look_for(what, &HostProbe::default()) {
                Ok(found) => {
                    eprintln!("xtask: found {}: {found}", what.name());
                    return Ok(());
                }
                Err(why) => said = why,
            }
        }
        bail!("{}", self.complaint(what, &said))
    }

    /// Returns that something is missing, why, and the command that gets it.
    fn complaint(&self, what: Prerequisite, why: &str) -> String {
        format!(
            "{} is missing ({why}); to get it: {}",
            what.name(),
            what.remedy(self.global.toolchain)
        )
    }

    /// Returns whether somebody decides what is installed, so that a thing may be missing on purpose.
    pub(crate) fn is_users_choice(&self) -> bool {
        self.global.no_install || self.is_attended()
    }

    /// Returns whether somebody is there to answer a question.
    fn is_attended(&self) -> bool {
        !self.global.yes
            && std::env::var_os("CI").is_none()
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal()
    }

    /// Asks whether the missing things shall be installed; nobody there means yes.
    fn is_agreed(&self, missing: &[(Prerequisite, String)]) -> Result<bool> {
        eprintln!("xtask: this machine lacks");
        for (what, why) in missing {
            let ways: Vec<String> = what
                .actions(self.global.toolchain)
                .iter()
                .map(Action::command_line)
                .collect();
            eprintln!("  - {} ({why})", what.name());
            eprintln!("    to be installed by: {}", ways.join(", or else "));
        }
        if !self.is_attended() {
            return Ok(true);
        }
        question::is_agreed("Install it now?")
    }
}

/// Looks for a program in PATH.
fn in_path(program: &str) -> Result<String, String> {
    which::which(program)
        .map(|path| path.display().to_string())
        .map_err(|_| format!("no {program} in PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prerequisite_can_be_got() {
        for what in Prerequisite::ALL {
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

    #[test]
    fn a_missing_qemu_that_was_named_is_not_installed() {
        let setup = Setup::new(&Global {
            qemu: Some("/nonexistent/qemu".into()),
            ..Global::default()
        });
        let error = setup
            .ensure(&[Prerequisite::Qemu(Arch::Aarch64)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/qemu"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}
