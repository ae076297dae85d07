//! A reset of one queue through registers that touch no memory: how long it is waited for, and what proves it.

use core::cell::RefCell;
use core::mem::ManuallyDrop;
use core::time::Duration;
use std::rc::Rc;
use std::string::ToString as _;
use std::vec::Vec;

use levitate_hal::{DmaAddr, Mmio};
use levitate_host::VirtualClock;

use super::*;
use crate::QueueSize;
use crate::init::Guard;
use crate::transport::{MmioTransport, Notify, QueueAreas};

const QUEUE: QueueIndex = QueueIndex::new(1);
const OTHER: QueueIndex = QueueIndex::new(0);
const TIMEOUT: Duration = Duration::from_millis(100);

/// Registers of a device with two queues, which touches no memory.
#[derive(Debug, Default)]
struct State {
    selected: u32,
    ready: [u32; 2],
    /// How many reads of `QueueReset` it takes until a reset is done; `None` is a device without the register, like QEMU's.
    reset_reads: Option<u32>,
    /// Reads to come of each reset that is under way.
    under_way: [u32; 2],
    writes: Vec<(usize, u32)>,
}

#[derive(Clone, Debug, Default)]
struct Registers(Rc<RefCell<State>>);

impl Registers {
    fn read(&self, offset: usize, _width_bytes: usize) -> u64 {
        let mut state = self.0.borrow_mut();
        let queue = state.selected as usize;
        let value = match offset {
            0x000 => 0x7472_6976,
            0x004 => 2,
            0x008 => 42,
            0x034 => 16,
            0x044 => state.ready[queue],
            0x0c0 => match state.under_way[queue] {
                0 => 0,
                reads => {
                    state.under_way[queue] = reads.saturating_sub(1);
                    if reads == 1 {
                        // This read was the last one that sees it under way.
                        state.ready[queue] = 0;
                    }
                    1
                }
            },
            _ => 0,
        };
        value.into()
    }

    fn write(&self, offset: usize, _width_bytes: usize, value: u64) {
        let mut state = self.0.borrow_mut();
        let (queue, value) = (state.selected as usize, value as u32);
        state.writes.push((offset, value));
        match (offset, state.reset_reads) {
            (0x030, _) => state.selected = value,
            (0x044, _) => state.ready[queue] = value,
            (0x0c0, Some(0)) => state.ready[queue] = 0,
            (0x0c0, Some(reads)) => state.under_way[queue] = reads,
            _ => {}
        }
    }

    fn take_writes(&self) -> Vec<(usize, u32)> {
        core::mem::take(&mut self.0.borrow_mut().writes)
    }
}

impl Mmio for Registers {
    fn len_bytes(&self) -> usize {
        0x200
    }

    levitate_hal::accesses_by_width!();
}

type Live = Device<MmioTransport<Registers>, stage::Live>;

fn enable(transport: &mut MmioTransport<Registers>, queue: QueueIndex) {
    let areas = QueueAreas {
        size: QueueSize::new(16).unwrap(),
        descriptor: DmaAddr::new(0x10000),
        driver: DmaAddr::new(0x10100),
        device: DmaAddr::new(0x11000),
    };
    // SAFETY: the registers are a test's, with no device behind them that would use the areas.
    unsafe { transport.enable_queue(queue, &areas) }.unwrap();
}

/// A live device with both of its queues enabled.
fn live(registers: &Registers, features: Features) -> Live {
    let mut transport = MmioTransport::probe(registers.clone()).unwrap().unwrap();
    transport.write_driver_features(features.bits());
    enable(&mut transport, OTHER);
    enable(&mut transport, QUEUE);
    registers.take_writes();
    Device {
        guard: Guard {
            transport: ManuallyDrop::new(transport),
            is_live: true,
        },
        identity: Identity::fresh(),
        stage: stage::Live {
            features,
            rings: core::marker::PhantomData,
        },
    }
}

