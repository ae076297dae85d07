//! A minimal VNC client (RFB 3.8, RFC 6143): no security, raw encoding, 32-bit true colour, one frame at a time.
//!
//! It sees what a window would show, so it notices a missing `RESOURCE_FLUSH`, which a screendump does not. For that it
//! must be connected before the drawing: see [`Vnc::connect`].

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::deadline::Deadline;
use super::image::{Image, Rectangle};
use super::qmp;

/// The only version QEMU offers.
const VERSION: &[u8; 12] = b"RFB 003.008\n";

/// Security type "None".
const SECURITY_NONE: u8 = 1;

/// Encoding "Raw": the rectangle's pixels.
const ENCODING_RAW: i32 = 0;

/// Pseudo-encoding "DesktopSize": the framebuffer now has this size.
const ENCODING_DESKTOP_SIZE: i32 = -223;

/// Pseudo-encoding "ExtendedDesktopSize": QEMU answers SetDesktopSize with it, whether it was offered or not.
const ENCODING_EXTENDED_DESKTOP_SIZE: i32 = -308;

/// Width and height that are accepted.
const SIZE_LIMIT: u16 = 8192;

/// A connection to a VNC server.
pub(crate) struct Vnc {
    stream: UnixStream,
    /// The framebuffer, as far as the server has sent it.
    screen: Image,
}

impl Vnc {
    /// Connects to the socket at `path`, which QEMU may still be about to open, and receives one frame.
    ///
    /// For its first client QEMU copies the display's whole surface, flushed or not. With that frame out of the way,
    /// later frames show only what the guest has flushed.
    pub(crate) fn connect(path: &Path, deadline: Duration) -> Result<Self> {
        let deadline = Deadline::after(deadline);
        let stream = qmp::connect(path, deadline)?;
        let mut vnc = Self::over(stream, deadline.left())?;
        vnc.frame(deadline.left())?;
        Ok(vnc)
    }

    /// Takes a connected stream through the handshake.
    pub(crate) fn over(stream: UnixStream, deadline: Duration) -> Result<Self> {
        let deadline = Deadline::after(deadline);
        let mut vnc = Self {
            stream,
            screen: Image::filled(0, 0, [0; 3]),
        };
        vnc.handshake(deadline).context("the VNC handshake")?;
        Ok(vnc)
    }

    /// Requests the whole framebuffer; returns it once all of it came.
    pub(crate) fn frame(&mut self, deadline: Duration) -> Result<Image> {
        let deadline = Deadline::after(deadline);
        self.request()?;
        let mut missing = self.pixel_count();
        while missing > 0 {
            match self.message(deadline)? {
                Message::Other => {}
                Message::Resized => {
                    // What came before was of another screen.
                    self.request()?;
                    missing = self.pixel_count();
                }
                // A full update may come in several messages; none of them overlap.
                Message::Updated(pixels) => missing = missing.saturating_sub(pixels),
            }
        }
        Ok(self.screen.clone())
    }

    /// SetDesktopSize: asks the server for a screen of this size, as a window that is resized does.
    ///
    /// QEMU passes it on to the display device, which tells the guest; the screen follows once the guest draws that size.
    pub(crate) fn set_desktop_size(&mut self, width: u16, height: u16) -> Result<()> {
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let mut message = vec![251, 0];
        message.extend(&size);
        // One screen, of number 0, at the top left, without flags.
        message.extend([1, 0]);
        message.extend([0; 8]);
        message.extend(&size);
        message.extend([0; 4]);
        self.send(&message)
    }

    fn handshake(&mut self, deadline: Deadline) -> Result<()> {
        let version: [u8; 12] = self.take(deadline)?;
        ensure!(
            &version == VERSION,
            "the server speaks {:?}, not RFB 3.8",
            String::from_utf8_lossy(&version)
        );
        self.send(VERSION)?;
        let [count] = self.take(deadline)?;
        let types = self.take_vec(usize::from(count), deadline)?;
        if count == 0 {
            bail!("the server refuses: {}", self.take_text(deadline)?);
        }
        ensure!(
            types.contains(&SECURITY_NONE),
            "the server wants a password (security types {types:?})"
        );
        self.send(&[SECURITY_NONE])?;
        let result = u32::from_be_bytes(self.take(deadline)?);
        if result != 0 {
            bail!("the server refuses: {}", self.take_text(deadline)?);
        }
        // ClientInit: others may stay connected.
        self.send(&[1])?;
        let size: [u8; 4] = self.take(deadline)?;
        self.resize(be16(&size, 0), be16(&size, 2))?;
        // The server's own pixel format and its name, neither of which matters.
        let _format: [u8; 16] = self.take(deadline)?;
        self.take_text(deadline)?;
        // SetPixelFormat: 32 bits, depth 24, little-endian, true colour, 8 bits a channel, blue lowest.
        self.send(&[
            0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
        ])?;
        // SetEncodings, two of them.
        let mut encodings = vec![2, 0, 0, 2];
        encodings.extend(ENCODING_RAW.to_be_bytes());
        encodings.extend(ENCODING_DESKTOP_SIZE.to_be_bytes());
        self.send(&encodings)
    }

