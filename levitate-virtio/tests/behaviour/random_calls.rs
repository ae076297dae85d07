//! Any calls of a queue in any order, with a device that keeps to the rules: each request comes back once, with its own bytes
//! (§2.6.1, §2.7, §2.8).

use std::collections::HashMap;

use levitate_hal::DmaBuffer;
use levitate_host::{Completion, Pool, Version};
use levitate_virtio::{Completed, Data, Features, QueueConfig, QueueIndex, Token};
use proptest::prelude::*;

use crate::rig::{CONFIG, EchoQueue, Live, Rig, TIMEOUT, ring_features, slots};

/// More than the shortest rings have room for.
const SLOTS: usize = 8;

/// How long a split ring is, and a packed one.
const SIZES: [(u32, u32); 5] = [(4, 3), (4, 5), (8, 7), (16, 21), (64, 100)];

const FOOTER_BYTES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// With so many bytes that the device reads, or has room for.
    Submit(Way, usize),
    Notify,
    /// The device answers one of those it has, in order with all before it.
    Answer(usize),
    Poll,
    PollWith,
    /// All are asked for ahead of the others, from one of them on.
    TakeNext(usize),
    Process,
    /// One is asked for that may be done.
    Take(usize),
    Want(bool),
    AwaitTogether(u16),
    /// The queue is reset by itself.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Bare,
    Readable,
    Writable,
}

fn step() -> impl Strategy<Value = Step> {
    let way = prop_oneof![Just(Way::Bare), Just(Way::Readable), Just(Way::Writable)];
    prop_oneof![
        16 => (way, 1..40_usize).prop_map(|(way, len)| Step::Submit(way, len)),
        4 => Just(Step::Notify),
        12 => any::<usize>().prop_map(Step::Answer),
        3 => Just(Step::Poll),
        3 => Just(Step::PollWith),
        3 => any::<usize>().prop_map(Step::TakeNext),
        3 => Just(Step::Process),
        3 => any::<usize>().prop_map(Step::Take),
        1 => any::<bool>().prop_map(Step::Want),
        1 => (0..6_u16).prop_map(Step::AwaitTogether),
        1 => Just(Step::Restart),
    ]
}

/// A request that was submitted and has not come back.
struct Flying {
    token: Token,
    /// All that the device reads of it.
    sent: Vec<u8>,
    data_bytes: usize,
}

/// A driver, and its books.
struct Driver<'r, 's> {
    rig: &'r Rig,
    device: Live,
    queue: EchoQueue<'s>,
    slots: u16,
    flying: HashMap<u32, Flying>,
    /// Of requests that came back.
    old: Vec<Token>,
    submitted: u32,
}

type Echoed = Completed<[u8; FOOTER_BYTES], DmaBuffer<Pool>, u32>;

impl Driver<'_, '_> {
    fn step(&mut self, step: Step) {
        match step {
            Step::Submit(way, len) => self.submit(way, len),
            Step::Notify => drop(self.queue.notify()),
            Step::Answer(choice) => {
                self.queue.notify();
                if let Some(at) = choice.checked_rem(self.rig.device.waiting().len()) {
                    assert!(self.rig.device.release_at(at));
                }
            }
            Step::Poll => {
                if let Some(completed) = self.queue.poll().unwrap() {
                    self.check(&completed);
                }
            }
            Step::PollWith => {
                let completed = self.queue.poll_with(|completed| completed).unwrap();
                if let Some(completed) = completed {
                    self.check(&completed);
                }
            }
            Step::TakeNext(choice) => {
                let mut tokens = self.tokens();
                if let Some(first) = choice.checked_rem(tokens.len()) {
                    tokens.rotate_left(first);
                }
                for token in tokens {
                    if let Some(completed) = self.queue.take_next(token) {
                        self.check(&completed);
                    }
                }
            }
            Step::Process => drop(self.queue.process().unwrap()),
            Step::Take(choice) => {
                let tokens = self.tokens();
                if let Some(at) = choice.checked_rem(tokens.len())
                    && let Some(completed) = self.queue.take(tokens[at])
                {
                    self.check(&completed);
                }
            }
            Step::Want(wanted) => self.queue.set_used_notifications(wanted),
            Step::AwaitTogether(count) => self.queue.await_together(count),
            Step::Restart => self.restart(),
        }
        assert_eq!(self.queue.fault(), None);
        let idle = usize::from(self.queue.idle_slots());
        assert_eq!(idle + self.flying.len(), usize::from(self.slots));
    }

    /// The tokens of what has not come back, the oldest first.
    fn tokens(&self) -> Vec<Token> {
        let mut numbers: Vec<_> = self.flying.keys().collect();
        numbers.sort_unstable();
        numbers
            .iter()
            .map(|number| self.flying[number].token)
            .collect()
    }

