//! docs/conformance.md, from the requirements and the verdicts: [`render`].

use super::ledger::{Requirement, Section};
use super::verdict::{Row, Verdict, Verdicts};

const INTRODUCTION: &str = "\
# Conformance

What the crates of this workspace do about each demand of the specification that concerns them: the rows of [driver-requirements.md](driver-requirements.md) in the sections listed below.
`cargo xtask conformance` writes this file from [conformance.toml](conformance.toml), where verdicts are changed; `cargo xtask check` fails if it is stale, if a row is missing, or if a file, test or check it names is not there.

- **holds**: there is code that does it, and a test or a check that fails if it does not.
- **not applicable**: the rule is about something the crates never do, or a permission they make no use of; the reason is in the row.
- **not observable**: there is code that does it, and nothing outside the driver could tell; the reason is in the row.
- **gap**: the code does not do it, or no test would notice if it did not; the row says which.

Code places are relative to the crate named: `virtio` is `levitate-virtio/src`, `hal` is `levitate-hal/src`, `blk` is `levitate-drivers-blk/src`, `gpu` is `levitate-drivers-gpu/src`.
Tests are named by file and function: `virtio/probe` is `levitate-virtio/tests/behaviour/probe.rs`, `blk/limits` is `levitate-drivers-blk/tests/behaviour/limits.rs`, `gpu/modes` is `levitate-drivers-gpu/tests/gpu/modes.rs`, and `virtio/src/features` is beside the code of `levitate-virtio/src/features.rs`.
A \"case\" is one of `cargo xtask test`'s cases in QEMU, a \"doc\" an example that must not compile.
**checked** means that the devices of `levitate-host` look for this very breach under every test that drives one, and fail it; a fault in `levitate-host/tests/seeded`, or for PCI in `levitate-host/tests/models/pci*.rs`, shows that the check can fail.
";

/// Writes the document.
pub(super) fn render(ledger: &[Section], verdicts: &Verdicts) -> String {
    let mut text = INTRODUCTION.to_owned();
    summary(&mut text, ledger, verdicts);
    gaps(&mut text, ledger, verdicts);
    for section in ledger {
        let Section { prefix, title, .. } = section;
        text.push_str(&format!(
            "\n## {prefix} - {title}\n\n\
             | id | level | requirement | verdict | code or reason | held by |\n\
             | --- | --- | --- | --- | --- | --- |\n"
        ));
        for requirement in &section.requirements {
            if let Some(row) = verdicts.get(&requirement.id) {
                line(&mut text, requirement, row);
            }
        }
    }
    text
}

fn summary(text: &mut String, ledger: &[Section], verdicts: &Verdicts) {
    text.push_str(
        "\n## Summary\n\n\
         | section | rows | holds | not applicable | not observable | gap | checked |\n\
         | --- | --: | --: | --: | --: | --: | --: |\n",
    );
    let mut all = Vec::new();
    for section in ledger {
        let rows: Vec<&Row> = section
            .requirements
            .iter()
            .filter_map(|requirement| verdicts.get(&requirement.id))
            .collect();
        counts(text, &section.prefix, &rows);
        all.extend(rows);
    }
    counts(text, "**all**", &all);
}

fn counts(text: &mut String, name: &str, rows: &[&Row]) {
    text.push_str(&format!("| {name} | {} |", rows.len()));
    for verdict in Verdict::ALL {
        let count = rows.iter().filter(|row| row.verdict == verdict).count();
        text.push_str(&format!(" {count} |"));
    }
    let checked = rows.iter().filter(|row| row.check).count();
    text.push_str(&format!(" {checked} |\n"));
}

fn gaps(text: &mut String, ledger: &[Section], verdicts: &Verdicts) {
    text.push_str("\n## Gaps\n\n");
    let requirements = ledger.iter().flat_map(|section| &section.requirements);
    let gaps: Vec<String> = requirements
        .filter_map(|Requirement { id, .. }| Some((id, verdicts.get(id)?)))
        .filter(|(_, row)| row.verdict == Verdict::Gap)
        .map(|(id, row)| format!("- {id}: {}\n", row.why.as_deref().unwrap_or_default()))
        .collect();
    if gaps.is_empty() {
        text.push_str("None.\n");
    }
    text.extend(gaps);
}

fn line(text: &mut String, requirement: &Requirement, row: &Row) {
    let Requirement {
        id,
        level,
        text: demand,
    } = requirement;
    let verdict = match row.verdict {
        Verdict::Gap => "**gap**",
        other => other.name(),
    };
    let reason: Vec<&str> = row
        .code
        .iter()
        .chain(&row.why)
        .map(String::as_str)
        .collect();
    let mut held_by: Vec<String> = row.tests.iter().map(|test| format!("`{test}`")).collect();
    held_by.extend(row.check.then(|| "checked".to_owned()));
    let (reason, held_by) = (reason.join("; "), held_by.join(", "));
    text.push_str(&format!(
        "| {id} | {level} | {demand} | {verdict} | {reason} | {held_by} |\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::super::{ledger, verdict};
    use super::*;

    const LEDGER: &str = "## RESET - Device reset\n| RESET-01 | MUST | Wait | y |\n| RESET-02 | MAY | Not wait | y |\n";

    fn rendered(toml: &str) -> String {
        render(&ledger::parse(LEDGER), &verdict::parse(toml).unwrap())
    }

    #[test]
    fn each_row_has_its_line_and_its_place_in_the_summary() {
        let text = rendered(
            "[RESET-01]\nverdict = 'holds'\ncode = '`virtio/init.rs`'\nwhy = 'always'\ntests = ['a::b']\ncheck = true\n\
             [RESET-02]\nverdict = 'gap'\nwhy = 'nobody does'\n",
        );
        for line in [
            "| RESET-01 | MUST | Wait | holds | `virtio/init.rs`; always | `a::b`, checked |",
            "| RESET-02 | MAY | Not wait | **gap** | nobody does |  |",
            "| RESET | 2 | 1 | 0 | 0 | 1 | 1 |",
            "| **all** | 2 | 1 | 0 | 0 | 1 | 1 |",
            "- RESET-02: nobody does",
            "## RESET - Device reset",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn without_gaps_it_says_so() {
        let text = rendered("[RESET-01]\nverdict = 'not applicable'\nwhy = 'x'\n");
        assert!(text.contains("## Gaps\n\nNone.\n"), "{text}");
    }
}
