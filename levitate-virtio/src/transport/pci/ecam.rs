//! Configuration space as memory: [`EcamAccess`], and the functions in it: [`Functions`].

use core::ops::RangeInclusive;

use levitate_hal::Mmio;
use pci_types::{ConfigRegionAccess, PciAddress};

use super::function::Function;

/// Bytes of a function in ECAM, and of a device and a bus, as powers of two.
const FUNCTION_BITS: u32 = 12;
const DEVICE_BITS: u32 = 15;
const BUS_BITS: u32 = 20;
/// Bytes of configuration space of a bus.
pub const BUS_BYTES: usize = 1 << BUS_BITS;

/// The configuration spaces of some buses of one segment, 4096 bytes a function (PCI Express ECAM).
///
/// What is outside the region reads as all ones, as does a place where no function is.
#[derive(Clone, Debug)]
pub struct EcamAccess<M> {
    region: M,
    segment: u16,
    buses: RangeInclusive<u8>,
}

impl<M: Mmio> EcamAccess<M> {
    /// Takes the region that begins with the first of `buses`.
    ///
    /// So does the `reg` of a device tree. The base address in the ACPI table MCFG is that of bus 0, whatever the first bus is that
    /// it tells of, whose region begins 1 MiB times its number behind that.
    pub const fn new(region: M, segment: u16, buses: RangeInclusive<u8>) -> Self {
        Self {
            region,
            segment,
            buses,
        }
    }

    /// Names the function at `address`, whether there is one or not.
    pub fn function(&self, address: PciAddress) -> Function<Self> {
        // SAFETY: whatever the address is, an access is harmless: it goes to the region only where that has the function.
        unsafe { Function::new(self.clone(), address) }
    }

    /// Looks for functions, on one bus after the other.
    ///
    /// Buses behind bridges are found if the bridges' bus numbers are set.
    pub fn functions(&self) -> Functions<M> {
        Functions {
            ecam: self.clone(),
            next: Some(u16::from(*self.buses.start()).wrapping_shl(8)),
        }
    }

    /// Returns where in the region 32 bits are; past its end, where nothing answers, for other buses and segments.
    fn place(&self, address: PciAddress, offset: u16) -> usize {
        let is_here = address.segment() == self.segment && self.buses.contains(&address.bus());
        let bus = address.bus().checked_sub(*self.buses.start());
        let Some(bus) = bus.filter(|_| is_here && offset < 1 << FUNCTION_BITS) else {
            return usize::MAX;
        };
        usize::from(bus).wrapping_shl(BUS_BITS)
            | usize::from(address.device()).wrapping_shl(DEVICE_BITS)
            | usize::from(address.function()).wrapping_shl(FUNCTION_BITS)
            | usize::from(offset)
    }
}

impl<M: Mmio> ConfigRegionAccess for EcamAccess<M> {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        self.region.read32(self.place(address, offset))
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        self.region.write32(self.place(address, offset), value);
    }
}

/// The functions that answer, in the order of their addresses; at most 65536 places are looked at.
#[derive(Clone, Debug)]
pub struct Functions<M> {
    ecam: EcamAccess<M>,
    /// Bus, device and function, as a number of 8, 5 and 3 bits.
    next: Option<u16>,
}

/// Bits of the number of a function.
const FUNCTION_MASK: u16 = 7;

impl<M: Mmio> Iterator for Functions<M> {
    type Item = Function<EcamAccess<M>>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(at) = self.next {
            let [low, bus] = at.to_le_bytes();
            if !self.ecam.buses.contains(&bus) {
                self.next = None;
                break;
            }
            let address = PciAddress::new(self.ecam.segment, bus, low.wrapping_shr(3), low & 7);
            let function = self.ecam.function(address);
            let is_there = function.read_ids().is_some();
            // Without a first function there are no others, and the first says whether there can be.
            let has_others = at & FUNCTION_MASK != 0 || is_there && function.is_multifunction();
            let step = if has_others { 1 } else { 8 };
            self.next = at.checked_add(step);
            if is_there {
                return Some(function);
            }
        }
        None
    }
}
