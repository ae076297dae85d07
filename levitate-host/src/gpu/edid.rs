//! Identification data of a display: [`edid()`].

/// Makes an EDID 1.4 base block of 128 bytes whose preferred timing is `width` x `height` at 60 Hz.
///
/// Sizes are cut to what a detailed timing can hold, 4095 pixels.
#[must_use]
pub fn edid(width: u32, height: u32) -> [u8; 128] {
    let mut block = [0; 128];
    block[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // Manufacturer "LEV", five bits a letter.
    block[8..10].copy_from_slice(&(12_u16 << 10 | 5 << 5 | 22).to_be_bytes());
    block[10..12].copy_from_slice(&1_u16.to_le_bytes());
    block[12..16].copy_from_slice(&1_u32.to_le_bytes());
    block[17] = 36; // made in 1990 + 36
    block[18..20].copy_from_slice(&[1, 4]);
    block[20] = 0xa0; // digital, 8 bits a colour
    block[23] = 120; // gamma 2.2
    block[24] = 0x06; // sRGB; the preferred timing is the native one
    block[25..35].copy_from_slice(&[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    block[38..54].fill(1); // no standard timings
    block[54..72].copy_from_slice(&detailed_timing(width.min(4095), height.min(4095)));
    block[72..90].copy_from_slice(b"\0\0\0\xfc\0Levitate\n    ");
    for dummy in [90, 108] {
        block[dummy + 3] = 0x10;
    }
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    block[127] = sum.wrapping_neg();
    block
}

/// A detailed timing descriptor: 18 bytes, sizes in 8 and 4 bits at different places.
fn detailed_timing(width: u32, height: u32) -> [u8; 18] {
    const BLANK_X: u32 = 160;
    const BLANK_Y: u32 = 45;
    let clock = (width + BLANK_X) * (height + BLANK_Y) * 6 / 1000; // 60 Hz, in units of 10 kHz
    let [clock_low, clock_high] = u16::try_from(clock).unwrap_or(u16::MAX).to_le_bytes();
    let high = |active: u32, blank: u32| ((active >> 8) << 4 | blank >> 8) as u8;
    let (across_mm, down_mm) = (width * 254 / 960, height * 254 / 960); // at 96 dots per inch
    [
        clock_low,
        clock_high,
        width as u8,
        BLANK_X as u8,
        high(width, BLANK_X),
        height as u8,
        BLANK_Y as u8,
        high(height, BLANK_Y),
        48,
        32,
        3 << 4 | 5,
        0,
        across_mm as u8,
        down_mm as u8,
        high(across_mm, down_mm),
        0,
        0,
        0x1a,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_sums_to_zero_and_names_the_size() {
        for (width, height) in [
            (1280, 800),
            (3840, 2160),
            (160, 120),
            (4095, 4095),
            (9000, 9000),
        ] {
            let block = edid(width, height);
            assert_eq!(
                block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
                0
            );
            let timing = &block[54..72];
            let across = u32::from(timing[2]) | u32::from(timing[4] >> 4) << 8;
            let down = u32::from(timing[5]) | u32::from(timing[7] >> 4) << 8;
            assert_eq!((across, down), (width.min(4095), height.min(4095)));
            assert_eq!(u32::from(timing[3]) | u32::from(timing[4] & 15) << 8, 160);
            assert!(
                timing[0] != 0 || timing[1] != 0,
                "a clock of 0 is no timing"
            );
        }
    }
}
