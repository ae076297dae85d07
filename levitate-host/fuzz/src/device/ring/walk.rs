//! Following a chain of descriptors, and what the device may reach by it (§2.7.5, §2.8.5).

use levitate_host::dma::{AccessKind, DeviceMemory, StrayAccess};

use super::{Chain, Part, Ring};
use crate::spec::{DESC_AVAIL, DESC_INDIRECT, DESC_NEXT, DESC_USED, DESC_WRITE};

/// A descriptor of either kind of ring.
struct Descriptor {
    addr: u64,
    len: u32,
    flags: u16,
    /// Which is next, in a split ring; in a packed one the id.
    other: u16,
}

impl Ring {
    /// Follows a chain.
    pub(super) fn walk(&mut self, memory: &DeviceMemory, first: u16) -> Result<Chain, String> {
        let mut table = (self.descriptors, u32::from(self.size));
        let mut parts = Vec::with_capacity(4);
        let (mut index, mut in_ring) = (first, 0);
        // In a packed ring it is the id of the last descriptor.
        let mut head = first;
        for _ in 0..=self.size {
            if u32::from(index) >= table.1 {
                return Err(format!("descriptor {index} of {}", table.1));
            }
            let is_in_ring = table.0 == self.descriptors;
            in_ring += u16::from(is_in_ring);
            let at = table.0 + 16 * u64::from(index);
            let descriptor = self
                .read_descriptor(memory, at)
                .map_err(|stray| stray.to_string())?;
            let Descriptor {
                addr,
                len,
                flags,
                other,
            } = descriptor;
            let is_packed = self.packed.is_some();
            let marks = match is_packed && is_in_ring {
                true => DESC_AVAIL | DESC_USED,
                false => 0,
            };
            if flags & !(DESC_NEXT | DESC_WRITE | DESC_INDIRECT | marks) != 0 {
                return Err(format!("a descriptor has the flags {flags:#06x}"));
            }
            let behind = index + 1;
            let next = match (is_packed, is_in_ring) {
                (false, _) => (flags & DESC_NEXT != 0).then_some(other),
                (true, true) => {
                    head = other;
                    (flags & DESC_NEXT != 0).then_some(behind % self.size)
                }
                (true, false) => (u32::from(behind) < table.1).then_some(behind),
            };
            // Devices may rely on it, and not even look (§2.7.5.2, §2.7.5.3.1).
            let is_behind = |next| u32::from(next) == u32::from(behind) % table.1;
            if self.is_in_order && !next.is_none_or(is_behind) {
                return Err(format!("{next:?} follows {index} of {} in order", table.1));
            }
            let is_writable = flags & DESC_WRITE != 0;
            let kind = match is_writable {
                true => AccessKind::Write,
                false => AccessKind::Read,
            };
            memory
                .check(addr, u64::from(len), kind)
                .map_err(|stray| format!("a chain leads out of memory: {stray}"))?;
            if flags & DESC_INDIRECT != 0 {
                if !is_in_ring {
                    return Err("an indirect table within another".to_owned());
                }
                self.keep_table(memory, addr, len);
                table = (addr, len / 16);
                index = 0;
                continue;
            }
            parts.push(Part {
                addr,
                len,
                is_writable,
            });
            let Some(next) = next else {
                if self.chains.iter().any(|chain| chain.head == head) {
                    return Err(format!("chain {head} is available twice"));
                }
                return Ok(self.chain(memory, (head, in_ring), parts));
            };
            index = next;
        }
        Err(format!("chain {head} has no end"))
    }

    /// Reads a descriptor as the driver wrote it.
    fn read_descriptor(&self, memory: &DeviceMemory, at: u64) -> Result<Descriptor, StrayAccess> {
        let addr = self.forgeries.read(memory, at)?;
        let rest = self.forgeries.read(memory, at + 8)?;
        let [third, fourth] = [32, 48].map(|bit| (rest >> bit) as u16);
        let (flags, other) = match self.packed {
            None => (third, fourth),
            Some(_) => (fourth, third),
        };
        Ok(Descriptor {
            addr,
            len: rest as u32,
            flags,
            other,
        })
    }

    fn chain(
        &mut self,
        memory: &DeviceMemory,
        (head, descriptors): (u16, u16),
        parts: Vec<Part>,
    ) -> Chain {
        let start = usize::from(self.framing.has_header).min(parts.len());
        let end = parts
            .len()
            .saturating_sub(usize::from(self.framing.has_footer));
        let data = start..end.max(start);
        let mut exposures = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            if data.contains(&number) {
                exposures.push(memory.expose(part.addr, u64::from(part.len)));
            } else {
                self.last(memory, part.addr, part.len);
            }
        }
        Chain {
            head,
            descriptors,
            parts,
            sure: 0,
            data,
            resource: 0,
            command: 0,
            exposures,
        }
    }

    /// Notes a table, which stays with the device until its reset as well.
    fn keep_table(&mut self, memory: &DeviceMemory, addr: u64, len: u32) {
        if !self.tables.contains(&(addr, len)) {
            self.tables.push((addr, len));
            self.exposures.push(memory.expose(addr, u64::from(len)));
        }
    }

    /// Notes memory of the queue's own, which stays with the device until its reset.
    fn last(&mut self, memory: &DeviceMemory, addr: u64, len: u32) {
        if !self.lasting.contains(&(addr, len)) {
            self.lasting.push((addr, len));
            self.exposures.push(memory.expose(addr, u64::from(len)));
        }
    }
}
