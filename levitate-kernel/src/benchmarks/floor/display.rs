//! The floor of displays: the two commands of a frame, laid out once for an area (§5.7.6.5).

use alloc::format;
use alloc::sync::Arc;

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;
use levitate_virtio::queue::layout::DescriptorFlags;
use zerocopy::little_endian::U32;

use super::memory::Memory;
use super::ring::Ring;
use crate::benchmarks::Result;
use crate::benchmarks::display::{Contender, Picture};

/// The floor.
pub(in crate::benchmarks) const DISPLAY: Contender = Contender {
    name: "floor",
    drive: |entry, body| {
        let counters = Arc::default();
        let mut floor = Floor::new(Ring::new(&entry.way, &counters)?)?;
        body(&mut floor, &*counters)?;
        floor.check()?;
        floor.end()
    },
};

/// Descriptors of a command: itself, and its response.
const CHAIN: u16 = 2;
/// How far apart commands are, and where a response is from its command on; the longest is that with all displays.
const COMMAND_BYTES: usize = 512;
const RESPONSE_OFFSET: usize = 64;
const RESPONSE_BYTES: usize = COMMAND_BYTES - RESPONSE_OFFSET;

/// Types of commands and of responses (§5.7.6.7).
const GET_DISPLAY_INFO: u32 = 0x100;
const RESOURCE_CREATE_2D: u32 = 0x101;
const SET_SCANOUT: u32 = 0x103;
const RESOURCE_FLUSH: u32 = 0x104;
const TRANSFER_TO_HOST_2D: u32 = 0x105;
const RESOURCE_ATTACH_BACKING: u32 = 0x106;
const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;

/// The words of a header: the type, and what is zero without a fence and a context (§5.7.6.7).
const HEADER_WORDS: usize = 6;
/// Where the first display's width and height are in the response with all displays (§5.7.6.8).
const WIDTH_WORD: usize = HEADER_WORDS + 2;
const HEIGHT_WORD: usize = HEADER_WORDS + 3;

const FORMAT_B8G8R8X8: u32 = 2;
const PIXEL_BYTES: u32 = 4;
const RESOURCE: u32 = 1;
const SCANOUT: u32 = 0;

struct Floor {
    ring: Ring,
    /// A command, and its response; and another one.
    commands: Memory,
    pixels: Memory,
    size: Size,
    /// What the commands that are laid out are about.
    area: Rectangle,
}

impl Floor {
    /// Shows a picture as large as the display is.
    fn new(mut ring: Ring) -> Result<Self> {
        let commands = Memory::new(2 * COMMAND_BYTES)?;
        ask(&mut ring, &commands, OK_DISPLAY_INFO, GET_DISPLAY_INFO, &[])?;
        let word = |index: usize| {
            let offset = RESPONSE_OFFSET + index * size_of::<U32>();
            commands.load::<U32>(offset).get()
        };
        let (width, height) = (word(WIDTH_WORD), word(HEIGHT_WORD));
        let bytes = width * height * PIXEL_BYTES;
        let pixels = Memory::new(bytes.try_into()?)?;
        let [addr_low, addr_high] = halves(pixels.device_addr(0).get());
        let mut tell = |kind, body: &[u32]| ask(&mut ring, &commands, OK_NODATA, kind, body);
        tell(
            RESOURCE_CREATE_2D,
            &[RESOURCE, FORMAT_B8G8R8X8, width, height],
        )?;
        // One entry, whose last word is padding.
        tell(
            RESOURCE_ATTACH_BACKING,
            &[RESOURCE, 1, addr_low, addr_high, bytes, 0],
        )?;
        tell(SET_SCANOUT, &[0, 0, width, height, SCANOUT, RESOURCE])?;
        Ok(Self {
            ring,
            commands,
            pixels,
            size: Size::new(width, height),
            area: Rectangle::zero(),
        })
    }

    /// Lays out the commands that bring `area` to the screen.
    fn lay_out(&self, area: &Rectangle) -> Result {
        let Point { x, y } = area.top_left;
        let (x, y) = (u32::try_from(x)?, u32::try_from(y)?);
        let Size { width, height } = area.size;
        let pixels_before = u64::from(y) * u64::from(self.size.width) + u64::from(x);
        let [offset_low, offset_high] = halves(pixels_before * u64::from(PIXEL_BYTES));
        // The last word of both is padding.
        let transfer = &[x, y, width, height, offset_low, offset_high, RESOURCE, 0];
        let flush = &[x, y, width, height, RESOURCE, 0];
        let (ring, commands) = (&self.ring, &self.commands);
        lay_out(ring, commands, 0, TRANSFER_TO_HOST_2D, transfer)?;
        lay_out(ring, commands, 1, RESOURCE_FLUSH, flush)
    }

    /// Looks whether the last frame was carried out.
    fn check(&self) -> Result {
        (0..2).try_for_each(|number| check(&self.commands, number, OK_NODATA))
    }

    /// Resets the device, and gives everything back.
    fn end(self) -> Result {
        self.ring.end()?;
        // SAFETY: the device is reset.
        unsafe { self.commands.release() };
        // SAFETY: as above.
        unsafe { self.pixels.release() };
        Ok(())
    }
}

impl Picture for Floor {
    fn size(&self) -> Size {
        self.size
    }

    fn present(&mut self, area: &Rectangle) -> Result {
        if self.area != *area {
            self.lay_out(area)?;
            self.area = *area;
        }
        for number in 0..2 {
            self.ring.offer(number, number * CHAIN);
        }
        self.ring.run(2)
    }
}

/// Has the device carry out one command; its response is `wanted`.
fn ask(ring: &mut Ring, commands: &Memory, wanted: u32, kind: u32, body: &[u32]) -> Result {
    lay_out(ring, commands, 0, kind, body)?;
    ring.offer(0, 0);
    ring.run(1)?;
    check(commands, 0, wanted)
}

/// Lays out a command, and room for its response: type and zeroes of a header, and the words of its body.
fn lay_out(ring: &Ring, commands: &Memory, number: u16, kind: u32, body: &[u32]) -> Result {
    let command = usize::from(number) * COMMAND_BYTES;
    let header = [kind, 0, 0, 0, 0, 0];
    let words = header.iter().chain(body);
    for (index, word) in words.enumerate() {
        commands.store(command + index * size_of::<U32>(), U32::new(*word));
    }
    let command_bytes = (HEADER_WORDS + body.len()) * size_of::<U32>();
    let response = commands.device_addr(command + RESPONSE_OFFSET);
    let command = commands.device_addr(command);
    ring.lay_out(
        number * CHAIN,
        [
            (command, command_bytes, DescriptorFlags::empty()),
            (response, RESPONSE_BYTES, DescriptorFlags::WRITE),
        ],
    )
}

/// Looks whether the response to a command is `wanted`.
fn check(commands: &Memory, number: usize, wanted: u32) -> Result {
    let response = commands.load::<U32>(number * COMMAND_BYTES + RESPONSE_OFFSET);
    match response.get() == wanted {
        true => Ok(()),
        false => Err(format!("the response to a command is {response:#x}").into()),
    }
}

/// Returns a number of 64 bits as the two words that it is in memory.
const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}
