//! The serial line: what is written to it, and what has been received.

use core::fmt::{self, Write};
use core::future::poll_fn;
use core::task::Poll;

use atomic_waker::AtomicWaker;

use crate::arch::masking;
use crate::arch::uart::Uart;
use crate::interrupts::{self, InterruptError, Line};
use crate::lock::Mutex;

/// Bytes that are kept until somebody reads them.
const RECEIVE_BYTES: usize = 1024;

struct Serial {
    uart: Option<Uart>,
    line: Option<Line>,
    received: [u8; RECEIVE_BYTES],
    first: usize,
    count: usize,
}

static SERIAL: Mutex<Serial> = Mutex::new(Serial {
    uart: None,
    line: None,
    received: [0; RECEIVE_BYTES],
    first: 0,
    count: 0,
});

/// Of the task that waits for a byte.
static RECEIVED: AtomicWaker = AtomicWaker::new();

/// Switches the serial port on.
pub(crate) fn start() {
    let serial = &mut *SERIAL.lock();
    let uart = serial.uart.get_or_insert_with(|| {
        // SAFETY: this one is used under the lock; the only other is made by `emergency`, when this one is not used any more.
        unsafe { Uart::new() }
    });
    uart.enable();
}

/// Has the port interrupt on `line` when something is received.
///
/// # Errors
///
/// [`InterruptError`]; nothing will be received.
pub(crate) fn enable_receiving(line: Line) -> Result<(), InterruptError> {
    interrupts::handle(line, handle_interrupt)?;
    let serial = &mut *SERIAL.lock();
    serial.line = Some(line);
    serial.take_in();
    Ok(())
}

/// Returns the port's interrupt, once it is in use.
pub(crate) fn line() -> Option<Line> {
    SERIAL.lock().line
}

/// Says whether the port identifies itself as what the kernel takes it for.
pub(crate) fn answers() -> bool {
    SERIAL.lock().uart.as_mut().is_some_and(Uart::answers)
}

impl Serial {
    /// Keeps what was received, as long as there is room.
    ///
    /// Without room the rest stays in the port, which makes the sender wait, and interrupts no more until there is.
    fn take_in(&mut self) {
        let Some(uart) = &mut self.uart else {
            return;
        };
        while self.count < RECEIVE_BYTES {
            let Some(byte) = uart.receive() else {
                break;
            };
            self.received[(self.first + self.count) % RECEIVE_BYTES] = byte;
            self.count += 1;
        }
        uart.enable_receive_interrupt(self.count < RECEIVE_BYTES);
    }
}

fn handle_interrupt() -> bool {
    let serial = &mut *SERIAL.lock();
    if let Some(uart) = &mut serial.uart {
        // First: what arrives after it interrupts again.
        uart.acknowledge();
    }
    serial.take_in();
    RECEIVED.wake();
    true
}

/// Takes the next byte received, if there is one.
fn receive() -> Option<u8> {
    let serial = &mut *SERIAL.lock();
    if serial.count == 0 {
        return None;
    }
    let byte = serial.received[serial.first];
    let was_full = serial.count == RECEIVE_BYTES;
    serial.first = (serial.first + 1) % RECEIVE_BYTES;
    serial.count -= 1;
    if was_full {
        serial.take_in();
    }
    Some(byte)
}

/// Waits for the next byte; one task at a time.
pub(crate) async fn next_byte() -> u8 {
    poll_fn(|context| {
        RECEIVED.register(context.waker());
        receive().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Returns the serial line as a place to write to, `\n` as `\r\n`.
pub(crate) const fn writer() -> Writer {
    Writer
}

/// See [`writer`].
pub(crate) struct Writer;

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(uart) = &mut SERIAL.lock().uart {
            send(uart, text);
        }
        Ok(())
    }

    /// Keeps the lock, so that nothing an interrupt handler writes comes in between.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        match &mut SERIAL.lock().uart {
            Some(uart) => Sender(uart).write_fmt(text),
            None => Ok(()),
        }
    }
}

struct Sender<'a>(&'a mut Uart);

impl Write for Sender<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        send(self.0, text);
        Ok(())
    }
}

fn send(uart: &mut Uart, text: &str) {
    for byte in text.bytes() {
        if byte == b'\n' {
            uart.send(b'\r');
        }
        uart.send(byte);
    }
}

/// Returns a way to the serial line that nothing can block, for the last words before the machine ends.
///
/// Interrupts are masked from here on.
pub(crate) fn emergency() -> Emergency {
    masking::mask();
    // SAFETY: interrupts are masked for good, and the caller ends the machine: nothing else uses the port any more.
    Emergency(unsafe { Uart::new() })
}

/// See [`emergency`].
pub(crate) struct Emergency(Uart);

impl Emergency {
    /// Writes a line.
    ///
    /// # Errors
    ///
    /// Whatever formatting says.
    pub(crate) fn line(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        let mut sender = Sender(&mut self.0);
        sender.write_fmt(text)?;
        sender.write_str("\n")
    }
}
