//! Just enough of Rust's lexical structure to tell code from comments and strings: [`split`].

/// A file's text in two: each is as long as the file, with blanks where the other has the text, so that lines agree.
pub(super) struct Split {
    /// The code; strings and characters are empty.
    pub(super) code: String,
    /// The comments, documentation included.
    pub(super) comments: String,
}

/// What a stretch of text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    /// A string or character, which neither side shows.
    Literal,
}

/// Splits a file into code and comments.
pub(super) fn split(text: &str) -> Split {
    let mut split = Split {
        code: String::with_capacity(text.len()),
        comments: String::with_capacity(text.len()),
    };
    let mut rest = text;
    let mut after_word = false;
    while let Some(letter) = rest.chars().next() {
        // In `br"…"` the prefix is part of the string; in `for"` it is a word, which no valid file has.
        let (kind, length) = if after_word {
            (Kind::Code, letter.len_utf8())
        } else {
            stretch(rest)
        };
        let (stretch, remaining) = rest.split_at(length);
        for letter in stretch.chars() {
            let blank = if letter == '\n' { '\n' } else { ' ' };
            split
                .code
                .push(if kind == Kind::Code { letter } else { blank });
            split
                .comments
                .push(if kind == Kind::Comment { letter } else { blank });
        }
        let last = stretch.chars().next_back();
        after_word = kind == Kind::Code
            && last.is_some_and(is_word)
            && remaining.chars().next().is_some_and(is_word);
        rest = remaining;
    }
    split
}

/// Returns what `text` begins with, and its length in bytes.
fn stretch(text: &str) -> (Kind, usize) {
    if text.starts_with("//") {
        let end = text.find('\n').unwrap_or(text.len());
        return (Kind::Comment, end);
    }
    if text.starts_with("/*") {
        return (Kind::Comment, block_comment(text));
    }
    for prefix in ["br", "cr", "r", "b", "c", ""] {
        let Some(rest) = text.strip_prefix(prefix) else {
            continue;
        };
        if prefix.ends_with('r') {
            if let Some(length) = raw_string(rest) {
                return (Kind::Literal, prefix.len() + length);
            }
        } else if rest.starts_with('"') {
            return (Kind::Literal, prefix.len() + quoted(rest, '"'));
        }
    }
    let character = text.strip_prefix('b').unwrap_or(text);
    if character.starts_with('\'') && is_character(character) {
        return (
            Kind::Literal,
            text.len() - character.len() + quoted(character, '\''),
        );
    }
    (Kind::Code, text.chars().next().map_or(0, char::len_utf8))
}

/// Returns the length of a block comment, whose like may be within it.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of a raw string from its first `#` or quote on, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.bytes().take_while(|byte| *byte == b'#').count();
    let content = text.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content
        .find(&end)
        .map_or(content.len(), |position| position + end.len());
    Some(hashes + 1 + length)
}

/// Returns the length of what begins with `quote` and ends with the next one that no backslash protects.
fn quoted(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1);
    while let Some((position, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return position + 1;
        }
    }
    text.len()
}

/// Returns whether a `'` begins a character; else it is a lifetime's.
fn is_character(text: &str) -> bool {
    let mut letters = text.chars().skip(1);
    matches!(
        (letters.next(), letters.next()),
        (Some('\\'), _) | (Some(_), Some('\''))
    )
}

/// Returns the words of code, each with the number of its line, and the character that follows it.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str, Option<char>)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        let mut rest = line;
        std::iter::from_fn(move || {
            let begin = rest.find(is_word)?;
            let word = rest.get(begin..)?;
            let length = word.find(|letter| !is_word(letter)).unwrap_or(word.len());
            let (word, after) = word.split_at(length);
            rest = after;
            Some((index + 1, word, after.chars().next()))
        })
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_words(text: &str) -> Vec<String> {
        let split = split(text);
        words(&split.code)
            .map(|(_, word, _)| word.to_owned())
            .collect()
    }

    #[test]
    fn comments_are_no_code() {
        assert_eq!(code_words("a // b\nc /* d /* e */ f */ g"), ["a", "c", "g"]);
        let split = split("x // why\ny");
        assert_eq!(split.comments.trim(), "// why");
    }

    #[test]
    fn strings_and_characters_are_no_code() {
        assert_eq!(code_words(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(
            code_words("a r#\"b \" c\"# d br\"e\" f b\"g\" h c\"i\""),
            ["a", "d", "f", "h"]
        );
        assert_eq!(
            code_words(r"a 'b' c '\'' d b'e' f '\u{1f600}' g"),
            ["a", "c", "d", "f", "g"]
        );
        assert_eq!(code_words("a \"// b\" c"), ["a", "c"]);
    }

    #[test]
    fn a_lifetime_is_no_character() {
        assert_eq!(
            code_words("fn f<'a>(x: &'a str) {}"),
            ["fn", "f", "a", "x", "a", "str"]
        );
        assert_eq!(
            code_words("'outer: loop { break 'outer; }"),
            ["outer", "loop", "break", "outer"]
        );
    }

    #[test]
    fn a_word_that_ends_like_a_prefix_is_a_word() {
        assert_eq!(
            code_words("number br r#raw a_b"),
            ["number", "br", "r", "raw", "a_b"]
        );
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let split = split("/*\n\n*/ a\n\"\n\" b");
        let lines: Vec<_> = words(&split.code)
            .map(|(line, word, _)| (line, word))
            .collect();
        assert_eq!(lines, [(3, "a"), (5, "b")]);
    }

    #[test]
    fn what_is_not_closed_ends_with_the_file() {
        for text in ["/* a", "\"a", "r#\"a\"", "'\\"] {
            assert!(code_words(text).is_empty(), "{text}");
        }
    }
}
