//! A block driver that checks and owns what it takes for one case, and is written for just that: [`BlockChecked`].

use std::mem::MaybeUninit;

use super::SplitPreset;
use crate::contender::{Contender, MAX_DEPTH, Request, Served, require};
use crate::spec::{DATA_BYTES, STATUS_BYTES};

const SECTOR_BYTES: u64 = 512;

/// Memory that has one owner: whose it is while the device writes there is not left to whoever wants to read it.
type Buffer = Box<[u8]>;

/// Reads over a [`SplitPreset`] with tables, which has no other format, no feature, and no request but a read.
///
/// Before a request is made, it is seen that the disk has its sectors, and that they are whole blocks and not too many; before one is
/// taken back, that the device has it, and wrote no more than it may. Nothing is there for what a device or its driver may be or do
/// otherwise: no state after a fault, no memory but such as a CPU's caches are coherent with, nobody to be told.
pub(crate) struct BlockChecked {
    preset: SplitPreset<true, false>,
    slots: [Slot; MAX_DEPTH],
    /// The first of the idle slots, if there is one.
    idle: u32,
    /// How many requests there were.
    requests: u32,
    capacity_sectors: u64,
    /// What is left of a number of bytes that is no whole block.
    block_mask: u64,
    max_bytes: u64,
    /// Those that no request has, in turns: from `next` on up to `back` they are there.
    buffers: [Option<Buffer>; MAX_DEPTH],
    next: usize,
    back: usize,
}

/// A request, or room for one.
///
/// INVARIANT: `buffer` is there unless `limit_bytes` is 0.
struct Slot {
    buffer: MaybeUninit<Buffer>,
    /// The lowest number of bytes that the device cannot have written; 0 while it has nothing.
    limit_bytes: u32,
    /// Which of all requests it is.
    request: u32,
    sector: u64,
    /// The idle slot behind this one.
    next: u32,
}

/// Names a request: which of all, and its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token(u64);

/// A request that is done.
#[expect(
    dead_code,
    reason = "there are contenders that have no names for requests"
)]
struct Done {
    token: Token,
    sector: u64,
    buffer: Buffer,
    is_well: bool,
}

impl BlockChecked {
    pub(crate) fn new() -> Self {
        let slot = |next| Slot {
            buffer: MaybeUninit::uninit(),
            limit_bytes: 0,
            request: 0,
            sector: 0,
            next,
        };
        let mut next = 0;
        let slots = std::array::from_fn(|_| {
            next += 1;
            slot(next)
        });
        // What a disk says of itself: a compiler must not know it.
        let [capacity_sectors, block_bytes, max_bytes] =
            std::hint::black_box([1 << 30, SECTOR_BYTES, 1 << 20]);
        Self {
            preset: SplitPreset::new(),
            slots,
            idle: 0,
            requests: 0,
            capacity_sectors,
            block_mask: block_bytes - 1,
            max_bytes,
            buffers: std::array::from_fn(|_| Some(vec![0; DATA_BYTES as usize].into_boxed_slice())),
            next: 0,
            back: 0,
        }
    }

    /// Says whether the disk has these sectors, and takes as much in a request.
    #[inline(always)]
    fn allows(&self, sector: u64, len_bytes: u64) -> bool {
        let end = sector.checked_add(len_bytes / SECTOR_BYTES);
        end.is_some_and(|end| end <= self.capacity_sectors)
            && (sector.wrapping_mul(SECTOR_BYTES) | len_bytes) & self.block_mask == 0
            && len_bytes.wrapping_sub(1) < self.max_bytes
    }

    #[inline(always)]
    fn submit_read(&mut self, sector: u64, mut buffer: Buffer) -> Result<Token, Buffer> {
        if !self.allows(sector, buffer.len() as u64) {
            return Err(buffer);
        }
        let number = self.idle as usize;
        let Some(slot) = self.slots.get_mut(number) else {
            return Err(buffer);
        };
        let len_bytes = buffer.len() as u32;
        let address = buffer.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: there are as many as slots.
        unsafe { self.preset.fill(number, sector, address, len_bytes) };
        slot.limit_bytes = len_bytes + STATUS_BYTES + 1;
        slot.request = self.requests;
        slot.sector = sector;
        slot.buffer.write(buffer);
        self.idle = slot.next;
        self.requests = self.requests.wrapping_add(1);
        Ok(Token(u64::from(slot.request) << 32 | number as u64))
    }

    /// Takes the next request back that the device has used, if it is one that it had.
    #[inline(always)]
    fn poll(&mut self) -> Option<Done> {
        let (id, len_bytes) = self.preset.ring.pop_element();
        let slot = self.slots.get_mut(id as usize)?;
        let limit_bytes = slot.limit_bytes;
        if len_bytes >= limit_bytes {
            return None;
        }
        slot.limit_bytes = 0;
        // SAFETY: the limit was not 0, so that it is there (invariant); now it is, so that it is taken once.
        let buffer = unsafe { slot.buffer.assume_init_read() };
        // SAFETY: there are as many as slots.
        let is_ok = unsafe { self.preset.ends.is_well(id as usize) };
        let done = Done {
            token: Token(u64::from(slot.request) << 32 | u64::from(id)),
            sector: slot.sector,
            buffer,
            is_well: is_ok && len_bytes + 1 == limit_bytes,
        };
        slot.next = self.idle;
        self.idle = id;
        Some(done)
    }
}

impl Contender for BlockChecked {
    #[inline(always)]
    fn submit(&mut self, request: &Request) {
        let buffer = self.buffers[self.next % MAX_DEPTH].take();
        self.next += 1;
        require(buffer.is_some(), "a buffer for each request");
        let Some(buffer) = buffer else { return };
        let submitted = self.submit_read(request.sector, buffer);
        require(submitted.is_ok(), "no room for a request");
    }

    fn notify(&mut self) {
        self.preset.ring.notify();
    }

    fn serve(&mut self) -> Served {
        self.preset.ring.serve()
    }

    #[inline(always)]
    fn complete(&mut self, _count: usize) -> usize {
        let mut well = 0;
        let used = self.preset.ring.used();
        require(usize::from(used) <= MAX_DEPTH, "an honest device");
        for _ in 0..used {
            let done = self.poll();
            require(done.is_some(), "an honest device");
            let Some(done) = done else { break };
            self.buffers[self.back % MAX_DEPTH] = Some(done.buffer);
            self.back += 1;
            well += usize::from(done.is_well);
        }
        well
    }
}
