//! Debian's packages, by `apt-get`.

mod conflict;

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use super::question;
use crate::exec;
use crate::progress::Step;
use crate::toolchain::host::is_new_enough;

/// A compiler and the source of its standard library, by package: the usual ones, and a newer pair that stable releases carry.
const COMPILER_PACKAGES: [[&str; 2]; 2] = [["rustc", "rust-src"], ["rustc-web", "rust-web-src"]];

/// How long a download may take.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Returns whether this system has `apt-get`.
pub(crate) fn is_there() -> bool {
    which::which("apt-get").is_ok()
}

/// Returns the packages of the first compiler that is new enough; if none is known to be, the newer pair.
pub(crate) fn compiler_packages() -> Vec<String> {
    let policy = policy(&COMPILER_PACKAGES.concat());
    let is_offered =
        |package: &str| candidate_in(&policy, package).is_some_and(|v| is_new_enough(&v));
    let [usual, newer] = &COMPILER_PACKAGES;
    let pair = if usual.iter().all(|package| is_offered(package)) {
        usual
    } else {
        newer
    };
    pair.map(str::to_owned).to_vec()
}

/// Reads the package lists anew if they offer no compiler that is new enough: which name has one is to be seen there.
pub(crate) fn know_compilers(attended: bool) -> Result<()> {
    let packages = compiler_packages();
    let policy = policy(&COMPILER_PACKAGES.concat());
    let is_offered = packages.iter().all(|package| {
        candidate_in(&policy, package).is_some_and(|version| is_new_enough(&version))
    });
    if is_offered { Ok(()) } else { update(attended) }
}

/// Returns what a person would type to install `packages`.
pub(crate) fn command_line(packages: &[String]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    let packages = packages.join(" ");
    format!("{sudo}apt-get install -y --no-install-recommends {packages}")
}

/// Installs `packages`, reading the package lists anew if they do not have them.
///
/// An installed package that stands in the way is replaced by the version of it that the package lists offer, after a
/// question where somebody can answer. No package is ever removed.
///
/// # Errors
///
/// There is no way to become root, or apt-get failed: its last lines are in the message.
pub(crate) fn install(packages: &[String], attended: bool) -> Result<()> {
    if !is_there() {
        bail!("this system has no apt-get");
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let known = policy(&names);
    let updated = names
        .iter()
        .any(|package| candidate_in(&known, package).is_none());
    if updated {
        update(attended)?;
    }
    let mut outcome = install_once(packages, attended);
    if outcome.is_err() && !updated {
        // Lists that are too old name files that the server no longer has.
        update(attended)?;
        outcome = install_once(packages, attended);
    }
    outcome.or_else(|error| install_with_replacements(packages, attended, error))
}

/// Installs `packages` and another version of what is in their way; `error` if that is not why they were not installed.
fn install_with_replacements(
    packages: &[String],
    attended: bool,
    error: anyhow::Error,
) -> Result<()> {
    let mut command = Command::new("apt-get");
    command
        .args(["install", "--simulate", "--no-install-recommends"])
        .args(packages)
        .env("LC_ALL", "C");
    let simulation = exec::probe(&mut command).unwrap_or_default();
    let replacements = match conflict::replacements(&simulation, |package| policy(&[package])) {
        Some(replacements) if !replacements.is_empty() => replacements,
        _ => return Err(error),
    };
    let list: Vec<String> = replacements.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    eprintln!("xtask: in the way, and to be replaced: {list}");
    if attended && !question::is_agreed("Replace it now?")? {
        bail!("in the way, and not to be replaced: {list}");
    }
    let mut wanted = vec!["--allow-downgrades".to_owned()];
    wanted.extend_from_slice(packages);
    wanted.extend(replacements.iter().map(conflict::Replacement::argument));
    install_once(&wanted, attended)
}

fn update(attended: bool) -> Result<()> {
    run("reading the package lists", &["update"], attended)
}

fn install_once(packages: &[String], attended: bool) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends", "--no-remove"];
    arguments.extend(packages.iter().map(String::as_str));
    run(
        &format!("installing {}", packages.join(" ")),
        &arguments,
        attended,
    )
}

/// Runs `apt-get`, showing only how long it takes, and its last lines if it fails.
fn run(what: &str, arguments: &[&str], attended: bool) -> Result<()> {
    let mut command = if is_root() {
        Command::new("apt-get")
    } else if let Ok(sudo) = which::which("sudo") {
        let mut command = Command::new(sudo);
        if !attended {
            // Nobody is there to type a password.
            command.arg("-n");
        }
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    } else {
        bail!("only root can install packages, and there is no sudo");
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    let step = Step::begin(what);
    let output = exec::capture(&mut command, DEADLINE)?;
    if output.status.success() {
        step.end("done");
        return Ok(());
    }
    step.end("failed");
    let text = String::from_utf8_lossy(&output.stderr);
    bail!("apt-get failed: {}", reasons(&text))
}

/// Returns the errors in what apt-get wrote, joined to one line; if it names none, its last line.
fn reasons(text: &str) -> String {
    let errors: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("E: "))
        .collect();
    if errors.is_empty() {
        text.trim()
            .lines()
            .next_back()
            .unwrap_or("it says nothing")
            .to_owned()
    } else {
        errors.join("; ")
    }
}

/// Returns what `apt-cache policy` says about packages; nothing about those it does not know.
fn policy(packages: &[&str]) -> String {
    let mut command = Command::new("apt-cache");
    command.arg("policy").args(packages).env("LC_ALL", "C");
    exec::probe(&mut command).unwrap_or_default()
}

/// Returns the version of `package` that would be installed, by what `apt-cache policy` prints.
fn candidate_in(policy: &str, package: &str) -> Option<String> {
    let heading = format!("{package}:");
    policy
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        // The next package's heading is not indented.
        .take_while(|line| line.starts_with(' '))
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_is_read_from_the_policy() {
        let policy = "\
rustc:
  Installed: (none)
  Candidate: 1.63.0+dfsg1-2
  Version table:
     1.63.0+dfsg1-2 500
rust-none:
  Installed: (none)
  Candidate: (none)
rustc-web:
  Installed: (none)
  Candidate: 1.96.0+dfsg1-1~deb12u2
";
        let candidate = |package| candidate_in(policy, package);
        assert_eq!(candidate("rustc").as_deref(), Some("1.63.0+dfsg1-2"));
        assert_eq!(
            candidate("rustc-web").as_deref(),
            Some("1.96.0+dfsg1-1~deb12u2")
        );
        assert_eq!(candidate("rust-none"), None);
        assert_eq!(candidate("rust"), None);
    }

    #[test]
    fn the_errors_of_apt_get_are_shown() {
        let text = "W: old\nE: Unable to locate package a\nE: Unable to locate package b\n";
        assert_eq!(
            reasons(text),
            "Unable to locate package a; Unable to locate package b"
        );
        assert_eq!(
            reasons("sudo: a password is required\n"),
            "sudo: a password is required"
        );
        assert_eq!(reasons(""), "it says nothing");
    }
}
