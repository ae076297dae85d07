//! `levitate_virtio::Queue` through its public interface: [`Queue`].

use std::time::Duration;

use levitate_hal::{Direction, DmaAddr, Segment, Segments};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::transport::mmio::MmioNotifier;
use levitate_virtio::{
    self as virtio, Data, Device, MmioTransport, QueueConfig, QueueIndex, Slot, Wanted, stage,
};

use super::platform::{Process, Ticks};
use super::registers::Registers;
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::device;
use crate::memory::Table;
use crate::spec::{
    DATA_BYTES, F_VERSION_1, HEADER_BYTES, Header, STATUS_BYTES, STATUS_OK, STATUS_UNWRITTEN,
};

const TIMEOUT: Duration = Duration::from_secs(1);

/// The page of a request: what a driver would have as the owner of its buffer.
struct Page {
    data: Table<u8>,
    len_bytes: u32,
}

// SAFETY: one piece of memory, never freed, that only the request of its place uses.
unsafe impl Segments for Page {
    #[inline]
    fn segment(&self, index: usize) -> Option<Segment> {
        (index == 0).then(|| Segment {
            addr: DmaAddr::new(self.data.address_of(0)),
            len_bytes: self.len_bytes as usize,
        })
    }

    #[inline]
    fn direction(&self) -> Direction {
        Direction::FromDevice
    }
}

/// The queue of a live device.
// The queue first, whatever the device's own state takes: a call of it needs no sum for its address.
#[repr(C)]
pub(crate) struct Queue {
    queue: virtio::Queue<'static, Page, usize, Process, MmioNotifier<Registers>>,
    device: device::Device,
    /// It is reset when it is dropped.
    _live: Device<MmioTransport<Registers>, stage::Live>,
}

impl Queue {
    /// Brings a device up that offers `features` besides VERSION_1.
    pub(crate) fn new(features: u64) -> Self {
        let registers = Registers::new(F_VERSION_1 | features);
        let transport = MmioTransport::probe(registers.clone());
        let transport = transport.expect("registers").expect("a device");
        let device =
            Device::begin(transport, &Ticks::default(), TIMEOUT).expect("a device that resets");
        let negotiated = device.negotiate(&Wanted::<NoFeatures>::default());
        let (mut device, _) = negotiated.expect("a device that agrees");
        let config = QueueConfig {
            header_bytes: HEADER_BYTES as usize,
            footer_bytes: STATUS_BYTES as usize,
            max_segments: 1,
            max_segment_bytes: DATA_BYTES,
            direct_descriptors: 0,
        };
        // It lives as long as the program: so does what the queue leaks when it is dropped.
        let slots = Box::leak(Box::new([const { Slot::new() }; MAX_DEPTH]));
        let prepared = device.prepare_queue(&Process, QueueIndex::new(0), config, slots);
        let live = device.go_live();
        let queue = prepared
            .expect("a queue")
            .activate(&live)
            .expect("its queue");
        assert_eq!(usize::from(queue.idle_slots()), MAX_DEPTH, "slots");
        let accepted = registers.accepted();
        assert_eq!(
            accepted,
            F_VERSION_1 | features,
            "what the way is named for"
        );
        Self {
            queue,
            device: registers.device(),
            _live: live,
        }
    }
}

impl Contender for Queue {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let header = Header {
            sector: request.sector.into(),
            ..Header::default()
        };
        let data = Data::Writable(Page {
            data: request.data,
            len_bytes: request.len_bytes,
        });
        let submitted = self
            .queue
            .submit(&header, data, &STATUS_UNWRITTEN, request.place);
        require(submitted.is_ok(), "no room for a request");
    }

    #[inline(always)]
    fn notify(&mut self) {
        self.queue.notify();
    }

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    #[inline(always)]
    fn complete(&mut self, count: usize) -> usize {
        let mut well = 0;
        for _ in 0..count {
            let polled = self.queue.poll::<u8>();
            require(polled.is_ok(), "an honest device");
            let Ok(Some(done)) = polled else { break };
            well += usize::from(done.is_whole && done.footer == STATUS_OK);
        }
        well
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Requests;
    use crate::spec::{F_EVENT_IDX, F_RING_PACKED};

    #[test]
    fn with_an_event_index_only_what_the_device_asks_for_is_notified() {
        for ring in [0, F_RING_PACKED] {
            let mut queue = Queue::new(ring | F_EVENT_IDX);
            // Before it has looked at its ring, a device of a packed one wants each.
            assert_eq!(queue.serve().requests, 0);
            let mut requests = Requests::new(8);
            let batch = requests.batch();
            let notify = |queue: &mut Queue, requests: &[Request]| {
                let before = queue.queue.counts().notifications;
                for request in requests {
                    queue.submit(request);
                }
                queue.notify();
                queue.queue.counts().notifications - before
            };
            // More laps than one, of 32 requests.
            for _ in 0..9 {
                assert_eq!(notify(&mut queue, &batch[..3]), 1, "it has served all");
                assert_eq!(notify(&mut queue, &batch[3..]), 0, "it knows of some");
                assert_eq!(queue.serve().requests, batch.len());
                assert_eq!(queue.complete(batch.len()), batch.len());
            }
        }
    }
}
