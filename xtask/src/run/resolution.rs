//! The size of the display: [`Resolution`].

use std::str::FromStr;

/// The least that the test card fits on.
const LEAST: (u32, u32) = (160, 120);

/// The most that QEMU's display device takes in one direction.
const MOST: u32 = 16384;

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (width, height) = text
            .split_once('x')
            .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)))
            .ok_or("a resolution is a width and a height, such as 1280x800")?;
        if !(LEAST.0..=MOST).contains(&width) || !(LEAST.1..=MOST).contains(&height) {
            let (least_width, least_height) = LEAST;
            return Err(format!(
                "from {least_width}x{least_height} to {MOST}x{MOST} is possible"
            ));
        }
        Ok(Self { width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_is_two_numbers() {
        let resolution = Resolution {
            width: 1024,
            height: 768,
        };
        assert_eq!("1024x768".parse(), Ok(resolution));
        for text in ["", "x", "1024", "1024x", "1024*768", "1024x768x32", "-1x5"] {
            assert!(text.parse::<Resolution>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_display_is_neither_tiny_nor_huge() {
        for text in ["159x120", "160x119", "16385x800", "800x16385"] {
            assert!(text.parse::<Resolution>().unwrap_err().contains("possible"));
        }
    }
}
