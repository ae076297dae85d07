//! A virtqueue as a set of request slots: [`Queue`] (§2.6).
//!
//! Each slot has room for a device-readable header and a device-writable footer in memory the queue owns, and a chain of
//! descriptors laid out in advance. A request moves its data into the queue and gets it back when it is taken.
//! The ring format is behind this interface; a driver does not see it.

use core::mem::ManuallyDrop;

use levitate_hal::{Dma, Segments};
use zerocopy::{FromBytes, Immutable, IntoBytes};

mod chain;
mod contexts;
mod error;
mod inspect;
pub mod layout;
mod prepare;
mod size;
mod slot;
mod slot_memory;
mod split;

pub use error::{DeviceFault, QueueError, SubmitError};
pub use prepare::{PreparedQueue, QueueConfig};
pub use size::{QueueIndex, QueueSize};
pub use slot::{Data, Slot, Token};

use crate::init::{Identity, Quiesced};
use crate::transport::{Interface, Notify};
use chain::ChainShape;
use slot::{List, State};
use slot_memory::SlotMemory;
use split::SplitRing;

/// A live virtqueue that holds up to as many requests as it was given slots.
///
/// `B` is the data a request can carry, `C` what the driver wants to remember of it, `N` the transport's notifier.
///
/// Dropping a queue leaks its memory, and that of the requests in flight: only [`Queue::release`], with the proof
/// that the device was reset, gives it back.
#[derive(Debug)]
pub struct Queue<'s, B, C, D: Dma, N> {
    index: QueueIndex,
    ring: SplitRing<D>,
    memory: SlotMemory<D>,
    slots: &'s mut [Slot<B, C>],
    idle: List,
    done: List,
    in_flight: u16,
    shape: ChainShape,
    header_bytes: usize,
    footer_bytes: usize,
    interface: Interface,
    notifier: N,
    wants_notifications: bool,
    /// How many more requests are to be done before the device notifies.
    awaited: u16,
    fault: Option<DeviceFault>,
    identity: Identity,
    counts: QueueCounts,
}

/// What a queue has counted since it was enabled; a number that is too large begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Requests that were submitted.
    pub requests: u64,
    /// Available buffer notifications that were sent.
    pub notifications: u64,
}

/// A request that was not submitted, with everything it was to carry.
#[derive(Debug)]
pub struct Rejected<B, C> {
    /// Why.
    pub error: SubmitError,
    /// The data, unchanged.
    pub data: Data<B>,
    /// The driver's context.
    pub context: C,
}

/// A request the device is done with.
#[derive(Debug)]
pub struct Completed<F, B, C> {
    /// The request.
    pub token: Token,
    /// A copy of the footer; of it, the device wrote [`footer_bytes`](Self::footer_bytes), the rest is as it was submitted.
    pub footer: F,
    /// How many bytes of the footer the device says it wrote (all of them on a legacy device, whose word means nothing, §2.7.8.1).
    pub footer_bytes: usize,
    /// How many bytes of writable data the device says it wrote (all of them on a legacy device).
    pub data_bytes: usize,
    /// The data.
    pub data: Data<B>,
    /// The driver's context.
    pub context: C,
}

