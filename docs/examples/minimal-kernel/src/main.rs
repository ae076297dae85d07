//! The smallest kernel that shows a picture and reads a disk: begin here, then read the files in the order of the modules.

#![no_std]
#![no_main]

use core::convert::Infallible;
use core::error::Error;
use core::panic::PanicInfo;

use embedded_graphics_core::draw_target::DrawTarget;
use embedded_graphics_core::geometry::{Point, Size};
use embedded_graphics_core::pixelcolor::Rgb888;
use embedded_graphics_core::primitives::Rectangle;
use levitate_drivers_blk::{Blk, BlkStorage, SECTOR_BYTES};
use levitate_drivers_gpu::{Chunk, Gpu, GpuStorage};
use levitate_virtio::{DeviceType, MmioTransport, Transport as _};

#[cfg(not(target_os = "none"))]
compile_error!("it is for bare metal: --target aarch64-unknown-none, or x86_64-unknown-none");

// What a driver asks of its platform: this is what you write for your own kernel.
mod arena;
mod clock;
mod registers;

// What any kernel needs: somebody to call `main`, a serial port, an end.
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod machine;
#[macro_use]
mod serial;

use arena::Arena;
use clock::Counter;
use registers::Registers;

/// What every driver is given besides its device: memory to share with it, and time to wait for it.
const PLATFORM: (Arena, Counter) = (Arena, Counter);

/// Called by the few instructions of [`machine`] that make the CPU ready for Rust.
extern "C" fn main() -> ! {
    machine::start();
    say!("minimal-kernel on {}", machine::NAME);
    let status = match show_and_read() {
        Ok(()) => 0,
        Err(Failed) => 1,
    };
    machine::exit(status)
}

fn show_and_read() -> Result<(), Failed> {
    // Bring the display up. What it has in flight is kept in a storage of ours, for there is no heap.
    let mut storage = GpuStorage::<Arena, 4>::new();
    let mut gpu = Gpu::new(find(DeviceType::GPU)?, PLATFORM, &mut storage)?;

    // Draw in memory, and present what was drawn. The memory may be in many chunks; our arena has it in one.
    let mode = gpu.preferred_mode(0)?;
    let mut chunks = [Chunk::new()];
    let mut picture = gpu.create_framebuffer(0, mode.width, mode.height, &mut chunks)?;
    draw(&mut picture, mode.width, mode.height)?;
    gpu.present(&mut picture)?;
    say!("display: {}x{}", mode.width, mode.height);

    // Bring the disk up, and read its first sector.
    let mut storage = BlkStorage::<Arena, 1>::new();
    let mut blk = Blk::new(find(DeviceType::BLOCK)?, PLATFORM, &mut storage)?;
    let mut sector = [0; SECTOR_BYTES];
    blk.read(0, &mut sector)?;
    say!("disk: {} sectors", blk.capacity_sectors());
    let text = sector.split(|byte| *byte == 0).next().unwrap_or_default();
    say!("sector 0: \"{}\"", text.escape_ascii());

    say!("press Enter to end");
    serial::wait_for_enter();

    // Only when the device has given the picture up is its memory ours again.
    Ok(gpu.destroy_framebuffer(picture).map(drop)?)
}

/// Draws a gradient: red grows from left to right, green from top to bottom.
fn draw<D>(picture: &mut D, width: u32, height: u32) -> Result<(), Infallible>
where
    D: DrawTarget<Color = Rgb888, Error = Infallible>,
{
    let shade = |position: u32, length: u32| (position * 256 / length) as u8;
    let colors = (0..height).flat_map(|y| {
        (0..width).map(move |x| Rgb888::new(shade(x, width), shade(y, height), 0x40))
    });
    let everything = Rectangle::new(Point::zero(), Size::new(width, height));
    picture.fill_contiguous(&everything, colors)
}

/// Returns the first device of a type; both versions of the registers are welcome.
fn find(wanted: DeviceType) -> Result<MmioTransport<Registers>, Failed> {
    for slot in machine::slots() {
        match MmioTransport::probe(slot)? {
            Some(transport) if transport.device_type() == wanted => return Ok(transport),
            // Another device, or a slot that is empty.
            _ => {}
        }
    }
    say!("error: no {wanted} device is plugged in");
    Err(Failed)
}

/// Something went wrong; the serial line says what.
struct Failed;

/// Lets `?` print any error: without a heap it cannot be boxed.
impl<E: Error> From<E> for Failed {
    fn from(error: E) -> Self {
        say!("error: {error}");
        Self
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say!("{info}");
    machine::exit(101)
}