/// A device that takes so many reads for a reset, or has no register for it.
fn with_reset(reset_reads: Option<u32>) -> (Registers, Live, VirtualClock) {
    let registers = Registers::default();
    registers.0.borrow_mut().reset_reads = reset_reads;
    let features = Features::VERSION_1 | Features::RING_RESET;
    let device = live(&registers, features);
    (registers, device, VirtualClock::with_step(TIMEOUT / 100))
}

fn is_ready(registers: &Registers) -> [u32; 2] {
    registers.0.borrow().ready
}

#[test]
fn a_reset_is_waited_for_and_leaves_the_other_queue_alone() {
    for reads in [0, 1, 2, 50] {
        let (registers, mut device, clock) = with_reset(Some(reads));
        let before = Identity::fresh();
        let proof = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap();
        assert_eq!(is_ready(&registers), [1, 0], "{reads} reads");
        assert_eq!(registers.0.borrow().under_way, [0, 0]);
        let writes = registers.take_writes();
        let resets = writes.iter().filter(|(offset, _)| *offset == 0x0c0);
        assert!(resets.eq(&[(0x0c0, 1)]), "{writes:?}");
        assert!(writes.iter().all(|write| write.0 != 0x030 || write.1 == 1));
        assert_eq!(proof.queue(), QUEUE);
        assert!(proof.covers(device.identity(), QUEUE, before));
        assert!(!proof.covers(device.identity(), OTHER, before));
        assert!(!proof.covers(Identity::fresh(), QUEUE, before));
    }
}

#[test]
fn a_queue_that_is_enabled_again_is_not_what_was_reset() {
    let (registers, mut device, clock) = with_reset(Some(3));
    let first = Identity::fresh();
    let proof = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap();
    let second = Identity::fresh();
    enable(device.transport_mut(), QUEUE);
    assert_eq!(is_ready(&registers), [1, 1]);
    let identity = device.identity();
    assert!(proof.covers(identity, QUEUE, first));
    assert!(!proof.covers(identity, QUEUE, second), "the device has it");
    let again = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap();
    assert!(again.covers(identity, QUEUE, second));
}

#[test]
fn a_reset_that_never_ends_is_an_error_at_the_deadline_and_is_not_begun_twice() {
    let (registers, mut device, clock) = with_reset(Some(u32::MAX));
    let timeout = QueueResetError::Timeout {
        queue: QUEUE,
        timeout: TIMEOUT,
    };
    for _ in 0..2 {
        let error = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap_err();
        assert_eq!(error, timeout);
    }
    assert_eq!(timeout.to_string(), "queue 1 is not reset after 100ms");
    let writes = registers.take_writes();
    let resets = writes.iter().filter(|(offset, _)| *offset == 0x0c0);
    assert_eq!(resets.count(), 1);
    // Late, but done.
    registers.0.borrow_mut().under_way[1] = 2;
    device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap();
}

#[test]
fn a_device_that_has_no_register_for_it_has_not_reset_its_queue() {
    let (registers, mut device, clock) = with_reset(None);
    let error = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap_err();
    assert_eq!(error, QueueResetError::Ignored { queue: QUEUE });
    assert!(error.to_string().contains("enabled still"));
    assert_eq!(is_ready(&registers), [1, 1]);
    // Whoever has the queue goes on with it.
    registers.take_writes();
    device.transport().notifier(QUEUE).notify(0);
    assert_eq!(registers.take_writes(), [(0x050, 1)]);
}

#[test]
fn without_the_feature_nothing_is_written() {
    let registers = Registers::default();
    let mut device = live(&registers, Features::VERSION_1);
    let clock = VirtualClock::new();
    let error = device.reset_queue(QUEUE, &clock, TIMEOUT).unwrap_err();
    assert_eq!(error, QueueResetError::NotNegotiated { queue: QUEUE });
    // Nor does the transport, asked by somebody else.
    device.transport_mut().start_queue_reset(QUEUE);
    let outcome = device.transport_mut().read_queue_reset(QUEUE);
    assert_eq!(outcome, QueueReset::Ignored);
    assert_eq!(registers.take_writes(), []);
}
