//! Escape sequences that a terminal sends for its keys and as answers (ECMA-48): [`Escape`] takes them out of the bytes.

/// What one byte turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A byte outside of any escape sequence.
    Byte(u8),
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// A part of a sequence, or a whole one that means nothing here.
    Nothing,
}

/// Where in an escape sequence the last byte was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// Outside.
    #[default]
    Outside,
    /// After ESC.
    Started,
    /// In a control sequence: after `ESC [`, before its final byte.
    Control,
    /// After `ESC O`: the next byte is the last.
    SingleShift,
    /// In a string that BEL or `ESC \` ends, such as an answer that names a colour.
    String,
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

impl Escape {
    pub(super) const fn new() -> Self {
        Self::Outside
    }

    /// Takes one byte. A control character other than ESC (and BEL in a string) ends any sequence and counts itself, so
    /// that no sequence, however broken, can swallow Enter or Ctrl-C.
    pub(super) fn key(&mut self, byte: u8) -> Key {
        let (next, key) = match (*self, byte) {
            (_, ESC) => (Self::Started, Key::Nothing),
            (Self::String, BEL) => (Self::Outside, Key::Nothing),
            (_, 0..0x20) | (Self::Outside, _) => (Self::Outside, ordinary(byte)),
            (Self::Started, b'[') => (Self::Control, Key::Nothing),
            (Self::Started, b'O') => (Self::SingleShift, Key::Nothing),
            (Self::Started, b']' | b'P' | b'X' | b'^' | b'_') => (Self::String, Key::Nothing),
            (Self::Control, 0x40..=0x7e) | (Self::SingleShift, _) => (Self::Outside, arrow(byte)),
            (Self::Started, _) => (Self::Outside, Key::Nothing),
            (state @ (Self::Control | Self::String), _) => (state, Key::Nothing),
        };
        *self = next;
        key
    }
}

/// Ctrl-P and Ctrl-N are the arrows of terminals without any.
const fn ordinary(byte: u8) -> Key {
    match byte {
        0x10 => Key::Up,
        0x0e => Key::Down,
        byte => Key::Byte(byte),
    }
}

const fn arrow(last: u8) -> Key {
    match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        _ => Key::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut escape = Escape::new();
        let keys = bytes.iter().map(|&byte| escape.key(byte));
        keys.filter(|&key| key != Key::Nothing).collect()
    }

    #[test]
    fn arrows_are_known_in_both_modes_and_with_modifiers() {
        assert_eq!(keys(b"\x1b[A\x1b[B"), [Key::Up, Key::Down]);
        assert_eq!(keys(b"\x1bOA\x1bOB"), [Key::Up, Key::Down]);
        assert_eq!(keys(b"\x1b[1;5A"), [Key::Up]);
        assert_eq!(keys(b"\x10\x0e"), [Key::Up, Key::Down]);
    }

    #[test]
    fn other_sequences_are_swallowed_whole() {
        for sequence in [
            &b"\x1b[C"[..],
            b"\x1b[3~",
            b"\x1b[24;80R",
            b"\x1bOP",
            b"\x1bx",
            b"\x1b]11;rgb:0000/0000/0000\x07",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1bP1$r0m\x1b\\",
            b"\x1b\x1b[D",
        ] {
            let mut bytes = sequence.to_vec();
            bytes.push(b'z');
            assert_eq!(
                keys(&bytes),
                [Key::Byte(b'z')],
                "{}",
                sequence.escape_ascii()
            );
        }
    }

    #[test]
    fn enter_and_ctrl_c_end_every_unfinished_sequence() {
        for start in [
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1b[12;",
            b"\x1bO",
            b"\x1b]0;a",
            b"\x1bP",
        ] {
            for control in [b'\r', b'\n', 0x03] {
                let bytes = [start, &[control, b'z']].concat();
                assert_eq!(keys(&bytes), [Key::Byte(control), Key::Byte(b'z')]);
            }
        }
    }
}
