//! A transport chosen when the program runs: [`AnyTransport`].

use super::{
    EnableQueueError, Interface, Interrupt, InterruptStatus, Notify, Placement, QueueAreas,
    QueueReset, QueueState, Transport, VectorRefused,
};
use crate::device_type::DeviceType;
use crate::features::Features;
use crate::queue::QueueIndex;
use crate::status::Status;

/// One of two transports, for a driver whose device may be behind either.
///
/// `M` is an [`MmioTransport`](super::MmioTransport) and `P` a [`PciTransport`](super::PciTransport), or others in their places.
#[derive(Clone, Copy, Debug)]
pub enum AnyTransport<M, P> {
    /// The device is behind memory-mapped registers.
    Mmio(M),
    /// The device is on PCI.
    Pci(P),
}

/// Calls the same method of whichever it is.
macro_rules! either {
    ($any:expr, $kind:ident, $inner:ident => $call:expr) => {
        match $any {
            $kind::Mmio($inner) => $call,
            $kind::Pci($inner) => $call,
        }
    };
}

impl<M: Transport, P: Transport> Transport for AnyTransport<M, P> {
    type Notifier = AnyNotifier<M::Notifier, P::Notifier>;
    type Interrupt = AnyInterrupt<M::Interrupt, P::Interrupt>;

    fn device_type(&self) -> DeviceType {
        either!(self, Self, inner => inner.device_type())
    }

    fn interface(&self) -> Interface {
        either!(self, Self, inner => inner.interface())
    }

    fn supported_features(&self) -> Features {
        either!(self, Self, inner => inner.supported_features())
    }

    fn read_device_features(&mut self) -> u64 {
        either!(self, Self, inner => inner.read_device_features())
    }

    fn write_driver_features(&mut self, features: u64) {
        either!(self, Self, inner => inner.write_driver_features(features));
    }

    fn read_status(&self) -> Status {
        either!(self, Self, inner => inner.read_status())
    }

    fn write_status(&mut self, status: Status) {
        either!(self, Self, inner => inner.write_status(status));
    }

    fn placement(&self) -> Placement {
        either!(self, Self, inner => inner.placement())
    }

    fn map_config_changes(&mut self) -> Result<(), VectorRefused> {
        either!(self, Self, inner => inner.map_config_changes())
    }

    fn read_max_queue_size(&mut self, queue: QueueIndex) -> Result<u32, EnableQueueError> {
        either!(self, Self, inner => inner.read_max_queue_size(queue))
    }

    unsafe fn enable_queue(
        &mut self,
        queue: QueueIndex,
        areas: &QueueAreas,
    ) -> Result<(), EnableQueueError> {
        either!(self, Self, inner => {
            // SAFETY: what the caller ensures is what the transport inside asks for.
            unsafe { inner.enable_queue(queue, areas) }
        })
    }

    fn start_queue_reset(&mut self, queue: QueueIndex) {
        either!(self, Self, inner => inner.start_queue_reset(queue));
    }

    fn read_queue_reset(&mut self, queue: QueueIndex) -> QueueReset {
        either!(self, Self, inner => inner.read_queue_reset(queue))
    }

    fn read_queue_state(&mut self, queue: QueueIndex) -> QueueState {
        either!(self, Self, inner => inner.read_queue_state(queue))
    }

    fn notifier(&self, queue: QueueIndex) -> Self::Notifier {
        match self {
            Self::Mmio(inner) => AnyNotifier::Mmio(inner.notifier(queue)),
            Self::Pci(inner) => AnyNotifier::Pci(inner.notifier(queue)),
        }
    }

    fn interrupt(&self) -> Self::Interrupt {
        match self {
            Self::Mmio(inner) => AnyInterrupt::Mmio(inner.interrupt()),
            Self::Pci(inner) => AnyInterrupt::Pci(inner.interrupt()),
        }
    }

    fn config_len_bytes(&self) -> usize {
        either!(self, Self, inner => inner.config_len_bytes())
    }

    fn read_config_generation(&self) -> Option<u32> {
        either!(self, Self, inner => inner.read_config_generation())
    }

    fn read_config8(&self, offset: usize) -> u8 {
        either!(self, Self, inner => inner.read_config8(offset))
    }

    fn read_config16(&self, offset: usize) -> u16 {
        either!(self, Self, inner => inner.read_config16(offset))
    }

    fn read_config32(&self, offset: usize) -> u32 {
        either!(self, Self, inner => inner.read_config32(offset))
    }

    fn write_config8(&mut self, offset: usize, value: u8) {
        either!(self, Self, inner => inner.write_config8(offset, value));
    }

    fn write_config16(&mut self, offset: usize, value: u16) {
        either!(self, Self, inner => inner.write_config16(offset, value));
    }

    fn write_config32(&mut self, offset: usize, value: u32) {
        either!(self, Self, inner => inner.write_config32(offset, value));
    }
}

/// Notifies one queue of a device behind an [`AnyTransport`].
#[derive(Clone, Copy, Debug)]
pub enum AnyNotifier<M, P> {
    /// As the transport over memory-mapped registers does.
    Mmio(M),
    /// As the transport over PCI does.
    Pci(P),
}

impl<M: Notify, P: Notify> Notify for AnyNotifier<M, P> {
    fn notify(&self, next: u16) {
        either!(self, Self, inner => inner.notify(next));
    }
}

/// Acknowledges the interrupts of a device behind an [`AnyTransport`].
#[derive(Clone, Copy, Debug)]
pub enum AnyInterrupt<M, P> {
    /// As the transport over memory-mapped registers does.
    Mmio(M),
    /// As the transport over PCI does.
    Pci(P),
}

impl<M: Interrupt, P: Interrupt> Interrupt for AnyInterrupt<M, P> {
    fn acknowledge(&self) -> InterruptStatus {
        either!(self, Self, inner => inner.acknowledge())
    }

    fn acknowledge_vector(&self, vector: u16) -> InterruptStatus {
        either!(self, Self, inner => inner.acknowledge_vector(vector))
    }
}
