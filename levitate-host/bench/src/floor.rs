//! The floor: the least that a driver can do, in rings of its own. Nothing the device says is checked, and no buffer has an owner, but in
//! [`BlockChecked`].
//!
//! What is left is what the specification asks of any driver: each request's header, a status that the device has to change, the
//! descriptors, the order of the accesses, and the decision whether to notify. Slots and descriptors are given back in any order, but
//! where the device keeps it.

mod block_checked;
mod packed_direct;
mod packed_in_order;
mod packed_indirect;
mod packed_ring;
mod replay;
mod split_direct;
mod split_in_order;
mod split_preset;
mod split_ring;

pub(crate) use block_checked::BlockChecked;
pub(crate) use packed_direct::PackedDirect;
pub(crate) use packed_in_order::PackedInOrder;
pub(crate) use packed_indirect::PackedIndirect;
pub(crate) use replay::{PackedReplay, SplitReplay};
pub(crate) use split_direct::SplitDirect;
pub(crate) use split_in_order::SplitInOrder;
pub(crate) use split_preset::SplitPreset;

use crate::contender::MAX_DEPTH;
use crate::memory::Table;
use crate::spec::{
    DATA_BYTES, Descriptor, HEADER_BYTES, Header, NEXT, STATUS_BYTES, STATUS_OK, STATUS_UNWRITTEN,
    WRITE,
};

/// Entries of a queue: room for a chain of three for each request.
const QUEUE_SIZE: u16 = 128;

/// Descriptors of a request.
const CHAIN: usize = 3;

/// Headers and statuses, one for each number that names a request.
#[derive(Clone, Copy, Debug)]
struct Ends {
    headers: Table<Header>,
    statuses: Table<u8>,
}

impl Ends {
    fn new(len: usize) -> Self {
        Self {
            headers: Table::new(len),
            statuses: Table::new(len),
        }
    }

    /// Prepares header and status of the request `number`.
    ///
    /// # Safety
    ///
    /// There are so many.
    #[inline(always)]
    unsafe fn fill(self, number: usize, sector: u64) {
        let header = Header {
            sector: sector.into(),
            ..Header::default()
        };
        // SAFETY: as the caller says.
        unsafe { self.headers.write(number, header) };
        // SAFETY: as the caller says.
        unsafe { self.statuses.write(number, STATUS_UNWRITTEN) };
    }

    /// Prepares header and status of the request `number`, whose header was prepared before: only the sector is another.
    ///
    /// # Safety
    ///
    /// There are so many.
    #[inline(always)]
    unsafe fn renew(self, number: usize, sector: u64) {
        // SAFETY: as the caller says.
        let header = unsafe { self.headers.entry(number) }.as_ptr();
        // SAFETY: the header is there, and driver and device take turns on one thread.
        unsafe { (*header).sector = sector.into() };
        // SAFETY: as the caller says.
        unsafe { self.statuses.write(number, STATUS_UNWRITTEN) };
    }

    /// Says whether the request `number` ended well.
    ///
    /// # Safety
    ///
    /// There are so many.
    #[inline(always)]
    unsafe fn is_well(self, number: usize) -> bool {
        // SAFETY: as the caller says.
        let status = unsafe { self.statuses.read(number) };
        status == STATUS_OK
    }

    /// Returns the chain of the request `number`, but for its links, its data and that data's length.
    fn chain(self, number: usize) -> [Descriptor; CHAIN] {
        let descriptor = |addr, len, flags| Descriptor {
            addr,
            len,
            flags,
            next: 0,
        };
        [
            descriptor(self.headers.address_of(number), HEADER_BYTES, NEXT),
            descriptor(0, DATA_BYTES, NEXT | WRITE),
            descriptor(self.statuses.address_of(number), STATUS_BYTES, WRITE),
        ]
    }
}

/// The numbers that name no request now, the last one given back first.
#[derive(Debug)]
struct Free {
    numbers: [u16; MAX_DEPTH],
    len: usize,
}

impl Free {
    fn all() -> Self {
        let mut numbers = [0; MAX_DEPTH];
        for (number, entry) in (0..).zip(numbers.iter_mut().rev()) {
            *entry = number;
        }
        Self {
            numbers,
            len: MAX_DEPTH,
        }
    }

    /// Takes a number.
    ///
    /// # Safety
    ///
    /// Fewer than [`MAX_DEPTH`] are taken.
    unsafe fn take(&mut self) -> u16 {
        self.len = self.len.wrapping_sub(1);
        // SAFETY: one is left, says the caller.
        unsafe { *self.numbers.get_unchecked(self.len) }
    }

    /// Gives a number back.
    ///
    /// # Safety
    ///
    /// One is taken.
    unsafe fn give(&mut self, number: u16) {
        // SAFETY: there is room for one, says the caller.
        let entry = unsafe { self.numbers.get_unchecked_mut(self.len) };
        *entry = number;
        self.len = self.len.wrapping_add(1);
    }
}

/// The numbers that name requests where they come back in order: in turns.
///
/// INVARIANT: `next` and `oldest` are below [`MAX_DEPTH`].
#[derive(Debug, Default)]
struct Turns {
    next: u16,
    /// The one that comes back next.
    oldest: u16,
}

impl Turns {
    const MASK: u16 = MAX_DEPTH as u16 - 1;

    /// Takes a number.
    #[inline(always)]
    const fn take(&mut self) -> u16 {
        let number = self.next;
        self.next = (number + 1) & Self::MASK;
        number
    }

    /// Gives the oldest number back, and returns it.
    #[inline(always)]
    const fn give(&mut self) -> u16 {
        let number = self.oldest;
        self.oldest = (number + 1) & Self::MASK;
        number
    }

    /// Returns how many numbers there are from the oldest one up to `last`.
    #[inline(always)]
    const fn up_to(&self, last: u16) -> u16 {
        (last.wrapping_sub(self.oldest) & Self::MASK) + 1
    }
}

const _: () = assert!(MAX_DEPTH.is_power_of_two(), "turns end where a mask does");
