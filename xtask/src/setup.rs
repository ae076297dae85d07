//! Getting what the commands need, of which each is a [`Prerequisite`].
//!
//! `doctor` prints the list; [`Setup::ensure`] installs what a command lacks, and asks first if somebody is there to answer.

mod action;
pub(crate) mod apt;
mod back_end;
mod cargo_tool;
pub(crate) mod coverage;
mod prerequisite;
pub(crate) mod qemu;
mod question;
mod rustup;

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Result, bail};

use crate::cli::Global;
use crate::platform::Arch;
use crate::toolchain::host::HostProbe;
use crate::toolchain::{Compiler, Probe as _, Target, choose};
use action::Action;
pub(crate) use back_end::BackEnd;
pub(crate) use cargo_tool::CARGO_FUZZ;
pub(crate) use prerequisite::Prerequisite;
use qemu::Qemu;

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
            Prerequisite::Window => self.qemu(Arch::default())?.window().map(str::to_owned),
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
    fn a_missing_qemu_that_was_named_is_not_installed() {
        let setup = Setup::new(&Global {
            qemu: Some("/nonexistent/qemu".into()),
            ..Global::default()
        });
        let error = setup
            .ensure(&[Prerequisite::Qemu(Arch::default())])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/qemu"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}
