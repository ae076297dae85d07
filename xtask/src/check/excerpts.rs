//! Source files that a document shows in full: the two texts must be the same, and the file one that is compiled.
//!
//! `<!-- the text of PATH, under N lines of code -->` stands before such a block of code.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::lexer;

const MARK: &str = "<!-- the text of ";
const LIMIT: &str = ", under ";
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
        .and_then(|mark| mark.split_once(LIMIT));
    let parsed = parts.and_then(|(path, limit)| Some((path, limit.parse::<usize>().ok()?)));
    let (path, limit) = parsed.ok_or_else(|| format!("a mark that cannot be read: {mark}"))?;
    let shown = rest.strip_prefix("```rust\n");
    let shown = shown.and_then(|shown| shown.split_once("\n```\n"));
    let (shown, _) = shown.ok_or_else(|| format!("no block follows the mark of {path}"))?;
    let text = read(path).ok_or_else(|| format!("there is no {path}"))?;
    if text.trim_end() != shown {
        return Err(format!("the text of {path} is another one"));
    }
    let code = lexer::split(&text).code;
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    if lines >= limit {
        return Err(format!(
            "{path} has {lines} lines of code, not under {limit}"
        ));
    }
    if !is_module(Path::new(path), read) {
        return Err(format!("{path} is no module of the folder it is in"));
    }
    Ok(())
}

/// Returns whether the file beside the folder that `path` is in has it as a module.
fn is_module(path: &Path, read: impl Fn(&str) -> Option<String>) -> bool {
    let parent = path.parent().map(|folder| folder.with_extension("rs"));
    let parent = parent.as_deref().and_then(Path::to_str).and_then(read);
    let name = path.file_stem().and_then(|stem| stem.to_str());
    let (Some(parent), Some(name)) = (parent, name) else {
        return false;
    };
    let code = lexer::split(&parent).code;
    let mut lines = code.lines().map(str::trim);
    lines.any(|line| line == format!("mod {name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! A file.\n\nfn a() {}\n// Why.\nfn b() {}\n";

    fn wrong(document: &str) -> Vec<String> {
        let read = |name: &str| match name {
            "it/a.rs" | "it/c.rs" => Some(FILE.to_owned()),
            "it.rs" => Some("mod a;\n// mod c;\n".to_owned()),
            _ => None,
        };
        complaints(document, read).collect()
    }

    fn document(mark: &str, block: &str) -> String {
        format!("# A\n\n<!-- the text of {mark} -->\n```rust\n{block}```\n\nMore.\n")
    }

    #[test]
    fn the_same_text_is_right() {
        assert!(wrong("# A\n").is_empty());
        let right = document("it/a.rs, under 3 lines of code", FILE);
        assert_eq!(wrong(&right), Vec::<String>::new());
    }

    #[test]
    fn another_text_is_wrong_and_so_is_a_longer_one() {
        for (mark, block, complaint) in [
            (
                "it/a.rs, under 3 lines of code",
                "fn a() {}\n",
                "the text of it/a.rs is another one",
            ),
            (
                "it/a.rs, under 2 lines of code",
                FILE,
                "it/a.rs has 2 lines of code, not under 2",
            ),
            (
                "it/b.rs, under 3 lines of code",
                FILE,
                "there is no it/b.rs",
            ),
            (
                "it/c.rs, under 3 lines of code",
                FILE,
                "it/c.rs is no module of the folder it is in",
            ),
        ] {
            assert_eq!(wrong(&document(mark, block)), [complaint]);
        }
    }

    #[test]
    fn a_mark_that_is_none_is_not_passed_over() {
        for document in [
            document("it/a.rs", FILE),
            document("it/a.rs, under x lines of code", FILE),
            "<!-- the text of it/a.rs, under 3 lines of code -->\nText.\n".to_owned(),
            "<!-- the text of it/a.rs, under 3 lines of code -->".to_owned(),
        ] {
            assert_eq!(wrong(&document).len(), 1, "{document}");
        }
    }
}
