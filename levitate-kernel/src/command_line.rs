//! The kernel command line: words that choose what boot does, read into [`Options`].

mod drivers;
pub mod virtio_mmio;

use core::fmt::{self, Display, Formatter};

use log::LevelFilter;

pub use self::drivers::{Choice, Driver, Drivers, Kind};

/// What the kernel command line chose; its default is what an empty one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `selftest`, `selftest=SUITE`: tests to run after boot, before QEMU is ended.
    pub selftest: Option<Suite>,
    /// `bench`, `bench=EFFORT`: benchmarks to run after boot and self-tests, before QEMU is ended.
    pub bench: Option<Effort>,
    /// `gpu=DRIVER`, `blk=DRIVER`, `blk.1=DRIVER` and so on: who drives which device.
    pub drivers: Drivers,
    /// `log=LEVEL|off`: the least serious level that is logged.
    pub log: LevelFilter,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            selftest: None,
            bench: None,
            drivers: Drivers::default(),
            log: LevelFilter::Info,
        }
    }
}

/// A named set of self-tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `all`: every test of a healthy machine.
    All,
    /// `causes`: the causes of the GPU timeout, each provoked, each to be named by its own error.
    Causes,
    /// `queue-reset`: one queue of each disk is reset by itself, and goes on.
    QueueReset,
}

impl Suite {
    /// Names of the suites, for messages.
    pub const NAMES: &str = "all, causes, queue-reset";

    /// Returns the suite of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        value_of(name.as_bytes(), SUITES)
    }
}

/// How long a benchmark goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// `full`: long enough for times that mean something.
    Full,
    /// `short`: long enough to count.
    Short,
}

/// The beginning of a word, and what may follow it.
pub type Allowed = (&'static str, &'static str);

/// A word of the command line that was not obeyed; its `Display` is the warning to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord<'a> {
    /// The whole word, which need not be UTF-8.
    pub word: &'a [u8],
    /// If only the rest of the word is unknown: its beginning, and what may follow.
    pub allowed: Option<Allowed>,
}

impl Display for UnknownWord<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.word.escape_ascii();
        write!(f, "unknown word on the kernel command line: \"{word}\"")?;
        match self.allowed {
            Some((beginning, rest)) => write!(f, "; what may follow {beginning} is {rest}"),
            None => Ok(()),
        }
    }
}

const SUITES: &[(&str, Suite)] = &[
    ("all", Suite::All),
    ("causes", Suite::Causes),
    ("queue-reset", Suite::QueueReset),
];
const EFFORTS: &[(&str, Effort)] = &[("full", Effort::Full), ("short", Effort::Short)];
const EFFORT_NAMES: &str = "full, short";
const LEVELS: &[(&str, LevelFilter)] = &[
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
    ("off", LevelFilter::Off),
];
const LEVEL_NAMES: &str = "error, warn, info, debug, trace, off";

/// Reads a command line: words between white space (or NUL), where a later word wins over an earlier one.
///
/// Each word that means nothing is given to `report` and changes nothing.
pub fn parse<'a>(command_line: &'a [u8], mut report: impl FnMut(UnknownWord<'a>)) -> Options {
    let mut options = Options::default();
    for word in words(command_line) {
        if let Err(allowed) = obey(word, &mut options) {
            report(UnknownWord { word, allowed });
        }
    }
    options
}

/// Returns the words of a command line.
fn words(command_line: &[u8]) -> impl Iterator<Item = &[u8]> {
    command_line
        .split(|&byte| byte.is_ascii_whitespace() || byte == 0)
        .filter(|word| !word.is_empty())
}

/// Changes `options` as `word` says, or returns what should have been in it (`None`: no such word).
fn obey(word: &[u8], options: &mut Options) -> Result<(), Option<Allowed>> {
    if word == b"selftest" {
        options.selftest = Some(Suite::All);
    } else if let Some(value) = word.strip_prefix(b"selftest=") {
        let suite = value_of(value, SUITES).ok_or(Some(("selftest=", Suite::NAMES)))?;
        options.selftest = Some(suite);
    } else if word == b"bench" {
        options.bench = Some(Effort::Full);
    } else if let Some(value) = word.strip_prefix(b"bench=") {
        let effort = value_of(value, EFFORTS).ok_or(Some(("bench=", EFFORT_NAMES)))?;
        options.bench = Some(effort);
    } else if let Some(obeyed) = options.drivers.obey(word) {
        obeyed.map_err(Some)?;
    } else if let Some(value) = word.strip_prefix(b"log=") {
        options.log = value_of(value, LEVELS).ok_or(Some(("log=", LEVEL_NAMES)))?;
    } else if let Some(value) = word.strip_prefix(virtio_mmio::WORD) {
        // What it says is for the architecture to use.
        virtio_mmio::parse(value).ok_or(Some(("virtio_mmio.device=", "SIZE@ADDRESS:INTERRUPT")))?;
    } else {
        return Err(None);
    }
    Ok(())
}

