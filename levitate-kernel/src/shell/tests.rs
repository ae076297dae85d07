//! Tests of the shell's language.

use super::table::{COMMANDS, NOTES};
use super::*;
use embedded_graphics::geometry::{Point, Size};
use std::string::{String, ToString};
use std::vec::Vec;

fn command(line: &str) -> Command {
    parse(line)
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .unwrap()
}

fn error(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

#[test]
fn every_command_is_read() {
    let one = |first| Sectors { first, count: 1 };
    let fill = Command::GpuFill {
        area: Rectangle::new(Point::new(1, 2), Size::new(3, 4)),
        colour: Rgb888::new(0x12, 0xab, 0xFF),
    };
    for (line, wanted) in [
        ("help", Command::Help),
        ("devices", Command::Devices),
        ("stats", Command::Stats),
        ("blk info", Command::BlkInfo(None)),
        ("blk info 1", Command::BlkInfo(Some(1))),
        (
            "blk read 7",
            Command::BlkRead {
                disk: 0,
                sectors: one(7),
            },
        ),
        (
            "blk read 0x10 0x2 -d 3",
            Command::BlkRead {
                disk: 3,
                sectors: Sectors {
                    first: 16,
                    count: 2,
                },
            },
        ),
        (
            "blk read -d 1 7",
            Command::BlkRead {
                disk: 1,
                sectors: one(7),
            },
        ),
        (
            "blk write 1 2 0xff",
            Command::BlkWrite {
                disk: 0,
                sectors: Sectors { first: 1, count: 2 },
                byte: 0xff,
            },
        ),
        (
            "blk write 1 -d 0x1 2 90",
            Command::BlkWrite {
                disk: 1,
                sectors: Sectors { first: 1, count: 2 },
                byte: 90,
            },
        ),
        (
            "blk discard 8 0x10 -d 1",
            Command::BlkDiscard {
                disk: 1,
                sectors: Sectors {
                    first: 8,
                    count: 16,
                },
            },
        ),
        (
            "blk zero 3 1",
            Command::BlkZero {
                disk: 0,
                sectors: Sectors { first: 3, count: 1 },
            },
        ),
        ("blk checksum", Command::BlkChecksum(0)),
        ("blk checksum 2", Command::BlkChecksum(2)),
        ("blk flush", Command::BlkFlush(None)),
        ("blk flush 0", Command::BlkFlush(Some(0))),
        ("gpu info", Command::GpuInfo),
        ("gpu card", Command::GpuCard),
        ("gpu fill 1 2 3 4 12abFF", fill),
        ("selftest", Command::Selftest(Suite::All)),
        ("selftest causes", Command::Selftest(Suite::Causes)),
        ("selftest queue-reset", Command::Selftest(Suite::QueueReset)),
        ("crash panic", Command::Crash(Crash::Panic)),
        ("crash fault", Command::Crash(Crash::Fault)),
        ("  shutdown\t", Command::Shutdown),
    ] {
        assert_eq!(command(line), wanted, "{line}");
    }
}

#[test]
fn a_blank_line_is_no_command() {
    assert_eq!(parse("").unwrap(), None);
    assert_eq!(parse(" \t ").unwrap(), None);
}

#[test]
fn errors_say_what_is_wrong_and_what_would_be_right() {
    let read = "usage: blk read SECTOR [COUNT] [-d N]";
    for (line, wanted) in [
        (
            "foo bar",
            "unknown command \"foo\"; help lists the commands",
        ),
        ("Help", "unknown command \"Help\"; help lists the commands"),
        (
            "blk",
            "blk needs a command; there are info, read, write, discard, zero, checksum, flush",
        ),
        (
            "gpu full",
            "unknown gpu command \"full\"; there are info, card, fill",
        ),
        ("crash", "crash needs a command; there are panic, fault"),
        ("crash panic now", "unexpected \"now\"; usage: crash panic"),
        ("blk read", &std::format!("SECTOR is missing; {read}")),
        ("blk read 1 2 3", &std::format!("unexpected \"3\"; {read}")),
        ("blk read 1 -d", &std::format!("N is missing; {read}")),
        (
            "blk read 1 -d 1 -d 1",
            &std::format!("unexpected \"-d\"; {read}"),
        ),
        (
            "blk info -d 1",
            "N is not a number: \"-d\"; numbers are decimal, or hexadecimal after 0x",
        ),
        (
            "blk write 1 2",
            "BYTE is missing; usage: blk write SECTOR COUNT BYTE [-d N]",
        ),
        ("blk write 1 2 256", "BYTE is 256, at most 255 allowed"),
        ("blk write 1 0 1", "COUNT is 0, at least 1 needed"),
        (
            "blk discard 1",
            "COUNT is missing; usage: blk discard SECTOR COUNT [-d N]",
        ),
        (
            "blk zero 1 2 3",
            "unexpected \"3\"; usage: blk zero SECTOR COUNT [-d N]",
        ),
        ("blk read 1 0", "COUNT is 0, at least 1 needed"),
        ("blk info 65536", "N is 65536, at most 65535 allowed"),
        ("help me", "unexpected \"me\"; usage: help"),
        (
            "gpu fill 1 2 3 4",
            "RRGGBB is missing; usage: gpu fill X Y W H RRGGBB",
        ),
        ("gpu fill 1 2 0 4 000000", "W is 0, at least 1 needed"),
        (
            "gpu fill 1 65536 1 4 000000",
            "Y is 65536, at most 65535 allowed",
        ),
        (
            "selftest some",
            "unknown suite \"some\"; there are all, causes, queue-reset",
        ),
    ] {
        assert_eq!(error(line), wanted, "{line}");
    }
}

#[test]
fn numbers_are_decimal_or_hexadecimal_and_nothing_else() {
    for word in [
        "12x", "x", "0x", "0xg", "-1", "+1", "0x+1", "1_0", "1.0", "0b1", "ff", "٣",
    ] {
        let message = error(&std::format!("blk read {word}"));
        assert!(
            message.starts_with("SECTOR is not a number: "),
            "{word}: {message}"
        );
    }
    assert_eq!(command("blk read 007"), command("blk read 0x7"));
}

#[test]
fn numbers_that_overflow_are_refused() {
    let max = u64::MAX;
    assert_eq!(
        error("blk read 18446744073709551616"),
        "SECTOR is 18446744073709551616, at most 18446744073709551614 allowed"
    );
    assert!(
        error("blk read 0x10000000000000000")
            .starts_with("SECTOR is 0x10000000000000000, at most ")
    );
    assert_eq!(
        error(&std::format!("blk read 5 {max}")),
        std::format!("COUNT is {max}, at most {} allowed", max - 5)
    );
    assert_eq!(
        command(&std::format!("blk read 5 {}", max - 5)),
        Command::BlkRead {
            disk: 0,
            sectors: Sectors {
                first: 5,
                count: max - 5
            }
        }
    );
}

#[test]
fn colours_are_six_digits() {
    for word in ["12345", "1234567", "0x1234", "12345g", "+12345", "ääb"] {
        let message = error(&std::format!("gpu fill 0 0 1 1 {word}"));
        assert!(
            message.starts_with("RRGGBB is not a colour: "),
            "{word}: {message}"
        );
    }
}

#[test]
fn the_help_text_has_every_command_aligned() {
    let help = Help.to_string();
    let lines: Vec<&str> = help.lines().collect();
    assert_eq!(lines.len(), COMMANDS.len() + NOTES.lines().count());
    assert!(help.ends_with(NOTES));
    assert!(NOTES.contains("write to the end of the disks"));
    let column = lines[0].find("list the commands").unwrap();
    for (line, usage) in lines.iter().zip(COMMANDS) {
        assert!(line.starts_with(&usage.to_string()));
        assert_eq!(line.find(usage.does), Some(column), "{line}");
        assert!(line.len() <= 80, "{line}");
    }
    assert!(help.contains(&std::format!(
        "{}\n",
        Suite::NAMES.replacen(',', " (the default),", 1)
    )));
}

#[test]
fn every_usage_in_the_help_text_is_obeyed_with_and_without_what_is_optional() {
    for usage in COMMANDS {
        let filled = usage
            .to_string()
            .replace("RRGGBB", "c0ffee")
            .replace("SUITE", "all");
        let numbers = ["SECTOR", "COUNT", "BYTE", "X", "Y", "W", "H", "N"];
        let number = |word: &str| {
            if numbers.contains(&word) {
                "1".into()
            } else {
                word.to_string()
            }
        };
        let long: Vec<String> = filled
            .replace(['[', ']'], "")
            .split(' ')
            .map(number)
            .collect();
        let short: Vec<String> = filled
            .split(" [")
            .next()
            .unwrap()
            .split(' ')
            .map(number)
            .collect();
        command(&long.join(" "));
        command(&short.join(" "));
        assert!(
            error(&std::format!("{} 1", long.join(" "))).starts_with("unexpected \"1\"; usage: ")
        );
    }
}

#[test]
fn arbitrary_lines_never_panic() {
    let words = [
        "blk",
        "gpu",
        "crash",
        "panic",
        "read",
        "write",
        "fill",
        "info",
        "flush",
        "selftest",
        "-d",
        "0",
        "1",
        "0x",
        "18446744073709551615",
        "99999999999999999999999",
        "ffffff",
        "all",
        "\u{0}",
        "é",
        "\u{2003}",
        "help",
    ];
    let mut state = 3_u32;
    let mut noise = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let (mut commands, mut errors) = (0, 0);
    for _ in 0..20_000 {
        let mut line = String::new();
        for _ in 0..noise(7) {
            line.push_str(words[noise(words.len())]);
            line.push_str(["", " "][noise(8).min(1)]);
        }
        match parse(&line) {
            Ok(_) => commands += 1,
            Err(error) => {
                errors += 1;
                assert!(!error.to_string().contains(char::is_control), "{line:?}");
            }
        }
    }
    assert!(commands > 100 && errors > 100);
}
