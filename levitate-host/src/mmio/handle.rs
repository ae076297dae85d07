//! What a driver and a test hold of a device: [`MmioDevice`].

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};

use levitate_hal::{Instant, Mmio};

use super::builder::MmioBuilder;
use super::recorder::AccessLog;
use super::transport::Transport;
use super::worker::Worker;
use crate::clock::{SystemClock, VirtualClock};
use crate::device::{Behaviour, DeviceModel, Fault, Violation, refuse};
use crate::queue::{Areas, RingError};
use crate::sync::lock;

/// A device behind MMIO registers, for a driver to drive and for a test to look into.
///
/// Clones are the same device: give one to the driver and keep another.
/// It serves its queues on the thread that writes QueueNotify or moves the clock, or on
/// [its own](MmioBuilder::build_threaded), which ends with the last clone.
/// When the last of them is gone, it panics if the driver broke a rule and no test has taken the complaint:
/// a test need not ask for the checks, it can only say that it expects a breach (`take_…`).
pub struct MmioDevice<M: DeviceModel> {
    // Before the transport, so that the thread is gone when that goes, and a complaint comes from the test's own.
    server: Server,
    transport: Arc<Mutex<Transport<M>>>,
}

/// Who serves the queues.
#[derive(Clone)]
enum Server {
    /// Whoever notifies, or moves this clock.
    Caller(VirtualClock),
    /// The device's own thread.
    Thread(Arc<Worker>),
}

impl<M: DeviceModel> Clone for MmioDevice<M> {
    fn clone(&self) -> Self {
        Self {
            server: self.server.clone(),
            transport: self.transport.clone(),
        }
    }
}

impl<M: DeviceModel> MmioDevice<M> {
    /// Chooses how a device shall be.
    pub fn builder(model: M) -> MmioBuilder<M> {
        MmioBuilder::new(model)
    }

    pub(super) fn plug_in(transport: Transport<M>, clock: &VirtualClock) -> Self {
        Self {
            server: Server::Caller(clock.clone()),
            transport: Arc::new(Mutex::new(transport)),
        }
    }

    pub(super) fn start(transport: Transport<M>, clock: SystemClock) -> Self {
        let transport = Arc::new(Mutex::new(transport));
        let worker = Worker::spawn(transport.clone(), clock).expect("another thread");
        Self {
            server: Server::Thread(Arc::new(worker)),
            transport,
        }
    }

