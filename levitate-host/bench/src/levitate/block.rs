//! `levitate_drivers_blk::Blk` by its calls that do not wait: [`Block`].

use std::array;

use levitate_drivers_blk::{Blk, BlkStorage};
use levitate_hal::DmaBuffer;
use levitate_virtio::MmioTransport;

use super::platform::{Process, Ticks};
use super::registers::Registers;
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::device::Device;
use crate::spec::{DATA_BYTES, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1};

/// The driver, and the buffers that it does not have now.
pub(crate) struct Block {
    block: Blk<'static, MmioTransport<Registers>, (Process, Ticks)>,
    device: Device,
    /// In turns: from `next` on up to `back` they are there.
    buffers: [Option<DmaBuffer<Process>>; MAX_DEPTH],
    next: usize,
    back: usize,
}

impl Block {
    /// Brings a device up that offers all features of virtqueues that are implemented.
    pub(crate) fn new() -> Self {
        let registers = Registers::new(F_VERSION_1 | F_INDIRECT_DESC | F_EVENT_IDX);
        let transport = MmioTransport::probe(registers.clone());
        let transport = transport.expect("registers").expect("a device");
        // It lives as long as the program: a driver that is dropped has reset its device.
        let storage = Box::leak(Box::new(BlkStorage::<_, MAX_DEPTH>::new()));
        let block = Blk::new(transport, (Process, Ticks::default()), storage).expect("a disk");
        let buffers: [_; MAX_DEPTH] = array::from_fn(|_| {
            let buffer = block.allocate_buffer(DATA_BYTES as usize);
            Some(buffer.expect("a buffer"))
        });
        Self {
            block,
            device: registers.device(),
            buffers,
            next: 0,
            back: 0,
        }
    }
}

impl Contender for Block {
    /// The buffer is one of the driver's own kind, in place of the page of the request's place.
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let buffer = self.buffers[self.next % MAX_DEPTH].take();
        self.next += 1;
        require(buffer.is_some(), "a buffer for each request");
        let Some(buffer) = buffer else { return };
        let submitted = self.block.submit_read(request.sector, buffer);
        require(submitted.is_ok(), "no room for a request");
    }

    #[inline(always)]
    fn notify(&mut self) {
        self.block.notify();
    }

    fn serve(&mut self) -> Served {
        self.device.serve()
    }

    #[inline(always)]
    fn complete(&mut self, count: usize) -> usize {
        let mut well = 0;
        for _ in 0..count {
            let is_well = self.block.poll_with(|done| {
                self.buffers[self.back % MAX_DEPTH] = done.buffer;
                self.back += 1;
                done.result.is_ok()
            });
            require(is_well.is_ok(), "an honest device");
            let Ok(Some(is_well)) = is_well else { break };
            well += usize::from(is_well);
        }
        well
    }
}
