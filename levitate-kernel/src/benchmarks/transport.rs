//! Our transports, with what is counted between a driver and its device: [`CountedTransport`].

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use levitate_hal::Mmio;
use levitate_virtio::transport::{
    AnyNotifier, EnableQueueError, Placement, QueueAreas, QueueReset, QueueState, VectorRefused,
};
use levitate_virtio::{
    AnyTransport, DeviceType, Features, Interface, MmioTransport, Notify, PciTransport, QueueIndex,
    Status, Transport,
};

use super::series::Tally;
use crate::devices::{Way, WayError};
use crate::pci;
use crate::platform::Registers;

/// Counts what one CPU does, outside of interrupt handlers.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    fn count(&self) {
        // Relaxed, and in two steps: nobody else counts here, and nothing is published with the number.
        let count = self.0.load(Ordering::Relaxed);
        self.0.store(count.wrapping_add(1), Ordering::Relaxed);
    }

    /// Goes back to an earlier number.
    fn set(&self, count: u64) {
        // Relaxed: as above.
        self.0.store(count, Ordering::Relaxed);
    }

    /// Returns how many it were.
    fn get(&self) -> u64 {
        // Relaxed: as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// What our transports count.
#[derive(Debug, Default)]
pub(super) struct Counters {
    notifications: Counter,
    register_accesses: Counter,
}

impl Tally for Counters {
    fn notifications(&self) -> u64 {
        self.notifications.get()
    }

    fn register_accesses(&self) -> Option<u64> {
        Some(self.register_accesses.get())
    }
}

/// Registers whose accesses are counted.
#[derive(Clone, Debug)]
pub(super) struct CountedRegisters {
    inner: Registers,
    counters: Arc<Counters>,
}

impl CountedRegisters {
    fn count(&self) -> &Registers {
        self.counters.register_accesses.count();
        &self.inner
    }
}

impl Mmio for CountedRegisters {
    fn len_bytes(&self) -> usize {
        self.inner.len_bytes()
    }

    fn read8(&self, offset: usize) -> u8 {
        self.count().read8(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        self.count().read16(offset)
    }

    fn read32(&self, offset: usize) -> u32 {
        self.count().read32(offset)
    }

    fn read64(&self, offset: usize) -> u64 {
        self.count().read64(offset)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.count().write8(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.count().write16(offset, value);
    }

    fn write32(&self, offset: usize, value: u32) {
        self.count().write32(offset, value);
    }

    fn write64(&self, offset: usize, value: u64) {
        self.count().write64(offset, value);
    }
}

/// Either transport, over counted registers.
type Inner =
    AnyTransport<MmioTransport<CountedRegisters>, PciTransport<CountedRegisters, pci::Access>>;

/// A transport whose notifications and register accesses are counted.
#[derive(Debug)]
pub(super) struct CountedTransport {
    inner: Inner,
    counters: Arc<Counters>,
}

impl CountedTransport {
    /// Connects to the device that `way` leads to, on which nothing has been done.
    ///
    /// # Errors
    ///
    /// [`WayError`].
    pub(super) fn new(way: &Way, counters: &Arc<Counters>) -> Result<Self, WayError> {
        let counted = |registers| CountedRegisters {
            inner: registers,
            counters: counters.clone(),
        };
        let inner = match way {
            Way::Mmio { registers, .. } => {
                let transport = MmioTransport::probe(counted(registers.clone()))?;
                AnyTransport::Mmio(transport.ok_or(WayError::Gone)?)
            }
            Way::Pci(device) => AnyTransport::Pci(device.connect_through(counted)?),
        };
        let counters = counters.clone();
        Ok(Self { inner, counters })
    }
}

/// A notifier whose notifications are counted.
#[derive(Debug)]
pub(super) struct CountedNotifier {
    inner: <Inner as Transport>::Notifier,
    counters: Arc<Counters>,
}

impl Notify for CountedNotifier {
    fn notify(&self, next: u16) {
        self.counters.notifications.count();
        match &self.inner {
            AnyNotifier::Mmio(inner) => inner.notify(next),
            AnyNotifier::Pci(inner) => inner.notify(next),
        }
    }
}

impl Transport for CountedTransport {
    type Notifier = CountedNotifier;
    type Interrupt = <Inner as Transport>::Interrupt;

    fn device_type(&self) -> DeviceType {
        self.inner.device_type()
    }

    fn interface(&self) -> Interface {
        self.inner.interface()
    }

    fn supported_features(&self) -> Features {
        self.inner.supported_features()
    }

    fn read_device_features(&mut self) -> u64 {
        self.inner.read_device_features()
    }

    fn write_driver_features(&mut self, features: u64) {
        self.inner.write_driver_features(features);
    }

    /// Not counted as an access: a wait looks now and then whether the device has given up, and how often is a matter of time.
    fn read_status(&self) -> Status {
        let accesses = &self.counters.register_accesses;
        let before = accesses.get();
        let status = self.inner.read_status();
        accesses.set(before);
        status
    }

    fn write_status(&mut self, status: Status) {
        self.inner.write_status(status);
    }

    fn placement(&self) -> Placement {
        self.inner.placement()
    }

    fn map_config_changes(&mut self) -> Result<(), VectorRefused> {
        self.inner.map_config_changes()
    }

    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError> {
        self.inner.read_max_queue_size(queue)
    }

    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        // SAFETY: what the caller ensures is what the transport inside asks for.
        unsafe { self.inner.enable_queue(queue, areas) }
    }

    fn start_queue_reset(&mut self, queue: QueueIndex) {
        self.inner.start_queue_reset(queue);
    }

    fn read_queue_reset(&mut self, queue: QueueIndex) -> QueueReset {
        self.inner.read_queue_reset(queue)
    }

    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState {
        self.inner.read_queue_state(queue)
    }

    fn notifier(&self, queue: QueueIndex) -> CountedNotifier {
        CountedNotifier {
            inner: self.inner.notifier(queue),
            counters: self.counters.clone(),
        }
    }

    fn interrupt(&self) -> Self::Interrupt {
        self.inner.interrupt()
    }

    fn config_len_bytes(&self) -> usize {
        self.inner.config_len_bytes()
    }

    fn read_config_generation(&self) -> Option<u32> {
        self.inner.read_config_generation()
    }

    fn read_config8(&self, offset: usize) -> u8 {
        self.inner.read_config8(offset)
    }

    fn read_config16(&self, offset: usize) -> u16 {
        self.inner.read_config16(offset)
    }

    fn read_config32(&self, offset: usize) -> u32 {
        self.inner.read_config32(offset)
    }

    fn write_config8(&mut self, offset: usize, value: u8) {
        self.inner.write_config8(offset, value);
    }

    fn write_config16(&mut self, offset: usize, value: u16) {
        self.inner.write_config16(offset, value);
    }

    fn write_config32(&mut self, offset: usize, value: u32) {
        self.inner.write_config32(offset, value);
    }
}
