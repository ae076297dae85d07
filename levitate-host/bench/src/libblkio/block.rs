//! `VirtioBlkQueue` of virtio-driver: [`Block`].

use virtio_driver::{VirtioBlkQueue, VirtioBlkTransport};

use super::{Ring, SIZE, back_end};
use crate::contender::{Contender, Request, Served, require};
use crate::device::Device;

/// Bytes of a sector; the crate counts in bytes.
const SECTOR_BYTES: u64 = 512;

/// The driver, with a request's place for its context.
pub(crate) struct Block {
    queue: VirtioBlkQueue<'static, usize>,
    device: Device,
    /// It has the queue's memory.
    _transport: Box<VirtioBlkTransport>,
}

impl Block {
    pub(crate) fn new(ring: Ring) -> Self {
        let (transport, areas) = back_end::connect(ring).expect("a back end");
        let mut transport: Box<VirtioBlkTransport> = Box::new(transport);
        let queues = VirtioBlkQueue::setup_queues(&mut *transport, 1, SIZE);
        let queue = queues.expect("queues").pop().expect("a queue");
        let areas = areas.recv().expect("its areas");
        // SAFETY: the crate keeps the queue as the specification says; its memory is the transport's, which is kept.
        let device = unsafe { Device::new(ring.features(), areas) };
        Self {
            queue,
            device,
            _transport: transport,
        }
    }
}

impl Contender for Block {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let offset = request.sector * SECTOR_BYTES;
        let (data, len_bytes) = (request.data.as_ptr(), request.len_bytes as usize);
        // SAFETY: the page of the request's place, which nobody else uses now.
        let submitted = unsafe { self.queue.read_raw(offset, data, len_bytes, request.place) };
        require(submitted.is_ok(), "no room for a request");
    }

    #[inline(always)]
    fn notify(&mut self) {
        require(
            self.queue.avail_notif_needed(),
            "the device wants to be notified",
        );
    }

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    #[inline(always)]
    fn complete(&mut self, _count: usize) -> usize {
        self.queue
            .completions()
            .filter(|done| done.ret == 0)
            .count()
    }
}
