//! Numbers and colours as they are typed.

use embedded_graphics::pixelcolor::Rgb888;

use super::ParseError;

/// Reads a number between `min` and `max`: decimal, or hexadecimal after `0x`.
pub(super) fn number<'a>(
    what: &'static str,
    word: &'a str,
    min: u64,
    max: u64,
) -> Result<u64, ParseError<'a>> {
    let hexadecimal = word.strip_prefix("0x").or(word.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((word, 10), |digits| (digits, 16));
    // `from_str_radix` alone would take a sign.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(ParseError::NotANumber { what, word });
    }
    match u64::from_str_radix(digits, radix) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(value) if value < min => Err(ParseError::TooSmall { what, word, min }),
        // All are digits, so what is left is a number of more than 64 bits.
        Ok(_) | Err(_) => Err(ParseError::TooLarge { what, word, max }),
    }
}

/// Reads a colour: six hexadecimal digits, red first.
pub(super) fn colour(word: &str) -> Result<Rgb888, ParseError<'_>> {
    let is_colour = word.len() == 6 && word.chars().all(|digit| digit.is_ascii_hexdigit());
    match u32::from_str_radix(word, 16) {
        Ok(value) if is_colour => {
            let [_, red, green, blue] = value.to_be_bytes();
            Ok(Rgb888::new(red, green, blue))
        }
        _ => Err(ParseError::NotAColour { word }),
    }
}
