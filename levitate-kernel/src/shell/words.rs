//! The words of one line, handed out argument by argument: [`Words`].

use core::str::SplitWhitespace;

use super::ParseError;
use super::number::number;
use super::table::Usage;

/// The words of a line that are still to be read.
#[derive(Debug)]
pub(super) struct Words<'a> {
    rest: SplitWhitespace<'a>,
    /// The command whose arguments are being read, for messages.
    usage: Option<&'static Usage>,
    /// Whether `-d N` may stand among the arguments, and what it said.
    disk: DiskOption,
}

#[derive(Debug)]
enum DiskOption {
    Refused,
    Allowed,
    Given(usize),
}

/// The option that picks a disk.
const DISK: &str = "-d";

impl<'a> Words<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self {
            rest: line.split_whitespace(),
            usage: None,
            disk: DiskOption::Refused,
        }
    }

    /// Names the command whose arguments come now.
    pub(super) const fn expect(&mut self, usage: &'static Usage) {
        self.usage = Some(usage);
    }

    /// Lets `-d N` stand anywhere among the arguments that follow.
    pub(super) const fn allow_disk_option(&mut self) {
        self.disk = DiskOption::Allowed;
    }

    /// Returns the next word as it is.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// Returns the next argument, if there is one.
    pub(super) fn optional(&mut self) -> Result<Option<&'a str>, ParseError<'a>> {
        loop {
            let word = self.rest.next();
            match (word, &self.disk) {
                (Some(DISK), DiskOption::Allowed) => {
                    let text = self.rest.next().ok_or(self.missing("N"))?;
                    self.disk = DiskOption::Given(disk_number(text)?);
                }
                (Some(DISK), DiskOption::Given(_)) => {
                    let usage = self.usage;
                    return Err(ParseError::Unexpected { word: DISK, usage });
                }
                _ => return Ok(word),
            }
        }
    }

    /// Returns the next argument, called `what` in messages.
    pub(super) fn required(&mut self, what: &'static str) -> Result<&'a str, ParseError<'a>> {
        self.optional()?.ok_or(self.missing(what))
    }

    /// Returns the next argument as a number between `min` and `max`.
    pub(super) fn number(
        &mut self,
        what: &'static str,
        min: u64,
        max: u64,
    ) -> Result<u64, ParseError<'a>> {
        number(what, self.required(what)?, min, max)
    }

    /// Returns the next argument as the number of a disk, if there is one.
    pub(super) fn disk(&mut self) -> Result<Option<usize>, ParseError<'a>> {
        self.optional()?.map(disk_number).transpose()
    }

    /// Returns what `-d` said, or disk 0; to be called after all arguments were read.
    pub(super) fn disk_option(&mut self) -> Result<usize, ParseError<'a>> {
        self.end()?;
        match self.disk {
            DiskOption::Given(disk) => Ok(disk),
            DiskOption::Refused | DiskOption::Allowed => Ok(0),
        }
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(&mut self) -> Result<(), ParseError<'a>> {
        match self.optional()? {
            None => Ok(()),
            Some(word) => Err(ParseError::Unexpected {
                word,
                usage: self.usage,
            }),
        }
    }

    const fn missing(&self, what: &'static str) -> ParseError<'a> {
        ParseError::Missing {
            what,
            usage: self.usage,
        }
    }
}

fn disk_number(word: &str) -> Result<usize, ParseError<'_>> {
    // Far more than there are slots, and small enough for every `usize`.
    let disk = number("N", word, 0, 0xffff)?;
    Ok(usize::try_from(disk).unwrap_or(usize::MAX))
}