fn value_of<T: Copy>(name: &[u8], values: &[(&str, T)]) -> Option<T> {
    let found = values.iter().find(|(known, _)| known.as_bytes() == name);
    found.map(|&(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn parsed(line: &[u8]) -> (Options, Vec<String>) {
        let mut unknown = Vec::new();
        let options = parse(line, |word| unknown.push(word.to_string()));
        (options, unknown)
    }

    #[test]
    fn an_empty_line_means_the_defaults() {
        for line in [&b""[..], b"   ", b"\0", b"\n\t "] {
            assert_eq!(parsed(line), (Options::default(), Vec::new()));
        }
        assert_eq!(Options::default().log, LevelFilter::Info);
        assert_eq!(Options::default().selftest, None);
    }

    #[test]
    fn every_word_is_obeyed() {
        let (options, unknown) =
            parsed(b"selftest bench=short gpu=off  blk=off log=trace virtio_mmio.device=512@0xfeb00e00:12\0");
        assert_eq!(
            options,
            Options {
                selftest: Some(Suite::All),
                bench: Some(Effort::Short),
                drivers: options.drivers,
                log: LevelFilter::Trace,
            }
        );
        for kind in [Kind::Gpu, Kind::Blk] {
            assert_eq!(options.drivers.choice(kind, 0), Choice::Off);
        }
        assert!(unknown.is_empty());
        assert_eq!(parsed(b"selftest=causes").0.selftest, Some(Suite::Causes));
        assert_eq!(parsed(b"bench").0.bench, Some(Effort::Full));
    }

    #[test]
    fn a_later_word_wins_unless_it_is_bad() {
        let (options, unknown) =
            parsed(b"gpu=off selftest log=off gpu=levitate selftest=causes log=loud");
        let levitate = Choice::Driver(Driver::Levitate);
        assert_eq!(options.drivers.choice(Kind::Gpu, 0), levitate);
        assert_eq!(options.selftest, Some(Suite::Causes));
        assert_eq!(options.log, LevelFilter::Off);
        assert_eq!(unknown.len(), 1);
    }

    #[test]
    fn unknown_words_and_values_are_reported_in_order() {
        let (options, unknown) =
            parsed(b"foo selftest=fast gpu= blk.x=off GPU=off log virtio_mmio.device=1@2");
        assert_eq!(options, Options::default());
        assert_eq!(
            unknown,
            [
                "unknown word on the kernel command line: \"foo\"",
                "unknown word on the kernel command line: \"selftest=fast\"; what may follow selftest= is all, causes, queue-reset",
                "unknown word on the kernel command line: \"gpu=\"; what may follow gpu= is levitate, virtio-drivers, off",
                "unknown word on the kernel command line: \"blk.x=off\"; what may follow blk. is a number from 0 to 31, and =",
                "unknown word on the kernel command line: \"GPU=off\"",
                "unknown word on the kernel command line: \"log\"",
                "unknown word on the kernel command line: \"virtio_mmio.device=1@2\"; what may follow virtio_mmio.device= is SIZE@ADDRESS:INTERRUPT",
            ]
        );
    }

    #[test]
    fn the_names_in_messages_are_those_of_the_tables() {
        fn names<T>(table: &[(&str, T)]) -> String {
            table
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        }
        assert_eq!(names(SUITES), Suite::NAMES);
        assert_eq!(names(EFFORTS), EFFORT_NAMES);
        assert_eq!(names(LEVELS), LEVEL_NAMES);
    }

    #[test]
    fn any_bytes_are_reported_in_ascii_and_never_panic() {
        let (_, unknown) = parsed(b"\xff\x1b[2J \"=\xc3\x28");
        assert_eq!(
            unknown[0],
            r#"unknown word on the kernel command line: "\xff\x1b[2J""#
        );
        assert_eq!(unknown.len(), 2);
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for length in 0..300 {
            let line: Vec<u8> = (0..length).map(|_| noise()).collect();
            let (options, unknown) = parsed(&line);
            assert_eq!(options, Options::default());
            assert!(unknown.iter().all(|warning| warning.is_ascii()));
        }
    }
}
