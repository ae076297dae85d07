//! The one table of commands, from which lines are parsed and the help text is made.

use core::fmt::{self, Display, Formatter};

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use super::number::colour;
use super::words::Words;
use super::{Command, Crash, ParseError, Sectors, Suite};

/// One command of the table; its `Display` is how to type it.
pub struct Usage {
    /// The words it starts with.
    pub(super) name: &'static str,
    /// Its arguments, as the help text shows them.
    pub(super) arguments: &'static str,
    /// What it does.
    pub(super) does: &'static str,
    /// Reads the arguments.
    pub(super) read: for<'a> fn(&mut Words<'a>) -> Result<Command, ParseError<'a>>,
}

pub(super) const COMMANDS: &[Usage] = &[
    Usage {
        name: "help",
        arguments: "",
        does: "list the commands",
        read: |_| Ok(Command::Help),
    },
    Usage {
        name: "devices",
        arguments: "",
        does: "list the devices and their drivers",
        read: |_| Ok(Command::Devices),
    },
    Usage {
        name: "stats",
        arguments: "",
        does: "count requests, notifications and interrupts",
        read: |_| Ok(Command::Stats),
    },
    Usage {
        name: "blk info",
        arguments: "[N]",
        does: "describe disk N, or all disks",
        read: |words| Ok(Command::BlkInfo(words.disk()?)),
    },
    Usage {
        name: "blk read",
        arguments: "SECTOR [COUNT] [-d N]",
        does: "dump sectors",
        read: |words| {
            words.allow_disk_option();
            let sectors = sectors(words, Count::Optional)?;
            Ok(Command::BlkRead {
                disk: words.disk_option()?,
                sectors,
            })
        },
    },
    Usage {
        name: "blk write",
        arguments: "SECTOR COUNT BYTE [-d N]",
        does: "fill sectors with BYTE, then flush",
        read: |words| {
            words.allow_disk_option();
            let sectors = sectors(words, Count::Required)?;
            let byte = words.number("BYTE", 0, 0xff)?;
            Ok(Command::BlkWrite {
                disk: words.disk_option()?,
                sectors,
                byte: byte.to_le_bytes()[0],
            })
        },
    },
    Usage {
        name: "blk discard",
        arguments: "SECTOR COUNT [-d N]",
        does: "let the disk forget sectors",
        read: |words| {
            words.allow_disk_option();
            let sectors = sectors(words, Count::Required)?;
            Ok(Command::BlkDiscard {
                disk: words.disk_option()?,
                sectors,
            })
        },
    },
    Usage {
        name: "blk zero",
        arguments: "SECTOR COUNT [-d N]",
        does: "have the disk zero sectors, then flush",
        read: |words| {
            words.allow_disk_option();
            let sectors = sectors(words, Count::Required)?;
            Ok(Command::BlkZero {
                disk: words.disk_option()?,
                sectors,
            })
        },
    },
    Usage {
        name: "blk checksum",
        arguments: "[N]",
        does: "hash all of disk N with SHA-256",
        read: |words| Ok(Command::BlkChecksum(words.disk()?.unwrap_or(0))),
    },
    Usage {
        name: "blk flush",
        arguments: "[N]",
        does: "flush disk N, or all disks",
        read: |words| Ok(Command::BlkFlush(words.disk()?)),
    },
    Usage {
        name: "gpu info",
        arguments: "",
        does: "describe the display",
        read: |_| Ok(Command::GpuInfo),
    },
    Usage {
        name: "gpu card",
        arguments: "",
        does: "show the test card",
        read: |_| Ok(Command::GpuCard),
    },
    Usage {
        name: "gpu fill",
        arguments: "X Y W H RRGGBB",
        does: "fill a rectangle and present only that",
        read: |words| {
            let (x, y) = (coordinate(words, "X", 0)?, coordinate(words, "Y", 0)?);
            let (width, height) = (coordinate(words, "W", 1)?, coordinate(words, "H", 1)?);
            let corner = Point::new(i32::from(x), i32::from(y));
            Ok(Command::GpuFill {
                area: Rectangle::new(corner, Size::new(width.into(), height.into())),
                colour: colour(words.required("RRGGBB")?)?,
            })
        },
    },
    Usage {
        name: "selftest",
        arguments: "[SUITE]",
        does: "run all (the default), causes, queue-reset",
        read: |words| match words.optional()? {
            None => Ok(Command::Selftest(Suite::All)),
            Some(word) => Suite::from_name(word)
                .map(Command::Selftest)
                .ok_or(ParseError::UnknownSuite { word }),
        },
    },
    Usage {
        name: "crash panic",
        arguments: "",
        does: "panic (for debugging)",
        read: |_| Ok(Command::Crash(Crash::Panic)),
    },
    Usage {
        name: "crash fault",
        arguments: "",
        does: "write to address 0 (for debugging)",
        read: |_| Ok(Command::Crash(Crash::Fault)),
    },
    Usage {
        name: "shutdown",
        arguments: "",
        does: "flush the disks and end the machine",
        read: |_| Ok(Command::Shutdown),
    },
];

