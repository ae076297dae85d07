//! The part of docs/performance.md that a benchmark writes: [`save`].

use std::path::Path;

use anyhow::{Context as _, Result};

use super::result::Outcome;
use super::{chart, table};
use crate::workspace;

const DOCUMENT: &str = "docs/performance.md";
const CHART: &str = "docs/images/performance.svg";

/// What is between these lines is written by the command, and nothing else is.
const BEGIN: &str = "<!-- written by `cargo xtask bench --save`: begin -->\n";
const END: &str = "<!-- written by `cargo xtask bench --save`: end -->\n";

/// Writes tables and chart anew.
///
/// # Errors
///
/// The document has no place for them, or a file cannot be written.
pub(super) fn save(outcomes: &[Outcome]) -> Result<()> {
    let path = workspace::root().join(DOCUMENT);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let tables: Vec<String> = outcomes.iter().map(table::render).collect();
    let text = replaced(&text, &tables.join("\n"))
        .with_context(|| format!("{DOCUMENT} has no place between {BEGIN:?} and {END:?}"))?;
    write(&path, &text)?;
    write(&workspace::root().join(CHART), &chart::render(outcomes))
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Returns `text` with `tables` in place of what there was; `None` if there is no place for them.
fn replaced(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_replace_tables_and_nothing_else() {
        let text = format!("# A\n{BEGIN}old\n{END}\n## B\n");
        let once = replaced(&text, "| new |\n").unwrap();
        assert_eq!(once, format!("# A\n{BEGIN}\n| new |\n\n{END}\n## B\n"));
        assert_eq!(replaced(&once, "| new |\n").unwrap(), once);
        assert_eq!(replaced("# A\n", ""), None);
        assert_eq!(replaced(&format!("{END}{BEGIN}"), ""), None);
    }

    #[test]
    fn the_document_has_the_place() {
        let text = std::fs::read_to_string(workspace::root().join(DOCUMENT)).unwrap();
        assert!(replaced(&text, "").is_some());
        assert!(text.contains("images/performance.svg"));
    }
}
