//! Unsafe code says why it is sound: [`check`] reads every file as text, the bare-metal half too, which clippy may not see.

use super::lexer;
use super::sources::Source;

/// What the comment begins with.
const MARK: &str = "SAFETY:";

/// Returns one line for each unsafe block and each unsafe `impl` without its comment, with the file's name.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let split = lexer::split(&source.text);
        let code: Vec<&str> = split.code.lines().collect();
        let comments: Vec<&str> = split.comments.lines().collect();
        for (line, what) in unsafe_code(&split.code) {
            if !is_explained(&code, &comments, line) {
                wrong.push(format!(
                    "{}:{}: an unsafe {what} without a // {MARK} comment directly above it",
                    source.path,
                    line + 1
                ));
            }
        }
    }
    wrong
}

/// Returns the line of each unsafe block and `impl`, counted from 0, and which of them it is.
fn unsafe_code(code: &str) -> Vec<(usize, &'static str)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    for (position, word) in code.match_indices("unsafe") {
        let (before, rest) = code.split_at(position);
        let rest = rest.strip_prefix(word).unwrap_or_default();
        if before.ends_with(is_word) || rest.starts_with(is_word) {
            continue;
        }
        let what = match rest.trim_start() {
            rest if rest.starts_with('{') => "block",
            rest if rest.starts_with("impl") => "impl",
            // A declaration: what makes it unsafe is in its documentation.
            _ => continue,
        };
        found.push((before.matches('\n').count(), what));
    }
    found
}

/// Returns whether the comment is on the line, or right above the statement that the line is part of.
fn is_explained(code: &[&str], comments: &[&str], line: usize) -> bool {
    for index in (0..=line).rev() {
        let comment = comments.get(index).map_or("", |comment| comment.trim());
        let code = code.get(index).map_or("", |code| code.trim());
        if index < line
            && (code.ends_with([';', '{', '}', ',']) || (code.is_empty() && comment.is_empty()))
        {
            // Another statement, or nothing.
            return false;
        }
        if comment.contains(MARK) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        check(&[Source {
            path: "a.rs".to_owned(),
            text: text.to_owned(),
        }])
    }

    #[test]
    fn an_explained_block_gets_no_complaint() {
        for text in [
            "// SAFETY: why.\nunsafe { f() }",
            "// SAFETY: why,\n// and why.\nunsafe {\n    f()\n}",
            "unsafe { f() } // SAFETY: why.",
            "// SAFETY: why.\nlet x =\n    unsafe { f() };",
            "// SAFETY: why.\nlet x = g(\n    unsafe { f() });",
            "g(\n    // SAFETY: why.\n    unsafe { f() },\n);",
            "// SAFETY: why.\n#[cfg(a)]\nunsafe impl A for B {}",
            "// SAFETY: why.\nmatch unsafe { f() } {}",
        ] {
            assert_eq!(complaints(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_is_not_explained_is_named_with_its_line() {
        for text in [
            "// Why.\nunsafe { f() }",
            "// SAFETY: why.\n\nunsafe { f() }",
            "// SAFETY: why.\ng();\nunsafe { f() }",
            "let a = 1; // SAFETY: why.\nunsafe { f() }",
            "fn g() {\n    unsafe\n    { f() }\n}",
            "let text = \"// SAFETY: why.\";\nunsafe { f() }",
        ] {
            let list = complaints(text);
            assert_eq!(list.len(), 1, "{text}");
            assert!(
                list.concat().contains("an unsafe block without"),
                "{list:?}"
            );
        }
        assert_eq!(
            complaints("// SAFETY: why.\nunsafe impl A for B {}\nunsafe impl A for C {}"),
            ["a.rs:3: an unsafe impl without a // SAFETY: comment directly above it"]
        );
    }

    #[test]
    fn a_declaration_is_explained_by_its_documentation() {
        for text in [
            "unsafe fn f() {}",
            "unsafe trait A {}",
            "#[unsafe(no_mangle)]\nfn f() {}",
            "#![forbid(unsafe_code)]",
            "/// unsafe { f() }\nfn f() {}",
            "let x = \"unsafe { f() }\";",
        ] {
            assert!(complaints(text).is_empty(), "{text}");
        }
    }
}
