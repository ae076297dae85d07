//! Which compiler builds for bare metal: [`choose`] picks the first [`Compiler`] of what a [`Probe`] finds.
//!
//! 1. rustup's toolchain, if it has the target's core library: a plain build on stable.
//! 2. A nightly with the standard library's source: the core library is built along (`-Zbuild-std`).
//! 3. The distribution's rustc with its source package: the same, with `RUSTC_BOOTSTRAP=1`.

pub(crate) mod host;

use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::workspace::Apart;

/// Whose compiler the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// rustup's if it has the target, else the distribution's
    #[default]
    Auto,
    /// rustup's only
    Rustup,
    /// The distribution's rustc with its source package
    Distribution,
}

/// A bare-metal target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// aarch64-unknown-none
    #[value(name = "aarch64-unknown-none")]
    Aarch64,
    /// x86_64-unknown-none
    #[value(name = "x86_64-unknown-none")]
    X86_64,
    /// riscv64gc-unknown-none-elf
    #[value(name = "riscv64gc-unknown-none-elf")]
    Riscv64,
}

impl Target {
    /// Every target.
    pub(crate) const ALL: [Self; 3] = [Self::Aarch64, Self::X86_64, Self::Riscv64];

    /// Returns the target's name.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-none",
            Self::X86_64 => "x86_64-unknown-none",
            Self::Riscv64 => "riscv64gc-unknown-none-elf",
        }
    }

    /// Returns the variable by which cargo takes the target's linker.
    fn linker_variable(self) -> String {
        let triple = self.triple().to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{triple}_LINKER")
    }
}

/// A distribution's compiler, complete with what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) rustc: PathBuf,
    pub(crate) version: String,
    /// A `rust-lld`, which distributions may lack.
    pub(crate) linker: PathBuf,
}

/// What builds for a bare-metal target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// rustup's active toolchain has the target.
    Rustup,
    /// rustup's nightly builds the core library along.
    Nightly,
    /// The distribution's rustc builds the core library along.
    Distribution(Distribution),
}

/// What a machine has. Every answer that is no says why.
pub(crate) trait Probe {
    /// Whether rustup's active toolchain has `target`.
    fn rustup_target(&self, target: Target) -> Result<(), String>;
    /// Whether there is a nightly with the standard library's source.
    fn nightly(&self) -> Result<(), String>;
    /// The distribution's compiler.
    fn distribution(&self) -> Result<Distribution, String>;
}

/// Picks the compiler for `target`.
///
/// # Errors
///
/// There is none; the list says of each that was looked for why it is not.
pub(crate) fn choose(
    choice: Choice,
    target: Target,
    probe: &impl Probe,
) -> Result<Compiler, Vec<String>> {
    let mut missing = Vec::new();
    if choice != Choice::Distribution {
        match probe.rustup_target(target) {
            Ok(()) => return Ok(Compiler::Rustup),
            Err(why) => missing.push(why),
        }
        match probe.nightly() {
            Ok(()) => return Ok(Compiler::Nightly),
            Err(why) => missing.push(why),
        }
    }
    if choice != Choice::Rustup {
        match probe.distribution() {
            Ok(distribution) => return Ok(Compiler::Distribution(distribution)),
            Err(why) => missing.push(why),
        }
    }
    Err(missing)
}

