//! The boot log against its golden file: what varies from run to run is taken out, the rest must be the same.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use similar::TextDiff;

use crate::workspace;

/// Hexadecimal digits from which on a number is taken for an address or a feature word, which differ between versions of
/// QEMU and of the compiler.
const LONG_HEX_DIGITS: usize = 5;

/// Returns the path of the golden file of the case `name`.
fn golden_path(name: &str) -> PathBuf {
    workspace::root()
        .join("xtask/golden")
        .join(format!("{name}.txt"))
}

/// Compares the boot log of the case `name` with its golden file, or writes it with `bless`.
///
/// # Errors
///
/// They differ, or there is no golden file; the message has the difference.
pub(crate) fn check(name: &str, log: &str, bless: bool) -> Result<()> {
    let path = golden_path(name);
    let actual = normalise(log);
    if bless {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot create {}", dir.display()))?;
        }
        return std::fs::write(&path, &actual)
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let golden = std::fs::read_to_string(&path)
        .with_context(|| format!("no golden boot log: {} (--bless writes it)", path.display()))?;
    compare(&golden, &actual)
        .with_context(|| format!("the boot log differs from {}", path.display()))
}

fn compare(golden: &str, actual: &str) -> Result<()> {
    if golden == actual {
        return Ok(());
    }
    let diff = TextDiff::from_lines(golden, actual);
    bail!(
        "{}",
        diff.unified_diff()
            .context_radius(3)
            .header("golden", "this boot")
    )
}

/// Takes out what varies: times, long hexadecimal numbers, and white space at line ends.
fn normalise(log: &str) -> String {
    let mut text = String::new();
    for line in log.lines() {
        text.push_str(normalise_hex(&normalise_time(line)).trim_end());
        text.push('\n');
    }
    text
}

/// `[   1.234567]` becomes `[    TIME    ]`.
fn normalise_time(line: &str) -> String {
    if let Some(rest) = line.strip_prefix('[')
        && let Some((stamp, message)) = rest.split_once(']')
        && let Some((seconds, micros)) = stamp.split_once('.')
        && is_number(seconds.trim_start())
        && micros.len() == 6
        && is_number(micros)
    {
        return format!("[    TIME    ]{message}");
    }
    line.to_owned()
}

/// `0x` and at least [`LONG_HEX_DIGITS`] digits become `0xN`.
fn normalise_hex(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("0x") {
        let (before, number) = rest.split_at(at + 2);
        text.push_str(before);
        let length = number
            .find(|c: char| !c.is_ascii_hexdigit() && c != '_')
            .unwrap_or(number.len());
        let (digits, after) = number.split_at(length);
        text.push_str(if length >= LONG_HEX_DIGITS {
            "N"
        } else {
            digits
        });
        rest = after;
    }
    text + rest
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_out() {
        assert_eq!(
            normalise("[   0.001234] info  boot: up\n[  12.999999] warn  x: [1.5]\n"),
            "[    TIME    ] info  boot: up\n[    TIME    ] warn  x: [1.5]\n"
        );
    }

    #[test]
    fn what_only_looks_like_a_time_stays() {
        for line in [
            "[0.12] a",
            "[a.123456] b",
            "[ .123456] c",
            "x [0.123456]",
            "[1]",
        ] {
            assert_eq!(normalise(line), format!("{line}\n"));
        }
    }

    #[test]
    fn long_hexadecimal_numbers_are_taken_out_and_short_ones_stay() {
        assert_eq!(
            normalise("at 0x4020_0000..0x40300000, status 0xf, id 0x10, 0xabcd, 0x"),
            "at 0xN..0xN, status 0xf, id 0x10, 0xabcd, 0x\n"
        );
    }

    #[test]
    fn decimal_numbers_stay() {
        let line = "info  blk: 10247 sectors of 512 bytes\n";
        assert_eq!(normalise(line), line);
    }

    #[test]
    fn a_difference_is_shown_as_a_unified_diff() {
        let golden = "a\nb\nc\nd\n";
        assert!(compare(golden, golden).is_ok());
        let diff = compare(golden, "a\nb\nx\nd\n").unwrap_err().to_string();
        assert!(diff.contains("--- golden"), "{diff}");
        assert!(diff.contains("-c\n+x\n"), "{diff}");
        assert!(diff.contains(" b\n"), "{diff}");
    }

    #[test]
    fn a_line_more_or_less_is_a_difference() {
        assert!(compare("a\nb\n", "a\n").is_err());
        assert!(compare("a\n", "a\nb\n").is_err());
        assert!(compare("", "a\n").is_err());
    }

    #[test]
    fn a_missing_golden_file_fails() {
        let error = check("no-such-case", "a\n", false).unwrap_err().to_string();
        assert!(error.contains("no golden boot log"), "{error}");
    }
}
