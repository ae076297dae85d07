//! The PL011 serial port.

use core::ptr::NonNull;
use core::time::Duration;

use arm_pl011_uart::{
    DataBits, Interrupts, LineConfig, PL011Registers, Parity, StopBits, UniqueMmioPointer,
};
use levitate_hal::Deadline;

use crate::platform::KernelClock;

/// Where `virt` has its first UART; used before the device tree can be read, and compared with it later.
pub(super) const BASE: usize = 0x0900_0000;

/// The clock of the UART in hertz, `apb-pclk` of the device tree.
const CLOCK_HZ: u32 = 24_000_000;
const BAUD: u32 = 115_200;

/// A FIFO of 32 bytes is empty after 3 ms.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The machine's serial port.
pub(crate) struct Uart {
    pl011: arm_pl011_uart::Uart<'static>,
}

impl Uart {
    /// Returns the port as it is.
    ///
    /// # Safety
    ///
    /// No other `Uart` is used while this one is.
    pub(crate) unsafe fn new() -> Self {
        let base = NonNull::new(BASE as *mut PL011Registers).unwrap_or(NonNull::dangling());
        // SAFETY: the registers of `virt`'s first UART lie at `BASE`, which the page tables map as device memory, always;
        // that nothing else uses them is what the caller promises.
        let registers = unsafe { UniqueMmioPointer::new(base) };
        Self {
            pl011: arm_pl011_uart::Uart::new(registers),
        }
    }

    /// Says whether a PL011 identifies itself.
    pub(crate) fn answers(&mut self) -> bool {
        self.pl011.read_identification().is_valid()
    }

    /// Switches the port on: 8 data bits, no parity, 1 stop bit, FIFOs.
    pub(crate) fn enable(&mut self) {
        let line = LineConfig {
            data_bits: DataBits::Bits8,
            parity: Parity::None,
            stop_bits: StopBits::One,
        };
        // It fails for a baud rate that the clock cannot make, and this one can.
        let _ = self.pl011.enable(line, BAUD, CLOCK_HZ);
    }

    /// Chooses whether there is an interrupt when something is received.
    pub(crate) fn enable_receive_interrupt(&mut self, wanted: bool) {
        let receive = Interrupts::RXI | Interrupts::RTI;
        let mask = if wanted { receive } else { Interrupts::empty() };
        self.pl011.set_interrupt_masks(mask);
    }

    /// Sends one byte, when there is room.
    ///
    /// If there is none for a long time, nobody listens, and the byte is dropped.
    pub(crate) fn send(&mut self, byte: u8) {
        if self.pl011.is_tx_fifo_full() {
            let deadline = Deadline::after(&KernelClock, SEND_TIMEOUT);
            let room = deadline.poll(&KernelClock, || {
                (!self.pl011.is_tx_fifo_full()).then_some(())
            });
            if room.is_none() {
                return;
            }
        }
        self.pl011.write_word(byte);
    }

    /// Takes the next byte received, if there is one; bytes that arrived damaged are left out.
    pub(crate) fn receive(&mut self) -> Option<u8> {
        while !self.pl011.is_rx_fifo_empty() {
            if let Ok(byte) = self.pl011.read_word() {
                return byte;
            }
        }
        None
    }

    /// Tells the port that its interrupt has been seen.
    pub(crate) fn acknowledge(&mut self) {
        let pending = self.pl011.masked_interrupt_status();
        self.pl011.clear_interrupts(pending);
    }
}
