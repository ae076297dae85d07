//! Debian's packages, by `apt-get`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

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
    let packages = COMPILER_PACKAGES
        .iter()
        .find(|pair| {
            pair.iter()
                .all(|package| candidate(package).is_some_and(|version| is_new_enough(&version)))
        })
        .unwrap_or(&COMPILER_PACKAGES[1]);
    packages.iter().map(|&package| package.to_owned()).collect()
}

/// Returns what a person would type to install `packages`.
pub(crate) fn command_line(packages: &[String]) -> String {
    let sudo = if is_root() { "" } else { "sudo " };
    let packages = packages.join(" ");
    format!("{sudo}apt-get install -y --no-install-recommends {packages}")
}

/// Installs `packages`, reading the package lists anew if they do not have them.
///
/// # Errors
///
/// There is no way to become root, or apt-get failed: its last lines are in the message. No package is ever removed.
pub(crate) fn install(packages: &[String], attended: bool) -> Result<()> {
    if !is_there() {
        bail!("this system has no apt-get");
    }
    let updated = packages.iter().any(|package| candidate(package).is_none());
    if updated {
        update(attended)?;
    }
    let first = install_once(packages, attended);
    if first.is_ok() || updated {
        return first;
    }
    // Lists that are too old name files that the server no longer has.
    update(attended)?;
    install_once(packages, attended)
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
    bail!("apt-get failed: {}", last_lines(&text, 3))
}

/// Returns the last lines of `text` that say something, joined to one.
fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}

/// Returns the version of `package` that would be installed.
fn candidate(package: &str) -> Option<String> {
    let mut command = Command::new("apt-cache");
    command.args(["policy", package]).env("LC_ALL", "C");
    candidate_in(&exec::probe(&mut command)?)
}

/// Returns the candidate in what `apt-cache policy` prints.
fn candidate_in(policy: &str) -> Option<String> {
    policy
        .lines()
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
        let policy = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(
            candidate_in(policy).as_deref(),
            Some("1.96.0+dfsg1-1~deb12u2")
        );
        assert_eq!(candidate_in("x:\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        assert_eq!(last_lines("a\n\nb\n c \n", 2), "b | c");
        assert_eq!(last_lines("", 2), "");
    }
}
