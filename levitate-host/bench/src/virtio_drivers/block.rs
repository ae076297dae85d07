//! `VirtIOBlk` of virtio-drivers, by its calls that do not wait: [`Block`].

use std::array;

use virtio_drivers::device::blk::{BlkReq, BlkResp, RespStatus, VirtIOBlk};

use super::hal::Process;
use super::transport::Loopback;
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::device::Device;
use crate::memory::Table;
use crate::spec::{DATA_BYTES, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1};

/// The size of its queue, a constant of the crate's.
pub(crate) const DEEPEST: usize = 16;

/// A request in flight, and its buffers.
struct InFlight {
    token: u16,
    header: BlkReq,
    data: Table<u8>,
    status: BlkResp,
}

/// The driver, on a device that offers all the features that it knows.
pub(crate) struct Block {
    block: VirtIOBlk<Process, Loopback>,
    device: Device,
    in_flight: Box<[InFlight; MAX_DEPTH]>,
}

impl Block {
    pub(crate) fn new() -> Self {
        let offered = F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX;
        let (transport, shared) = Loopback::new(offered, DEEPEST as u16);
        let block = VirtIOBlk::new(transport).expect("a block device");
        Self {
            block,
            device: shared.device(),
            in_flight: Box::new(array::from_fn(|_| InFlight {
                token: 0,
                header: BlkReq::default(),
                data: Table::new(1),
                status: BlkResp::default(),
            })),
        }
    }
}

impl Contender for Block {
    /// Notifies, too: the crate does it with each request.
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let in_flight = &mut self.in_flight[request.place % MAX_DEPTH];
        in_flight.data = request.data;
        // SAFETY: the page of this place, whose request before is complete.
        let data = unsafe { request.data.slice(request.len_bytes as usize) };
        let (header, status) = (&mut in_flight.header, &mut in_flight.status);
        let sector = request.sector as usize;
        // SAFETY: nobody accesses the three buffers until `complete` completes the token.
        let token = unsafe { self.block.read_blocks_nb(sector, header, data, status) };
        require(token.is_ok(), "no room for a request");
        in_flight.token = token.unwrap_or_default();
    }

    fn notify(&mut self) {}

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    #[inline(always)]
    fn complete(&mut self, count: usize) -> usize {
        let mut well = 0;
        for in_flight in self.in_flight.iter_mut().take(count) {
            // SAFETY: the page of this place, which the device is done with.
            let data = unsafe { in_flight.data.slice(DATA_BYTES as usize) };
            let InFlight {
                token,
                header,
                status,
                ..
            } = in_flight;
            // SAFETY: these are the buffers that were submitted with this token.
            let outcome = unsafe {
                self.block
                    .complete_read_blocks(*token, header, data, status)
            };
            well += usize::from(outcome.is_ok() && status.status() == RespStatus::OK);
        }
        well
    }
}