    fn submit(&mut self, way: Way, len: usize) {
        let number = self.submitted;
        let header = number.to_le_bytes();
        let bytes: Vec<u8> = (0..len)
            .map(|at| (number as usize * 7 + at) as u8)
            .collect();
        let mut sent = header.to_vec();
        let (data, data_bytes) = match way {
            Way::Bare => (Data::None, 0),
            Way::Readable => {
                sent.extend(&bytes);
                (Data::Readable(self.rig.buffer(&bytes)), 0)
            }
            Way::Writable => (Data::Writable(self.rig.buffer(&bytes)), len),
        };
        let has_room = self.queue.idle_slots() != 0;
        let submitted = self
            .queue
            .submit(&header, data, &[0_u8; FOOTER_BYTES], number);
        assert_eq!(submitted.is_ok(), has_room);
        if let Ok(token) = submitted {
            assert!(!self.old.contains(&token), "{token:?} once more");
            let flying = Flying {
                token,
                sent,
                data_bytes,
            };
            self.flying.insert(number, flying);
            self.submitted += 1;
        }
    }

    /// Takes a request out of the books that came back.
    fn came_back(&mut self, number: u32) -> Flying {
        let flying = self.flying.remove(&number);
        let flying = flying.unwrap_or_else(|| panic!("{number} came back twice"));
        self.old.push(flying.token);
        flying
    }

    /// Checks a request that the device has answered, and which came back.
    fn check(&mut self, completed: &Echoed) {
        let number = completed.context;
        let flying = self.came_back(number);
        assert_eq!(completed.token, flying.token);
        let written = (completed.data_bytes, completed.footer_bytes);
        assert_eq!(written, (flying.data_bytes, FOOTER_BYTES), "{number}");
        let mut answer = match &completed.data {
            Data::Writable(buffer) => buffer.as_slice().to_vec(),
            Data::Readable(buffer) => {
                assert_eq!(buffer.as_slice(), &flying.sent[4..], "{number}");
                Vec::new()
            }
            Data::None => Vec::new(),
        };
        answer.extend(completed.footer);
        let echo = flying.sent.iter().cycle().take(answer.len());
        assert!(answer.iter().eq(echo), "{number}: {answer:?}");
    }

    fn restart(&mut self) {
        let index = QueueIndex::new(0);
        let reset = self.device.reset_queue(index, &self.rig.clock, TIMEOUT);
        let proof = reset.unwrap();
        let mut back = Vec::new();
        let pool = &self.rig.pool;
        let restarted = self
            .queue
            .restart(&mut self.device, &proof, pool, |_, number| {
                back.push(number);
            });
        restarted.unwrap();
        for number in back {
            self.came_back(number);
        }
        assert!(self.flying.is_empty(), "a reset gives back everything");
        for token in &self.old {
            assert!(self.queue.context(*token).is_none() && !self.queue.is_done(*token));
        }
        // As whoever waits for notifications does.
        assert_eq!(self.queue.process(), Ok(0));
    }

    /// Has the device answer all it has, takes that back, and ends.
    fn end(mut self) {
        self.queue.notify();
        self.rig.device.release_all();
        while let Some(completed) = self.queue.poll().unwrap() {
            self.check(&completed);
        }
        assert!(self.flying.is_empty(), "an answer is missing");
        assert_eq!(self.queue.idle_slots(), self.slots);
        self.rig.stop(self.device, self.queue);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_comes_back_once_whatever_is_called(
        size in prop::sample::select(&SIZES[..]),
        direct_descriptors in 0..4_u16,
        batches in any::<bool>(),
        steps in prop::collection::vec(step(), 0..160),
    ) {
        for features in ring_features(Version::Two) {
            let rig = Rig::plug(Version::Two, |behaviour| {
                behaviour.completion = Completion::Held;
                behaviour.batches = batches;
                behaviour.noisy_used = batches;
                behaviour.offer = Features::RING_RESET.bits();
                behaviour.queue_reset_reads = Some(1);
                behaviour.queue_size_max = match features.contains(Features::RING_PACKED) {
                    true => size.1,
                    false => size.0,
                };
            });
            let config = QueueConfig { max_segments: 1, direct_descriptors, ..CONFIG };
            let mut slots = slots::<SLOTS>();
            let (device, queue) = rig.start(&mut slots, features | Features::RING_RESET, config);
            let mut driver = Driver {
                rig: &rig,
                device,
                slots: queue.idle_slots(),
                queue,
                flying: HashMap::new(),
                old: Vec::new(),
                submitted: 0,
            };
            for step in &steps {
                driver.step(*step);
            }
            driver.end();
        }
    }
}
