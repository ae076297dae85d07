//! What text looks like: [`Style`] and its colours.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use log::Level;

/// A role that text plays on the console; its colours are the console's to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Style {
    /// Ordinary text.
    #[default]
    Text,
    /// What most readers skip, such as the time of a log line.
    Dim,
    /// Who speaks.
    Target,
    /// Errors.
    Error,
    /// Warnings.
    Warn,
    /// Information.
    Info,
    /// Debug messages.
    Debug,
    /// Trace messages.
    Trace,
    /// The title row.
    Title,
}

/// All styles, in the order of their numbers.
const ALL: [Style; 9] = [
    Style::Text,
    Style::Dim,
    Style::Target,
    Style::Error,
    Style::Warn,
    Style::Info,
    Style::Debug,
    Style::Trace,
    Style::Title,
];

pub(super) const BACKGROUND: Rgb888 = Rgb888::new(0x10, 0x13, 0x1c);

impl Style {
    /// Returns the style of a log line's level.
    #[must_use]
    pub const fn of_level(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }

    /// Returns the style of a log line's message: coloured only where it must catch the eye, dim where it need not.
    pub(super) const fn of_message(level: Level) -> Self {
        match level {
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Text,
            Level::Debug | Level::Trace => Self::Dim,
        }
    }

    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Self {
        ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    pub(super) const fn foreground(self) -> Rgb888 {
        match self {
            Self::Text => Rgb888::new(0xdc, 0xe0, 0xe8),
            Self::Dim => Rgb888::new(0x7d, 0x86, 0x99),
            Self::Target => Rgb888::new(0x6f, 0xa8, 0xdc),
            Self::Error => Rgb888::new(0xff, 0x5f, 0x5f),
            Self::Warn => Rgb888::new(0xff, 0xc1, 0x4d),
            Self::Info => Rgb888::new(0x6f, 0xd0, 0x8c),
            Self::Debug => Rgb888::new(0x8a, 0x9b, 0xff),
            Self::Trace => Rgb888::new(0xb0, 0x8c, 0xd9),
            Self::Title => Rgb888::WHITE,
        }
    }

    pub(super) const fn background(self) -> Rgb888 {
        match self {
            Self::Title => Rgb888::new(0x2b, 0x4a, 0x7f),
            _ => BACKGROUND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_style_comes_back_from_its_number() {
        for style in ALL {
            assert_eq!(Style::from_number(style.number()), style);
        }
        assert_eq!(Style::from_number(ALL.len() as u8), Style::Text);
    }

    #[test]
    fn no_text_is_invisible_and_no_two_levels_look_the_same() {
        for style in ALL {
            assert_ne!(style.foreground(), style.background());
        }
        let mut colours: std::vec::Vec<_> = Level::iter()
            .map(|level| Style::of_level(level).foreground())
            .map(|colour| (colour.r(), colour.g(), colour.b()))
            .collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), 5);
    }
}
