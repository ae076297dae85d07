//! The Rust files of the workspace and of the examples beside it: [`Source`].

use std::path::Path;

use anyhow::{Context as _, Result};

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its path from the workspace's top, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Directories of a crate that have Rust files; its fuzz targets are a package inside it.
const DIRECTORIES: [&str; 7] = [
    "src",
    "tests",
    "examples",
    "benches",
    "fuzz/src",
    "fuzz/tests",
    "fuzz/fuzz_targets",
];

/// Where the examples are that are workspaces of their own.
const EXAMPLES: &str = "docs/examples";

/// Reads every Rust file of every crate in the workspace and of every example, sorted by path.
///
/// # Errors
///
/// A file or directory cannot be read.
pub(crate) fn all() -> Result<Vec<Source>> {
    read_all(&crate::workspace::root())
}

fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut crates = entries(root)?;
    let examples = root.join(EXAMPLES);
    if examples.is_dir() {
        crates.extend(entries(&examples)?);
    }
    for entry in crates {
        if !entry.join("Cargo.toml").is_file() {
            continue;
        }
        for directory in DIRECTORIES.map(|name| entry.join(name)) {
            if directory.is_dir() {
                collect(root, &directory, &mut sources)?;
            }
        }
        let build_script = entry.join("build.rs");
        if build_script.is_file() {
            sources.push(read(root, &build_script)?);
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for path in entries(directory)? {
        if path.is_dir() {
            collect(root, &path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(root, &path)?);
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<Source> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let short = path.strip_prefix(root).unwrap_or(path);
    Ok(Source {
        path: short.to_string_lossy().into_owned(),
        text,
    })
}

fn entries(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let read = || {
        std::fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
    };
    read().with_context(|| format!("cannot list {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_crate_are_found_and_others_are_not() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "one/Cargo.toml",
            "one/src/lib.rs",
            "one/src/part/deep.rs",
            "one/tests/a.rs",
            "one/README.md",
            "one/target/x.rs",
            "target/debug/y.rs",
            "docs/examples/two/Cargo.toml",
            "docs/examples/two/build.rs",
            "docs/examples/two/src/main.rs",
            "docs/examples/two/target/z.rs",
            "docs/w.rs",
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let sources = read_all(root.path()).unwrap();
        let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "docs/examples/two/build.rs",
                "docs/examples/two/src/main.rs",
                "one/src/lib.rs",
                "one/src/part/deep.rs",
                "one/tests/a.rs",
            ]
        );
    }
}
