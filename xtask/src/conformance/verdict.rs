//! What is done about each requirement, as docs/conformance.toml has it: [`Row`].

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::ledger::Section;
use super::{LEDGER, SOURCE};

/// The verdicts by the ids of the requirements.
pub(super) type Verdicts = BTreeMap<String, Row>;

/// How it stands with a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Verdict {
    /// There is code that does it, and a test or a check that fails if it does not.
    #[serde(rename = "holds")]
    Holds,
    /// It is about something the crates never do.
    #[serde(rename = "not applicable")]
    NotApplicable,
    /// There is code that does it, and nothing outside could tell whether it does.
    #[serde(rename = "not observable")]
    NotObservable,
    /// The code does not do it, or no test would notice if it did not.
    #[serde(rename = "gap")]
    Gap,
}

impl Verdict {
    pub(super) const ALL: [Self; 4] = [
        Self::Holds,
        Self::NotApplicable,
        Self::NotObservable,
        Self::Gap,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NotApplicable => "not applicable",
            Self::NotObservable => "not observable",
            Self::Gap => "gap",
        }
    }
}

/// What is done about one requirement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) verdict: Verdict,
    /// Where it is done.
    pub(super) code: Option<String>,
    /// The reason for the verdict, or what else there is to say.
    pub(super) why: Option<String>,
    #[serde(default)]
    pub(super) tests: Vec<String>,
    /// Whether the devices of `levitate-host` look for the breach.
    #[serde(default)]
    pub(super) check: bool,
}

/// Reads the verdicts.
///
/// # Errors
///
/// It is no TOML, a row is there twice, or a field is unknown or of the wrong type.
pub(super) fn parse(text: &str) -> Result<Verdicts> {
    toml::from_str(text).with_context(|| format!("cannot understand {SOURCE}"))
}

/// Returns one line for each row that is missing, unknown or incomplete.
pub(super) fn complaints(ledger: &[Section], verdicts: &Verdicts) -> Vec<String> {
    let known: BTreeSet<&str> = ledger
        .iter()
        .flat_map(|section| &section.requirements)
        .map(|requirement| requirement.id.as_str())
        .collect();
    let missing = known
        .iter()
        .filter(|id| !verdicts.contains_key(**id))
        .map(|id| format!("{id} has no verdict in {SOURCE}"));
    let unknown = verdicts
        .keys()
        .filter(|id| !known.contains(id.as_str()))
        .map(|id| format!("{SOURCE} has {id}, which {LEDGER} has not"));
    let incomplete = verdicts
        .iter()
        .filter_map(|(id, row)| Some(format!("{id}: {}", row.lack()?)));
    missing.chain(unknown).chain(incomplete).collect()
}

impl Row {
    /// Says what the row lacks for its verdict.
    fn lack(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Holds if self.code.is_none() => Some("what holds has a code place"),
            Verdict::Holds if self.tests.is_empty() && !self.check => {
                Some("what holds has a test or a check")
            }
            Verdict::NotObservable if self.code.is_none() || self.why.is_none() => {
                Some("what cannot be observed has a code place and a reason")
            }
            Verdict::NotApplicable | Verdict::Gap if self.why.is_none() => {
                Some("what is not applicable or a gap has a reason")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger;
    use super::*;

    const LEDGER: &str =
        "## RESET - Reset\n| RESET-01 | MUST | x | y |\n| RESET-02 | MUST | x | y |\n";

    fn lines(toml: &str) -> Vec<String> {
        complaints(&ledger::parse(LEDGER), &parse(toml).unwrap())
    }

    #[test]
    fn a_complete_source_gets_no_complaint() {
        let toml = "[RESET-01]\nverdict = 'holds'\ncode = 'x'\ncheck = true\n\
                    [RESET-02]\nverdict = 'not applicable'\nwhy = 'y'\n";
        assert_eq!(lines(toml), [""; 0]);
    }

    #[test]
    fn rows_that_are_missing_or_unknown_are_named() {
        let toml =
            "[RESET-01]\nverdict = 'gap'\nwhy = 'x'\n[RESET-03]\nverdict = 'gap'\nwhy = 'x'\n";
        assert_eq!(
            lines(toml),
            [
                "RESET-02 has no verdict in docs/conformance.toml",
                "docs/conformance.toml has RESET-03, which docs/driver-requirements.md has not",
            ]
        );
    }

    #[test]
    fn a_verdict_has_what_it_needs() {
        for (row, wanted) in [
            ("verdict = 'holds'\ntests = ['a']", "has a code place"),
            ("verdict = 'holds'\ncode = 'a'", "has a test or a check"),
            ("verdict = 'not observable'\ncode = 'a'", "and a reason"),
            ("verdict = 'not applicable'\ncode = 'a'", "has a reason"),
            ("verdict = 'gap'\ncode = 'a'", "has a reason"),
        ] {
            let toml = format!("[RESET-01]\n{row}\n[RESET-02]\nverdict = 'gap'\nwhy = 'x'\n");
            let list = lines(&toml);
            assert!(
                list.len() == 1 && list[0].contains(wanted),
                "{row}: {list:?}"
            );
        }
    }

    #[test]
    fn what_no_row_has_is_an_error() {
        for toml in [
            "[RESET-01]\nverdict = 'maybe'\n",
            "[RESET-01]\nverdict = 'gap'\nwho = 'x'\n",
            "[RESET-01]\nverdict = 'gap'\n[RESET-01]\nverdict = 'gap'\n",
        ] {
            assert!(parse(toml).is_err(), "{toml}");
        }
    }
}
