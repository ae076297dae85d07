//! VirtIO devices on PCI: [`find`], [`PciDevice`].

mod bridges;
mod host;
#[cfg(feature = "virtio-drivers")]
mod shown;
mod slots;

use alloc::vec::Vec;

use levitate_hal::Mmio;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::transport::pci::{
    Bar, BarRange, Bars, EcamAccess, Function, InterruptLine, Message, MsixError, MsixTable,
    PciError, PlanError, StructureKind, VectorPlan,
};
use levitate_virtio::{DeviceType, PciTransport, QueueIndex};
use log::{debug, info, warn};
use thiserror::Error;

use self::host::Windows;
pub(crate) use self::host::find;
pub(crate) use self::slots::{log_removals, obey_requests};
use crate::arch::interrupt_controller;
use crate::interrupts::{Line, MessageTarget};
use crate::memory::registers;
use crate::platform::Registers;

/// The way to configuration space.
pub(crate) type Access = EcamAccess<Registers>;

/// The most messages that are set aside for a device.
const MAX_MESSAGES: u16 = 16;

/// A VirtIO device on PCI, with addresses and interrupts, whether a driver serves it or not.
#[derive(Clone, Debug)]
pub(crate) struct PciDevice {
    function: Function<Access>,
    device_type: DeviceType,
    bars: Bars,
    windows: Windows,
    /// Where its interrupt line leads to, if it has one.
    line: Option<Line>,
    /// What it sends instead, one for each vector in use; if there are any, the line is off.
    messages: Vec<(Line, MessageTarget)>,
}

/// The parts of a device's registers that can be told by where they are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// The common configuration.
    pub(crate) common: Registers,
    /// Where the part begins in which queues are notified.
    pub(crate) notify: usize,
}

