//! A picture the device keeps, and the driver's memory behind it: [`Resource`].

use super::command::Rect;
use super::image::Image;
use crate::dma::{DeviceMemory, Exposure, StrayAccess};

pub(super) const PIXEL_BYTES: usize = 4;

/// The driver's memory behind a resource; the device may read it until this is dropped.
#[derive(Debug)]
pub(super) struct Backing {
    entries: Vec<(u64, u32)>,
    exposures: Vec<Exposure>,
    memory: DeviceMemory,
}

impl Backing {
    pub(super) fn new(entries: Vec<(u64, u32)>, memory: &DeviceMemory) -> Self {
        let exposures = entries
            .iter()
            .map(|(addr, len_bytes)| memory.expose(*addr, u64::from(*len_bytes)))
            .collect();
        Self {
            entries,
            exposures,
            memory: memory.clone(),
        }
    }

    /// Copies from `offset` of the entries, as if they were one piece, as far as they reach; returns how many bytes.
    fn gather(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, StrayAccess> {
        let (mut skip, mut done) = (offset, 0);
        for &(addr, len_bytes) in &self.entries {
            let len = u64::from(len_bytes);
            if skip >= len {
                skip -= len;
                continue;
            }
            let wanted = bytes.len() - done;
            let count = wanted.min((len - skip) as usize);
            self.memory
                .read(addr.saturating_add(skip), &mut bytes[done..done + count])?;
            (skip, done) = (0, done + count);
            if done == bytes.len() {
                break;
            }
        }
        Ok(done)
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        for exposure in &self.exposures {
            self.memory.conceal(*exposure);
        }
    }
}

/// Whether a resource holds what the driver put there, as far as the driver can know (§5.7.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Nothing was transferred.
    Missing,
    /// No fence has come back since the last transfer.
    Unfenced,
    /// A fence has.
    Certain,
}

/// A 2D resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) width: u32,
    pub(super) height: u32,
    shifts: Shifts,
    alpha: Option<usize>,
    content: Vec<u8>,
    pub(super) fill: Fill,
    pub(super) backing: Option<Backing>,
}

/// At which byte of a pixel red, green and blue are.
type Shifts = [usize; 3];

/// Returns where the colours of a format are, by its number (§5.7.6.8).
const fn shifts(format: u32) -> Option<Shifts> {
    match format {
        1 | 2 => Some([2, 1, 0]),
        3 | 4 => Some([1, 2, 3]),
        67 | 134 => Some([0, 1, 2]),
        68 | 121 => Some([3, 2, 1]),
        _ => None,
    }
}

/// Returns where the alpha of a format is, if it has one.
const fn alpha(format: u32) -> Option<usize> {
    match format {
        1 | 67 => Some(3),
        3 | 121 => Some(0),
        _ => None,
    }
}

impl Resource {
    /// Makes a black resource; `None` for a format there is not.
    pub(super) fn new(format: u32, width: u32, height: u32) -> Option<Self> {
        Some(Self {
            width,
            height,
            shifts: shifts(format)?,
            alpha: alpha(format),
            content: vec![0; width as usize * height as usize * PIXEL_BYTES],
            fill: Fill::Missing,
            backing: None,
        })
    }

    pub(super) const fn len_bytes(width: u32, height: u32) -> u64 {
        (width as u64)
            .saturating_mul(height as u64)
            .saturating_mul(PIXEL_BYTES as u64)
    }

    fn pixel(&self, x: u32, y: u32) -> u32 {
        let at = (y as usize * self.width as usize + x as usize) * PIXEL_BYTES;
        let [red, green, blue] = self.shifts.map(|shift| u32::from(self.content[at + shift]));
        red << 16 | green << 8 | blue
    }

    /// Returns all pixels as `0xAARRGGBB`; a format without alpha is opaque.
    pub(super) fn argb(&self) -> Vec<u32> {
        let (pixels, _) = self.content.as_chunks::<PIXEL_BYTES>();
        let argb = |pixel: &[u8; PIXEL_BYTES]| {
            let [red, green, blue] = self.shifts.map(|shift| pixel[shift]);
            let alpha = self.alpha.map_or(u8::MAX, |shift| pixel[shift]);
            u32::from_be_bytes([alpha, red, green, blue])
        };
        pixels.iter().map(argb).collect()
    }

    /// Returns the whole picture.
    pub(super) fn image(&self) -> Image {
        let mut image = Image::black(self.width, self.height);
        self.draw(Rect::new(0, 0, self.width, self.height), (0, 0), &mut image);
        image
    }

    /// Copies `rect` to `image`, whose top left corner is `origin` of the resource.
    pub(super) fn draw(&self, rect: Rect, origin: (u32, u32), image: &mut Image) {
        for y in rect.y..rect.y + rect.height {
            for x in rect.x..rect.x + rect.width {
                if let (Some(left), Some(top)) = (x.checked_sub(origin.0), y.checked_sub(origin.1))
                {
                    image.set(left, top, self.pixel(x, y));
                }
            }
        }
    }

    /// Copies from the backing as QEMU does: `offset` is where the first pixel of `rect` is, rows are a resource's width apart.
    ///
    /// Returns whether there was enough backing; what there is gets copied.
    pub(super) fn transfer(&mut self, rect: Rect, offset: u64) -> Result<bool, StrayAccess> {
        let Some(backing) = &self.backing else {
            return Ok(false);
        };
        self.fill = Fill::Unfenced;
        let stride = self.width as usize * PIXEL_BYTES;
        let row_bytes = rect.width as usize * PIXEL_BYTES;
        let mut is_whole = true;
        for row in 0..rect.height as usize {
            let to = (rect.y as usize + row) * stride + rect.x as usize * PIXEL_BYTES;
            let from = offset.saturating_add((row * stride) as u64);
            let count = backing.gather(from, &mut self.content[to..to + row_bytes])?;
            is_whole &= count == row_bytes;
        }
        Ok(is_whole)
    }
}
