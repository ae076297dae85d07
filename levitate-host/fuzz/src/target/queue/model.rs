//! What the driver's half of a virtqueue must find in the used ring, written down a second time ([`Model`], §2.7.14, §2.8.22).
//!
//! Nothing moves while the driver looks, for it touches no register then: so what is there can be known beforehand.

use std::collections::VecDeque;

use levitate_virtio::Interface;

use crate::device::Device;
use crate::device::ring::Ring;
use crate::device::ring::packed::Position;
use crate::sabotage::Sabotage;

mod expected;
mod wish;

pub(super) use expected::Expected;

/// A request in flight.
#[derive(Clone, Debug)]
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

    const fn capacity(&self) -> u32 {
        self.room.0 + self.room.1
    }

    /// Returns how it is done, by a device that wrote so many bytes.
    fn done(&self, written: u32) -> Done {
        let data = written.min(self.room.0);
        Done {
            number: self.number,
            head: self.head,
            written: (data as usize, (written - data) as usize),
        }
    }
}

/// A request that the device is done with.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) number: u32,
    pub(super) head: u16,
    /// Bytes of data and of the footer that the device wrote.
    pub(super) written: (usize, usize),
}

/// What a used element says.
#[derive(Clone, Copy, Debug)]
struct Element {
    id: u32,
    len: u32,
    /// The length counts, whatever it is.
    is_len_meant: bool,
}

/// The driver's half, as it should be.
#[derive(Clone, Debug)]
pub(super) struct Model {
    interface: Interface,
    /// What is used is used in order.
    is_in_order: bool,
    used_index: u16,
    /// How many elements of the used ring are known to be there.
    known: u16,
    /// Where the next used descriptor of a packed ring is expected.
    next_used: Position,
    /// The bug that is seeded.
    sabotage: Sabotage,
    /// The oldest first.
    in_flight: Vec<InFlight>,
    /// With VIRTIO_F_IN_ORDER requests that the device has said are done, and that are still to be found, each when it is asked for.
    promised: VecDeque<Done>,
    fault: Option<Expected>,
    /// Requests found done, in the order in which they were.
    pub(super) done: Vec<Done>,
}

impl Model {
    pub(super) const fn new(interface: Interface, sabotage: Sabotage) -> Self {
        Self {
            interface,
            is_in_order: false,
            used_index: 0,
            known: 0,
            next_used: Position::START,
            sabotage,
            in_flight: Vec::new(),
            promised: VecDeque::new(),
            fault: None,
            done: Vec::new(),
        }
    }

    pub(super) const fn interface(&self) -> Interface {
        self.interface
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len() + self.promised.len()
    }

    pub(super) const fn fault(&self) -> Option<Expected> {
        self.fault
    }

