//! What a monitor says of itself: [`Edid`], of which only the preferred timing is read (VESA E-EDID A2, 3.10).

use core::fmt;

use thiserror::Error;

use crate::mode::{MAX_PIXELS_PER_SIDE, is_possible};
use crate::protocol::edid::MAX_EDID_BYTES;

/// Length of the base block and of each extension.
const BLOCK_BYTES: usize = 128;
/// What every EDID begins with.
const HEADER: [u8; 8] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/// Where the first of four descriptors begins; it is the preferred timing.
const FIRST_DESCRIPTOR: usize = 54;
/// Length of a descriptor.
const DESCRIPTOR_BYTES: usize = 18;

/// Why an EDID says nothing of a preferred timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EdidError {
    /// It has no complete base block.
    #[error("EDID has {len_bytes} bytes, the base block alone has {BLOCK_BYTES}")]
    TooShort {
        /// Its length.
        len_bytes: usize,
    },
    /// It does not begin as an EDID does.
    #[error("EDID begins with {found:02x?}")]
    BadHeader {
        /// What it begins with.
        found: [u8; 8],
    },
    /// The bytes of the base block do not sum up to 0.
    #[error("bytes of the EDID's base block sum up to {sum:#04x}")]
    BadChecksum {
        /// Their sum.
        sum: u8,
    },
    /// The first descriptor is no timing.
    #[error("EDID has no preferred timing")]
    NoTiming,
    /// The first timing is that of no picture.
    #[error("EDID prefers {width} x {height} pixels: sides are 1 to {MAX_PIXELS_PER_SIDE}")]
    ImpossibleTiming {
        /// Active pixels of a line.
        width: u32,
        /// Active lines.
        height: u32,
    },
}

/// How a monitor likes its picture best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferredTiming {
    /// Width in pixels, 1 to [`MAX_PIXELS_PER_SIDE`].
    pub width: u32,
    /// Height in pixels, 1 to [`MAX_PIXELS_PER_SIDE`]; of an interlaced picture, both fields.
    pub height: u32,
    /// Pixels in a second, in thousands.
    pub pixel_clock_khz: u32,
}

/// The EDID of a monitor, unchecked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Edid {
    bytes: [u8; MAX_EDID_BYTES],
    len_bytes: usize,
}

impl Edid {
    /// Takes the first `len_bytes` of `bytes`, all of them if there are no more.
    pub(crate) fn new(bytes: [u8; MAX_EDID_BYTES], len_bytes: usize) -> Self {
        Self {
            bytes,
            len_bytes: len_bytes.min(MAX_EDID_BYTES),
        }
    }

    /// Returns the bytes, extensions included.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len_bytes).unwrap_or(&self.bytes)
    }

    /// Returns the timing the monitor prefers.
    ///
    /// # Errors
    ///
    /// [`EdidError`]: it is not an EDID, or has no such timing.
    pub fn preferred_timing(&self) -> Result<PreferredTiming, EdidError> {
        preferred_timing(self.as_bytes())
    }
}

impl fmt::Debug for Edid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Edid({} bytes, {:?})",
            self.len_bytes,
            self.preferred_timing()
        )
    }
}

