//! The driver's side: a [`Queue`] of two slots, and what is checked of its answers ([`Driver`]).

use std::boxed::Box;
use std::sync::{Arc, LazyLock};
use std::vec;
use std::vec::Vec;

use levitate_hal::Barriers;
use levitate_host::Pool;
use loom::sync::Notify;

use super::Agreed;
use super::device::{ModelDevice, Place, RingSide};
use super::packed_device::PackedSide;
use super::shared::{ANSWER_BYTES, DATA_BYTES, RequestData, Shared};
use super::split_device::SplitSide;
use crate::Data;
use crate::features::Features;
use crate::init::Identity;
use crate::queue::in_order::Order;
use crate::queue::polling::Pace;
use crate::queue::ring::{EitherRing, Progress, Ring as _, RingConfig};
use crate::queue::slot::{List, Stack};
use crate::queue::slot_memory::SlotMemory;
use crate::queue::{Completed, Queue, QueueIndex, QueueSize, Shape, Slot, Token};
use crate::transport::{self, Interface, Placement};

/// Slots of the queue.
pub(super) const SLOTS: u16 = 2;
/// Descriptors of each chain: the data, which the device reads, and the answer.
const CHAIN: u16 = 2;

/// Lends addresses to all models; none of them uses the memory.
static POOL: LazyLock<Pool> = LazyLock::new(|| Pool::builder().build());

/// Wakes the device.
pub(super) struct Doorbell(Arc<Notify>);

impl transport::Notify for Doorbell {
    fn notify(&self, _next: u16) {
        self.0.notify();
    }
}

type Answer = [u8; ANSWER_BYTES as usize];
pub(super) type ModelSlot = Slot<RequestData, u16>;
type ModelQueue<'s> = Queue<'s, RequestData, u16, Pool, Doorbell>;

/// A queue, and what it shares with its device.
pub(super) struct Driver<'s> {
    pub(super) queue: ModelQueue<'s>,
    shared: Shared,
    agreed: Agreed,
    tokens: Vec<Token>,
    pub(super) submitted: u16,
    pub(super) done: u16,
}

impl<'s> Driver<'s> {
    pub(super) fn new(slots: &'s mut [ModelSlot], agreed: Agreed) -> Self {
        let (direct_descriptors, table_entries) = match agreed.is_indirect {
            true => (1, CHAIN),
            false => (CHAIN, 0),
        };
        let mut features = Features::empty();
        features.set(Features::RING_PACKED, agreed.is_packed);
        features.set(Features::EVENT_IDX, agreed.has_event_index);
        let ring_config = RingConfig {
            size: QueueSize::new(SLOTS * direct_descriptors).unwrap(),
            descriptors_per_slot: direct_descriptors,
            placement: Placement::Separate,
            features,
            barriers: Barriers::Cpu,
            interface: Interface::Modern,
        };
        let ring = EitherRing::new(&*POOL, &ring_config).unwrap();
        let answer_bytes = ANSWER_BYTES as usize;
        let memory = SlotMemory::new(&*POOL, SLOTS, 0, answer_bytes, table_entries).unwrap();
        for (number, slot) in (0..).zip(slots.iter_mut()) {
            slot.record.offset = memory.offset(number);
        }
        let ring_cells = match &ring {
            EitherRing::Split(ring) => &ring.memory.cells,
            EitherRing::Packed(ring) => &ring.memory.cells,
        };
        let shared = Shared::new(vec![Arc::clone(ring_cells), Arc::clone(&memory.cells)]);
        let progress = Progress::behind(0);
        let queue = Queue {
            index: QueueIndex::new(0),
            idle: Stack::of(slots, SLOTS),
            ring,
            ring_config,
            memory,
            slots,
            done: List::EMPTY,
            order: Order::of(SLOTS),
            done_len: 0,
            progress,
            shape: Shape {
                slots: SLOTS,
                max_segments: 1,
                max_segment_bytes: DATA_BYTES.into(),
                direct_descriptors,
                header_bytes: 0,
                footer_bytes: answer_bytes,
                is_in_order: agreed.is_in_order,
            },
            interface: Interface::Modern,
            notifier: Doorbell(Arc::clone(&shared.doorbell)),
            wants_notifications: false,
            awaited: progress.done,
            settled: progress.done,
            fault: None,
            pace: Pace::quick(agreed.is_in_order),
            identity: Identity::fresh(),
            enabled: Identity::fresh(),
            notifications: 0,
        };
        Self {
            queue,
            shared,
            agreed,
            tokens: Vec::new(),
            submitted: 0,
            done: 0,
        }
    }

    /// Returns the device of this queue, as it is after a reset.
    pub(super) fn device(&self) -> ModelDevice {
        let areas = self.queue.ring.areas();
        let place = Place {
            memory: self.shared.clone(),
            size: areas.size.get(),
            descriptor: areas.descriptor.get(),
            driver: areas.driver.get(),
            device: areas.device.get(),
            has_event_index: self.agreed.has_event_index,
        };
        let ring: Box<dyn RingSide + Send> = match self.agreed.is_packed {
            true => Box::new(PackedSide::new(place)),
            false => Box::new(SplitSide::new(place)),
        };
        ModelDevice::new(self.shared.clone(), ring, self.agreed.is_in_order)
    }

    /// Submits a request and notifies the device if it wants to be.
    pub(super) fn submit(&mut self) {
        self.add();
        self.queue.notify();
    }

    /// Submits a request.
    pub(super) fn add(&mut self) {
        let number = self.submitted;
        self.submitted += 1;
        let data = RequestData { number };
        self.shared.write(data.addr(), data.content());
        let unanswered = Answer::default();
        match self
            .queue
            .submit(&(), Data::Readable(data), &unanswered, number)
        {
            Ok(token) => self.tokens.push(token),
            Err(rejected) => panic!("{}", rejected.error),
        }
    }

    /// Takes what the device has answered, as somebody does who waits for one after the other.
    pub(super) fn take_next(&mut self) {
        while let Some(token) = self.tokens.get(usize::from(self.done)).copied()
            && let Some(answer) = self.queue.take_next(token)
        {
            self.check(&answer);
        }
    }

    /// Takes what the device has answered, one by one.
    pub(super) fn poll(&mut self) {
        while let Some(answer) = self.queue.poll().expect("stale: the used ring") {
            self.check(&answer);
        }
    }

    /// Collects what the device has answered, and takes it then.
    pub(super) fn collect(&mut self) {
        self.queue.process().expect("stale: the used ring");
        while let Some(token) = self.queue.next_done() {
            let answer = self.queue.take(token).unwrap();
            self.check(&answer);
        }
    }

    fn check(&mut self, answer: &Completed<Answer, RequestData, u16>) {
        assert_eq!(answer.context, self.done, "stale: the request");
        assert_eq!(
            answer.footer_bytes,
            answer.footer.len(),
            "stale: the length"
        );
        let Data::Readable(data) = &answer.data else {
            panic!("a request has other data than it was submitted with");
        };
        let content = u32::from_le_bytes(answer.footer);
        assert_eq!(u64::from(content), data.content(), "stale: the answer");
        self.done += 1;
    }

    /// Sleeps until the device notifies.
    pub(super) fn sleep(&self) {
        self.shared.interrupt.wait();
    }

    /// Gives the memory back.
    pub(super) fn release(self) {
        drop(self.queue.ring.into_memory());
        drop(self.queue.memory.into_memory());
    }
}
