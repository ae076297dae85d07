//! Bytes in hexadecimal, 16 a row: what `blk read` prints.

use core::fmt::{self, Display, Formatter, Write};

/// Bytes in a full row.
const ROW_BYTES: usize = 16;

/// Returns the rows that show `bytes`, the first of which is `offset` bytes into the disk; none for no bytes.
pub fn rows(offset: u64, bytes: &[u8]) -> impl Iterator<Item = Row<'_>> {
    let starts =
        (0_u64..).map(move |row| offset.saturating_add(row.saturating_mul(ROW_BYTES as u64)));
    starts
        .zip(bytes.chunks(ROW_BYTES))
        .map(|(offset, bytes)| Row { offset, bytes })
}

/// One row: `OFFSET  16 bytes in two groups  |ASCII|`, without a newline.
///
/// The offset has eight hexadecimal digits, more if it needs them; a byte that is not printable ASCII is a dot.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    offset: u64,
    bytes: &'a [u8],
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x} ", self.offset)?;
        for column in 0..ROW_BYTES {
            if column % 8 == 0 {
                f.write_char(' ')?;
            }
            match self.bytes.get(column) {
                Some(byte) => write!(f, "{byte:02x} ")?,
                None => f.write_str("   ")?,
            }
        }
        f.write_str(" |")?;
        for &byte in self.bytes.iter().take(ROW_BYTES) {
            let shown = byte.is_ascii_graphic() || byte == b' ';
            f.write_char(if shown { char::from(byte) } else { '.' })?;
        }
        f.write_char('|')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn shown(offset: u64, bytes: &[u8]) -> Vec<String> {
        rows(offset, bytes).map(|row| row.to_string()).collect()
    }

    #[test]
    fn a_full_row_has_offset_two_groups_and_ascii() {
        let bytes: Vec<u8> = (0..16).map(|i| i * 8).collect();
        assert_eq!(
            shown(0x200, &bytes),
            ["00000200  00 08 10 18 20 28 30 38  40 48 50 58 60 68 70 78  |.... (08@HPX`hpx|"]
        );
    }

    #[test]
    fn a_short_last_row_keeps_the_ascii_column_in_place() {
        let rows = shown(0, b"0123456789abcdef\x7f\xffZ");
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[1],
            "00000010  7f ff 5a                                          |..Z|"
        );
        assert_eq!(rows[0].find('|'), rows[1].find('|'));
    }

    #[test]
    fn a_sector_has_32_rows_and_no_bytes_have_none() {
        assert_eq!(shown(512, &[0; 512]).len(), 32);
        assert!(shown(512, &[0; 512])[31].starts_with("000003f0  00 "));
        assert!(shown(0, &[]).is_empty());
    }

    #[test]
    fn offsets_past_four_gibibytes_are_not_cut_off() {
        assert!(shown(0x12_3456_7890, &[1])[0].starts_with("1234567890  01 "));
        assert_eq!(shown(u64::MAX, &[0; 40]).len(), 3);
    }
}