/// Reads the preferred timing of an EDID from its base block.
///
/// # Errors
///
/// [`EdidError`]: it is not an EDID, or has no such timing.
pub fn preferred_timing(edid: &[u8]) -> Result<PreferredTiming, EdidError> {
    let len_bytes = edid.len();
    let block: &[u8; BLOCK_BYTES] = edid
        .first_chunk()
        .ok_or(EdidError::TooShort { len_bytes })?;
    if let Some(found) = block.first_chunk::<8>().filter(|found| **found != HEADER) {
        return Err(EdidError::BadHeader { found: *found });
    }
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum != 0 {
        return Err(EdidError::BadChecksum { sum });
    }
    let descriptor: &[u8; DESCRIPTOR_BYTES] = block
        .get(FIRST_DESCRIPTOR..)
        .and_then(<[u8]>::first_chunk)
        .ok_or(EdidError::NoTiming)?;
    let [
        clock_low,
        clock_high,
        active_x,
        _,
        high_x,
        active_y,
        _,
        high_y,
        ..,
        flags,
    ] = *descriptor;
    let clock = u16::from_le_bytes([clock_low, clock_high]);
    // A descriptor that is no timing begins with two zeros, and a timing has a clock.
    if clock == 0 {
        return Err(EdidError::NoTiming);
    }
    // Four more bits of each number are in the upper halves of two other bytes.
    let twelve_bits = |low: u8, high: u8| u32::from(low) | u32::from(high & 0xf0) << 4;
    let is_interlaced = flags & 0x80 != 0;
    let width = twelve_bits(active_x, high_x);
    let height = twelve_bits(active_y, high_y) << u32::from(is_interlaced);
    if !is_possible(width, height) {
        return Err(EdidError::ImpossibleTiming { width, height });
    }
    Ok(PreferredTiming {
        width,
        height,
        // The field counts tens of kilohertz.
        pixel_clock_khz: u32::from(clock).saturating_mul(10),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EDID of 1920 x 1080 at 148.5 MHz.
    fn full_hd() -> [u8; 128] {
        let mut edid = [0; 128];
        edid[..8].copy_from_slice(&HEADER);
        edid[54..72].copy_from_slice(&[
            0x02, 0x3a, 0x80, 0x18, 0x71, 0x38, 0x2d, 0x40, 0x58, 0x2c, 0x45, 0x00, 0x0f, 0x28,
            0x21, 0x00, 0x00, 0x1e,
        ]);
        seal(&mut edid);
        edid
    }

    fn seal(edid: &mut [u8; 128]) {
        edid[127] = 0;
        let sum = edid.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        edid[127] = sum.wrapping_neg();
    }

    #[test]
    fn the_first_detailed_timing_is_the_preferred_one() {
        let timing = PreferredTiming {
            width: 1920,
            height: 1080,
            pixel_clock_khz: 148_500,
        };
        assert_eq!(preferred_timing(&full_hd()), Ok(timing));
        let mut with_extension = [0xee; 1024];
        with_extension[..128].copy_from_slice(&full_hd());
        assert_eq!(
            Edid::new(with_extension, 256).preferred_timing(),
            Ok(timing)
        );
    }

    #[test]
    fn an_interlaced_picture_has_two_fields() {
        let mut edid = full_hd();
        edid[71] |= 0x80;
        // 540 lines in each.
        edid[59] = 0x1c;
        edid[61] = 0x20;
        seal(&mut edid);
        assert_eq!(
            preferred_timing(&edid).map(|timing| timing.height),
            Ok(1080)
        );
    }

    #[test]
    fn an_edid_cut_short_is_refused() {
        for len_bytes in 0..128 {
            assert_eq!(
                preferred_timing(&full_hd()[..len_bytes]),
                Err(EdidError::TooShort { len_bytes })
            );
        }
    }

    #[test]
    fn every_single_wrong_byte_is_noticed() {
        for index in 0..128 {
            let mut edid = full_hd();
            edid[index] ^= 0x40;
            let error = preferred_timing(&edid).unwrap_err();
            match index {
                0..8 => assert!(matches!(error, EdidError::BadHeader { .. })),
                _ => assert!(matches!(error, EdidError::BadChecksum { .. })),
            }
        }
    }

    #[test]
    fn a_descriptor_that_is_no_timing_is_refused() {
        let mut edid = full_hd();
        edid[54..57].copy_from_slice(&[0, 0, 0xfc]);
        seal(&mut edid);
        assert_eq!(preferred_timing(&edid), Err(EdidError::NoTiming));
    }

    #[test]
    fn a_timing_without_pixels_is_refused() {
        let mut edid = full_hd();
        edid[56] = 0;
        edid[58] = 0;
        seal(&mut edid);
        assert_eq!(
            preferred_timing(&edid),
            Err(EdidError::ImpossibleTiming {
                width: 0,
                height: 1080
            })
        );
    }

    #[test]
    fn garbage_never_panics_and_never_yields_an_impossible_size() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut timings = 0;
        for round in 0..20_000 {
            let mut edid = [0_u8; 128];
            for byte in &mut edid {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[0];
            }
            // Half of them get past the checks of header and sum.
            if round % 2 == 0 {
                edid[..8].copy_from_slice(&HEADER);
                seal(&mut edid);
            }
            if let Ok(timing) = preferred_timing(&edid) {
                assert!(is_possible(timing.width, timing.height));
                assert_ne!(timing.pixel_clock_khz, 0);
                timings += 1;
            }
        }
        assert!(
            timings > 9_000,
            "{timings} of 10000 sealed ones had a timing"
        );
    }
}
