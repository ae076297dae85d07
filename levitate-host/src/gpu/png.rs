//! Pictures as PNG files, for people to look at.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::image::Image;

impl Image {
    /// Writes the picture as PNG, 8 bits a colour.
    ///
    /// # Errors
    ///
    /// `writer` failed, or the picture has no pixels.
    pub fn write_png(&self, writer: impl Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(writer, self.width(), self.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb_bytes())?;
        Ok(writer.finish()?)
    }

    /// Makes a PNG file of the picture.
    ///
    /// # Errors
    ///
    /// The file cannot be made, or the picture has no pixels.
    pub fn save_png(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut writer = BufWriter::new(File::create(path)?);
        self.write_png(&mut writer)?;
        writer.flush()
    }
}
