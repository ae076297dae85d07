//! Whether what the verdicts name is there: code files, tests, checks and the faults seeded for them ([`Evidence`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::verdict::{Row, Verdicts};
use crate::check::sources::Source;

/// Crates by their short names, and where their integration tests are.
const CRATES: [(&str, &str, &str); 5] = [
    ("virtio", "levitate-virtio", "tests/behaviour"),
    ("blk", "levitate-drivers-blk", "tests/behaviour"),
    ("gpu", "levitate-drivers-gpu", "tests/gpu"),
    ("hal", "levitate-hal", "tests"),
    ("host", "levitate-host", "tests"),
];
/// Where the checks are, and the faults seeded for them.
const CHECKS: &str = "levitate-host/src/";
const SEEDED: &str = "levitate-host/tests/seeded/";
/// Where the checks of the PCI transport, which no driver drives yet, are broken on purpose.
const SEEDED_PCI: &str = "levitate-host/tests/models/pci";
/// Where the cases in QEMU are.
const CASES: &str = "xtask/src/behaviour/";

/// What there is to name.
pub(super) struct Evidence {
    root: PathBuf,
    texts: BTreeMap<String, String>,
    /// The rules that devices name, and those that a seeded fault has them name.
    checks: BTreeSet<String>,
    seeded: BTreeSet<String>,
}

impl Evidence {
    pub(super) fn new(sources: Vec<Source>, root: &Path) -> Self {
        let under = |places: &'static [&str]| {
            sources
                .iter()
                .filter(|source| places.iter().any(|place| source.path.starts_with(place)))
        };
        let checks = under(&[CHECKS]).filter(|source| !is_test_file(&source.path));
        // A table of faults stands beside its test: where one is ignored, none of them counts.
        let seeded = under(&[SEEDED, SEEDED_PCI]).filter(|source| !has_ignored(&source.text));
        Self {
            root: root.to_owned(),
            checks: checks
                .flat_map(|source| ids(&without_tests(&source.text)))
                .collect(),
            seeded: seeded.flat_map(|source| ids(&source.text)).collect(),
            texts: sources
                .into_iter()
                .map(|source| (source.path, source.text))
                .collect(),
        }
    }

    /// Returns one line for everything that is named and not there, and for checks that are not named.
    pub(super) fn complaints(&self, verdicts: &Verdicts) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, row) in verdicts {
            wrong.extend(
                self.row(id, row)
                    .into_iter()
                    .map(|why| format!("{id}: {why}")),
            );
        }
        for id in &self.checks {
            if !verdicts.get(id).is_some_and(|row| row.check) {
                wrong.push(format!("{id}: {CHECKS} has a check that no row claims"));
            }
        }
        wrong
    }

    fn row(&self, id: &str, row: &Row) -> Vec<String> {
        let mut wrong = Vec::new();
        for path in row.code.iter().flat_map(|code| code_files(code)) {
            if !self.texts.contains_key(&path) {
                wrong.push(format!("there is no file {path}"));
            }
        }
        for test in &row.tests {
            if !self.has_test(test) {
                wrong.push(format!("there is no test {test}"));
            }
        }
        if row.check && !self.checks.contains(id) {
            wrong.push(format!("no device in {CHECKS} checks it"));
        }
        if row.check && !self.seeded.contains(id) {
            wrong.push(format!(
                "no fault in {SEEDED} shows that the check can fail"
            ));
        }
        wrong
    }

    fn has_test(&self, test: &str) -> bool {
        if let Some(name) = test.strip_prefix("case ") {
            let literal = format!("\"{name}\"");
            return self
                .texts
                .iter()
                .any(|(path, text)| path.starts_with(CASES) && text.contains(&literal));
        }
        if let Some(path) = test.strip_prefix("doc ") {
            return std::fs::read_to_string(self.root.join(path))
                .is_ok_and(|text| text.contains("compile_fail"));
        }
        let Some((place, name)) = test.split_once("::") else {
            return false;
        };
        test_files(place)
            .into_iter()
            .filter_map(|path| self.texts.get(&path))
            .any(|text| has_test_function(text, name))
    }
}

/// Returns the files that a test at `place` may be in: `virtio/probe`, or `virtio/src/init` for one beside the code.
fn test_files(place: &str) -> Vec<String> {
    let Some((short, file)) = place.split_once('/') else {
        return Vec::new();
    };
    let Some((_, directory, tests)) = CRATES.iter().find(|(name, ..)| *name == short) else {
        return Vec::new();
    };
    if file.starts_with("src/") {
        vec![
            format!("{directory}/{file}.rs"),
            format!("{directory}/{file}/tests.rs"),
        ]
    } else {
        vec![format!("{directory}/{tests}/{file}.rs")]
    }
}

/// Says whether all of the file is compiled for tests only.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Says whether an attribute has a test left out wherever it is compiled; one that does so under Miri alone does not.
fn is_ignored(attribute: &str) -> bool {
    attribute.starts_with("#[ignore")
}

fn has_ignored(text: &str) -> bool {
    text.lines().any(|line| is_ignored(line.trim()))
}

/// Returns `text` without what stands under a `#[cfg(test)]`, as rustfmt lays it out: to the bracket below its beginning.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let is_item = |line: &&str| !line.trim().starts_with("#[");
        // One of a single line, such as `mod tests;`, has no bracket to look for.
        if lines
            .find(is_item)
            .is_some_and(|item| !item.ends_with([';', '}']))
        {
            lines.find(|line| *line == end);
        }
    }
    kept
}

