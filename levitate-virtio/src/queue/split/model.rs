//! The queue and a device as two threads whose every order of steps, and every stale value, loom tries.
//!
//! The driver's side is the code that ships: [`Queue`] over [`SplitRing`] and `levitate_hal::Barriers`; only what a load or
//! a store of ring memory, and a fence, is made of are loom's. The device's side is written for this ([`device`]).
//! A thread that nobody wakes is a deadlock, which loom reports; what is read too early fails an assertion.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::sync::Arc;

use levitate_hal::{Barriers, DmaBuffer};
use levitate_host::Pool;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicU32, Ordering, fence};

use super::SplitRing;
use crate::init::Identity;
use crate::queue::chain::ChainShape;
use crate::queue::slot::List;
use crate::queue::slot_memory::SlotMemory;
use crate::queue::{Queue, QueueCounts, QueueIndex, QueueSize, Slot};
use crate::transport::{Interface, Placement};
use crate::{Data, transport};
use device::ModelDevice;

mod device;
mod proofs;

std::thread_local! {
    /// The kind of barrier that the driver leaves out, on the thread of one test.
    static LEFT_OUT: Cell<Option<Ordering>> = const { Cell::new(None) };
}

/// What `levitate_hal::Barriers` calls.
fn driver_fence(ordering: Ordering) {
    if LEFT_OUT.get() != Some(ordering) {
        fence(ordering);
    }
}

/// What the requests of a model carry beside the rings: memory that an index publishes too.
pub(super) struct Payload {
    requests: [AtomicU32; MOST_REQUESTS as usize],
    answers: [AtomicU32; MOST_REQUESTS as usize],
}

/// Requests of the longest model.
const MOST_REQUESTS: u16 = 3;

impl Payload {
    fn new() -> Self {
        let zeroed = || core::array::from_fn(|_| AtomicU32::new(0));
        Self {
            requests: zeroed(),
            answers: zeroed(),
        }
    }

    fn write_request(&self, number: u16) {
        self.requests[usize::from(number)].store(1, Ordering::Relaxed);
    }

    fn check_request(&self, number: u16) {
        let value = self.requests[usize::from(number)].load(Ordering::Relaxed);
        assert_eq!(value, 1, "stale: what request {number} carries");
    }

    fn write_answer(&self, number: u16) {
        self.answers[usize::from(number)].store(1, Ordering::Relaxed);
    }

    fn check_answer(&self, number: u16) {
        let value = self.answers[usize::from(number)].load(Ordering::Relaxed);
        assert_eq!(value, 1, "stale: what answer {number} carries");
    }
}

/// Wakes the device.
struct Doorbell(Arc<Notify>);

impl transport::Notify for Doorbell {
    fn notify(&self, _available_index: u16) {
        self.0.notify();
    }
}

type ModelSlot = Slot<DmaBuffer<Pool>, u16>;
type ModelQueue<'s> = Queue<'s, DmaBuffer<Pool>, u16, Pool, Doorbell>;

/// A queue of two requests, and what it shares with its device.
struct Driver<'s> {
    queue: ModelQueue<'s>,
    payload: Arc<Payload>,
    doorbell: Arc<Notify>,
    interrupt: Arc<Notify>,
    has_event_index: bool,
    submitted: u16,
    done: u16,
}

impl<'s> Driver<'s> {
    fn new(slots: &'s mut [ModelSlot; 2], has_event_index: bool) -> Self {
        levitate_hal::barrier::model::set_fence(driver_fence);
        let pool = Pool::builder().build();
        let size = QueueSize::new(2).unwrap();
        let placement = Placement::Separate;
        let ring = SplitRing::new(&pool, size, placement, has_event_index, Barriers::Cpu).unwrap();
        let memory = SlotMemory::new(&pool, 2, 0, 4, 0).unwrap();
        let doorbell = Arc::new(Notify::new());
        let mut idle = List::EMPTY;
        idle.push(slots, 0);
        idle.push(slots, 1);
        let queue = Queue {
            index: QueueIndex::new(0),
            ring,
            memory,
            slots,
            idle,
            done: List::EMPTY,
            in_flight: 0,
            shape: ChainShape {
                slots: 2,
                max_segments: 0,
                max_segment_bytes: 0,
                is_indirect: false,
                stride_log2: 0,
            },
            header_bytes: 0,
            footer_bytes: 4,
            interface: Interface::Modern,
            notifier: Doorbell(Arc::clone(&doorbell)),
            wants_notifications: false,
            awaited: 0,
            fault: None,
            identity: Identity::fresh(),
            counts: QueueCounts::default(),
        };
        Self {
            queue,
            payload: Arc::new(Payload::new()),
            doorbell,
            interrupt: Arc::new(Notify::new()),
            has_event_index,
            submitted: 0,
            done: 0,
        }
    }

    /// Returns the device of this queue, as it is after a reset.
    fn device(&self) -> ModelDevice {
        ModelDevice {
            cells: Arc::clone(&self.queue.ring.memory.cells),
            payload: Arc::clone(&self.payload),
            has_event_index: self.has_event_index,
            doorbell: Arc::clone(&self.doorbell),
            interrupt: Arc::clone(&self.interrupt),
            fetched: 0,
            used: 0,
        }
    }

    /// Submits a request and notifies the device if it wants to be.
    fn submit(&mut self) {
        let number = self.submitted;
        self.submitted = number.wrapping_add(1);
        self.payload.write_request(number);
        if let Err(rejected) = self.queue.submit(&(), Data::None, &[0_u8; 4], number) {
            panic!("{}", rejected.error);
        }
        self.queue.notify();
    }

    /// Collects and checks what the device has answered.
    fn collect(&mut self) {
        self.queue.process().expect("stale: the used ring");
        while let Some(token) = self.queue.next_done() {
            let answer = self.queue.take::<[u8; 4]>(token).unwrap();
            assert_eq!(answer.footer_bytes, 4, "stale: the length");
            assert_eq!(answer.context, self.done, "stale: the request");
            self.payload.check_answer(self.done);
            self.done = self.done.wrapping_add(1);
        }
    }

    /// Gives the memory back.
    fn release(self) {
        drop(self.queue.ring.into_memory());
        drop(self.queue.memory.into_memory());
    }
}

/// Runs `model` in every order of steps, with `left_out` missing from the driver's barriers; says what goes wrong in one.
///
/// `preemptions` bounds how often a thread that could go on has to let the other one go first.
fn explore(
    model: fn(),
    left_out: Option<Ordering>,
    preemptions: Option<usize>,
) -> Result<(), String> {
    LEFT_OUT.set(left_out);
    let mut checker = loom::model::Builder::new();
    checker.preemption_bound = preemptions;
    catch_unwind(AssertUnwindSafe(|| checker.check(model))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| Some(String::from(*panic.downcast_ref::<&str>()?)))
            .unwrap_or_default()
    })
}
