//! What is written to switch a machine off: [`SoftOff`] (7.4.2.6).
//!
//! It is in the object `_S5_` of the DSDT, which is code. No interpreter is needed to find it: it is always a constant
//! package, and its name is looked for byte by byte.

use super::Table;

/// What names the object: `NameOp`, and its name, or that after a backslash (20.2.2, 20.2.5.1).
const NAMES: [&[u8]; 2] = [b"\x08_S5_", b"\x08\\_S5_"];
const PACKAGE: u8 = 0x12;
const ZERO: u8 = 0x00;
const ONE: u8 = 0x01;
/// Is followed by a byte.
const BYTE: u8 = 0x0a;

/// The types of sleep have 3 bits.
const LAST_TYPE: u8 = 0b111;

/// The type of sleep in which the machine is off, for each of the two control registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftOff {
    a: u8,
    b: u8,
}

impl SoftOff {
    /// Looks for the types in the DSDT; `None` if it does not say, or not as a constant.
    pub fn find(dsdt: &Table<'_>) -> Option<Self> {
        let code = dsdt.body();
        (0..code.len()).find_map(|start| {
            let code = code.get(start..)?;
            // The same bytes may be part of something else, and then no such package follows.
            NAMES
                .iter()
                .find_map(|name| package(code.strip_prefix(*name)?))
        })
    }

    /// Returns what switches the machine off in the first PM1 control register, which has `before` in it (4.8.3.2.1).
    pub const fn pm1a(self, before: u16) -> u16 {
        pm1(self.a, before)
    }

    /// Returns the same for the second.
    pub const fn pm1b(self, before: u16) -> u16 {
        pm1(self.b, before)
    }

    /// Returns what switches the machine off in the sleep control register (4.8.3.7).
    pub const fn control(self) -> u8 {
        const TYPE_SHIFT: u8 = 2;
        const ENABLE: u8 = 1 << 5;
        self.a << TYPE_SHIFT | ENABLE
    }
}

/// Returns the content of a PM1 control register that starts a type of sleep.
const fn pm1(kind: u8, before: u16) -> u16 {
    const TYPE_SHIFT: u16 = 10;
    const TYPE: u16 = (LAST_TYPE as u16) << TYPE_SHIFT;
    const ENABLE: u16 = 1 << 13;
    (before & !TYPE) | (kind as u16) << TYPE_SHIFT | ENABLE
}

/// Reads a package whose first two elements are types of sleep (20.2.5.4).
fn package(code: &[u8]) -> Option<SoftOff> {
    let (kind, code) = code.split_first()?;
    let (lead, _) = code.split_first()?;
    // The two highest bits say how many bytes follow of the length, which counts itself (20.2.4).
    let follow = usize::from(lead >> 6);
    let length = match follow {
        0 => usize::from(lead & 0x3f),
        _ => {
            let more = code.get(1..=follow)?.iter().rev();
            more.fold(0, |length, byte| length << 8 | usize::from(*byte)) << 4
                | usize::from(lead & 0xf)
        }
    };
    let (count, elements) = code.get(1 + follow..length)?.split_first()?;
    let (a, elements) = element(elements)?;
    // With one element there is one register.
    let b = if *count > 1 { element(elements)?.0 } else { a };
    let is_package = *kind == PACKAGE && *count > 0;
    (is_package && a <= LAST_TYPE && b <= LAST_TYPE).then_some(SoftOff { a, b })
}

/// Reads an element that is a number of a byte; returns what follows it, too.
fn element(code: &[u8]) -> Option<(u8, &[u8])> {
    match code {
        [number @ (ZERO | ONE), rest @ ..] | [BYTE, number, rest @ ..] => Some((*number, rest)),
        _ => None,
    }
}