    /// Changes switches at run time.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.with(|transport| change(&mut transport.core.behaviour));
    }

    /// Looks into the model, or changes it without the driver being told.
    ///
    /// The device is locked meanwhile: do not touch its registers or move the clock in `look`.
    pub fn model<R>(&self, look: impl FnOnce(&mut M) -> R) -> R {
        self.with(|transport| look(&mut transport.core.model))
    }

    /// Changes the model's configuration as a device does: with a new generation and a notification.
    pub fn change_config<R>(&self, change: impl FnOnce(&mut M) -> R) -> R {
        self.with(|transport| transport.core.change_config(change))
    }

    /// Does [`change_config`](Self::change_config) right after the driver has read configuration `reads` more times.
    pub fn change_config_after_reads(
        &self,
        reads: u32,
        change: impl FnOnce(&mut M) + Send + 'static,
    ) {
        self.with(|transport| {
            transport
                .core
                .config_changes
                .push((reads.max(1), Box::new(change)));
        });
    }

    /// Makes the device lie with its next answer that no earlier fault is for.
    pub fn inject(&self, fault: Fault) {
        self.with(|transport| transport.core.faults.push_back(fault));
    }

    /// Makes the device lie with every answer, or with none.
    pub fn inject_always(&self, fault: Option<Fault>) {
        self.with(|transport| transport.core.constant_fault = fault);
    }

    /// Sets DEVICE_NEEDS_RESET.
    pub fn set_needs_reset(&self) {
        self.with(|transport| transport.core.set_needs_reset());
    }

    /// Returns queue and head of each request that waits for an answer, oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<(u16, u16)> {
        self.with(|transport| transport.core.waiting())
    }

    /// Answers the oldest request that waits; false if none does.
    pub fn release_one(&self) -> bool {
        self.release_at(0)
    }

    /// Answers the request at `position` in [`waiting`](Self::waiting), out of order; false if there is none.
    pub fn release_at(&self, position: usize) -> bool {
        self.with(|transport| transport.core.answer_at(position))
    }

    /// Answers all requests that wait, oldest first, and returns how many.
    pub fn release_all(&self) -> usize {
        let mut released = 0;
        while self.release_one() {
            released += 1;
        }
        released
    }

    /// Makes the device look at `queue` without a notification, as one that polls does.
    pub fn look_at(&self, queue: u16) {
        self.notify(|transport| transport.core.look(queue));
    }

    /// Writes `avail_event` of `queue`; [`Suppression::Frozen`](crate::device::Suppression) keeps it.
    ///
    /// # Panics
    ///
    /// If the queue is not enabled.
    pub fn set_available_event(&self, queue: u16, value: u16) {
        self.with(|Transport { core, .. }| {
            core.queues[usize::from(queue)]
                .set_available_event(value, &core.memory)
                .expect("the queue is enabled");
        });
    }

    /// Writes `used.flags` of `queue`.
    ///
    /// # Panics
    ///
    /// If the queue is not enabled.
    pub fn set_used_flags(&self, queue: u16, value: u16) {
        self.with(|Transport { core, .. }| {
            core.queues[usize::from(queue)]
                .set_used_flags(value, &core.memory)
                .expect("the queue is enabled");
        });
    }

    /// Sets bits of InterruptStatus for no reason.
    pub fn raise_interrupt(&self, bits: u32) {
        self.with(|transport| transport.core.raise(bits));
    }

    /// Says whether the interrupt line is up.
    #[must_use]
    pub fn is_interrupting(&self) -> bool {
        self.with(|transport| transport.core.interrupt_status != 0)
    }

    /// Returns how often the device has sent a notification, wanted bits or not.
    #[must_use]
    pub fn interrupts_raised(&self) -> usize {
        self.with(|transport| transport.core.interrupts_raised)
    }

    /// Returns the device status without the driver having read it.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.with(|transport| transport.core.status)
    }

    /// Returns the features that hold, 0 before they are agreed on.
    #[must_use]
    pub fn negotiated(&self) -> u64 {
        self.with(|transport| transport.core.negotiated())
    }

    /// Returns size and place of `queue`, if it is enabled.
    #[must_use]
    pub fn queue(&self, queue: u16) -> Option<(u16, Areas)> {
        self.with(|transport| {
            let queue = transport.core.queues.get(usize::from(queue))?;
            queue.is_enabled().then(|| (queue.size(), queue.areas()))
        })
    }

    /// Returns the accesses to the registers so far.
    #[must_use]
    pub fn log(&self) -> AccessLog {
        self.with(|transport| transport.log.clone())
    }

    /// Returns how many chains were made available in `queue` that the device has not looked at: 0 unless it lacks a notification.
    ///
    /// # Panics
    ///
    /// If the available ring is out of reach.
    #[must_use]
    pub fn unseen(&self, queue: u16) -> u16 {
        self.with(|Transport { core, .. }| {
            core.queues
                .get(usize::from(queue))
                .filter(|queue| queue.is_enabled())
                .map_or(0, |queue| {
                    queue.unseen(&core.memory).expect("the ring is there")
                })
        })
    }

    /// Forgets the accesses so far.
    pub fn clear_log(&self) {
        self.with(|transport| transport.log = AccessLog::default());
    }

    /// Returns what QEMU would have said with `-d guest_errors`.
    #[must_use]
    pub fn guest_errors(&self) -> Vec<String> {
        self.with(|transport| transport.guest_errors.clone())
    }

    /// Returns what QEMU would have said, and forgets it.
    #[must_use]
    pub fn take_guest_errors(&self) -> Vec<String> {
        self.with(|transport| std::mem::take(&mut transport.guest_errors))
    }

    /// Returns why the device gave up on a queue, if it did.
    #[must_use]
    pub fn ring_errors(&self) -> Vec<RingError> {
        self.with(|transport| transport.core.ring_errors.clone())
    }

    /// Returns why the device gave up on a queue, and forgets it.
    #[must_use]
    pub fn take_ring_errors(&self) -> Vec<RingError> {
        self.with(|transport| std::mem::take(&mut transport.core.ring_errors))
    }

    /// Returns the rules the driver has broken.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|transport| transport.core.violations.as_slice().to_vec())
    }

    /// Returns the rules the driver has broken, and forgets them.
    #[must_use]
    pub fn take_violations(&self) -> Vec<Violation> {
        self.with(|transport| transport.core.violations.take())
    }

    /// Returns everything [`assert_clean`](Self::assert_clean) would complain of, and forgets it, for a test that means it.
    #[must_use]
    pub fn take_complaints(&self) -> Vec<String> {
        self.with(Transport::take_complaints)
    }

    /// Checks that the driver did nothing wrong as far as the device can see.
    ///
    /// A device that goes away checks it as well; this is for a time of the test's choice.
    ///
    /// # Panics
    ///
    /// If there are violations, guest errors or ring errors; the message lists them, and they are forgotten.
    pub fn assert_clean(&self) {
        refuse(&self.take_complaints());
    }

    fn with<R>(&self, act: impl FnOnce(&mut Transport<M>) -> R) -> R {
        act(&mut lock(&self.transport))
    }

    /// Does what may notify; has the device called when its answers are due, or wakes its thread if there is work.
    fn notify(&self, act: impl FnOnce(&mut Transport<M>) -> Option<Instant>) {
        let (due, is_notified) = self.with(|transport| {
            let due = act(transport);
            (due, transport.core.is_notified())
        });
        match (&self.server, due) {
            (Server::Thread(worker), _) if is_notified => worker.wake(),
            (Server::Caller(clock), Some(due)) => {
                let device = Arc::downgrade(&self.transport);
                clock.at(due, move || {
                    if let Some(device) = device.upgrade() {
                        lock(&device).core.answer_due();
                    }
                });
            }
            (Server::Thread(_), _) | (Server::Caller(_), None) => {}
        }
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        self.notify(|transport| transport.write(offset, width_bytes, value));
    }
}

impl<M: DeviceModel> Mmio for MmioDevice<M> {
    fn len_bytes(&self) -> usize {
        self.with(|transport| transport.core.behaviour.region_len_bytes)
    }

    fn read8(&self, offset: usize) -> u8 {
        self.with(|transport| transport.read(offset, 1)) as u8
    }

    fn read16(&self, offset: usize) -> u16 {
        self.with(|transport| transport.read(offset, 2)) as u16
    }

    fn read32(&self, offset: usize) -> u32 {
        self.with(|transport| transport.read(offset, 4)) as u32
    }

    fn read64(&self, offset: usize) -> u64 {
        self.with(|transport| transport.read(offset, 8))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, 1, u64::from(value));
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, 2, u64::from(value));
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, 4, u64::from(value));
    }

    fn write64(&self, offset: usize, value: u64) {
        self.write(offset, 8, value);
    }
}

impl<M: DeviceModel> fmt::Debug for MmioDevice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MmioDevice(status {:#x})", self.status())
    }
}