    /// Notes that the queue is reset and in use again: whatever the device did before, it counts no more.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.interface, self.sabotage);
    }

    /// Notes that the queue is reset and not in use again; what it had it still has.
    pub(super) const fn end(&mut self) {
        self.fault = Some(Expected::NotEnabled);
    }

    /// Notes a request that was just made available, before the device can do anything about it.
    pub(super) fn submitted(&mut self, device: &mut Device, mut request: InFlight) {
        let Some(ring) = &device.ring else {
            return;
        };
        self.is_in_order = ring.is_in_order;
        request.head = ring.newest_head(&device.memory);
        device.fetch();
        if let Some(packed) = device.ring.as_ref().and_then(|ring| ring.packed.as_ref()) {
            (request.head, request.descriptors) = packed.newest;
        }
        self.in_flight.push(request);
    }

    /// Looks at the used ring as the driver is about to, until there is nothing more; returns how many requests are done.
    pub(super) fn process(&mut self, device: &Device) -> Result<u16, Expected> {
        let mut total = 0;
        loop {
            match self.collect(device)? {
                // What is done takes one of those in flight each.
                0 => return Ok(total),
                count => total += count,
            }
        }
    }

    /// Looks for the next request that is done; returns how many that are.
    pub(super) fn collect(&mut self, device: &Device) -> Result<u16, Expected> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.promised.is_empty()
            && let Some(ring) = &device.ring
            && let Err(fault) = self.learn(device, ring)
        {
            self.fault = Some(fault);
            return Err(fault);
        }
        Ok(self.find_promised())
    }

    /// Has the oldest request found that the device has said is done; returns how many that are.
    fn find_promised(&mut self) -> u16 {
        match self.promised.pop_front() {
            Some(found) => {
                self.done.push(found);
                1
            }
            None => 0,
        }
    }

    /// Looks for the next used element, and what is done by it.
    fn learn(&mut self, device: &Device, ring: &Ring) -> Result<(), Expected> {
        let Some(element) = self.next(device, ring)? else {
            return Ok(());
        };
        let (last, written) = self.find(element)?;
        if ring.packed.is_none() && self.batch(last) > self.known {
            return Err(Expected::OutOfOrder { id: element.id });
        }
        self.pass(ring, last, written);
        Ok(())
    }

    /// Looks whether this request is done by the next used element, and takes it out if it is.
    ///
    /// Of anything else there, also if it is wrong, nothing is known until the ring is looked at for all.
    pub(super) fn take_ahead(&mut self, device: &Device, number: u32) {
        let is_sabotaged = self.sabotage == Sabotage::OutOfTurn;
        let Some(ring) = &device.ring else {
            return;
        };
        if self.fault.is_some() {
            return;
        }
        if self.is_in_order && !is_sabotaged {
            let is_oldest = self
                .in_flight
                .first()
                .is_some_and(|one| one.number == number);
            if self.promised.is_empty() && is_oldest {
                // What is wrong is found by who looks for all.
                let _ = self.learn(device, ring);
            }
            let next = self.promised.front();
            if next.is_some_and(|next| next.number == number) {
                self.find_promised();
            }
            return;
        }
        let Ok(Some(element)) = self.next(device, ring) else {
            return;
        };
        let mut in_flight = self.in_flight.iter();
        let position = in_flight.position(|one| {
            let is_fitting = self.interface == Interface::Modern && element.len <= one.capacity();
            let is_next = u32::from(one.head) == element.id;
            one.number == number && (is_next && is_fitting || is_sabotaged)
        });
        if let Some(position) = position {
            self.pass(ring, position, element.len);
            self.find_promised();
        }
    }

    /// Returns the next used element, if there is one.
    fn next(&mut self, device: &Device, ring: &Ring) -> Result<Option<Element>, Expected> {
        let (id, len, is_len_meant) = if ring.packed.is_some() {
            match ring.used_descriptor(&device.memory, self.next_used) {
                Some(descriptor) => descriptor,
                None => return Ok(None),
            }
        } else {
            self.look_at_index(device, ring)?;
            if self.known == 0 {
                return Ok(None);
            }
            let (id, len) = ring.used_element(&device.memory, self.used_index);
            (id, len, true)
        };
        Ok(Some(Element {
            id,
            len,
            is_len_meant,
        }))
    }

    /// Looks how many elements of a split ring are used, unless there are some that it knows of.
    fn look_at_index(&mut self, device: &Device, ring: &Ring) -> Result<(), Expected> {
        if self.known == 0 {
            let index = ring.used_index(&device.memory);
            let claimed = index.wrapping_sub(self.used_index);
            let in_flight = self.in_flight.len() as u16;
            if claimed > in_flight {
                return Err(Expected::Jumped { claimed, in_flight });
            }
            self.known = claimed;
        }
        Ok(())
    }

    /// Goes on in the ring behind the request at `last`, and promises what is done with it.
    fn pass(&mut self, ring: &Ring, last: usize, written: u32) {
        let count = self.batch(last);
        let descriptors = self.take(last, written);
        if ring.packed.is_none() {
            self.used_index = self.used_index.wrapping_add(count);
            self.known = self.known.saturating_sub(count);
            return;
        }
        let wrap = self.next_used.wrap;
        self.next_used.advance(descriptors, ring.size);
        if self.sabotage == Sabotage::StaleWrap {
            self.next_used.wrap = wrap;
        }
    }

    /// Finds the request that is done; returns its position, and how many bytes were written to it.
    fn find(&self, element: Element) -> Result<(usize, u32), Expected> {
        let Element {
            id,
            len,
            is_len_meant,
        } = element;
        let mut in_flight = self.in_flight.iter();
        let position = in_flight.position(|one| u32::from(one.head) == id);
        let position = position.ok_or(Expected::NoSuchChain { id })?;
        let capacity = self.in_flight[position].capacity();
        let written = match self.interface {
            // What a legacy device says of lengths is not believed (§2.7.8.1).
            Interface::Legacy => capacity,
            // Without WRITE it is reserved, but QEMU means it (§2.8.4).
            Interface::Modern if len > capacity && !is_len_meant => 0,
            Interface::Modern if len > capacity => {
                return Err(Expected::TooLong { len, capacity });
            }
            Interface::Modern => len,
        };
        Ok((position, written))
    }

    /// Returns the first request that is done with the one at `last`.
    const fn first(&self, last: usize) -> usize {
        match self.sabotage {
            Sabotage::LastAlone => last,
            _ if self.is_in_order => 0,
            _ => last,
        }
    }

    /// Returns how many requests are done with the one at `last`.
    const fn batch(&self, last: usize) -> u16 {
        (last + 1 - self.first(last)) as u16
    }

    /// Takes out what is done with the request at `last`; returns how many descriptors that had in a packed ring.
    fn take(&mut self, last: usize, written: u32) -> u16 {
        let first = self.first(last);
        let mut descriptors = 0;
        for (position, one) in (first..).zip(self.in_flight.drain(first..=last)) {
            descriptors += one.descriptors;
            // What was used without a word was used completely (§2.7.9).
            let written = if position == last {
                written
            } else {
                one.capacity()
            };
            self.promised.push_back(one.done(written));
        }
        descriptors
    }
}