impl Compiler {
    /// Returns whose compiler it is, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Rustup => "rustup's toolchain".to_owned(),
            Self::Nightly => "rustup's nightly, core library built along".to_owned(),
            Self::Distribution(distribution) => format!(
                "the distribution's {} {}, core library built along",
                distribution.rustc.display(),
                distribution.version
            ),
        }
    }

    /// Returns the directory for what it builds: compilers do not share one.
    pub(crate) fn target_dir(&self) -> PathBuf {
        match self {
            Self::Rustup => Apart::BareRustup,
            Self::Nightly => Apart::BareNightly,
            Self::Distribution(_) => Apart::BareDistribution,
        }
        .target_dir()
    }

    /// Returns cargo's `subcommand` for `target` by this compiler.
    pub(crate) fn cargo(&self, subcommand: &str, target: Target) -> Command {
        let mut command = match self {
            Self::Rustup | Self::Distribution(_) => crate::workspace::cargo(),
            Self::Nightly => {
                let mut command = Command::new("rustup");
                crate::workspace::quiet_environment(&mut command);
                command
                    .current_dir(crate::workspace::root())
                    .args(["run", "nightly", "cargo"]);
                command
            }
        };
        command.arg(subcommand);
        if *self != Self::Rustup {
            command.args([
                "-Zbuild-std=core,alloc",
                "-Zbuild-std-features=compiler-builtins-mem",
            ]);
        }
        if let Self::Distribution(distribution) = self {
            command
                .env("RUSTC", &distribution.rustc)
                .env("RUSTC_BOOTSTRAP", "1")
                .env(target.linker_variable(), &distribution.linker)
                // Wrappers of rustup's toolchain are linked to rustup's compiler, and its libraries are not this one's.
                .env_remove("RUSTC_WORKSPACE_WRAPPER")
                .env_remove("LD_LIBRARY_PATH");
        }
        command
            .args(["--target", target.triple()])
            .env("CARGO_TARGET_DIR", self.target_dir());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that has what its fields say.
    #[derive(Default)]
    struct Fake {
        targets: Vec<Target>,
        nightly: bool,
        distribution: bool,
    }

    fn distribution() -> Distribution {
        Distribution {
            rustc: "/usr/bin/rustc".into(),
            version: "1.96.0".to_owned(),
            linker: "/lld".into(),
        }
    }

    impl Probe for Fake {
        fn rustup_target(&self, target: Target) -> Result<(), String> {
            self.targets
                .contains(&target)
                .then_some(())
                .ok_or_else(|| "no target".to_owned())
        }
        fn nightly(&self) -> Result<(), String> {
            self.nightly
                .then_some(())
                .ok_or_else(|| "no nightly".to_owned())
        }
        fn distribution(&self) -> Result<Distribution, String> {
            self.distribution
                .then(distribution)
                .ok_or_else(|| "no package".to_owned())
        }
    }

    const TARGET: Target = Target::Aarch64;

    #[test]
    fn rustup_comes_first_if_it_has_this_target() {
        let mut machine = Fake {
            targets: vec![TARGET],
            nightly: true,
            distribution: true,
        };
        assert_eq!(choose(Choice::Auto, TARGET, &machine), Ok(Compiler::Rustup));
        machine.targets = vec![Target::X86_64];
        assert_eq!(
            choose(Choice::Auto, TARGET, &machine),
            Ok(Compiler::Nightly)
        );
        machine.nightly = false;
        assert_eq!(
            choose(Choice::Auto, TARGET, &machine),
            Ok(Compiler::Distribution(distribution()))
        );
    }

    #[test]
    fn the_switch_forces_the_distribution() {
        let mut machine = Fake {
            targets: vec![TARGET],
            nightly: true,
            distribution: true,
        };
        assert_eq!(
            choose(Choice::Distribution, TARGET, &machine),
            Ok(Compiler::Distribution(distribution()))
        );
        machine.distribution = false;
        assert_eq!(
            choose(Choice::Distribution, TARGET, &machine),
            Err(vec!["no package".to_owned()])
        );
    }

    #[test]
    fn the_switch_keeps_the_distribution_out() {
        let machine = Fake {
            distribution: true,
            ..Fake::default()
        };
        assert_eq!(
            choose(Choice::Rustup, TARGET, &machine),
            Err(vec!["no target".to_owned(), "no nightly".to_owned()])
        );
    }

    #[test]
    fn a_machine_without_any_says_why_of_each() {
        assert_eq!(
            choose(Choice::Auto, TARGET, &Fake::default()),
            Err(vec![
                "no target".to_owned(),
                "no nightly".to_owned(),
                "no package".to_owned()
            ])
        );
    }

    #[test]
    fn compilers_share_no_target_directory() {
        let distribution = Compiler::Distribution(distribution());
        assert_ne!(Compiler::Rustup.target_dir(), distribution.target_dir());
        assert_ne!(Compiler::Nightly.target_dir(), distribution.target_dir());
        assert_ne!(
            Compiler::Nightly.target_dir(),
            Compiler::Rustup.target_dir()
        );
    }

    #[test]
    fn the_distribution_builds_the_core_library_with_its_own_rustc() {
        let command = Compiler::Distribution(distribution()).cargo("build", Target::Riscv64);
        let arguments: Vec<_> = command.get_args().collect();
        assert!(arguments.contains(&"-Zbuild-std=core,alloc".as_ref()));
        let set = |name: &str| {
            command
                .get_envs()
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value)
        };
        assert_eq!(set("RUSTC"), Some("/usr/bin/rustc".as_ref()));
        assert_eq!(set("RUSTC_BOOTSTRAP"), Some("1".as_ref()));
        let linker = "CARGO_TARGET_RISCV64GC_UNKNOWN_NONE_ELF_LINKER";
        assert_eq!(set(linker), Some("/lld".as_ref()));
    }

    #[test]
    fn rustup_builds_plainly() {
        let command = Compiler::Rustup.cargo("build", TARGET);
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["build", "--target", "aarch64-unknown-none"]);
        assert!(command.get_envs().all(|(key, _)| key != "RUSTC_BOOTSTRAP"));
    }
}
