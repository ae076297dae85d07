//! Virtio-mmio slots on the command line, as Linux reads them: `virtio_mmio.device=SIZE@ADDRESS:INTERRUPT`.
//!
//! QEMU's `microvm` appends such a word for each device; nothing else says where they are.

use core::ops::Range;

/// What such a word begins with.
pub(super) const WORD: &[u8] = b"virtio_mmio.device=";

/// A slot that may hold a virtio-mmio device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where its registers are.
    pub registers: Range<usize>,
    /// The number of its interrupt.
    pub interrupt: u32,
}

/// Returns the slots that a command line names, in its order; a word that is no slot is left out.
pub fn slots(command_line: &[u8]) -> impl Iterator<Item = Slot> {
    super::words(command_line).filter_map(|word| parse(word.strip_prefix(WORD)?))
}

/// Reads what follows the `=`; `None` if it is no slot, an empty one, or one that wraps.
pub(super) fn parse(value: &[u8]) -> Option<Slot> {
    let value = str::from_utf8(value).ok()?;
    let (size, place) = value.split_once('@')?;
    let (address, interrupt) = place.split_once(':')?;
    let (size, start) = (number(size)?, number(address)?);
    let end = start.checked_add(size)?;
    let interrupt = u32::try_from(number(interrupt)?).ok()?;
    (size > 0).then_some(Slot {
        registers: start..end,
        interrupt,
    })
}

/// Reads a decimal number, or a hexadecimal one after `0x`.
fn number(text: &str) -> Option<usize> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // A sign would be accepted.
    let has_digits_only = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    has_digits_only
        .then(|| usize::from_str_radix(digits, radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_words_of_qemu_are_read() {
        let line =
            b"selftest virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11\0";
        let found: Vec<Slot> = slots(line).collect();
        assert_eq!(
            found,
            [
                Slot {
                    registers: 0xfeb0_0e00..0xfeb0_1000,
                    interrupt: 12
                },
                Slot {
                    registers: 0xfeb0_0c00..0xfeb0_0e00,
                    interrupt: 11
                },
            ]
        );
    }

    #[test]
    fn what_is_no_slot_is_none() {
        for value in [
            "",
            "512",
            "512@",
            "512@0x1000",
            "512@0x1000:",
            "@0x1000:5",
            "0@0x1000:5",
            "+512@0x1000:5",
            "512@-1:5",
            "512@0x:5",
            "512@0xffffffffffffffff:5",
            "512@0x1000:4294967296",
            "512@0x1000:5:6",
            "4K@0x1000:5",
            "99999999999999999999@0:5",
        ] {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
        assert_eq!(parse(b"512@\xff:5"), None);
        assert_eq!(slots(b"virtio_mmio.device= device=512@0:5").count(), 0);
    }
}
