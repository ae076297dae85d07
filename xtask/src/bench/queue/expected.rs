//! What instructions were, in a file that is kept with the sources: [`Expected`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Counts, Measured};
use crate::{exec, workspace};

const FILE: &str = "levitate-host/bench/instructions.txt";

/// What the file says of itself.
const INTRODUCTION: &str = "\
# Instructions of a request: submit, notify, complete.
# Written by `cargo xtask test --only instructions --bless`; with another compiler nothing is compared.
";

/// What comes before the compiler's name.
const COMPILER: &str = "compiler: ";

/// What is compared. Other crates are left out: where they allocate, their figures are those of the host's heap too.
const DRIVERS: [&str; 2] = ["levitate", "floor"];

/// How far a phase may be from what it was, in either direction: a share of it, and no less than some part of an instruction.
const TOLERANCE: f64 = 0.03;
const LEAST: f64 = 0.5;

/// Phases by case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    compiler: String,
    phases: BTreeMap<String, [f64; 3]>,
}

impl Expected {
    /// Returns what was measured.
    ///
    /// # Errors
    ///
    /// The compiler does not tell its version.
    pub(crate) fn of(all: &[Measured]) -> Result<Self> {
        let is_compared = |one: &&Measured| DRIVERS.contains(&one.case().driver.as_str());
        let phases = all.iter().filter(is_compared).map(|one| {
            let Counts {
                submit,
                notify,
                complete,
                ..
            } = one.counts;
            (one.case().to_string(), [submit, notify, complete])
        });
        Ok(Self {
            compiler: compiler()?,
            phases: phases.collect(),
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// There is none, or it is not as [`save`](Self::save) writes it.
    pub(crate) fn load() -> Result<Self> {
        let text =
            std::fs::read_to_string(path()).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text).with_context(|| format!("{FILE} is not what `--bless` writes"))
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(crate) fn save(&self) -> Result<()> {
        std::fs::write(path(), self.text()).with_context(|| format!("cannot write {FILE}"))
    }

    /// Returns the compiler, if it is another one.
    pub(crate) fn other_compiler(&self, measured: &Self) -> Option<&str> {
        (self.compiler != measured.compiler).then_some(&self.compiler)
    }

    /// Returns the cases of either.
    pub(crate) fn cases<'a>(&'a self, measured: &'a Self) -> impl Iterator<Item = &'a String> {
        let new = measured.phases.keys();
        let new = new.filter(|case| !self.phases.contains_key(*case));
        self.phases.keys().chain(new)
    }

    /// Compares a case with what was measured.
    ///
    /// # Errors
    ///
    /// A phase has another number of instructions, or the case is in one of both only.
    pub(crate) fn check(&self, measured: &Self, case: &str) -> Result<()> {
        let expected = self.phases.get(case);
        let expected = expected.with_context(|| format!("it is not in {FILE}: --bless adds it"))?;
        let found = measured.phases.get(case);
        let found = found.context("it is not measured any more: --bless takes it out")?;
        for ((found, expected), phase) in found.iter().zip(expected).zip(PHASES) {
            ensure!(
                (found - expected).abs() <= (TOLERANCE * expected).max(LEAST),
                "{phase} takes {found:.2} instructions, not {expected:.2}; --bless makes that the figure to compare with"
            );
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = format!("{INTRODUCTION}{COMPILER}{}\n", self.compiler);
        for (case, [submit, notify, complete]) in &self.phases {
            text += &format!("{case} {submit:.2} {notify:.2} {complete:.2}\n");
        }
        text
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let compiler = lines.next().and_then(|line| line.strip_prefix(COMPILER));
        let compiler = compiler.context("no compiler")?.to_owned();
        let mut phases = BTreeMap::new();
        for line in lines {
            let fields: Vec<&str> = line.split(' ').collect();
            let [case, submit, notify, complete] = fields[..] else {
                bail!("{line:?}");
            };
            let numbers = [submit.parse()?, notify.parse()?, complete.parse()?];
            phases.insert(case.to_owned(), numbers);
        }
        Ok(Self { compiler, phases })
    }
}

const PHASES: [&str; 3] = ["submit", "notify", "complete"];

fn path() -> PathBuf {
    workspace::root().join(FILE)
}

/// Returns the version of the compiler for the host, and what it compiles for.
fn compiler() -> Result<String> {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    workspace::quiet_environment(&mut command);
    command.arg("-vV").current_dir(workspace::root());
    let answer = exec::probe(&mut command).context("rustc does not tell its version")?;
    let version = answer.lines().next().unwrap_or_default();
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(format!("{version} for {}", host.unwrap_or("this host")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::measured;
    use super::*;

    fn expected(instructions: f64) -> Expected {
        Expected::of(&[
            measured("levitate", "split-direct", 1, instructions, 1.0),
            measured("libblkio", "split-direct", 1, instructions, 1.0),
        ])
        .unwrap()
    }

    const CASE: &str = "levitate-split-direct-1";

    #[test]
    fn the_file_says_what_was_written_to_it() {
        let one = expected(300.0);
        assert_eq!(Expected::parse(&one.text()).unwrap(), one);
        for text in ["", "compiler: a\nx 1 2\n", "compiler: a\nx 1 2 y\n"] {
            assert!(Expected::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_phase_may_be_a_little_off_in_either_direction() {
        let one = expected(300.0);
        assert!(one.check(&expected(308.0), CASE).is_ok());
        assert!(one.check(&expected(292.0), CASE).is_ok());
        for wrong in [312.0, 288.0] {
            let error = one.check(&expected(wrong), CASE).unwrap_err().to_string();
            assert!(error.starts_with("submit takes"), "{error}");
        }
    }

    #[test]
    fn a_case_that_is_in_one_of_both_only_is_wrong() {
        let (one, none) = (expected(300.0), Expected::of(&[]).unwrap());
        for (old, new) in [(&one, &none), (&none, &one)] {
            assert_eq!(old.cases(new).collect::<Vec<_>>(), [CASE]);
            assert!(old.check(new, CASE).is_err());
        }
    }

    #[test]
    fn figures_of_another_compiler_are_known_as_such() {
        let one = expected(1.0);
        let other = Expected {
            compiler: "rustc 1.0.0".to_owned(),
            ..one.clone()
        };
        assert_eq!(one.other_compiler(&one), None);
        assert_eq!(other.other_compiler(&one), Some("rustc 1.0.0"));
    }

    #[test]
    fn the_file_is_there() {
        assert!(!Expected::load().unwrap().phases.is_empty());
    }
}
