//! What a driver and a test hold of a device: [`MmioDevice`].

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex};

use levitate_hal::{Instant, Mmio};

use super::builder::MmioBuilder;
use super::transport::Transport;
use super::worker::Worker;
use crate::clock::{SystemClock, VirtualClock};
use crate::device::DeviceModel;
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

    pub(super) fn with<R>(&self, act: impl FnOnce(&mut Transport<M>) -> R) -> R {
        act(&mut lock(&self.transport))
    }

    /// Does what may notify; has the device called when its answers are due, or wakes its thread if there is work.
    pub(super) fn notify(&self, act: impl FnOnce(&mut Transport<M>) -> Option<Instant>) {
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

    fn read(&self, offset: usize, width_bytes: usize) -> u64 {
        self.with(|transport| transport.read(offset, width_bytes))
    }

    fn write(&self, offset: usize, width_bytes: usize, value: u64) {
        self.notify(|transport| transport.write(offset, width_bytes, value));
    }
}

impl<M: DeviceModel> Mmio for MmioDevice<M> {
    fn len_bytes(&self) -> usize {
        self.with(|transport| transport.core.behaviour.region_len_bytes)
    }

    levitate_hal::accesses_by_width!();
}

impl<M: DeviceModel> fmt::Debug for MmioDevice<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MmioDevice(status {:#x})", self.status())
    }
}
