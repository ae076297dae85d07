//! What a platform does with a function on PCI before a driver has it: addresses, mapping, vectors.

use std::ops::Range;

use levitate_hal::MmioPart;
use levitate_virtio::PciTransport;
use levitate_virtio::transport::pci::pci_types::PciAddress;
use levitate_virtio::transport::pci::{
    BarRange, Bars, EcamAccess, Function, InterruptLine, MemoryWindow, Message, VectorPlan,
};

use super::ModelledPci;
use crate::device::DeviceModel;
use crate::pci::{PciDevice, PciRegion};

/// Where the bus has memory below 4 GiB.
const LOW: Range<u64> = 0x4000_0000..0x5000_0000;
/// Where it has memory above.
const HIGH: Range<u64> = 0x80_0000_0000..0x81_0000_0000;
/// Where messages go.
const MESSAGES: u64 = 0xfee0_0000;

impl<M: DeviceModel> PciDevice<M> {
    /// Does what firmware does: gives its BARs addresses and turns it on, as the only function of its bus.
    ///
    /// # Panics
    ///
    /// If its BARs make no sense.
    #[must_use]
    pub fn turn_on(&self, line: InterruptLine) -> (Function<EcamAccess<PciRegion<M>>>, Bars) {
        let ecam = EcamAccess::new(self.config_space(), 0, 0..=0);
        let function = ecam.function(PciAddress::new(0, 0, 0, 0));
        let bars = function.measure_bars().expect("the BARs make sense");
        let (mut low, mut high) = (MemoryWindow::new(LOW), MemoryWindow::new(HIGH));
        // SAFETY: the addresses are those of a modelled bus, which has no memory and no other device.
        let bars = unsafe { function.assign_bars(&bars, &mut low, &mut high) }
            .expect("there is room for the BARs");
        function.turn_on(line);
        (function, bars)
    }

    /// Makes the driver's way to the device, turned on by [`turn_on`](Self::turn_on).
    ///
    /// With `is_msix`, the message of vector n is n, sent to 0xfee0_0000.
    ///
    /// # Panics
    ///
    /// If it is no device that can be driven.
    #[must_use]
    pub fn transport(&self, is_msix: bool) -> ModelledPci<M> {
        let (function, bars) = self.turn_on(match is_msix {
            true => InterruptLine::Disabled,
            false => InterruptLine::Enabled,
        });
        let mut transport = PciTransport::probe(function.clone(), &bars, |range| self.map(range))
            .expect("there is a device");
        if is_msix {
            let table = function
                .msix(&bars, |range| self.map(range))
                .expect("MSI-X makes sense")
                .expect("there is MSI-X");
            for vector in 0..table.vectors() {
                // SAFETY: a modelled device's messages are noted, and written nowhere.
                let message = unsafe { Message::new(MESSAGES, vector.into()) };
                table
                    .enable(vector, message)
                    .expect("the table takes messages");
            }
            table.turn_on();
            let plan = VectorPlan::spread(table.vectors(), transport.read_queue_count())
                .expect("there are vectors");
            transport
                .use_msix(&table, plan)
                .expect("the plan fits the table");
        }
        transport
    }

    /// Maps a range of a BAR.
    #[must_use]
    pub fn map(&self, range: BarRange) -> Option<MmioPart<PciRegion<M>>> {
        let start = range.offset.try_into().ok()?;
        let len_bytes: usize = range.len_bytes.try_into().ok()?;
        MmioPart::new(self.bar(range.bar), start..len_bytes.checked_add(start)?)
    }
}
