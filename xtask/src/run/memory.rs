//! A size of memory as people write it: [`Memory`].

use std::str::FromStr;

/// The least that the kernel boots with, in MiB.
const LEAST_MIB: u64 = 64;

/// The most that QEMU's `virt` board maps, in MiB.
const MOST_MIB: u64 = 255 * 1024;

/// A size of memory, in whole MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    mib: u64,
}

impl Memory {
    /// Returns the size as QEMU's `-m` takes it.
    pub(crate) fn argument(self) -> String {
        format!("{}M", self.mib)
    }
}

impl FromStr for Memory {
    type Err = String;

    /// Reads a number with `M` or `G` after it; without either it counts MiB, as QEMU has it.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(['M', 'm', 'G', 'g']);
        let unit = match &text[digits.len()..] {
            "" | "M" | "m" => 1,
            "G" | "g" => 1024,
            _ => return Err(form()),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(form());
        }
        let mib = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .filter(|mib| (LEAST_MIB..=MOST_MIB).contains(mib))
            .ok_or_else(|| format!("from {LEAST_MIB}M to {}G is possible", MOST_MIB / 1024))?;
        Ok(Self { mib })
    }
}

fn form() -> String {
    "a size is a whole number and M or G, such as 512M or 4G".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(text: &str) -> Result<String, String> {
        text.parse::<Memory>().map(Memory::argument)
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        assert_eq!(argument("512").unwrap(), "512M");
        assert_eq!(argument("512M").unwrap(), "512M");
        assert_eq!(argument("4G").unwrap(), "4096M");
        assert_eq!(argument("1g").unwrap(), "1024M");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "M", "G", "lots", "4T", "4GM", "-1G", "+1G", "1.5G", "0x40", "4 G", "４G", "G4",
        ] {
            assert_eq!(argument(text), Err(form()), "{text:?}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for text in [
            "0",
            "63M",
            "256G",
            "99999999999999999999G",
            "18446744073709551615G",
        ] {
            let error = argument(text).unwrap_err();
            assert!(error.contains("possible"), "{text}: {error}");
        }
    }
}
