//! Why a line is not a command: [`ParseError`].

use core::fmt::{self, Display, Formatter};

use super::Suite;
use super::table::{Subcommands, Usage};

/// Why a line is not a command; the message tells the user what would be one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ParseError<'a> {
    /// No command starts with this word.
    UnknownCommand {
        /// The word.
        word: &'a str,
    },
    /// The first word needs a second one, of which this is none.
    UnknownSubcommand {
        /// The first word.
        group: &'a str,
        /// The second word, if there is one.
        word: Option<&'a str>,
    },
    /// An argument is missing.
    Missing {
        /// Its name in the usage.
        what: &'static str,
        /// The command.
        usage: Option<&'static Usage>,
    },
    /// There is a word too many.
    Unexpected {
        /// The word.
        word: &'a str,
        /// The command.
        usage: Option<&'static Usage>,
    },
    /// A number was expected.
    NotANumber {
        /// The argument's name in the usage.
        what: &'static str,
        /// The word that stands there.
        word: &'a str,
    },
    /// A number is below what makes sense.
    TooSmall {
        /// The argument's name in the usage.
        what: &'static str,
        /// The number, as it was typed.
        word: &'a str,
        /// The least that makes sense.
        min: u64,
    },
    /// A number is above what makes sense.
    TooLarge {
        /// The argument's name in the usage.
        what: &'static str,
        /// The number, as it was typed.
        word: &'a str,
        /// The most that makes sense.
        max: u64,
    },
    /// A colour was expected.
    NotAColour {
        /// The word that stands there.
        word: &'a str,
    },
    /// No suite of self-tests has this name.
    UnknownSuite {
        /// The word that stands there.
        word: &'a str,
    },
}

impl Display for ParseError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownCommand { word } => {
                write!(f, "unknown command {word:?}; help lists the commands")
            }
            Self::UnknownSubcommand { group, word } => {
                match word {
                    Some(word) => write!(f, "unknown {group} command {word:?}")?,
                    None => write!(f, "{group} needs a command")?,
                }
                write!(f, "; there are {}", Subcommands(group))
            }
            Self::Missing { what, usage } => {
                write!(f, "{what} is missing")?;
                write_usage(usage, f)
            }
            Self::Unexpected { word, usage } => {
                write!(f, "unexpected {word:?}")?;
                write_usage(usage, f)
            }
            Self::NotANumber { what, word } => write!(
                f,
                "{what} is not a number: {word:?}; numbers are decimal, or hexadecimal after 0x"
            ),
            Self::TooSmall { what, word, min } => {
                write!(f, "{what} is {word}, at least {min} needed")
            }
            Self::TooLarge { what, word, max } => {
                write!(f, "{what} is {word}, at most {max} allowed")
            }
            Self::NotAColour { word } => {
                write!(
                    f,
                    "RRGGBB is not a colour: {word:?}; colours are six hexadecimal digits"
                )
            }
            Self::UnknownSuite { word } => {
                write!(f, "unknown suite {word:?}; there are {}", Suite::NAMES)
            }
        }
    }
}

impl core::error::Error for ParseError<'_> {}

fn write_usage(usage: Option<&'static Usage>, f: &mut Formatter<'_>) -> fmt::Result {
    match usage {
        Some(usage) => write!(f, "; usage: {usage}"),
        None => Ok(()),
    }
}
