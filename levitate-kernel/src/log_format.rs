//! The one format of a log line, for the serial line as for the screen: [`Line`].

use core::fmt::{self, Display, Formatter, Write};
use core::time::Duration;

use log::{Level, Record};

/// One log line: `[   S.UUUUUU] LEVEL target: message`, without a newline at its end.
///
/// Control characters in target and message are shown escaped (`\n`, `\u{1b}`): a message stays on one line, and a
/// string that came from a device cannot drive the terminal.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Time since boot.
    pub uptime: Duration,
    /// How serious it is.
    pub level: Level,
    /// Who speaks: usually a module's path.
    pub target: &'a str,
    /// What is said.
    pub message: fmt::Arguments<'a>,
}

impl<'a> Line<'a> {
    /// Makes a line of what the `log` facade handed to the logger, `uptime` after boot.
    #[must_use]
    pub fn new(uptime: Duration, record: &Record<'a>) -> Self {
        Self {
            uptime,
            level: record.level(),
            target: record.target(),
            message: *record.args(),
        }
    }

    /// Returns the line's first part, the time: `[   S.UUUUUU]`.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        Stamp(self.uptime)
    }
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:<5} ", self.stamp(), level_name(self.level))?;
        write!(OneLine(f), "{}: {}", self.target, self.message)
    }
}

/// Seconds and microseconds since boot, as a log line starts with them.
#[derive(Clone, Copy, Debug)]
pub struct Stamp(Duration);

impl Display for Stamp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[{:>4}.{:06}]", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// Returns a level's name as it stands in a log line: lower case, not padded.
#[must_use]
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Passes text on with its control characters escaped, so that it stays on one line.
#[derive(Debug)]
pub struct OneLine<W>(
    /// Where the text goes.
    pub W,
);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let Some((at, last)) = part
                .char_indices()
                .next_back()
                .filter(|(_, c)| c.is_control())
            else {
                self.0.write_str(part)?;
                continue;
            };
            let (plain, _) = part.split_at(at);
            self.0.write_str(plain)?;
            write!(self.0, "{}", last.escape_default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn line(uptime: Duration, level: Level, message: fmt::Arguments<'_>) -> String {
        let target = "levitate_kernel::boot";
        format!(
            "{}",
            Line {
                uptime,
                level,
                target,
                message
            }
        )
    }

    #[test]
    fn seconds_are_padded_to_four_and_microseconds_to_six_digits() {
        assert_eq!(
            line(
                Duration::from_nanos(1_000_042_999),
                Level::Info,
                format_args!("up {}", 1)
            ),
            "[   1.000042] info  levitate_kernel::boot: up 1"
        );
        assert_eq!(
            line(
                Duration::from_secs(98_765),
                Level::Error,
                format_args!("late")
            ),
            "[98765.000000] error levitate_kernel::boot: late"
        );
    }

    #[test]
    fn every_level_is_lower_case_and_five_wide() {
        for (level, shown) in [
            (Level::Error, "] error l"),
            (Level::Warn, "] warn  l"),
            (Level::Info, "] info  l"),
            (Level::Debug, "] debug l"),
            (Level::Trace, "] trace l"),
        ] {
            let text = line(Duration::ZERO, level, format_args!("m"));
            assert!(text.contains(shown), "{text}");
        }
    }

    #[test]
    fn control_characters_are_escaped_and_other_text_is_not() {
        let text = line(
            Duration::ZERO,
            Level::Warn,
            format_args!("a\nb{}c\r\u{9b}é\"\\", "\u{1b}[2J"),
        );
        assert!(text.ends_with(r#": a\nb\u{1b}[2Jc\r\u{9b}é"\"#), "{text}");
        assert!(!text.contains(char::is_control));
    }

    #[test]
    fn a_record_keeps_its_level_target_and_message() {
        let record = Record::builder()
            .level(Level::Debug)
            .target("t")
            .args(format_args!("m"))
            .build();
        let text = format!("{}", Line::new(Duration::from_millis(12_345), &record));
        assert_eq!(text, "[  12.345000] debug t: m");
    }
}
