//! The parts of docs/performance.md that benchmarks write: [`Part`].

use std::path::Path;

use anyhow::{Context as _, Result};

use super::result::Outcome;
use super::{chart, demands, table};
use crate::workspace;

const DOCUMENT: &str = "docs/performance.md";

/// A part of the document that one command writes, with a chart in a file of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The command.
    command: &'static str,
    /// Where the chart is.
    chart: &'static str,
}

/// What the kernel measures.
const KERNEL: Part = Part {
    command: "cargo xtask bench --save",
    chart: "docs/images/performance.svg",
};

/// What a request costs in a queue.
pub(super) const QUEUE: Part = Part {
    command: "cargo xtask bench queue --save",
    chart: "docs/images/queue.svg",
};

/// Writes what the kernel measured, what is demanded of it, tables and chart.
///
/// # Errors
///
/// As [`Part::save`].
pub(super) fn save(outcomes: &[Outcome]) -> Result<()> {
    let mut tables = vec![format!("### Demands\n\n{}", demands::render(outcomes))];
    tables.extend(outcomes.iter().map(table::render));
    KERNEL.save(&tables.join("\n"), &chart::render(outcomes))
}

impl Part {
    /// Writes text and chart anew.
    ///
    /// # Errors
    ///
    /// The document has no place for them, or a file cannot be written.
    pub(super) fn save(self, text: &str, chart: &str) -> Result<()> {
        let path = workspace::root().join(DOCUMENT);
        let document =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
        let document = self
            .replaced(&document, text)
            .with_context(|| format!("{DOCUMENT} has no place between {:?}", self.marks()))?;
        write(&path, &document)?;
        write(&workspace::root().join(self.chart), chart)
    }

    /// Returns the lines before and after what the command writes.
    fn marks(self) -> [String; 2] {
        let command = self.command;
        ["begin", "end"].map(|mark| format!("<!-- written by `{command}`: {mark} -->\n"))
    }

    /// Returns `document` with `text` in place of what there was; `None` if there is no place for it.
    fn replaced(self, document: &str, text: &str) -> Option<String> {
        let [begin, end] = self.marks();
        let (before, rest) = document.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n{text}\n{end}{after}"))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_replaces_text_and_nothing_else() {
        let [begin, end] = KERNEL.marks();
        let [other, _] = QUEUE.marks();
        let document = format!("# A\n{other}{begin}old\n{end}\n## B\n");
        let once = KERNEL.replaced(&document, "| new |\n").unwrap();
        assert_eq!(
            once,
            format!("# A\n{other}{begin}\n| new |\n\n{end}\n## B\n")
        );
        assert_eq!(KERNEL.replaced(&once, "| new |\n").unwrap(), once);
        assert_eq!(KERNEL.replaced("# A\n", ""), None);
        assert_eq!(QUEUE.replaced(&once, ""), None);
        assert_eq!(KERNEL.replaced(&format!("{end}{begin}"), ""), None);
    }

    #[test]
    fn the_document_has_the_places() {
        let document = std::fs::read_to_string(workspace::root().join(DOCUMENT)).unwrap();
        for part in [KERNEL, QUEUE] {
            assert!(part.replaced(&document, "").is_some(), "{part:?}");
            let chart = part.chart.trim_start_matches("docs/");
            assert!(document.contains(chart), "{part:?}");
        }
    }
}
