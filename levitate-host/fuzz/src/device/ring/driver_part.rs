//! What the device writes where only the driver should: the available ring (§2.7.6).
//!
//! The books of what the device has must not be taken in by it.
//! For each request a driver writes the ring entry or the index anew, so that of what the device wrote there
//! only an index can be mistaken for the driver's when the device looks next.

use levitate_host::dma::{AccessKind, DeviceMemory};

use super::{Ring, word};

impl Ring {
    /// Writes anything into the driver's part, where the driver never looks; all that is available was fetched before.
    pub(crate) fn write_driver_part(&mut self, memory: &DeviceMemory, at: usize, bytes: &[u8]) {
        self.driver_part_is_dirty = true;
        if self.packed.is_some() {
            // Only the driver's events are its own; descriptors are the device's as well.
            let at = at % 4;
            let bytes = &bytes[..bytes.len().min(4 - at)];
            let _ = memory.write(self.available + at as u64, bytes);
            return;
        }
        // A descriptor stays laid out from one request to the next, like a table.
        let (base, at) = (self.available, at % (2 * usize::from(self.size) + 6));
        // Past the end it may lead out of memory, and then nothing is written.
        let end = base + (at + bytes.len()) as u64;
        if memory
            .check(base + at as u64, bytes.len() as u64, AccessKind::Write)
            .is_ok()
            && end <= self.available + 2 * u64::from(self.size) + 6
        {
            let _ = memory.write(base + at as u64, bytes);
            self.tell_index_apart(memory);
        }
    }

    /// Keeps in mind which index is the device's own, and makes it one that the driver cannot write next.
    ///
    /// Old entries would else be taken for requests that the driver never made, whose data it gives back with every right.
    fn tell_index_apart(&mut self, memory: &DeviceMemory) {
        let mut index = word(memory, self.available + 2);
        let ahead = index.wrapping_sub(self.next_fetch);
        if ahead == 0 {
            return;
        }
        if ahead <= self.size {
            // Half of all indices further, it is too far ahead for any queue, or where it was.
            index ^= 1 << 15;
            let _ = memory.write(self.available + 2, &index.to_le_bytes());
        }
        self.forged_index = Some(index);
    }
}

#[cfg(test)]
mod tests {
    use levitate_hal::DmaRegion;
    use levitate_host::Pool;

    use super::*;
    use crate::device::ring::Framing;

    const SIZE: u16 = 4;
    const AVAILABLE: usize = 16 * SIZE as usize;
    const USED: usize = AVAILABLE + 16;

    #[test]
    fn an_index_of_the_devices_own_makes_no_request_up_and_hides_none() {
        let pool = Pool::new();
        let memory = pool.device_memory();
        let region = DmaRegion::new(&pool, USED + 6 + 8 * usize::from(SIZE), 16).unwrap();
        let base = region.device_addr().get();
        let framing = Framing {
            has_header: false,
            has_footer: false,
        };
        let areas = [0, AVAILABLE as u64, USED as u64].map(|offset| base + offset);
        let mut ring = Ring::new(&memory, SIZE, areas, framing, None).unwrap();
        // The driver makes one request again and again, of one descriptor.
        memory.write(base, &base.to_le_bytes()).unwrap();
        memory.write(base + 8, &16_u32.to_le_bytes()).unwrap();
        for ahead in 0..=u16::MAX {
            let made = ahead;
            let forged = made.wrapping_add(ahead);
            ring.write_driver_part(&memory, 2, &forged.to_le_bytes());
            assert_eq!(ring.fetch(&memory), Ok(0), "{ahead} ahead");

            let index = made.wrapping_add(1).to_le_bytes();
            memory.write(areas[1] + 2, &index).unwrap();
            assert_eq!(ring.fetch(&memory), Ok(1), "after {ahead} ahead");
            drop(ring.give_up(&memory, 0));
        }
        ring.forget(&memory);
    }
}
