//! Channel 2 of the timer every PC has, as a measure for the clocks that do not tell their frequency.

use core::arch::x86_64::_rdtsc;

use x86_64::instructions::port::Port;

/// Counts a second.
const FREQUENCY_HZ: u64 = 1_193_182;

/// How many counts are measured at first: 30 ms, of the 55 ms after which the counter repeats itself.
const COUNTS: u16 = 35_795;

/// How often the counter is read for one reading that nothing came in between of.
const READINGS: usize = 16;

/// How often the measurement is made anew if it took too long.
const ATTEMPTS: usize = 20;

/// After how many of them it is made half as long: a host may let the CPU run for a moment only, and then stop it, again and again.
const ATTEMPTS_ALIKE: usize = 5;

/// Looks that are taken before a counter is said to stand.
const LOOKS: usize = 10_000_000;

/// Bits of the port that gates the channel: the gate, and the speaker. `microvm` has no such port, and the gate is open.
const GATE: u8 = 1 << 0;
const SPEAKER: u8 = 1 << 1;
/// Channel 2, low byte first, mode 0 (the output rises at the end of the count); the commands that freeze counter and status.
const START_COMMAND: u8 = 0xb0;
const LATCH_COMMAND: u8 = 0x80;
const STATUS_COMMAND: u8 = 0xe8;
/// The channel's output, in its status; and what it was started with: both bytes, mode 0, binary.
const OUTPUT: u8 = 1 << 7;
const STARTED: u8 = 0b11_0000;
const STARTED_MASK: u8 = 0b11_1111;

/// Returns the frequency of the time stamp counter in hertz; `None` if there is no such timer, or it does not count.
pub(super) fn measure_time_stamp_counter() -> Option<u64> {
    if !Channel::start().is_there() {
        return None;
    }
    (0..ATTEMPTS).find_map(|attempt| measure(COUNTS >> (attempt / ATTEMPTS_ALIKE)))
}

/// Measures until the channel has made at least so many counts.
fn measure(at_least: u16) -> Option<u64> {
    let mut channel = Channel::start();
    let (begin_count, begin) = channel.read();
    let (end_count, end) = (0..LOOKS)
        .map(|_| channel.read())
        .find(|(count, _)| begin_count.wrapping_sub(*count) >= at_least)?;
    // It began anew meanwhile, and nobody knows how often.
    if channel.is_over() {
        return None;
    }
    let counts = u64::from(begin_count.wrapping_sub(end_count));
    end.checked_sub(begin)?
        .checked_mul(FREQUENCY_HZ)?
        .checked_div(counts)
}

struct Channel {
    data: Port<u8>,
    command: Port<u8>,
    gate: Port<u8>,
}

impl Channel {
    /// Has it count down from the largest number.
    fn start() -> Self {
        let mut channel = Self {
            data: Port::new(0x42),
            command: Port::new(0x43),
            gate: Port::new(0x61),
        };
        // SAFETY: reading the port changes nothing.
        let gate = unsafe { channel.gate.read() };
        channel.write(|ports| &mut ports.gate, (gate & !SPEAKER) | GATE);
        channel.write(|ports| &mut ports.command, START_COMMAND);
        channel.write(|ports| &mut ports.data, 0xff);
        channel.write(|ports| &mut ports.data, 0xff);
        channel
    }

    /// Returns the counter, and the time stamp when it was read: that of the quickest of a few readings.
    fn read(&mut self) -> (u16, u64) {
        let mut quickest = (u64::MAX, (0, 0));
        for _ in 0..READINGS {
            let before = time_stamp();
            self.write(|ports| &mut ports.command, LATCH_COMMAND);
            let after = time_stamp();
            // SAFETY: reading what was frozen; nothing else uses the channel.
            let low = unsafe { self.data.read() };
            // SAFETY: as above.
            let high = unsafe { self.data.read() };
            let duration = after.wrapping_sub(before);
            if duration < quickest.0 {
                let count = u16::from(high) << 8 | u16::from(low);
                quickest = (duration, (count, before.wrapping_add(duration / 2)));
            }
        }
        quickest.1
    }

    /// Says whether a timer has been started: where there is none, all bits are set.
    fn is_there(&mut self) -> bool {
        self.status() & STARTED_MASK == STARTED
    }

    fn is_over(&mut self) -> bool {
        self.status() & OUTPUT != 0
    }

    fn status(&mut self) -> u8 {
        self.write(|ports| &mut ports.command, STATUS_COMMAND);
        // SAFETY: reading what was frozen; nothing else uses the channel.
        unsafe { self.data.read() }
    }

    fn write(&mut self, port: impl FnOnce(&mut Self) -> &mut Port<u8>, value: u8) {
        // SAFETY: the port belongs to the channel or its gate, which nothing else uses.
        unsafe { port(self).write(value) };
    }
}

/// Returns the time stamp counter.
pub(super) fn time_stamp() -> u64 {
    // SAFETY: every 64-bit CPU has the counter, and reading it is allowed in the kernel.
    unsafe { _rdtsc() }
}
