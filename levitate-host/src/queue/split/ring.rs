//! The queue as rust-vmm processes it: [`Ring`].

use virtio_queue::{Error, Queue, QueueT as _};
use vm_memory::GuestAddress;

use super::super::{Areas, Buffer, RingError};
use crate::dma::{DeviceMemory, LockedMemory};

/// What acts for the device: it fetches chains, gives them back, and says who wants to be notified.
///
/// None of this is ours, so that a driver is not judged by people who share its mistakes.
#[derive(Debug)]
pub(super) struct Ring(Queue);

impl Ring {
    /// Makes a queue that is ready, unless rust-vmm refuses its size or the alignment of an area.
    pub(super) fn new(size: u16, areas: Areas) -> Option<Self> {
        let mut queue = Queue::new(size).ok()?;
        queue
            .try_set_desc_table_address(GuestAddress(areas.descriptor))
            .ok()?;
        queue
            .try_set_avail_ring_address(GuestAddress(areas.driver))
            .ok()?;
        queue
            .try_set_used_ring_address(GuestAddress(areas.device))
            .ok()?;
        queue.set_ready(true);
        Some(Self(queue))
    }

    pub(super) fn set_event_index(&mut self, is_negotiated: bool) {
        self.0.set_event_idx(is_negotiated);
    }

    /// Returns the index of the available ring up to which chains were fetched.
    pub(super) fn next_available(&self) -> u16 {
        self.0.next_avail()
    }

    /// Returns the used index as it was published last.
    pub(super) fn next_used(&self) -> u16 {
        self.0.next_used()
    }

    /// Goes on from `index`, after used elements that were written beside rust-vmm.
    pub(super) fn set_next_used(&mut self, index: u16) {
        self.0.set_next_used(index);
    }

    /// Fetches the next chain: its head and its buffers, as far as rust-vmm could follow them.
    pub(super) fn pop(&mut self, memory: &DeviceMemory) -> Option<(u16, Vec<Buffer>)> {
        let memory = memory.lock();
        let chain = self.0.pop_descriptor_chain(&memory)?;
        let head = chain.head_index();
        let buffers = chain.map(|descriptor| Buffer {
            addr: descriptor.addr().0,
            len_bytes: descriptor.len(),
            is_writable: descriptor.is_write_only(),
        });
        Some((head, buffers.collect()))
    }

    /// Gives the chain from `head` back.
    pub(super) fn add_used(
        &mut self,
        head: u16,
        len_bytes: u32,
        memory: &DeviceMemory,
    ) -> Result<(), RingError> {
        let memory = memory.lock();
        let added = self.0.add_used(&memory, head, len_bytes);
        self.explain(added, &memory)
    }

    /// Says whether the driver has to be notified; `VIRTQ_AVAIL_F_NO_INTERRUPT` is not looked at.
    pub(super) fn needs_notification(&mut self, memory: &DeviceMemory) -> Result<bool, RingError> {
        let memory = memory.lock();
        let needed = self.0.needs_notification(&memory);
        self.explain(needed, &memory)
    }

    /// Asks the driver not to notify while there is work anyway.
    pub(super) fn disable_notification(&mut self, memory: &DeviceMemory) -> Result<(), RingError> {
        let memory = memory.lock();
        let disabled = self.0.disable_notification(&memory);
        self.explain(disabled, &memory)
    }

    /// Asks to be notified of the next chain; true if there is one already.
    pub(super) fn enable_notification(&mut self, memory: &DeviceMemory) -> Result<bool, RingError> {
        let memory = memory.lock();
        let enabled = self.0.enable_notification(&memory);
        self.explain(enabled, &memory)
    }

    fn explain<T>(
        &self,
        result: Result<T, Error>,
        memory: &LockedMemory<'_>,
    ) -> Result<T, RingError> {
        result.map_err(|_| match memory.stray() {
            Some(stray) => RingError::Unreachable(stray),
            None => RingError::Refused {
                size: self.0.size(),
            },
        })
    }
}
