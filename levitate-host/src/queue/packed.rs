//! A packed virtqueue as its device knows it (§2.8): [`PackedQueue`].
//!
//! rust-vmm has no packed rings, so that this is a model of our own; it shares nothing with the drivers it judges but the specification.

mod descriptor;
mod list;
mod notification;
mod position;
#[cfg(test)]
mod tests;
mod used;

use super::area::Part;
use super::{Areas, Chain, DESCRIPTOR_BYTES, RingError, RingFeatures};
use crate::device::Violations;
use crate::dma::{AccessKind, DeviceMemory};
use descriptor::{DESCRIPTOR_LEN, Descriptor};
use position::Position;

/// As many descriptors as a ring can have (§2.8).
const SIZE_MAX: u16 = 1 << 15;

/// The ring of one packed virtqueue, and the two structures beside it.
///
/// From `next_used` to `next_available` the descriptors are the device's; the others are the driver's.
#[derive(Debug)]
pub(super) struct PackedQueue {
    size: u16,
    areas: Areas,
    /// Where the device looks for the next list; its wrap counter is that of the driver.
    next_available: Position,
    /// Where the device writes its next used descriptor.
    next_used: Position,
    /// How many descriptors there are between the two.
    owned: u16,
    /// The ring as it was when device or driver last had a right to change it.
    known: Vec<[u8; DESCRIPTOR_LEN]>,
    /// Whether device and driver have another idea of whose a descriptor is, by a lie or a rule that was broken.
    is_at_odds: bool,
    is_quiet: bool,
    /// Where the next used descriptor was to be when the driver's wish for notifications was last looked at.
    signalled: Position,
    /// How many descriptors that the device has not taken the driver was last seen to wait for.
    awaited: u16,
    /// Flags at `next_available` that make no sense, once they were noted.
    noted: Option<(Position, u16)>,
}

impl PackedQueue {
    pub(super) fn new(size: u16, areas: Areas) -> Self {
        Self {
            size,
            areas,
            next_available: Position::START,
            next_used: Position::START,
            owned: 0,
            known: vec![[0; DESCRIPTOR_LEN]; usize::from(size)],
            is_at_odds: false,
            is_quiet: false,
            signalled: Position::START,
            awaited: 0,
            noted: None,
        }
    }

    /// Returns the three parts, as they have to be (§2.8.10.1).
    pub(super) fn parts(&self) -> [Part; 3] {
        let structure = |name, addr, uses| Part {
            name,
            addr,
            align: 4,
            len_bytes: 4,
            uses,
        };
        [
            Part {
                name: "descriptor ring",
                addr: self.areas.descriptor,
                align: 16,
                len_bytes: DESCRIPTOR_BYTES * u64::from(self.size),
                uses: &[AccessKind::Read, AccessKind::Write],
            },
            structure(
                "driver event suppression",
                self.areas.driver,
                &[AccessKind::Read],
            ),
            structure(
                "device event suppression",
                self.areas.device,
                &[AccessKind::Write],
            ),
        ]
    }

    /// Notes what is wrong with the size and the content of a queue that is enabled; false if no device can use it.
    pub(super) fn check_enabled(
        &mut self,
        memory: &DeviceMemory,
        memory_rule: &'static str,
        violations: &mut Violations,
    ) -> bool {
        if self.size == 0 || self.size > SIZE_MAX {
            violations.add("PACKED-26", format!("queue size {}", self.size));
            return false;
        }
        let Areas {
            descriptor, device, ..
        } = self.areas;
        // What is out of reach was noted as such.
        let len_bytes = DESCRIPTOR_LEN * usize::from(self.size);
        let is_there = |addr, len_bytes: usize| {
            memory
                .check(addr, len_bytes as u64, AccessKind::Read)
                .is_ok()
        };
        let mut ring = vec![0; len_bytes];
        if is_there(descriptor, len_bytes)
            && memory.read(descriptor, &mut ring).is_ok()
            && ring.iter().any(|byte| *byte != 0)
        {
            violations.add("PACKED-25", "the descriptor ring is not zeroed".to_owned());
            let (descriptors, _) = ring.as_chunks();
            self.known.copy_from_slice(descriptors);
        }
        if is_there(device, 4)
            && memory
                .read_array::<4>(device)
                .is_ok_and(|bytes| bytes != [0; 4])
        {
            violations.add(memory_rule, "the device area is not zeroed".to_owned());
        }
        true
    }

