//! Tidiness of the Rust files: what they begin with, how long they are, and what must not be in them.

use super::lexer;
use super::sources::Source;

/// Lines of the longest file.
const MOST_LINES: usize = 400;

/// The crates without a line of unsafe code.
const SAFE_CRATES: [&str; 2] = ["levitate-drivers-gpu", "levitate-drivers-blk"];

/// The attribute that has the compiler refuse it.
const FORBID_UNSAFE: &str = "#![forbid(unsafe_code)]";

/// Returns one line for each rule that a file breaks, with the file's name.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let mut complain = |line: usize, rule: &str| {
            wrong.push(format!("{}:{line}: {rule}", source.path));
        };
        begins_with_its_documentation(source, &mut complain);
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            complain(lines, &format!("a file has at most {MOST_LINES} lines"));
        }
        if source.path.ends_with("/mod.rs") {
            complain(1, "a module is foo.rs beside foo/, never foo/mod.rs");
        }
        let split = lexer::split(&source.text);
        let is_safe = SAFE_CRATES
            .iter()
            .any(|name| source.path.starts_with(&format!("{name}/src/")));
        for (line, word, next) in lexer::words(&split.code) {
            match word {
                "todo" | "unimplemented" if next == Some('!') => {
                    complain(line, &format!("{word}! is left"));
                }
                "unsafe" if is_safe => complain(line, "a driver crate has no unsafe code"),
                _ => {}
            }
        }
        for (line, word, _) in lexer::words(&split.comments) {
            if matches!(word, "FIXME" | "XXX") {
                complain(line, &format!("{word} is left"));
            }
        }
    }
    wrong.extend(
        SAFE_CRATES
            .iter()
            .filter_map(|name| forbids_unsafe(sources, name)),
    );
    wrong
}

/// A file begins with `//!`; the root of a crate may have attributes before it, or include its README.
fn begins_with_its_documentation(source: &Source, complain: &mut impl FnMut(usize, &str)) {
    let is_root = ["/lib.rs", "/main.rs"]
        .iter()
        .any(|name| source.path.ends_with(name));
    let first = source.text.lines().next().unwrap_or_default();
    if !(first.starts_with("//!") || is_root && first.starts_with("#![")) {
        complain(1, "a file begins with //! and what it is");
    }
}

/// Returns a complaint if the root of the crate `name` does not forbid unsafe code.
fn forbids_unsafe(sources: &[Source], name: &str) -> Option<String> {
    let path = format!("{name}/src/lib.rs");
    let Some(root) = sources.iter().find(|source| source.path == path) else {
        return Some(format!("{path}:1: the file is not there"));
    };
    let code = lexer::split(&root.text).code;
    let has = code.lines().any(|line| line.trim() == FORBID_UNSAFE);
    (!has).then(|| format!("{path}:1: a driver crate has {FORBID_UNSAFE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Returns the complaints about one file, beside two driver crates that are as they should be.
    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut sources = vec![source(path, text)];
        for name in SAFE_CRATES {
            let root = format!("{name}/src/lib.rs");
            if root != path {
                sources.push(source(&root, &format!("//! A driver.\n{FORBID_UNSAFE}\n")));
            }
        }
        check(&sources)
    }

    #[test]
    fn a_tidy_file_gets_no_complaint() {
        assert!(complaints("a/src/b.rs", "//! What it is.\n").is_empty());
        assert!(complaints("a/src/lib.rs", "#![no_std]\n//! What it is.\n").is_empty());
    }

    #[test]
    fn a_file_says_first_what_it_is() {
        for text in ["", "use a;\n", "// What it is.\n", "#![no_std]\n"] {
            let list = complaints("a/src/b.rs", text);
            assert_eq!(
                list,
                ["a/src/b.rs:1: a file begins with //! and what it is"]
            );
        }
    }

    #[test]
    fn a_long_file_is_named_with_its_length() {
        let text = |lines: usize| format!("//! x\n{}", "a\n".repeat(lines - 1));
        assert!(complaints("a/src/b.rs", &text(400)).is_empty());
        assert_eq!(
            complaints("a/src/b.rs", &text(401)),
            ["a/src/b.rs:401: a file has at most 400 lines"]
        );
    }

    #[test]
    fn a_module_is_not_called_mod() {
        let list = complaints("a/src/b/mod.rs", "//! x\n");
        assert!(list.concat().contains("never foo/mod.rs"), "{list:?}");
    }

    #[test]
    fn what_is_left_to_do_is_named_with_its_line() {
        let text = "//! x\nfn f() { todo!() }\nfn g() { unimplemented!() }\n// FIXME: h\n";
        assert_eq!(
            complaints("a/src/b.rs", text),
            [
                "a/src/b.rs:2: todo! is left",
                "a/src/b.rs:3: unimplemented! is left",
                "a/src/b.rs:4: FIXME is left",
            ]
        );
        // A word in a comment or a string is no code.
        assert!(complaints("a/src/b.rs", "//! todo!\nfn f() { g(\"FIXME todo!\") }\n").is_empty());
    }

    #[test]
    fn unsafe_code_is_found_in_drivers_only() {
        let text = "//! x\n// unsafe\nfn f() { unsafe { g() } }\n";
        assert_eq!(
            complaints("levitate-drivers-blk/src/b.rs", text),
            ["levitate-drivers-blk/src/b.rs:3: a driver crate has no unsafe code"]
        );
        assert!(complaints("levitate-virtio/src/b.rs", text).is_empty());
    }

    #[test]
    fn a_driver_crate_that_does_not_forbid_unsafe_code_is_named() {
        for text in [
            "//! x\n",
            "//! x\n// #![forbid(unsafe_code)]\n",
            "//! x\n#![deny(unsafe_code)]\n",
        ] {
            let list = complaints("levitate-drivers-gpu/src/lib.rs", text);
            assert_eq!(
                list,
                ["levitate-drivers-gpu/src/lib.rs:1: a driver crate has #![forbid(unsafe_code)]"]
            );
        }
    }
}
