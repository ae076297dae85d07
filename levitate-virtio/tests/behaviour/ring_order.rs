//! Chains of all forms, used in any order, or in order and in batches (§2.7.9, §2.8.6, §2.8.8); what in order alone is about is in
//! `in_order`.

use std::collections::{HashMap, VecDeque};

use levitate_hal::{DmaBuffer, Segment, Segments};
use levitate_host::{Completion, Plug, Pool, Version};
use levitate_virtio::features::NoFeatures;
use levitate_virtio::{
    Completed, Data, Device, Features, QueueConfig, QueueIndex, Slot, SubmitError, Token, Wanted,
};

use crate::numbers::Numbers;
use crate::rig::{CONFIG, EchoQueue, Rig, TIMEOUT, echo, ring_features, slots};

/// A driver and a device whose steps come in any order; each side's bytes are compared.
struct Run<'r> {
    rig: &'r Rig,
    numbers: Numbers,
    is_in_order: bool,
    /// What the device shall have read, by the number of the request.
    expected: HashMap<u32, Vec<u8>>,
    /// What was submitted and not taken, oldest first.
    flying: VecDeque<(u32, Token)>,
    sent: u32,
}

impl Run<'_> {
    fn submit(&mut self, queue: &mut EchoQueue<'_>) {
        let number = self.sent;
        let header = number.to_le_bytes();
        let len_bytes = 1 + self.numbers.below(40);
        let bytes: Vec<u8> = (0..len_bytes)
            .map(|at| (number as usize * 7 + at) as u8)
            .collect();
        let mut sent = header.to_vec();
        let data = match self.numbers.below(3) {
            0 => Data::None,
            1 => Data::Writable(self.rig.buffer(&bytes)),
            _ => {
                sent.extend(&bytes);
                Data::Readable(self.rig.buffer(&bytes))
            }
        };
        if let Ok(token) = queue.submit(&header, data, &[0_u8; 4], number) {
            self.expected.insert(number, sent);
            self.flying.push_back((number, token));
            self.sent += 1;
        } else {
            assert_eq!(queue.idle_slots(), 0);
        }
    }

    fn release(&mut self, queue: &mut EchoQueue<'_>) {
        queue.notify();
        let waiting = self.rig.device.waiting().len();
        if waiting != 0 {
            assert!(self.rig.device.release_at(self.numbers.below(waiting)));
        }
    }

    /// Takes one request after the other as somebody does who waits for it, as long as the device has used them next.
    fn take_next(&mut self, queue: &mut EchoQueue<'_>) {
        let mut at = 0;
        while let Some((_, token)) = self.flying.get(at) {
            match queue.take_next(*token) {
                Some(completed) => {
                    self.check(completed);
                    at = 0;
                }
                None => at += 1,
            }
        }
    }

    fn take(&mut self, queue: &mut EchoQueue<'_>) {
        queue.process().unwrap();
        while let Some(token) = queue.next_done() {
            let completed = queue.take(token).unwrap();
            self.check(completed);
        }
        for read in self
            .rig
            .device
            .model(|echo| core::mem::take(&mut echo.served))
        {
            let number = u32::from_le_bytes(read[..4].try_into().unwrap());
            assert_eq!(self.expected.remove(&number), Some(read));
        }
    }

    fn check(&mut self, completed: Completed<[u8; 4], DmaBuffer<Pool>, u32>) {
        let number = completed.context;
        let at = self.flying.iter().position(|flying| flying.0 == number);
        let at = at.unwrap_or_else(|| panic!("{number} is taken twice"));
        assert!(!self.is_in_order || at == 0, "{number} is {at} too early");
        assert_eq!(self.flying.remove(at), Some((number, completed.token)));
        let mut answer = match completed.data {
            Data::Writable(buffer) => buffer.as_slice().to_vec(),
            _ => Vec::new(),
        };
        answer.extend(completed.footer);
        let header = number.to_le_bytes();
        let cycle = header.iter().cycle().take(answer.len());
        assert!(answer.iter().eq(cycle), "{number}: {answer:?}");
    }
}