    /// FramebufferUpdateRequest for everything, not only for what changed.
    fn request(&mut self) -> Result<()> {
        let (width, height) = self.screen.size();
        let mut message = vec![3, 0, 0, 0, 0, 0];
        message.extend((width as u16).to_be_bytes());
        message.extend((height as u16).to_be_bytes());
        self.send(&message)
    }

    /// Receives one message of the server.
    fn message(&mut self, deadline: Deadline) -> Result<Message> {
        let [kind] = self.take(deadline)?;
        match kind {
            0 => self.update(deadline),
            // Bell.
            2 => Ok(Message::Other),
            // ServerCutText.
            3 => {
                let _padding: [u8; 3] = self.take(deadline)?;
                self.take_text(deadline)?;
                Ok(Message::Other)
            }
            _ => bail!("the VNC server sent a message of the unknown type {kind}"),
        }
    }

    /// FramebufferUpdate.
    fn update(&mut self, deadline: Deadline) -> Result<Message> {
        let [_padding, high, low] = self.take(deadline)?;
        let mut pixels = 0;
        let mut resized = false;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let header: [u8; 12] = self.take(deadline)?;
            let rectangle = Rectangle {
                x: be16(&header, 0).into(),
                y: be16(&header, 2).into(),
                width: be16(&header, 4).into(),
                height: be16(&header, 6).into(),
            };
            let encoding = i32::from_be_bytes([header[8], header[9], header[10], header[11]]);
            match encoding {
                ENCODING_RAW => {
                    self.raw(rectangle, deadline)?;
                    pixels += rectangle.width as usize * rectangle.height as usize;
                }
                ENCODING_DESKTOP_SIZE => {
                    self.resize(be16(&header, 4), be16(&header, 6))?;
                    resized = true;
                }
                ENCODING_EXTENDED_DESKTOP_SIZE => {
                    let [screens, ..]: [u8; 4] = self.take(deadline)?;
                    self.take_vec(usize::from(screens) * 16, deadline)?;
                    if self.screen.size() != (rectangle.width, rectangle.height) {
                        self.resize(be16(&header, 4), be16(&header, 6))?;
                        resized = true;
                    }
                }
                _ => bail!("the VNC server used the encoding {encoding}, which was not offered"),
            }
        }
        Ok(if resized {
            Message::Resized
        } else {
            Message::Updated(pixels)
        })
    }

    /// A rectangle in the format that was set.
    fn raw(&mut self, rectangle: Rectangle, deadline: Deadline) -> Result<()> {
        let Rectangle {
            x,
            y,
            width,
            height,
        } = rectangle;
        let (screen_width, screen_height) = self.screen.size();
        ensure!(
            x + width <= screen_width && y + height <= screen_height,
            "the VNC server sent {rectangle}, outside its screen of {screen_width}x{screen_height}"
        );
        for row in y..y + height {
            let bytes = self.take_vec(width as usize * 4, deadline)?;
            for (column, pixel) in (x..).zip(bytes.as_chunks::<4>().0) {
                let [blue, green, red, _unused] = *pixel;
                self.screen.set(column, row, [red, green, blue]);
            }
        }
        Ok(())
    }

    fn resize(&mut self, width: u16, height: u16) -> Result<()> {
        ensure!(
            (1..=SIZE_LIMIT).contains(&width) && (1..=SIZE_LIMIT).contains(&height),
            "the VNC server's screen is {width}x{height}"
        );
        self.screen = Image::filled(width.into(), height.into(), [0; 3]);
        Ok(())
    }

    fn pixel_count(&self) -> usize {
        let (width, height) = self.screen.size();
        width as usize * height as usize
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream
            .write_all(bytes)
            .context("writing to the VNC socket")
    }

    fn take<const N: usize>(&mut self, deadline: Deadline) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.take_into(&mut bytes, deadline)?;
        Ok(bytes)
    }

    fn take_vec(&mut self, count: usize, deadline: Deadline) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.take_into(&mut bytes, deadline)?;
        Ok(bytes)
    }

    /// A text with its length before it.
    fn take_text(&mut self, deadline: Deadline) -> Result<String> {
        let length = u32::from_be_bytes(self.take(deadline)?);
        ensure!(
            length <= 64 * 1024,
            "the VNC server sent a text of {length} bytes"
        );
        let bytes = self.take_vec(length as usize, deadline)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn take_into(&mut self, mut bytes: &mut [u8], deadline: Deadline) -> Result<()> {
        while !bytes.is_empty() {
            let count = qmp::read(&mut self.stream, bytes, deadline, "VNC")?;
            bytes = &mut bytes[count..];
        }
        Ok(())
    }
}

/// What one message of the server did.
enum Message {
    /// Nothing to the screen.
    Other,
    /// The screen has another size, and nothing on it is known.
    Resized,
    /// So many pixels came.
    Updated(usize),
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests;
