//! What descriptors of both formats have in common (§2.7.5, §2.8.13): [`fields`], and flags.

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_LEN: usize = 16;

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// Splits a descriptor into address and length of its buffer, and the two numbers behind them, whose order is the format's.
pub(super) const fn fields(bytes: [u8; DESCRIPTOR_LEN]) -> (u64, u32, u16, u16) {
    let all = u128::from_le_bytes(bytes);
    let (addr, len_bytes) = (all as u64, (all >> 64) as u32);
    (addr, len_bytes, (all >> 96) as u16, (all >> 112) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_little_endian() {
        let bytes = std::array::from_fn(|index| index as u8 + 1);
        let (addr, len_bytes, first, second) = fields(bytes);
        assert_eq!((addr, len_bytes), (0x0807_0605_0403_0201, 0x0c0b_0a09));
        assert_eq!((first, second), (0x0e0d, 0x100f));
    }
}