impl<B: Segments, C, D: Dma, N: Notify> Queue<'_, B, C, D, N> {
    /// Makes a request available to the device, without notifying it.
    ///
    /// `header` is device-readable; `footer` is device-writable and holds its initial value; a zero-sized one is left out.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], with what was handed in; the queue is unchanged.
    #[inline]
    pub fn submit<H, F>(
        &mut self,
        header: &H,
        data: Data<B>,
        footer: &F,
        context: C,
    ) -> Result<Token, Rejected<B, C>>
    where
        H: IntoBytes + Immutable,
        F: IntoBytes + Immutable,
    {
        match self.write_chain(header, &data, footer) {
            Ok(written) => Ok(self.publish(written, data, context)),
            Err(error) => Err(Rejected {
                error,
                data,
                context,
            }),
        }
    }

    /// Notifies the device of what was submitted since the last call, if it wants to be; says whether it did.
    pub fn notify(&mut self) -> bool {
        let needed = self.ring.needs_notification();
        if needed {
            self.notifier.notify(self.ring.available_index());
            self.counts.notifications = self.counts.notifications.wrapping_add(1);
        }
        needed
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn counts(&self) -> QueueCounts {
        self.counts
    }

    /// Collects what the device is done with; returns how many requests that were.
    ///
    /// # Errors
    ///
    /// [`DeviceFault`], now and from then on; the queue is of no use until the device is reset.
    pub fn process(&mut self) -> Result<u16, DeviceFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut total = 0_u16;
        // Each turn but the last collects something, so there are no more turns than requests in flight, and one.
        for _ in 0..=self.in_flight {
            let claimed = self.ring.read_used_count();
            if claimed > self.in_flight {
                let in_flight = self.in_flight;
                return Err(self.broken(DeviceFault::UsedIndexJumped { claimed, in_flight }));
            }
            for _ in 0..claimed {
                let (id, len_bytes) = self.ring.take_used();
                if let Err(fault) = self.complete(id, len_bytes) {
                    return Err(self.broken(fault));
                }
            }
            total = total.saturating_add(claimed);
            self.awaited = self.awaited.saturating_sub(claimed);
            if !self.wants_notifications {
                if claimed != 0 {
                    self.ring.suppress_used_notifications();
                }
                break;
            }
            let after = self.awaited.min(self.in_flight);
            if !self.ring.request_used_notification(after) {
                break;
            }
        }
        Ok(total)
    }

    /// Chooses whether the device shall notify the driver of used buffers; at first it shall not.
    ///
    /// Call [`process`](Self::process) afterwards: what was used before is not notified.
    pub fn set_used_notifications(&mut self, wanted: bool) {
        self.wants_notifications = wanted;
        if !wanted {
            self.ring.suppress_used_notifications();
        }
    }

    /// Says that the next `count` requests are waited for together: with VIRTIO_F_EVENT_IDX, the device shall notify when the last of
    /// them is done, and from then on of each. It notifies no later than when all requests in flight are done.
    ///
    /// Call [`process`](Self::process) afterwards. Without the feature, the device notifies of each all the same.
    pub const fn await_together(&mut self, count: u16) {
        self.awaited = count;
    }

    /// Takes a request back that is done; `None` if it is not, or was taken before.
    ///
    /// `F` may be shorter than the footer that was submitted; of a longer one, the rest is zero.
    #[inline]
    pub fn take<F: FromBytes + IntoBytes>(&mut self, token: Token) -> Option<Completed<F, B, C>> {
        if !self.is_done(token) {
            return None;
        }
        let submitted_bytes = self.slot(token)?.footer_bytes;
        let footer = self
            .memory
            .read_footer(token.slot, submitted_bytes)
            .unwrap_or_else(|_| F::new_zeroed());
        self.done.remove(self.slots, token.slot);
        self.idle.push(self.slots, token.slot);
        let slot = self.slots.get_mut(usize::from(token.slot))?;
        let context = slot.context.take()?;
        slot.state = State::Idle;
        slot.generation = slot.generation.wrapping_add(1);
        let data = slot.take_data();
        let data_bytes = slot.written_bytes.min(slot.data_writable_bytes);
        let footer_bytes = slot.written_bytes.saturating_sub(slot.data_writable_bytes);
        Some(Completed {
            token,
            footer,
            footer_bytes: (footer_bytes as usize).min(size_of::<F>()),
            data_bytes: data_bytes as usize,
            data,
            context,
        })
    }

    /// Returns the request that the device has had for longest.
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<Token> {
        let next = self.ring.available_index();
        (0_u16..)
            .zip(self.slots.iter())
            .filter(|(_, slot)| slot.state == State::InFlight)
            .max_by_key(|(_, slot)| next.wrapping_sub(slot.available_index))
            .map(|(number, slot)| Token {
                queue: self.index,
                slot: number,
                generation: slot.generation,
            })
    }

    /// Returns which of the device's queues this is.
    #[must_use]
    pub const fn index(&self) -> QueueIndex {
        self.index
    }

    /// Returns how many requests the device has.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Returns how many more requests can be submitted now.
    #[must_use]
    pub const fn idle_slots(&self) -> u16 {
        self.idle.len()
    }

    /// Returns how many segments a request's data may have.
    #[must_use]
    pub const fn max_segments(&self) -> u16 {
        self.shape.max_segments
    }

    /// Returns how many bytes of data fit into one request if they are contiguous.
    #[must_use]
    pub const fn max_data_bytes(&self) -> u64 {
        (self.shape.max_segments as u64).saturating_mul(self.shape.max_segment_bytes as u64)
    }

    /// Returns how the device broke the rules, if it did.
    #[must_use]
    pub const fn fault(&self) -> Option<DeviceFault> {
        self.fault
    }

    fn broken(&mut self, fault: DeviceFault) -> DeviceFault {
        self.fault = Some(fault);
        fault
    }

    /// Marks the request done whose chain has the head `id`.
    fn complete(&mut self, id: u32, len_bytes: u32) -> Result<(), DeviceFault> {
        let index = self
            .shape
            .slot_of(id)
            .ok_or(DeviceFault::UnknownId { id })?;
        let slot = self
            .slots
            .get_mut(usize::from(index))
            .ok_or(DeviceFault::UnknownId { id })?;
        if slot.state != State::InFlight {
            return Err(DeviceFault::NotInFlight { id });
        }
        let capacity_bytes = slot.data_writable_bytes.saturating_add(slot.footer_bytes);
        slot.written_bytes = match self.interface {
            Interface::Legacy => capacity_bytes,
            Interface::Modern if len_bytes > capacity_bytes => {
                return Err(DeviceFault::UsedLengthTooLong {
                    len_bytes,
                    capacity_bytes,
                });
            }
            Interface::Modern => len_bytes,
        };
        slot.state = State::Done;
        slot.data.sync_for_cpu();
        self.done.push(self.slots, index);
        self.in_flight = self.in_flight.saturating_sub(1);
        Ok(())
    }

    /// Puts a chain that is written into the ring, and what it carries into its slot.
    #[inline]
    fn publish(&mut self, written: chain::Written, mut data: Data<B>, context: C) -> Token {
        data.sync_for_device();
        self.idle.remove(self.slots, written.slot);
        let mut generation = 0;
        if let Some(slot) = self.slots.get_mut(usize::from(written.slot)) {
            slot.state = State::InFlight;
            slot.data = ManuallyDrop::new(data);
            slot.context = Some(context);
            slot.data_writable_bytes = written.data_writable_bytes;
            slot.footer_bytes = written.footer_bytes;
            slot.written_bytes = 0;
            slot.available_index = self.ring.available_index();
            generation = slot.generation;
        }
        self.in_flight = self.in_flight.saturating_add(1);
        self.counts.requests = self.counts.requests.wrapping_add(1);
        self.ring.make_available(written.head);
        Token {
            queue: self.index,
            slot: written.slot,
            generation,
        }
    }
}

impl<'s, B, C, D: Dma, N> Queue<'s, B, C, D, N> {
    /// Takes the queue apart once its device is reset: frees its memory and hands `reclaim` what requests still carried.
    ///
    /// Returns the slots, to be used for another queue.
    ///
    /// # Errors
    ///
    /// The queue, unchanged, if `quiesced` is about another device or another life of it.
    #[expect(
        clippy::result_large_err,
        reason = "the queue itself comes back; there is no heap to box it"
    )]
    pub fn release(
        self,
        quiesced: &Quiesced,
        mut reclaim: impl FnMut(Data<B>, C),
    ) -> Result<&'s mut [Slot<B, C>], Self> {
        if !quiesced.covers(self.identity) {
            return Err(self);
        }
        for slot in self.slots.iter_mut() {
            if let Some(context) = slot.context.take() {
                slot.state = State::Idle;
                slot.generation = slot.generation.wrapping_add(1);
                reclaim(slot.take_data(), context);
            }
        }
        drop(self.ring.into_memory());
        drop(self.memory.into_memory());
        Ok(self.slots)
    }
}
