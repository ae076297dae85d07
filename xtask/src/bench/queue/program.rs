//! The program of `levitate-host/bench`, which runs the requests: [`Program`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::starts;
use crate::{exec, workspace};

/// The package and its program, and the profile they are built by.
const PACKAGE: &str = "levitate-bench";
const PROFILE: &str = "measured";

/// How often the program is started for times: where it comes to lie in memory is another place each time, and some are slower by a
/// half, for whoever it hits.
const STARTS: usize = 5;

/// How long all turns of a start may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// A driver, one of its ways, and how many requests are in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Whose code it is: `levitate`, `floor`, the name of a crate or project; `device` for the device alone.
    pub(crate) driver: String,
    /// Which of its ways.
    pub(crate) way: String,
    /// The kind of its ring: a way of `device` that has the same.
    pub(crate) ring: String,
    /// Requests in a batch.
    pub(crate) depth: usize,
}

impl Case {
    /// Says whether both have requests one at a time, or both in batches: that of virtio-drivers' `block` is smaller than others'.
    pub(crate) const fn is_as_deep_as(&self, other: &Self) -> bool {
        (self.depth == 1) == (other.depth == 1)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.driver, self.way, self.depth)
    }
}

/// What a request takes, the device's share included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) min_ns: f64,
    pub(crate) median_ns: f64,
    pub(crate) max_ns: f64,
    /// The time of a turn, as a multiple of that of the floor over such a ring just before it: the median.
    pub(crate) floors: f64,
    pub(crate) allocations: f64,
}

/// The program, built.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
}

impl Program {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// cargo cannot be started, or does not build it.
    pub(crate) fn build() -> Result<Self> {
        let mut command = workspace::cargo();
        command.args(["build", "--package", PACKAGE, "--profile", PROFILE]);
        if !exec::status(&mut command)?.success() {
            bail!("{PACKAGE} does not build");
        }
        let path = workspace::target_dir().join(PROFILE).join(PACKAGE);
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Has all contenders take turns, `rounds` of them in each of some starts; returns the shortest and longest times of all starts,
    /// and of what is the median of a start the median.
    ///
    /// # Errors
    ///
    /// The program does not end well.
    pub(crate) fn time(&self, rounds: usize) -> Result<Vec<Times>> {
        let starts = (0..STARTS).map(|_| self.time_once(rounds));
        let starts = starts.collect::<Result<Vec<_>>>()?;
        Ok(starts::merge(&starts))
    }

    fn time_once(&self, rounds: usize) -> Result<Vec<Times>> {
        let mut command = Command::new(&self.path);
        command.args(["time", "--rounds", &rounds.to_string()]);
        let output = succeed(&mut command, DEADLINE)?;
        let parse = |line| serde_json::from_str(line).with_context(|| format!("{line:?}"));
        output.lines().map(parse).collect()
    }
}

/// Runs a command to its good end; returns what it printed.
pub(super) fn succeed(command: &mut Command, deadline: Duration) -> Result<String> {
    let output = exec::capture(command, deadline)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, text.trim());
    }
    String::from_utf8(output.stdout).context("the output is no text")
}
