//! Registers of fixed function: [`Fadt`] (5.2.9).

use core::mem::offset_of;

use static_assertions::const_assert_eq;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::address::GenericAddress;
use super::{Register, Table};

/// In the flags: there are none of the registers that PCs have had since ACPI 1.0.
const HARDWARE_REDUCED: u32 = 1 << 20;

/// The whole table (table 5.9), as far as it is of use; what an earlier revision has not is zero, which means that there is none.
#[derive(Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Wire {
    header: [u8; 36],
    facs: U32,
    dsdt: U32,
    reserved: u8,
    profile: u8,
    sci_interrupt: U16,
    smi_command: U32,
    acpi_enable: u8,
    others: [u8; 11],
    pm1a_control: U32,
    pm1b_control: U32,
    more_others: [u8; 40],
    flags: U32,
    reset: [u8; 24],
    x_dsdt: U64,
    x_events: [u8; 24],
    x_pm1a_control: GenericAddress,
    x_pm1b_control: GenericAddress,
    x_others: [u8; 48],
    sleep_control: GenericAddress,
}

const_assert_eq!(size_of::<Wire>(), 256);
const_assert_eq!(offset_of!(Wire, dsdt), 40);
const_assert_eq!(offset_of!(Wire, smi_command), 48);
const_assert_eq!(offset_of!(Wire, acpi_enable), 52);
const_assert_eq!(offset_of!(Wire, pm1a_control), 64);
const_assert_eq!(offset_of!(Wire, pm1b_control), 68);
const_assert_eq!(offset_of!(Wire, flags), 112);
const_assert_eq!(offset_of!(Wire, x_dsdt), 140);
const_assert_eq!(offset_of!(Wire, x_pm1a_control), 172);
const_assert_eq!(offset_of!(Wire, x_pm1b_control), 184);
const_assert_eq!(offset_of!(Wire, sleep_control), 244);

/// What puts the machine to sleep, and switches it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepRegisters {
    /// The control registers of power management, of 16 bits (4.8.3.2.1).
    Pm1 {
        /// The first.
        a: Register,
        /// The second, if there is one.
        b: Option<Register>,
        /// What makes them work if they do not yet: this value into this port.
        enable: Option<(u16, u8)>,
    },
    /// One register for sleep, of 8 bits (4.8.3.7).
    Control(Register),
}

/// The table of registers of fixed function.
#[derive(Debug)]
pub struct Fadt(Wire);

impl Fadt {
    /// Reads the table, however much of it there is.
    pub fn new(table: &Table<'_>) -> Self {
        let mut wire = Wire::new_zeroed();
        for (to, from) in wire.as_mut_bytes().iter_mut().zip(table.bytes()) {
            *to = *from;
        }
        Self(wire)
    }

    /// Returns where the DSDT is.
    pub fn dsdt(&self) -> u64 {
        match self.0.x_dsdt.get() {
            0 => self.0.dsdt.get().into(),
            address => address,
        }
    }

    /// Returns what puts the machine to sleep, if it is somewhere the kernel can reach.
    pub fn sleep_registers(&self) -> Option<SleepRegisters> {
        if self.0.flags.get() & HARDWARE_REDUCED != 0 {
            return self.0.sleep_control.register().map(SleepRegisters::Control);
        }
        let port = |number: U32| u16::try_from(number.get()).ok().filter(|port| *port != 0);
        let either = |extended: GenericAddress, first| {
            let first = port(first).map(Register::Port);
            extended.register().or(first)
        };
        Some(SleepRegisters::Pm1 {
            a: either(self.0.x_pm1a_control, self.0.pm1a_control)?,
            b: either(self.0.x_pm1b_control, self.0.pm1b_control),
            enable: port(self.0.smi_command).map(|port| (port, self.0.acpi_enable)),
        })
    }
}
