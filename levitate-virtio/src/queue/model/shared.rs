//! What driver and device share beside barriers: memory by device address, and what a request carries ([`Shared`]).

use std::sync::Arc;
use std::vec::Vec;

use levitate_hal::{DmaAddr, Segment, Segments};
use loom::sync::Notify;

use crate::queue::memory::Cells;

/// Requests of the longest model.
const MOST_REQUESTS: u16 = 3;
/// Length of the data of a request, and of the answer in its footer.
pub(super) const DATA_BYTES: u32 = 8;
pub(super) const ANSWER_BYTES: u32 = 4;

/// All memory that the device reaches, and both notifications.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    memory: Vec<Arc<Cells>>,
    /// What wakes the device: the available buffer notification.
    pub(super) doorbell: Arc<Notify>,
    /// What wakes the driver: the used buffer notification.
    pub(super) interrupt: Arc<Notify>,
}

impl Shared {
    /// Adds the data of the requests to the memory of a queue.
    pub(super) fn new(mut memory: Vec<Arc<Cells>>) -> Self {
        let words = (0..MOST_REQUESTS).map(|number| usize::from(number) * DATA_BYTES as usize);
        memory.push(Cells::new(RequestData::BASE, words));
        Self {
            memory,
            doorbell: Arc::new(Notify::new()),
            interrupt: Arc::new(Notify::new()),
        }
    }

    pub(super) fn read(&self, addr: u64) -> u64 {
        let found = self.memory.iter().find_map(|cells| cells.read(addr));
        found.expect("stale: an address where nothing is")
    }

    pub(super) fn write(&self, addr: u64, value: u64) {
        let found = self
            .memory
            .iter()
            .find_map(|cells| cells.write(addr, value));
        found.expect("stale: an address where nothing is");
    }
}

/// The data of one request.
#[derive(Debug)]
pub(super) struct RequestData {
    pub(super) number: u16,
}

impl RequestData {
    /// Where the data of the first request is; the pool has no such addresses.
    const BASE: DmaAddr = DmaAddr::new(0x100);

    pub(super) fn addr(&self) -> u64 {
        Self::BASE.get() + u64::from(self.number) * u64::from(DATA_BYTES)
    }

    /// What the request carries, and is answered with.
    pub(super) fn content(&self) -> u64 {
        0xa0 + u64::from(self.number)
    }
}

// SAFETY: no device but the model's sees the address, and that one finds cells there, for as long as the model runs.
unsafe impl Segments for RequestData {
    fn segment(&self, index: usize) -> Option<Segment> {
        (index == 0).then(|| Segment {
            addr: DmaAddr::new(self.addr()),
            len_bytes: DATA_BYTES as usize,
        })
    }
}
