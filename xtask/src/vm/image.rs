//! Pictures, and the PNG files they are read from and written to.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

/// Pixels an image may have; QEMU's displays have at most 16384 x 16384, ours far fewer.
const PIXELS_LIMIT: u64 = 64 * 1024 * 1024;

/// Red, green, blue.
pub(crate) type Pixel = [u8; 3];

/// A picture, row by row from the top left.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Image {
    width: u32,
    height: u32,
    pixels: Vec<Pixel>,
}

impl Image {
    /// A picture of one colour.
    pub(crate) fn filled(width: u32, height: u32, pixel: Pixel) -> Self {
        let count = width as usize * height as usize;
        Self {
            width,
            height,
            pixels: vec![pixel; count],
        }
    }

    /// Returns width and height, in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Returns the pixel at column `x` of row `y`, if there is one.
    pub(crate) fn pixel(&self, x: u32, y: u32) -> Option<Pixel> {
        self.index(x, y).map(|index| self.pixels[index])
    }

    /// Sets one pixel; outside the picture it does nothing.
    pub(crate) fn set(&mut self, x: u32, y: u32, pixel: Pixel) {
        if let Some(index) = self.index(x, y) {
            self.pixels[index] = pixel;
        }
    }

    /// Sets every pixel of a rectangle; what is outside the picture is left out.
    pub(crate) fn fill(&mut self, rectangle: Rectangle, pixel: Pixel) {
        let Rectangle {
            x,
            y,
            width,
            height,
        } = rectangle;
        for row in y..y.saturating_add(height).min(self.height) {
            for column in x..x.saturating_add(width).min(self.width) {
                self.set(column, row, pixel);
            }
        }
    }

    /// Returns how many pixels are not `pixel`.
    pub(crate) fn count_other_than(&self, pixel: Pixel) -> usize {
        self.pixels.iter().filter(|other| **other != pixel).count()
    }

    /// Returns the pixels, row by row from the top left.
    pub(super) fn pixels(&self) -> &[Pixel] {
        &self.pixels
    }

    fn index(&self, x: u32, y: u32) -> Option<usize> {
        (x < self.width && y < self.height).then(|| y as usize * self.width as usize + x as usize)
    }

    /// Reads a PNG file with 8 bits per channel, such as QEMU writes; an alpha channel is left out.
    pub(crate) fn read_png(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Self::decode(BufReader::new(file))
            .with_context(|| format!("{} is no PNG file we can read", path.display()))
    }

    fn decode(file: impl std::io::BufRead + std::io::Seek) -> Result<Self> {
        let mut reader = png::Decoder::new(file).read_info()?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        ensure!(
            u64::from(width) * u64::from(height) <= PIXELS_LIMIT,
            "{width}x{height} pixels are too many"
        );
        ensure!(
            info.bit_depth == png::BitDepth::Eight,
            "{:?} bits per channel instead of 8",
            info.bit_depth
        );
        let bytes_per_pixel = match info.color_type {
            png::ColorType::Rgb => 3,
            png::ColorType::Rgba => 4,
            other => bail!("the colour type {other:?} instead of RGB"),
        };
        let size = reader.output_buffer_size().context("its size overflows")?;
        let mut bytes = vec![0; size];
        reader.next_frame(&mut bytes)?;
        let pixels = bytes
            .chunks_exact(bytes_per_pixel)
            .map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect::<Vec<_>>();
        ensure!(
            pixels.len() == width as usize * height as usize,
            "{} pixels instead of {width}x{height}",
            pixels.len()
        );
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Writes a PNG file.
    pub(crate) fn write_png(&self, path: &Path) -> Result<()> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(())
    }

    /// Compares every pixel with what is `expected`; on a difference, writes both pictures and a third one, which shows
    /// the differing pixels in white, as `NAME-{expected,actual,difference}.png` to `dir`.
    ///
    /// # Errors
    ///
    /// The pictures differ; the message says where and how.
    pub(crate) fn ensure_equals(&self, expected: &Self, dir: &Path, name: &str) -> Result<()> {
        let Some(difference) = super::difference::compare(expected, self) else {
            return Ok(());
        };
        expected.write_png(&dir.join(format!("{name}-expected.png")))?;
        self.write_png(&dir.join(format!("{name}-actual.png")))?;
        if expected.size() == self.size() {
            let mut map = self.clone();
            for (pixel, wanted) in map.pixels.iter_mut().zip(&expected.pixels) {
                *pixel = if pixel == wanted { [0; 3] } else { [0xff; 3] };
            }
            map.write_png(&dir.join(format!("{name}-difference.png")))?;
        }
        bail!("{name}: {difference}; see {}/{name}-*.png", dir.display())
    }
}

/// Its size only: a failing test is not to print a million pixels.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}x{})", self.width, self.height)
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    /// Column of the leftmost pixels.
    pub(crate) x: u32,
    /// Row of the topmost pixels.
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl fmt::Display for Rectangle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            x,
            y,
            width,
            height,
        } = self;
        write!(f, "{width}x{height} at ({x}, {y})")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::vm) fn gradient() -> Image {
        let mut image = Image::filled(7, 5, [0; 3]);
        for y in 0..5 {
            for x in 0..7 {
                image.set(x, y, [x as u8 * 30, y as u8 * 50, 9]);
            }
        }
        image
    }

    #[test]
    fn a_png_file_holds_every_pixel() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gradient.png");
        gradient().write_png(&path).unwrap();
        assert_eq!(Image::read_png(&path).unwrap(), gradient());
    }

    #[test]
    fn a_file_that_is_no_picture_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.png");
        std::fs::write(&path, "no picture").unwrap();
        let error = Image::read_png(&path).unwrap_err().to_string();
        assert!(error.contains("is no PNG file we can read"), "{error}");
    }

    #[test]
    fn a_failed_comparison_leaves_three_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let mut actual = gradient();
        actual.set(3, 2, [255, 0, 0]);
        let error = actual
            .ensure_equals(&gradient(), dir.path(), "card")
            .unwrap_err();
        assert!(
            error.to_string().starts_with("card: 1 pixels differ"),
            "{error}"
        );
        let read = |name: &str| Image::read_png(&dir.path().join(name)).unwrap();
        assert_eq!(read("card-expected.png"), gradient());
        assert_eq!(read("card-actual.png"), actual);
        let map = read("card-difference.png");
        assert_eq!(map.pixel(3, 2), Some([0xff; 3]));
        assert_eq!(map.count_other_than([0; 3]), 1);
        assert!(
            gradient()
                .ensure_equals(&gradient(), dir.path(), "same")
                .is_ok()
        );
    }

    #[test]
    fn a_fill_stays_within_the_picture() {
        let mut image = Image::filled(4, 4, [0; 3]);
        let rectangle = Rectangle {
            x: 2,
            y: 3,
            width: u32::MAX,
            height: 9,
        };
        image.fill(rectangle, [7; 3]);
        assert_eq!(image.count_other_than([0; 3]), 2);
        assert_eq!(image.pixel(3, 3), Some([7; 3]));
        assert_eq!(image.pixel(4, 3), None);
    }
}
