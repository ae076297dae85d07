//! The first serial port of a PC, a 16550.

use core::time::Duration;

use levitate_hal::Deadline;
use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::{IER, LSR};
use uart_16550::{BaudRate, Config, Uart16550};

use crate::platform::KernelClock;

/// Its first I/O port.
const BASE: u16 = 0x3f8;

/// A FIFO of 16 bytes is empty after 2 ms.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Bits of a byte that arrived damaged.
const DAMAGED: LSR = LSR::PARITY_ERROR
    .union(LSR::FRAMING_ERROR)
    .union(LSR::BREAK_INTERRUPT);

/// The machine's serial port.
pub(crate) struct Uart {
    port: Uart16550<PioBackend>,
}

impl Uart {
    /// Returns the port as it is.
    ///
    /// # Safety
    ///
    /// No other `Uart` is used while this one is.
    #[expect(clippy::panic, reason = "it is found when the kernel is compiled")]
    pub(crate) unsafe fn new() -> Self {
        const {
            assert!(BASE.checked_add(7).is_some(), "all registers have a port");
        }
        // SAFETY: a PC has its first serial port there, or nothing; that nothing else uses it is what the caller promises.
        match unsafe { Uart16550::new_port(BASE) } {
            Ok(port) => Self { port },
            Err(_) => panic!("{BASE:#x} is no port"),
        }
    }

    /// Says whether a 16550 answers.
    pub(crate) fn answers(&mut self) -> bool {
        self.port.check_present()
    }

    /// Switches the port on: 8 data bits, no parity, 1 stop bit, FIFOs.
    pub(crate) fn enable(&mut self) {
        let config = Config {
            baud_rate: BaudRate::Baud115200,
            ..Config::DEFAULT
        };
        // It fails where there is no port, and then nobody can be told.
        let _ = self.port.init(config);
    }

    /// Chooses whether there is an interrupt when something is received.
    pub(crate) fn enable_receive_interrupt(&mut self, wanted: bool) {
        if wanted {
            self.port.enable_interrupts(IER::DATA_READY);
        } else {
            self.port.disable_interrupts(IER::DATA_READY);
        }
    }

    /// Sends one byte, when there is room.
    ///
    /// If there is none for a long time, nobody listens, and the byte is dropped.
    pub(crate) fn send(&mut self, byte: u8) {
        if self.port.try_send_byte(byte).is_err() {
            let deadline = Deadline::after(&KernelClock, SEND_TIMEOUT);
            // A byte for which there is no room within the time is dropped.
            let _ = deadline.poll(&KernelClock, || self.port.try_send_byte(byte).ok());
        }
    }

    /// Takes the next byte received, if there is one; bytes that arrived damaged are left out.
    pub(crate) fn receive(&mut self) -> Option<u8> {
        loop {
            let is_damaged = self.port.lsr().intersects(DAMAGED);
            let byte = self.port.try_receive_byte().ok()?;
            if !is_damaged {
                return Some(byte);
            }
        }
    }

    /// Tells the port that its interrupt has been seen: a 16550 takes that from its data being read.
    pub(crate) fn acknowledge(&mut self) {}
}
