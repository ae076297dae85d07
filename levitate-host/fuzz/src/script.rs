//! The bytes that decide everything: [`Script`].

/// An input, read from both ends: the device takes its decisions from the front, the program from the back.
///
/// So a change in what the one does leaves the decisions of the other as they were. When the bytes are used up, all is zero.
#[derive(Debug)]
pub(crate) struct Script {
    bytes: Vec<u8>,
    front: usize,
    back: usize,
}

impl Script {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            front: 0,
            back: bytes.len(),
        }
    }

    /// Says whether all bytes are used up.
    pub(crate) const fn is_empty(&self) -> bool {
        self.front >= self.back
    }

    /// Takes a byte for the device.
    pub(crate) fn byte(&mut self) -> u8 {
        if self.is_empty() {
            return 0;
        }
        let byte = self.bytes[self.front];
        self.front += 1;
        byte
    }

    /// Takes a byte for the program.
    pub(crate) fn program_byte(&mut self) -> u8 {
        if self.is_empty() {
            return 0;
        }
        self.back -= 1;
        self.bytes[self.back]
    }

    /// Takes two bytes for the device.
    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Takes a number for the device that is likely to be at a limit of something.
    pub(crate) fn number(&mut self) -> u32 {
        match self.byte() {
            0xff => u32::MAX,
            0xfe => u32::from(u16::MAX),
            0xfd => 1 << 31,
            0xfc => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
            0xfb => u32::from(self.word()),
            0xfa => 1 << (self.byte() % 32),
            small => u32::from(small),
        }
    }

    /// Takes a choice below `count` for the device.
    pub(crate) fn choice(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// Fills `bytes` for the device.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.byte());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_meet_and_then_all_is_zero() {
        let mut script = Script::new(&[1, 2, 3]);
        assert_eq!((script.byte(), script.program_byte()), (1, 3));
        assert_eq!(script.byte(), 2);
        assert!(script.is_empty());
        assert_eq!((script.byte(), script.program_byte()), (0, 0));
    }
}