/// Why there is no transport to a device on PCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConnectError {
    /// The transport says.
    #[error(transparent)]
    Transport(#[from] PciError),
    /// Its messages cannot be set.
    #[error(transparent)]
    Msix(#[from] MsixError),
    /// It does not take the vectors.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It had messages when it was found, and has none now.
    #[error("its MSI-X capability is gone")]
    NoMsix,
}

impl ConnectError {
    /// Says whether it is about messages alone, so that a device may be driven without.
    pub(crate) const fn is_about_messages(&self) -> bool {
        match self {
            Self::Msix(_) | Self::Plan(_) | Self::NoMsix => true,
            Self::Transport(_) => false,
        }
    }
}

impl PciDevice {
    /// Takes a device whose BARs have addresses, and looks how it may interrupt.
    fn new(
        function: Function<Access>,
        device_type: DeviceType,
        bars: Bars,
        windows: Windows,
        line: Option<Line>,
    ) -> Self {
        let mut device = Self {
            function,
            device_type,
            bars,
            windows,
            line,
            messages: Vec::new(),
        };
        device.set_messages_aside();
        device
    }

    /// Returns where it is.
    pub(crate) fn address(&self) -> PciAddress {
        self.function.address()
    }

    /// Returns what it is.
    pub(crate) fn device_type(&self) -> DeviceType {
        self.device_type
    }

    /// Returns its interrupts: one for each vector, or the line if it sends no messages.
    pub(crate) fn lines(&self) -> Vec<Line> {
        if self.messages.is_empty() {
            return self.line.into_iter().collect();
        }
        self.messages.iter().map(|(line, _)| *line).collect()
    }

    /// Returns the message that says that something in this queue is done, if it sends messages.
    pub(crate) fn line_of_queue(&self, queue: u16) -> Option<Line> {
        // However many queues there are, this one has the same vector.
        let queues = self.plan(u16::MAX)?.queues?;
        let vector = usize::from(queues.of(QueueIndex::new(queue)));
        self.messages.get(vector).map(|(line, _)| *line)
    }

    /// Has it interrupt by its line from the next time on that somebody connects, if it has one; says whether it sent messages.
    pub(crate) fn give_up_messages(&mut self) -> bool {
        !core::mem::take(&mut self.messages).is_empty()
    }

    /// Says whether it interrupts by messages.
    pub(crate) fn sends_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Finds the parts of its registers that its transport uses.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Transport`].
    pub(crate) fn places(&self) -> Result<Places, ConnectError> {
        let found = self.function.read_structures(&self.bars)?;
        let map = |structure, range| {
            let mapped = self.map(range);
            mapped.ok_or(PciError::NotMapped { structure, range })
        };
        let common = map(StructureKind::Common, found.common)?;
        let notify = map(StructureKind::Notify, found.notify)?.start();
        Ok(Places { common, notify })
    }

    /// Turns the device on and returns a transport to it, on which nothing has been done.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub(crate) fn connect(&self) -> Result<PciTransport<Registers, Access>, ConnectError> {
        self.connect_through(|registers| registers)
    }

    /// Does as [`connect`](Self::connect), and has the transport access the device's registers through what `wrap` makes of them.
    ///
    /// # Errors
    ///
    /// [`ConnectError`].
    pub(crate) fn connect_through<M: Mmio>(
        &self,
        wrap: impl Fn(Registers) -> M,
    ) -> Result<PciTransport<M, Access>, ConnectError> {
        // Not its line, before anybody can acknowledge what it says by that.
        self.function.turn_on(InterruptLine::Disabled);
        let map = |range| self.map(range).map(&wrap);
        let mut transport = PciTransport::probe(self.function.clone(), &self.bars, map)?;
        if let Some(plan) = self.plan(transport.read_queue_count()) {
            let table = self.msix()?.ok_or(ConnectError::NoMsix)?;
            for (vector, (_, target)) in (0..).zip(&self.messages) {
                // SAFETY: the interrupt controller set the message aside for this device, and has nothing else there.
                let message = unsafe { Message::new(target.address, target.data) };
                table.enable(vector, message)?;
            }
            table.turn_on();
            transport.use_msix(&table, plan)?;
        } else {
            self.function.turn_on(InterruptLine::Enabled);
        }
        Ok(transport)
    }

    /// Returns which vector is for what, if it sends messages.
    fn plan(&self, queues: u16) -> Option<VectorPlan> {
        let vectors = u16::try_from(self.messages.len()).unwrap_or(u16::MAX);
        VectorPlan::spread(vectors, queues)
    }

    fn msix(&self) -> Result<Option<MsixTable<Registers, Access>>, MsixError> {
        self.function.msix(&self.bars, |range| self.map(range))
    }

    /// Sets a message aside for each vector the device can use, as long as the interrupt controller has some.
    fn set_messages_aside(&mut self) {
        let address = self.address();
        let vectors = match self.function.read_msix_vectors(&self.bars) {
            Ok(Some(vectors)) => vectors,
            Ok(None) => return debug!("{address} has no MSI-X"),
            Err(error) => return warn!("{address}: {error}"),
        };
        for vector in 0..vectors.min(MAX_MESSAGES) {
            match interrupt_controller::message(requester(address), vector) {
                Ok(message) => self.messages.push(message),
                Err(error) => return info!("{address}: vector {vector}: {error}"),
            }
        }
    }

    /// Maps a range of a BAR, if the host bridge forwards all of the BAR to its bus.
    fn map(&self, range: BarRange) -> Option<Registers> {
        let Some(Bar::Memory(bar)) = self.bars.get(range.bar) else {
            return None;
        };
        let end = bar.address.checked_add(bar.len_bytes)?;
        let address = self.address();
        if !self.windows.contain(&(bar.address..end)) {
            warn!(
                "{address}: BAR {} is at {:#x}, where the host bridge forwards nothing",
                range.bar, bar.address
            );
            return None;
        }
        let whole = usize::try_from(bar.address).ok()?..usize::try_from(end).ok()?;
        if let Err(error) = registers::map(whole) {
            warn!("{address}: {error}");
            return None;
        }
        let start = usize::try_from(range.address).ok()?;
        let end = start.checked_add(usize::try_from(range.len_bytes).ok()?)?;
        Registers::new(start..end)
    }
}

/// Returns what a function calls itself on the bus: bus, device and function in 8, 5 and 3 bits.
fn requester(address: PciAddress) -> u16 {
    u16::from(address.bus()) << 8 | u16::from(address.device()) << 3 | u16::from(address.function())
}