/// The help text: a line for each command, aligned, then notes; the last without a newline.
#[derive(Clone, Copy, Debug)]
pub struct Help;

impl Display for Help {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lengths = COMMANDS.iter().map(Usage::len);
        let width = lengths.max().unwrap_or(0);
        for usage in COMMANDS {
            let padding = width - usage.len();
            writeln!(f, "{usage}{:padding$}  {}", "", usage.does)?;
        }
        f.write_str(NOTES)
    }
}

/// What holds for more than one command, or does not fit into the line of one.
pub(super) const NOTES: &str = "\
    Numbers are decimal, or hexadecimal after 0x. Disk N is 0 unless another is given.\n\
    The self-tests write to the end of the disks, and put back what was there.";

impl Usage {
    const fn len(&self) -> usize {
        match self.arguments.len() {
            0 => self.name.len(),
            arguments => self.name.len() + 1 + arguments,
        }
    }
}

impl Display for Usage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.arguments {
            "" => f.write_str(self.name),
            arguments => write!(f, "{} {arguments}", self.name),
        }
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Usage({self})")
    }
}

/// The second words of the commands that start with this word, for messages.
pub(super) struct Subcommands<'a>(pub(super) &'a str);

impl Subcommands<'_> {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        let pairs = COMMANDS
            .iter()
            .filter_map(|usage| usage.name.split_once(' '));
        pairs
            .filter(|(group, _)| *group == self.0)
            .map(|(_, name)| name)
    }
}

impl Display for Subcommands<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Returns the command that starts with `first`, and with the next of `words` if `first` is the name of a group.
pub(super) fn find<'a>(
    first: &'a str,
    words: &mut Words<'a>,
) -> Result<&'static Usage, ParseError<'a>> {
    if let Some(usage) = COMMANDS.iter().find(|usage| usage.name == first) {
        return Ok(usage);
    }
    if Subcommands(first).names().next().is_none() {
        return Err(ParseError::UnknownCommand { word: first });
    }
    let word = words.next();
    let unknown = ParseError::UnknownSubcommand { group: first, word };
    let wanted = (first, word.ok_or(unknown)?);
    let mut commands = COMMANDS.iter();
    commands
        .find(|usage| usage.name.split_once(' ') == Some(wanted))
        .ok_or(unknown)
}

enum Count {
    Required,
    Optional,
}

fn sectors<'a>(words: &mut Words<'a>, count: Count) -> Result<Sectors, ParseError<'a>> {
    let first = words.number("SECTOR", 0, u64::MAX - 1)?;
    let most = u64::MAX - first;
    let count = match count {
        Count::Required => words.number("COUNT", 1, most)?,
        Count::Optional => match words.optional()? {
            Some(word) => super::number::number("COUNT", word, 1, most)?,
            None => 1,
        },
    };
    Ok(Sectors { first, count })
}

fn coordinate<'a>(
    words: &mut Words<'a>,
    what: &'static str,
    min: u16,
) -> Result<u16, ParseError<'a>> {
    let value = words.number(what, min.into(), u16::MAX.into())?;
    Ok(u16::try_from(value).unwrap_or(u16::MAX))
}
