//! What a counter's steps are in nanoseconds: [`Scale`].

/// Nanoseconds in a step of a counter, as a fixed-point number: a multiplication and a shift, where a division by the frequency takes
/// a hundred instructions, for it is of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// With [`FRACTION_BITS`] bits behind the point, rounded down: of a second that is less than a nanosecond for a counter of up to 4 GHz.
    nanoseconds: u64,
}

const FRACTION_BITS: u32 = 32;
const NANOSECONDS: u128 = 1_000_000_000;

impl Scale {
    /// Returns that of a counter that makes so many steps a second; of one that stands still, that of one step.
    #[must_use]
    pub fn of_hertz(hertz: u64) -> Self {
        let nanoseconds = (NANOSECONDS << FRACTION_BITS) / u128::from(hertz.max(1));
        Self {
            nanoseconds: u64::try_from(nanoseconds).unwrap_or(u64::MAX),
        }
    }

    /// Returns the scale that [`to_bits`](Self::to_bits) has made a number of.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { nanoseconds: bits }
    }

    /// Returns a number, to be kept in an atomic; it is 0 only for a counter faster than there are any.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.nanoseconds
    }

    /// Returns how long so many steps take, in nanoseconds; more than a `u64` says is the most it says.
    #[must_use]
    pub fn nanoseconds(self, steps: u64) -> u64 {
        let nanoseconds = (u128::from(steps) * u128::from(self.nanoseconds)) >> FRACTION_BITS;
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_as_long_as_a_division_says_to_a_nanosecond_a_second() {
        for hertz in [
            1,
            19_200_000,
            24_000_000,
            62_500_000,
            1_000_000_000,
            2_595_123_457,
            4_000_000_000,
        ] {
            let scale = Scale::of_hertz(hertz);
            for seconds in [0, 1, 3600, 86_400] {
                for more in [0, 1, hertz / 3] {
                    let steps = hertz * seconds + more;
                    let exact =
                        u64::try_from(u128::from(steps) * NANOSECONDS / u128::from(hertz)).unwrap();
                    let found = scale.nanoseconds(steps);
                    assert!(
                        found <= exact && exact - found <= seconds + 2,
                        "{steps} of {hertz} Hz: {found}, {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_counter_and_no_number_of_steps_is_too_much() {
        assert_eq!(Scale::of_hertz(0), Scale::of_hertz(1));
        assert_eq!(Scale::of_hertz(1).nanoseconds(u64::MAX), u64::MAX);
        let scale = Scale::of_hertz(62_500_000);
        assert_eq!(Scale::from_bits(scale.to_bits()).nanoseconds(5), 80);
    }
}
