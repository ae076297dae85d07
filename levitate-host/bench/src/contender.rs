//! What is measured: [`Contender`], a driver and its device in one process, and how its requests are run ([`round_trip`]).

use std::hint::black_box;

use crate::memory::{PAGE_BYTES, Table};
use crate::spec::DATA_BYTES;

/// Most requests at a time.
pub(crate) const MAX_DEPTH: usize = 32;

/// A read of 4096 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Its place in its batch: no other of the batch has it.
    pub(crate) place: usize,
    /// First sector.
    pub(crate) sector: u64,
    /// Where the data goes: the page of its place.
    pub(crate) data: Table<u8>,
    /// How much of it; a driver's requests are not all of one length.
    pub(crate) len_bytes: u32,
}

/// A driver with a device of its own; requests are submitted, notified of, served and completed in this order, batch by batch.
pub(crate) trait Contender {
    /// Makes a request available, or almost: what is left is done for all of the batch in [`notify`](Self::notify).
    fn submit(&mut self, request: &Request);

    /// Decides whether the device is to be notified, and notifies it, which only counts.
    fn notify(&mut self);

    /// Has the device serve what is available; returns what it did.
    fn serve(&mut self) -> Served;

    /// Takes `count` requests back, all that are done; returns how many ended well.
    fn complete(&mut self, count: usize) -> usize;
}

/// Ends the program unless something that has to be true is.
///
/// It goes on behind that, as far as a compiler knows: who uses a driver looks at what it returns, and returns too; code that never
/// comes back has whatever phase it is in prepared for it from the beginning.
#[inline(always)]
pub(crate) fn require(is_true: bool, what: &str) {
    if !is_true {
        fail(what);
    }
}

#[cold]
#[inline(never)]
fn fail(what: &str) {
    assert!(!black_box(true), "{what}");
}

/// What a device has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Served {
    /// How many requests.
    pub(crate) requests: usize,
    /// The sum of their sectors: proof that their headers were read.
    pub(crate) sectors: u64,
}

/// How many batches differ from one another.
const KINDS: usize = 4;

/// Batches of requests, made beforehand.
#[derive(Debug)]
pub(crate) struct Requests {
    batches: [Vec<Request>; KINDS],
    next: usize,
}

impl Requests {
    /// Makes batches of `depth`.
    ///
    /// # Panics
    ///
    /// `depth` is more than [`MAX_DEPTH`].
    pub(crate) fn new(depth: usize) -> Self {
        assert!(depth <= MAX_DEPTH, "batches of {depth}");
        let data: Vec<_> = (0..depth).map(|_| Table::new(PAGE_BYTES)).collect();
        let batch = |kind: usize| {
            let places = data.iter().enumerate();
            let requests = places.map(|(place, data)| Request {
                place,
                sector: (kind * MAX_DEPTH + place) as u64,
                data: *data,
                len_bytes: DATA_BYTES,
            });
            requests.collect()
        };
        Self {
            batches: std::array::from_fn(batch),
            next: 0,
        }
    }

    /// Returns the next batch.
    pub(crate) fn batch(&mut self) -> &[Request] {
        let batch = &self.batches[self.next];
        self.next = (self.next + 1) % KINDS;
        batch
    }
}

/// The phases of a batch: functions that stay functions, so that a profiler can tell one from the other.
///
/// `cargo xtask bench queue` knows them by their names. Requests are submitted one by one, by a call each, as they come in a kernel;
/// those that are done are taken back in one go, as they are found. What is boxed is nothing, and takes no instruction; it has the
/// compiler keep a call of a phase that has nothing to do.
pub(crate) mod phase {
    use std::hint::black_box;

    use super::{Contender, Request, Served};

    /// Submits a request.
    #[inline(never)]
    pub(crate) fn submit<C: Contender>(contender: &mut C, request: &Request) {
        contender.submit(request);
    }

    /// Notifies of a batch.
    #[inline(never)]
    pub(crate) fn notify<C: Contender>(contender: &mut C) {
        black_box(());
        contender.notify();
    }

    /// Has the device serve a batch.
    #[inline(never)]
    pub(crate) fn serve<C: Contender>(contender: &mut C) -> Served {
        contender.serve()
    }

    /// Takes a batch back.
    #[inline(never)]
    pub(crate) fn complete<C: Contender>(contender: &mut C, count: usize) -> usize {
        black_box(());
        contender.complete(count)
    }
}

/// Runs one batch, and sees that each request was served and ended well.
///
/// # Panics
///
/// Device or driver did not do what they were asked.
pub(crate) fn round_trip<C: Contender>(contender: &mut C, requests: &mut Requests) {
    let batch = requests.batch();
    for request in batch {
        phase::submit(contender, request);
    }
    phase::notify(contender);
    let served = phase::serve(contender);
    let wanted = Served {
        requests: batch.len(),
        sectors: batch.iter().map(|request| request.sector).sum(),
    };
    assert_eq!(served, wanted, "the device served something else");
    let completed = phase::complete(contender, batch.len());
    assert_eq!(completed, batch.len(), "not all requests ended well");
}