/// Says whether `text` has a function `name` under a `#[test]` that is not ignored.
fn has_test_function(text: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(index, line)| {
        let attributes = lines
            .iter()
            .take(index)
            .rev()
            .take_while(|above| above.starts_with('#') || above.starts_with("//"));
        line.starts_with(&head)
            && attributes.clone().any(|above| *above == "#[test]")
            && !attributes.clone().any(|above| is_ignored(above))
    })
}

/// Returns the paths of the Rust files that `code` has in backquotes.
fn code_files(code: &str) -> Vec<String> {
    let quoted = code.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| word.ends_with(".rs"))
        .map(|word| {
            let (short, file) = word.split_once('/').unwrap_or((word, ""));
            match CRATES.iter().find(|(name, ..)| *name == short) {
                Some((_, directory, _)) => format!("{directory}/src/{file}"),
                None => word.to_owned(),
            }
        })
        .collect()
}

/// Returns the string literals of `text` that are ids of requirements, such as `"SPLIT-02"`.
fn ids(text: &str) -> BTreeSet<String> {
    let is_id = |word: &&str| {
        word.split_once('-').is_some_and(|(prefix, number)| {
            !prefix.is_empty()
                && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
                && number.len() == 2
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    text.split('"').filter(is_id).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;

    fn evidence(files: &[(&str, &str)]) -> Evidence {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Evidence::new(files.iter().map(source).collect(), Path::new("/nowhere"))
    }

    fn complaints(row: &str, files: &[(&str, &str)]) -> Vec<String> {
        let verdicts = verdict::parse(&format!("[RESET-01]\nverdict = 'holds'\n{row}\n"));
        evidence(files).complaints(&verdicts.unwrap())
    }

    const CHECK: (&str, &str) = ("levitate-host/src/a.rs", "add(\"RESET-01\", what)");
    const FAULT: (&str, &str) = ("levitate-host/tests/seeded/a.rs", "new(\"RESET-01\", x)");

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let row = "code = '`virtio/init.rs`: `reset`, and `levitate-kernel/src/main.rs`'";
        let there = ("levitate-kernel/src/main.rs", "");
        assert_eq!(
            complaints(row, &[there]),
            ["RESET-01: there is no file levitate-virtio/src/init.rs"]
        );
        assert!(complaints(row, &[there, ("levitate-virtio/src/init.rs", "")]).is_empty());
    }

    #[test]
    fn a_test_is_a_function_under_its_attribute() {
        let row = "tests = ['virtio/a::works', 'virtio/src/b::works']";
        let test = "#[test]\n#[should_panic]\nfn works() {}\n";
        let files = [
            ("levitate-virtio/tests/behaviour/a.rs", test),
            ("levitate-virtio/src/b/tests.rs", test),
        ];
        assert!(complaints(row, &files).is_empty());
        for text in [
            "fn works() {}",
            "#[test]\nfn a() {}\nfn works() {}",
            "// fn works(",
            "#[test]\n#[ignore]\nfn works() {}",
            "#[ignore = \"slow\"]\n#[test]\nfn works() {}",
        ] {
            let files = [(files[0].0, text), files[1]];
            assert_eq!(
                complaints(row, &files),
                ["RESET-01: there is no test virtio/a::works"]
            );
        }
        let unknown = "tests = ['sound/a::works', 'works', 'case x', 'doc x']";
        assert_eq!(complaints(unknown, &files).len(), 4);
        let case = ("xtask/src/behaviour/matrix.rs", "name: \"x\"");
        assert!(complaints("tests = ['case x']", &[case]).is_empty());
    }

    #[test]
    fn a_check_is_there_and_can_fail_and_is_claimed() {
        let row = "check = true";
        assert!(complaints(row, &[CHECK, FAULT]).is_empty());
        let unseeded = complaints(row, &[CHECK]).concat();
        assert!(unseeded.contains("no fault in"), "{unseeded}");
        let unchecked = complaints(row, &[FAULT]).concat();
        assert!(unchecked.contains("no device in"), "{unchecked}");
        let unclaimed = complaints("", &[CHECK, FAULT]).concat();
        assert!(unclaimed.contains("no row claims"), "{unclaimed}");
    }

    #[test]
    fn what_only_tests_have_is_no_check() {
        let row = "check = true";
        let code = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n        is(\"RESET-01\")\n    }\n}\n";
        for (path, text) in [
            ("levitate-host/src/a.rs", code),
            ("levitate-host/src/a/tests.rs", CHECK.1),
            ("levitate-host/src/a/tests/b.rs", CHECK.1),
        ] {
            let lines = complaints(row, &[(path, text), FAULT]);
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            assert!(lines[0].contains("no device in"), "{path}: {lines:?}");
        }
        let behind = format!("#[cfg(test)]\nmod tests;\n{code}{}", CHECK.1);
        let behind = ("levitate-host/src/a.rs", behind.as_str());
        assert!(complaints(row, &[behind, FAULT]).is_empty());
    }

    #[test]
    fn a_fault_beside_an_ignored_test_shows_nothing() {
        let ignored = format!("{}\n#[test]\n#[ignore]\nfn each_is_named() {{}}\n", FAULT.1);
        let lines = complaints("check = true", &[CHECK, (FAULT.0, ignored.as_str())]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("no fault in"), "{lines:?}");
    }

    #[test]
    fn ids_are_whole_literals() {
        let text = r#"("SPLIT-02", "not SPLIT-03", "a-01", "SPLIT-2", SPLIT-04)"#;
        assert_eq!(ids(text), BTreeSet::from(["SPLIT-02".to_owned()]));
    }
}
