//! The high precision event timer, as a measure for the time stamp counter where there is no 8254.

use core::ops::Range;

use levitate_hal::Mmio;

use super::pit::time_stamp;
use crate::platform::Registers;

/// Offsets of its registers (IA-PC HPET Specification 1.0a, 2.3); of those of 64 bits, one half is enough.
const PERIOD: usize = 0x004;
const CONFIGURATION: usize = 0x010;
const COUNTER: usize = 0x0f0;

/// In the configuration: it counts.
const ENABLED: u32 = 1 << 0;

const FEMTOSECONDS: u64 = 1_000_000_000_000_000;
/// The longest time between two counts.
const MAX_PERIOD: u32 = 100_000_000;
/// How long is measured: 30 ms.
const MEASURED: u64 = FEMTOSECONDS / 1000 * 30;
/// Looks that are taken before it is said to stand.
const LOOKS: usize = 10_000_000;

/// Returns the frequency of the time stamp counter in hertz; `None` if no such timer counts at `place`.
pub(super) fn measure_time_stamp_counter(place: Range<usize>) -> Option<u64> {
    let registers = Registers::new(place)?;
    let period = registers.read32(PERIOD);
    if !(1..=MAX_PERIOD).contains(&period) {
        return None;
    }
    let configuration = registers.read32(CONFIGURATION);
    registers.write32(CONFIGURATION, configuration | ENABLED);
    let begin = time_stamp();
    let begin_count = registers.read32(COUNTER);
    let elapsed = (0..LOOKS)
        .map(|_| u64::from(registers.read32(COUNTER).wrapping_sub(begin_count)))
        .map(|counts| counts * u64::from(period))
        .find(|elapsed| *elapsed >= MEASURED)?;
    let stamps = u128::from(time_stamp().checked_sub(begin)?);
    let hertz = stamps * u128::from(FEMTOSECONDS) / u128::from(elapsed);
    u64::try_from(hertz).ok().filter(|hertz| *hertz > 0)
}
