//! Source files that a document shows in full: the two texts must be the same.
//!
//! `<!-- the text of PATH, at most N lines of code -->` stands before such a block of code.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::lexer;

const MARK: &str = "<!-- the text of ";
const MOST: &str = ", at most ";
const MARK_END: &str = " lines of code -->";

/// Returns one line for each block that is not what it should be.
///
/// # Errors
///
/// A document cannot be read.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let directory = root.join("docs");
    for entry in fs::read_dir(&directory).context("cannot list docs")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let read = |name: &str| fs::read_to_string(root.join(name)).ok();
            let complaints = complaints(&text, read);
            wrong.extend(complaints.map(|complaint| format!("{}: {complaint}", path.display())));
        }
    }
    Ok(wrong)
}

/// Returns what is wrong with the blocks of one document; `read` returns a file's text, if there is one.
fn complaints(
    document: &str,
    read: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = String> {
    let marks = document.split(MARK).skip(1);
    marks.filter_map(move |rest| complaint(rest, &read).err())
}

fn complaint(rest: &str, read: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let (mark, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    let parts = mark
        .strip_suffix(MARK_END)
        .and_then(|mark| mark.split_once(MOST));
    let parsed = parts.and_then(|(path, most)| Some((path, most.parse::<usize>().ok()?)));
    let (path, most) = parsed.ok_or_else(|| format!("a mark that cannot be read: {mark}"))?;
    let shown = rest.strip_prefix("```rust\n");
    let shown = shown.and_then(|shown| shown.split_once("\n```\n"));
    let (shown, _) = shown.ok_or_else(|| format!("no block follows the mark of {path}"))?;
    let text = read(path).ok_or_else(|| format!("there is no {path}"))?;
    if text.trim_end() != shown {
        return Err(format!("the text of {path} is another one"));
    }
    let code = lexer::split(&text).code;
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines > most {
        return Err(format!(
            "{path} has {lines} lines of code, more than {most}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! A file.\n\nfn a() {}\n// Why.\nfn b() {}\n";

    fn wrong(document: &str) -> Vec<String> {
        let read = |name: &str| (name == "a.rs").then(|| FILE.to_owned());
        complaints(document, read).collect()
    }

    fn document(mark: &str, block: &str) -> String {
        format!("# A\n\n<!-- the text of {mark} -->\n```rust\n{block}```\n\nMore.\n")
    }

    #[test]
    fn the_same_text_is_right() {
        assert!(wrong("# A\n").is_empty());
        let right = document("a.rs, at most 2 lines of code", FILE);
        assert_eq!(wrong(&right), Vec::<String>::new());
    }

    #[test]
    fn another_text_is_wrong_and_so_is_a_longer_one() {
        for (mark, block, complaint) in [
            (
                "a.rs, at most 2 lines of code",
                "fn a() {}\n",
                "the text of a.rs is another one",
            ),
            (
                "a.rs, at most 1 lines of code",
                FILE,
                "a.rs has 2 lines of code, more than 1",
            ),
            ("b.rs, at most 2 lines of code", FILE, "there is no b.rs"),
        ] {
            assert_eq!(wrong(&document(mark, block)), [complaint]);
        }
    }

    #[test]
    fn a_mark_that_is_none_is_not_passed_over() {
        for document in [
            document("a.rs", FILE),
            document("a.rs, at most x lines of code", FILE),
            "<!-- the text of a.rs, at most 2 lines of code -->\nText.\n".to_owned(),
            "<!-- the text of a.rs, at most 2 lines of code -->".to_owned(),
        ] {
            assert_eq!(wrong(&document).len(), 1, "{document}");
        }
    }
}
