//! Installed packages that stand in the way of new ones: [`Replacement`].
//!
//! A machine may have one of QEMU's packages from a newer release than the one its package lists offer the rest from.

use std::fmt;

/// An installed package that does not go with what is wanted, and the version of it that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacement {
    package: String,
    installed: String,
    offered: String,
}

impl Replacement {
    /// Returns what apt-get is asked for.
    pub(super) fn argument(&self) -> String {
        format!("{}={}", self.package, self.offered)
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package,
            installed,
            offered,
        } = self;
        write!(f, "{package} {installed} by {offered}")
    }
}

/// Returns what could be replaced so that nothing is removed, by what `apt-get install --simulate` printed.
///
/// `policy` is what `apt-cache policy` prints of a package. `None` if something would be removed for good.
pub(super) fn replacements(
    simulation: &str,
    policy: impl Fn(&str) -> String,
) -> Option<Vec<Replacement>> {
    simulation
        .lines()
        .filter_map(|line| line.strip_prefix("Remv "))
        .map(|removal| {
            let (package, rest) = removal.split_once(' ')?;
            let installed = rest.strip_prefix('[')?.split(']').next()?;
            let offered = other_version_in(&policy(package))?;
            Some(Replacement {
                package: package.to_owned(),
                installed: installed.to_owned(),
                offered,
            })
        })
        .collect()
}

/// Returns the newest version that is not the installed one, by what `apt-cache policy` prints of one package.
fn other_version_in(policy: &str) -> Option<String> {
    policy
        .lines()
        .skip_while(|line| line.trim() != "Version table:")
        .skip(1)
        // The installed version is marked with stars; where a version comes from is indented further.
        .filter_map(|line| line.strip_prefix("     "))
        .find(|line| !line.starts_with(' '))
        .and_then(|line| line.split_whitespace().next())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMULATION: &str = "\
The following packages will be REMOVED:
  qemu-utils
Remv qemu-utils [1:10.0.2+ds-2~bpo12+1]
Inst libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])
";
    const POLICY: &str = "\
qemu-utils:
  Installed: 1:10.0.2+ds-2~bpo12+1
  Candidate: 1:10.0.2+ds-2~bpo12+1
  Version table:
 *** 1:10.0.2+ds-2~bpo12+1 100
        100 /var/lib/dpkg/status
     1:7.2+dfsg-7+deb12u18+b3 500
        500 http://a.mirror/debian bookworm/main amd64 Packages
     1:7.2+dfsg-7+deb12u15 500
        500 http://a.mirror/debian-security bookworm-security/main amd64 Packages
";

    #[test]
    fn a_package_of_another_release_is_replaced_by_the_one_offered() {
        let found = replacements(SIMULATION, |package| {
            assert_eq!(package, "qemu-utils");
            POLICY.to_owned()
        });
        let [replacement] = &found.unwrap()[..] else {
            panic!("one package is in the way");
        };
        assert_eq!(
            replacement.argument(),
            "qemu-utils=1:7.2+dfsg-7+deb12u18+b3"
        );
        assert_eq!(
            replacement.to_string(),
            "qemu-utils 1:10.0.2+ds-2~bpo12+1 by 1:7.2+dfsg-7+deb12u18+b3"
        );
    }

    #[test]
    fn what_has_no_other_version_is_not_removed() {
        let only_installed = POLICY.split("     1:7.2").next().unwrap();
        assert_eq!(
            replacements(SIMULATION, |_| only_installed.to_owned()),
            None
        );
    }

    #[test]
    fn nothing_in_the_way_needs_no_replacement() {
        let simulation = "Inst libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(
            replacements(simulation, |_| POLICY.to_owned()),
            Some(Vec::new())
        );
    }
}
