//! Commands to an ITS, and the ring they are in: [`Command`], [`Commands`] (GIC architecture specification, §5.3).

use core::mem::size_of;
use core::time::Duration;

use levitate_hal::{Deadline, Mmio};
use zerocopy::little_endian::U64;
use zerocopy::{Immutable, IntoBytes};

use super::table::{self, Table};
use super::{ItsError, VALID, WRITE_BACK};
use crate::platform::{KernelClock, Registers};

/// `GITS_CBASER`, `GITS_CWRITER`, `GITS_CREADR`: where the ring is, where the kernel writes next, where the ITS reads next.
const BASE: usize = 0x080;
const WRITER: usize = 0x088;
const READER: usize = 0x090;
/// The ITS stopped at a command that it could not carry out.
const STALLED: u64 = 1 << 0;

/// One page: the length field of `BASE` has one less than the number of pages.
const RING_BYTES: usize = 0x1000;
const RING_ALIGN_BYTES: usize = 0x1_0000;

/// How long a few commands may take, with interrupts masked.
const PATIENCE: Duration = Duration::from_millis(100);

/// The one collection that is used: interrupts of this CPU.
const COLLECTION: u64 = 0;

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Command([U64; 4]);

const _: () = assert!(size_of::<Command>() == 32);

impl Command {
    const fn new(words: [u64; 4]) -> Self {
        let [first, second, third, fourth] = words;
        Self([
            U64::new(first),
            U64::new(second),
            U64::new(third),
            U64::new(fourth),
        ])
    }

    /// A command about one event of a device, whose number comes first, with nothing else in it.
    const fn of_event(code: u64, device: u32, event: u16) -> Self {
        Self::new([code | (device as u64) << 32, event as u64, 0, 0])
    }

    /// `MAPC`: what is in the collection goes to the redistributor `target`.
    pub(super) const fn map_collection(target: u64) -> Self {
        Self::new([0x09, 0, VALID | target | COLLECTION, 0])
    }

    /// `MAPD`: the device has a table, with room for `1 << event_bits` events.
    pub(super) fn map_device(device: u32, events: &Table, event_bits: u32) -> Self {
        let first = 0x08 | u64::from(device) << 32;
        let size = u64::from(event_bits - 1);
        Self::new([first, size, VALID | events.address(), 0])
    }

    /// `MAPTI`: the event raises interrupt `number`, in the collection.
    pub(super) const fn map_event(device: u32, event: u16, number: u32) -> Self {
        let first = 0x0a | (device as u64) << 32;
        Self::new([first, event as u64 | (number as u64) << 32, COLLECTION, 0])
    }

    /// `INV`: what is said of the event's interrupt is to be read again.
    pub(super) const fn invalidate(device: u32, event: u16) -> Self {
        Self::of_event(0x0c, device, event)
    }

    /// `INT`: the event comes, as if the device had sent its message.
    pub(super) const fn raise(device: u32, event: u16) -> Self {
        Self::of_event(0x03, device, event)
    }

    /// `SYNC`: the commands before are done for the redistributor `target` before the next one begins.
    pub(super) const fn synchronize(target: u64) -> Self {
        Self::new([0x05, 0, target, 0])
    }
}

/// The ring of commands.
///
/// INVARIANT: it is empty between two calls, unless it is stuck.
#[derive(Debug)]
pub(super) struct Commands {
    registers: Registers,
    ring: Table,
    next: usize,
    is_stuck: bool,
}

impl Commands {
    /// Gives the ITS, which is off, an empty ring.
    ///
    /// # Errors
    ///
    /// [`ItsError::Memory`] and [`ItsError::NotCoherent`].
    pub(super) fn new(registers: &Registers) -> Result<Self, ItsError> {
        let ring = Table::new(RING_BYTES, RING_ALIGN_BYTES)?;
        registers.write64(BASE, VALID | WRITE_BACK | table::SHARED | ring.address());
        table::ensure_shared(registers.read64(BASE))?;
        registers.write64(WRITER, 0);
        Ok(Self {
            registers: registers.clone(),
            ring,
            next: 0,
            is_stuck: false,
        })
    }

    /// Has the ITS carry out a few commands, and waits until it has read them all.
    ///
    /// # Errors
    ///
    /// [`ItsError::Stuck`]; no later command will be carried out either.
    pub(super) fn carry_out(&mut self, commands: &[Command]) -> Result<(), ItsError> {
        if self.is_stuck {
            return Err(ItsError::Stuck);
        }
        for command in commands {
            self.ring.write(self.next, command);
            self.next = (self.next + size_of::<Command>()) % RING_BYTES;
        }
        let end = self.next as u64;
        self.registers.write64(WRITER, end);
        let deadline = Deadline::after(&KernelClock, PATIENCE);
        let stopped = deadline.poll(&KernelClock, || {
            let reader = self.registers.read64(READER);
            (reader == end || reader & STALLED != 0).then_some(reader)
        });
        if stopped == Some(end) {
            Ok(())
        } else {
            self.is_stuck = true;
            Err(ItsError::Stuck)
        }
    }
}
