//! `VirtQueue` of virtio-drivers: [`Queue`].

use virtio_drivers::queue::VirtQueue;
use zerocopy::IntoBytes as _;

use super::hal::Process;
use super::transport::Loopback;
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::device::Device;
use crate::memory::Table;
use crate::spec::{DATA_BYTES, F_VERSION_1, Header, STATUS_OK, STATUS_UNWRITTEN};

/// As large as a chain of three for each request takes.
const SIZE: usize = 128;

/// A request in flight: its token, and the three buffers, which the queue wants to see again.
struct InFlight {
    token: u16,
    data: Table<u8>,
}

/// The queue, and a driver that keeps headers and statuses.
pub(crate) struct Queue {
    queue: VirtQueue<Process, SIZE>,
    transport: Loopback,
    device: Device,
    headers: Box<[Header; MAX_DEPTH]>,
    statuses: Box<[u8; MAX_DEPTH]>,
    in_flight: [InFlight; MAX_DEPTH],
}

impl Queue {
    pub(crate) fn new(is_indirect: bool) -> Self {
        let (mut transport, shared) = Loopback::new(F_VERSION_1, SIZE as u16);
        let queue = VirtQueue::new(&mut transport, 0, is_indirect, false).expect("a queue");
        Self {
            queue,
            transport,
            device: shared.device(),
            headers: Box::default(),
            statuses: Box::default(),
            in_flight: [(); MAX_DEPTH].map(|()| InFlight {
                token: 0,
                data: Table::new(1),
            }),
        }
    }
}

impl Contender for Queue {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let place = request.place % MAX_DEPTH;
        let header = &mut self.headers[place];
        header.sector = request.sector.into();
        let status = &mut self.statuses[place];
        *status = STATUS_UNWRITTEN;
        // SAFETY: the page of this place, whose request before is complete.
        let data = unsafe { request.data.slice(request.len_bytes as usize) };
        let outputs = &mut [data, std::slice::from_mut(status)];
        // SAFETY: nobody accesses the three buffers until `complete` pops the token.
        let token = unsafe { self.queue.add(&[header.as_bytes()], outputs) };
        require(token.is_ok(), "no room for a request");
        self.in_flight[place] = InFlight {
            token: token.unwrap_or_default(),
            data: request.data,
        };
    }

    fn notify(&mut self) {
        use virtio_drivers::transport::Transport as _;
        if self.queue.should_notify() {
            self.transport.notify(0);
        }
    }

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    #[inline(always)]
    fn complete(&mut self, count: usize) -> usize {
        let mut well = 0;
        let places = self
            .in_flight
            .iter()
            .zip(self.headers.iter())
            .zip(self.statuses.iter_mut());
        for ((in_flight, header), status) in places.take(count) {
            // SAFETY: the page of this place, which the device is done with.
            let data = unsafe { in_flight.data.slice(DATA_BYTES as usize) };
            let outputs = &mut [data, std::slice::from_mut(status)];
            // SAFETY: these are the buffers that were added with this token.
            let popped = unsafe {
                self.queue
                    .pop_used(in_flight.token, &[header.as_bytes()], outputs)
            };
            well += usize::from(popped.is_ok() && *status == STATUS_OK);
        }
        well
    }
}
