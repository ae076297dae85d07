//! How the driver puts a message into a ring of either format, and takes it back.

use levitate_hal::DmaSlice;

use crate::driver::{Driver, EVENT_IDX, INDIRECT_DESC, NOTIFICATION_DATA};
use crate::life::Plays;
use crate::message::{Descriptor, INDIRECT, Message, NEXT, WRITE};
use crate::packed_ring::{Element, PackedRing};
use crate::ring::Ring;

impl<M: Plays> Driver<M> {
    pub(crate) fn current(&self) -> &Message {
        &self.messages[self.message]
    }

    /// Returns the ring of the message that is being sent.
    pub(crate) fn ring(&mut self) -> &mut Ring {
        let queue = self.current().queue as usize;
        &mut self.rings[queue]
    }

    /// As [`ring`](Self::ring), if it is packed.
    pub(crate) fn packed_ring(&mut self) -> &mut PackedRing {
        let queue = self.current().queue as usize;
        &mut self.packed[queue]
    }

    pub(crate) fn wants_notification(&mut self) -> bool {
        if self.is_packed() {
            return self.packed_ring().wants_notification();
        }
        let has_event_index = self.negotiated(EVENT_IDX);
        self.ring().wants_notification(has_event_index)
    }

    /// Returns what a notification says of the next descriptor, if it says anything.
    pub(crate) fn notification_data(&mut self) -> u16 {
        if self.is_packed() {
            self.packed_ring().position()
        } else {
            self.ring().published
        }
    }

    /// Notifies the device of the message that is being sent; `data` is left out unless NOTIFICATION_DATA was agreed on.
    pub(crate) fn notify_with(&mut self, data: u16) {
        let has_data = self.negotiated(NOTIFICATION_DATA);
        let data = if has_data { u32::from(data) << 16 } else { 0 };
        self.write(0x050, self.current().queue | data);
    }

    /// Takes one used chain if there is one.
    pub(crate) fn take_used(&mut self) {
        let is_used = if self.is_packed() {
            self.packed_ring().take_used().is_some()
        } else {
            self.ring().take_used()
        };
        self.answers += usize::from(is_used);
    }

    /// Makes memory that holds `bytes`, and returns where the device finds it.
    pub(crate) fn buffer(&mut self, bytes: &[u8]) -> u64 {
        let mut slice = DmaSlice::new_zeroed(&self.pool, bytes.len()).unwrap();
        slice.copy_from_slice(bytes);
        let at = slice.device_addr().get();
        self.buffers.push(slice);
        at
    }

    /// Makes the chain of the message, in memory of its own.
    pub(crate) fn build(&mut self) {
        let Message {
            readable, writable, ..
        } = self.current().clone();
        let count = readable.len() + writable.len();
        let room: Vec<Vec<u8>> = writable.iter().map(|len| vec![0; *len]).collect();
        self.chain.clear();
        for (index, bytes) in readable.iter().chain(&room).enumerate() {
            let mut flags = if index < readable.len() { 0 } else { WRITE };
            if index + 1 < count {
                flags |= NEXT;
            }
            let addr = self.buffer(bytes);
            self.chain.push(Descriptor {
                addr,
                len: bytes.len() as u32,
                flags,
                next: index as u16 + 1,
            });
        }
    }

    pub(crate) fn write_chain(&mut self) {
        if self.is_packed() {
            let elements = self.elements();
            self.packed_ring().write_list(&elements, 0);
            return;
        }
        if self.negotiated(INDIRECT_DESC) {
            let head = self.indirect_head();
            self.ring().write_descriptor(0, head);
            return;
        }
        for (index, descriptor) in self.chain.clone().into_iter().enumerate() {
            self.ring().write_descriptor(index as u16, descriptor);
        }
    }

    /// Returns the descriptors of the chain for a packed ring: as they are, or the one for an indirect table.
    pub(crate) fn elements(&mut self) -> Vec<Element> {
        let element = |one: &Descriptor| (one.addr, one.len, one.flags & !NEXT);
        if self.negotiated(INDIRECT_DESC) {
            return vec![element(&self.indirect_head())];
        }
        self.chain.iter().map(element).collect()
    }

    /// Puts the chain into an indirect table, and returns the descriptor for it.
    pub(crate) fn indirect_head(&mut self) -> Descriptor {
        let is_packed = self.is_packed();
        let entry = |one: &Descriptor| match is_packed {
            true => one.to_packed_bytes(WRITE),
            false => one.to_bytes(),
        };
        let table: Vec<u8> = self.chain.iter().flat_map(entry).collect();
        Descriptor {
            addr: self.buffer(&table),
            len: table.len() as u32,
            flags: INDIRECT,
            next: 0,
        }
    }
}
