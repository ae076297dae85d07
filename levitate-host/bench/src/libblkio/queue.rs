//! `Virtqueue` of virtio-driver: [`Queue`].

use virtio_driver::virtqueue::Virtqueue;
use virtio_driver::{VirtioBlkConfig, VirtioTransport as _};

use super::{Ring, SIZE, back_end, piece};
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::device::{Areas, Device};
use crate::memory::{PAGE_BYTES, Table};
use crate::spec::{HEADER_BYTES, Header, STATUS_BYTES, STATUS_OK, STATUS_UNWRITTEN};

/// More than descriptors, rings, headers and statuses take.
const QUEUE_BYTES: usize = 4 * PAGE_BYTES;

/// What the queue keeps of a request where the device sees it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Ends {
    header: Header,
    status: u8,
}

/// The queue, by itself.
pub(crate) struct Queue {
    queue: Virtqueue<'static, Ends>,
    device: Device,
}

impl Queue {
    pub(crate) fn new(ring: Ring) -> Self {
        let (transport, _) = back_end::connect::<VirtioBlkConfig, Ends>(ring).expect("a back end");
        let memory = Table::new(QUEUE_BYTES);
        // SAFETY: the memory was just allocated, for good, zeroed, and nobody else has it; what the device does to it, it does
        // while the queue does nothing.
        let memory: &'static mut [u8] = unsafe { memory.slice(QUEUE_BYTES) };
        let queue = Virtqueue::new(transport.iova_translator(), memory, SIZE, ring.flags());
        let queue = queue.expect("a queue");
        let address = |pointer: *const u8| pointer.expose_provenance() as u64;
        let areas = Areas {
            size: SIZE,
            descriptor: address(queue.desc_table_ptr()),
            driver: address(queue.driver_area_ptr()),
            device: address(queue.device_area_ptr()),
        };
        // SAFETY: the crate keeps the queue as the specification says; its memory is never freed.
        let device = unsafe { Device::new(ring.features(), areas) };
        Self { queue, device }
    }
}

impl Contender for Queue {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let added = self.queue.add_request(|ends, add| {
            ends.header = Header {
                sector: request.sector.into(),
                ..Header::default()
            };
            ends.status = STATUS_UNWRITTEN;
            add(piece(&raw mut ends.header, HEADER_BYTES as usize), false)?;
            add(
                piece(request.data.as_ptr(), request.len_bytes as usize),
                true,
            )?;
            add(piece(&raw mut ends.status, STATUS_BYTES as usize), true)
        });
        require(added.is_ok(), "no room for a request");
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
        let completions = self.queue.completions().take(MAX_DEPTH + 1);
        completions
            .filter(|done| done.req.status == STATUS_OK)
            .count()
    }
}