#[test]
fn chains_of_all_forms_come_back_in_any_order() {
    for plug in [Plug::Mmio(Version::One), Plug::Mmio(Version::Two)] {
        for (seed, features) in (1..).zip(ring_features(plug)) {
            for (direct_descriptors, batches) in
                [(0, true), (1, false), (3, true), (3, false), (6, true)]
            {
                let rig = Rig::plug(plug, |behaviour| {
                    behaviour.completion = Completion::Held;
                    behaviour.batches = batches;
                    behaviour.noisy_used = batches;
                });
                let mut slots = slots::<7>();
                let config = QueueConfig {
                    max_segment_bytes: 10,
                    direct_descriptors,
                    ..CONFIG
                };
                let (device, mut queue) = rig.start(&mut slots, features, config);
                let mut run = Run {
                    rig: &rig,
                    numbers: Numbers::new(seed),
                    is_in_order: features.contains(Features::IN_ORDER),
                    expected: HashMap::new(),
                    flying: VecDeque::new(),
                    sent: 0,
                };
                for _ in 0..300 {
                    match run.numbers.below(6) {
                        0..=2 => run.submit(&mut queue),
                        3 => run.release(&mut queue),
                        4 => run.take_next(&mut queue),
                        _ => run.take(&mut queue),
                    }
                }
                queue.notify();
                rig.device.release_all();
                run.take(&mut queue);
                assert!(run.flying.is_empty() && run.expected.is_empty());
                assert!(run.sent > 30, "{}", run.sent);
                rig.stop(device, queue);
            }
        }
    }
}

/// A buffer in two segments, which need not follow one another.
#[derive(Debug)]
struct Halves {
    buffer: DmaBuffer<Pool>,
    has_gap: bool,
}

// SAFETY: both segments are in the buffer, which is here and does not move.
unsafe impl Segments for Halves {
    fn segment(&self, index: usize) -> Option<Segment> {
        let Segment { addr, len_bytes } = self.buffer.segment(0)?;
        let half = len_bytes / 2;
        let gap = usize::from(self.has_gap);
        match index {
            0 => Some(Segment {
                addr,
                len_bytes: half - gap,
            }),
            1 => Some(Segment {
                addr: addr.checked_add(half as u64)?,
                len_bytes: len_bytes - half,
            }),
            _ => None,
        }
    }
}

#[test]
fn segments_that_follow_one_another_take_one_descriptor() {
    for features in ring_features(Version::Two) {
        let rig = Rig::plug(Version::Two, |behaviour| {
            behaviour.offer = features.bits();
        });
        let wanted = Wanted::<NoFeatures> {
            common: features,
            ..Wanted::default()
        };
        let mut slots = [const { Slot::<Halves, ()>::new() }; 2];
        let device = Device::begin(rig.transport(), &rig.clock, TIMEOUT).unwrap();
        let (mut device, _) = device.negotiate(&wanted).unwrap();
        let config = QueueConfig {
            max_segments: 1,
            ..CONFIG
        };
        let queue = device
            .prepare_queue(&rig.pool, QueueIndex::new(0), config, &mut slots)
            .unwrap();
        let device = device.go_live();
        let mut queue = queue.activate(&device).unwrap();
        let halves = |has_gap| {
            Data::Readable(Halves {
                buffer: rig.buffer(b"half and half"),
                has_gap,
            })
        };
        let token = queue.submit(b"a ", halves(false), &[0_u8; 4], ()).unwrap();
        queue.notify();
        assert_eq!(queue.process(), Ok(1));
        assert_eq!(queue.take::<[u8; 4]>(token).unwrap().footer, *b"a ha");
        let served = rig.device.model(|echo| echo.served.clone());
        assert_eq!(served, [b"a half and half"]);
        let rejected = queue
            .submit(b"a ", halves(true), &[0_u8; 4], ())
            .unwrap_err();
        let expected = SubmitError::TooManySegments {
            max_segments: 1,
            max_segment_bytes: 4096,
        };
        assert_eq!(rejected.error, expected);
        let (_, quiesced) = device.reset(&rig.clock, TIMEOUT).unwrap();
        queue.release(&quiesced, |_, ()| {}).unwrap();
        drop(rejected);
        rig.device.assert_clean();
        rig.pool.assert_no_leaks();
    }
}

/// Their numbers have 16 bits, and one of those stands for none.
#[test]
fn more_slots_than_there_are_numbers_are_no_harm() {
    for rings in ring_features(Version::Two) {
        let rig = Rig::new(Version::Two);
        let mut slots: Vec<_> = (0..=1 << 16).map(|_| Slot::new()).collect();
        let (device, mut queue) = rig.start(&mut slots, rings, CONFIG);
        queue.set_used_notifications(true);
        for number in 0..3 {
            echo(&mut queue, number);
            queue.notify();
            let done = queue.poll::<[u8; 4]>().unwrap().unwrap();
            assert_eq!(done.context, number, "{rings:?}");
            assert!(queue.poll::<[u8; 4]>().unwrap().is_none());
            assert_eq!(queue.contexts_mut().count(), 0);
        }
        rig.stop(device, queue);
    }
}
