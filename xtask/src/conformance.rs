//! `cargo xtask conformance`: docs/conformance.md, made of a verdict for each requirement and compared with the code.
//!
//! The requirements are docs/driver-requirements.md ([`ledger`]), the verdicts docs/conformance.toml ([`verdict`]);
//! [`evidence`] looks for the files, tests and checks they name, [`table`] writes the document.

mod evidence;
mod ledger;
mod table;
mod verdict;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::check::sources;
use crate::cli::ConformanceOptions;
use crate::workspace;
use evidence::Evidence;

const LEDGER: &str = "docs/driver-requirements.md";
const SOURCE: &str = "docs/conformance.toml";
const TABLE: &str = "docs/conformance.md";

/// Writes the table, or only says what is wrong; returns 0 if nothing is, else 1.
pub(crate) fn run(options: &ConformanceOptions) -> Result<u8> {
    let (table, mut wrong) = generate(&workspace::root())?;
    if options.check {
        wrong.extend(staleness(&table)?);
    } else {
        let path = workspace::root().join(TABLE);
        std::fs::write(&path, table).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{TABLE}");
    }
    for line in &wrong {
        eprintln!("error: {line}");
    }
    Ok(u8::from(!wrong.is_empty()))
}

/// Returns one line for everything that is wrong with the table or its source.
pub(crate) fn complaints() -> Result<Vec<String>> {
    let (table, mut wrong) = generate(&workspace::root())?;
    wrong.extend(staleness(&table)?);
    Ok(wrong)
}

/// Returns the table, and what is wrong with its source.
fn generate(root: &Path) -> Result<(String, Vec<String>)> {
    let ledger = ledger::parse(&read(root, LEDGER)?);
    let verdicts = verdict::parse(&read(root, SOURCE)?)?;
    let evidence = Evidence::new(sources::all()?, root);
    let mut wrong = verdict::complaints(&ledger, &verdicts);
    wrong.extend(evidence.complaints(&verdicts));
    Ok((table::render(&ledger, &verdicts), wrong))
}

fn staleness(table: &str) -> Result<Option<String>> {
    let is_stale = read(&workspace::root(), TABLE)? != table;
    Ok(is_stale.then(|| format!("{TABLE} is stale: `cargo xtask conformance` writes it anew")))
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}