    /// Takes the next list the driver has made available, if there is one.
    pub(super) fn pop(
        &mut self,
        memory: &DeviceMemory,
        features: RingFeatures,
        violations: &mut Violations,
    ) -> Result<Option<Chain>, RingError> {
        self.check_driver_event(memory, features, violations)?;
        let next = self.next_available;
        let flags = memory.load_u16(self.flags_addr(next))?;
        if !descriptor::is_available(flags, next.wrap) {
            self.check_flags(flags, violations);
            return Ok(None);
        }
        if self.owned >= self.size {
            let what = format!("descriptor {} was written before it was used", next.slot);
            violations.add("PACKED-02", what);
            self.is_at_odds = true;
            return Err(RingError::Overrun { slot: next.slot });
        }
        let list = self.follow(memory, features, violations);
        self.is_at_odds |= matches!(list, Err(RingError::Overrun { .. }));
        let list = list?;
        for buffer in &list.chain.buffers {
            let kind = match buffer.is_writable {
                true => AccessKind::Write,
                false => AccessKind::Read,
            };
            memory.demand(buffer.addr, u64::from(buffer.len_bytes), kind)?;
        }
        for (index, bytes) in (0..).zip(&list.descriptors) {
            let slot = next.ahead(index, self.size).slot;
            self.known[usize::from(slot)] = *bytes;
        }
        let count = list.chain.descriptors;
        self.next_available = next.ahead(count, self.size);
        self.owned += count;
        self.awaited = self.awaited.saturating_sub(count);
        Ok(Some(list.chain))
    }

    /// Judges flags that do not make a descriptor available although the driver has written them (§2.8.1).
    ///
    /// A driver writes those of a list's first descriptor last, so that nothing of it is still to come.
    fn check_flags(&mut self, flags: u16, violations: &mut Violations) {
        let next = self.next_available;
        let known = Descriptor::from(self.known[usize::from(next.slot)]).flags;
        let is_written = descriptor::marks(flags) != descriptor::marks(known);
        // Of a full ring this is a descriptor in use.
        let is_judged = is_written && !self.is_at_odds && self.owned < self.size;
        if !is_judged || self.noted == Some((next, flags)) {
            return;
        }
        let (rule, what) = match descriptor::is_available(flags, !next.wrap) {
            true => ("PACKED-18", "is available by the wrong wrap counter"),
            false => ("PACKED-19", "is neither available nor as it was"),
        };
        violations.add(
            rule,
            format!("descriptor {} has flags {flags:#06x}: it {what}", next.slot),
        );
        self.noted = Some((next, flags));
    }

    /// Returns the rule that was broken if the descriptors of a list in flight are not what they were.
    pub(super) fn rule_of_change(
        &mut self,
        chain: &Chain,
        memory: &DeviceMemory,
        _features: RingFeatures,
    ) -> Option<&'static str> {
        // Descriptors before the next used one were given back, by whichever list: they are the driver's again.
        let first = Position {
            slot: chain.first,
            ..Position::START
        };
        let mut is_changed = false;
        for index in 0..chain.descriptors {
            let slot = first.ahead(index, self.size).slot;
            is_changed |= self.is_owned(slot) && self.take_change(slot, memory);
        }
        if is_changed {
            return Some("PACKED-03");
        }
        let (table, len_bytes) = chain.indirect_table?;
        let mut unheard = Violations::default();
        let now = self.read_table(table, len_bytes, memory, &mut unheard);
        (now.ok().as_ref() != Some(&chain.buffers)).then_some("CLEAN-01")
    }

    /// Says whether a descriptor is the device's.
    fn is_owned(&self, slot: u16) -> bool {
        let size = u32::from(self.size);
        let ahead = (u32::from(slot) + size - u32::from(self.next_used.slot)) % size;
        !self.is_at_odds && ahead < u32::from(self.owned)
    }

    /// Says whether a descriptor has changed since it was last looked at, and looks at it.
    fn take_change(&mut self, slot: u16, memory: &DeviceMemory) -> bool {
        let Ok(now) = memory.read_array(self.descriptor_addr(slot)) else {
            return true;
        };
        std::mem::replace(&mut self.known[usize::from(slot)], now) != now
    }

    /// Returns where the ring has a descriptor.
    fn descriptor_addr(&self, slot: u16) -> u64 {
        self.areas.descriptor + DESCRIPTOR_BYTES * u64::from(slot)
    }

    fn flags_addr(&self, position: Position) -> u64 {
        self.descriptor_addr(position.slot) + descriptor::FLAGS_OFFSET
    }
}
