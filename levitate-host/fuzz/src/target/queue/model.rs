//! What the driver's half of a virtqueue must find in the used ring, written down a second time ([`Model`], §2.7.14).
//!
//! Nothing moves while the driver looks, for it touches no register then: so what is there can be known beforehand.

use levitate_virtio::{DeviceFault, Interface};

use crate::device::Device;
use crate::device::ring::Ring;
use crate::device::ring::packed::Position;

/// How a look at the ring must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Jumped { claimed: u16, in_flight: u16 },
    NoSuchChain { id: u32 },
    TooLong { len: u32, capacity: u32 },
}

impl Expected {
    /// Says whether it is this fault.
    pub(super) fn is(self, fault: DeviceFault) -> bool {
        match (self, fault) {
            (
                Self::Jumped { claimed, in_flight },
                DeviceFault::UsedIndexJumped {
                    claimed: their_claimed,
                    in_flight: their_in_flight,
                },
            ) => (claimed, in_flight) == (their_claimed, their_in_flight),
            (
                Self::NoSuchChain { id },
                DeviceFault::UnknownId { id: theirs } | DeviceFault::NotInFlight { id: theirs },
            ) => id == theirs,
            (
                Self::TooLong { len, capacity },
                DeviceFault::UsedLengthTooLong {
                    len_bytes,
                    capacity_bytes,
                },
            ) => (len, capacity) == (len_bytes, capacity_bytes),
            _ => false,
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    number: u32,
    head: u16,
    /// How many descriptors it has in a packed ring.
    descriptors: u16,
    /// Bytes the device may write: to the data, and to the footer.
    room: (u32, u32),
}

impl InFlight {
    pub(super) const fn new(number: u32, room: (u32, u32)) -> Self {
        Self {
            number,
            head: 0,
            descriptors: 0,
            room,
        }
    }
}

/// The driver's half, as it should be.
#[derive(Debug)]
pub(super) struct Model {
    interface: Interface,
    used_index: u16,
    /// Where the next used descriptor of a packed ring is expected.
    next_used: Position,
    /// A bug is seeded: the wrap counter never turns.
    pub(super) has_stale_wrap: bool,
    in_flight: Vec<InFlight>,
    fault: Option<Expected>,
    pub(super) wants_notifications: bool,
    /// Requests found done: number, and bytes written to data and footer.
    pub(super) done: Vec<(u32, (usize, usize))>,
}

impl Model {
    pub(super) const fn new(interface: Interface) -> Self {
        Self {
            interface,
            used_index: 0,
            next_used: Position::START,
            has_stale_wrap: false,
            in_flight: Vec::new(),
            fault: None,
            wants_notifications: false,
            done: Vec::new(),
        }
    }

    /// Notes a request that was just made available, before the device can do anything about it.
    pub(super) fn submitted(&mut self, device: &mut Device, mut request: InFlight) {
        let Some(ring) = &device.ring else {
            return;
        };
        request.head = ring.newest_head(&device.memory);
        device.fetch();
        if let Some(packed) = device.ring.as_ref().and_then(|ring| ring.packed.as_ref()) {
            (request.head, request.descriptors) = packed.newest;
        }
        self.in_flight.push(request);
    }

    /// Looks at the used ring as the driver is about to.
    pub(super) fn process(&mut self, device: &Device) -> Result<u16, Expected> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let Some(ring) = &device.ring else {
            return Ok(0);
        };
        let mut total = 0;
        if ring.packed.is_some() {
            // Each turn but the last takes one of those in flight.
            while let Some(used) = ring.used_descriptor(&device.memory, self.next_used) {
                let descriptors = self.take(used)?;
                let wrap = self.next_used.wrap;
                self.next_used.advance(descriptors, ring.size);
                if self.has_stale_wrap {
                    self.next_used.wrap = wrap;
                }
                total += 1;
            }
            return Ok(total);
        }
        loop {
            let claimed = ring
                .used_index(&device.memory)
                .wrapping_sub(self.used_index);
            let in_flight = self.in_flight.len() as u16;
            if claimed > in_flight {
                return Err(self.broken(Expected::Jumped { claimed, in_flight }));
            }
            if claimed == 0 {
                return Ok(total);
            }
            for _ in 0..claimed {
                self.take_next(device, ring)?;
                total += 1;
            }
            if !self.wants_notifications {
                return Ok(total);
            }
        }
    }

    fn take_next(&mut self, device: &Device, ring: &Ring) -> Result<(), Expected> {
        let (id, len) = ring.used_element(&device.memory, self.used_index);
        self.used_index = self.used_index.wrapping_add(1);
        self.take((id, len, true)).map(drop)
    }

    /// Takes a request that is done; returns how many descriptors it had in a packed ring.
    fn take(&mut self, (id, len, is_meant): (u32, u32, bool)) -> Result<u16, Expected> {
        let found = self
            .in_flight
            .iter()
            .position(|one| u32::from(one.head) == id);
        let Some(position) = found else {
            return Err(self.broken(Expected::NoSuchChain { id }));
        };
        let one = &self.in_flight[position];
        let capacity = one.room.0 + one.room.1;
        let len = match self.interface {
            // What a legacy device says of lengths is not believed (§2.7.8.1).
            Interface::Legacy => capacity,
            // Without WRITE it is reserved, but QEMU means it (§2.8.4).
            Interface::Modern if len > capacity && !is_meant => 0,
            Interface::Modern if len > capacity => {
                return Err(self.broken(Expected::TooLong { len, capacity }));
            }
            Interface::Modern => len,
        };
        let data = len.min(one.room.0);
        let written = (data as usize, (len - data) as usize);
        self.done.push((one.number, written));
        Ok(self.in_flight.remove(position).descriptors)
    }

    fn broken(&mut self, fault: Expected) -> Expected {
        self.fault = Some(fault);
        fault
    }
}
