//! Another size for a framebuffer, in the chunks it has.

use levitate_hal::Platform;
use levitate_virtio::Transport;

use crate::device::Gpu;
use crate::error::Error;
use crate::framebuffer::Framebuffer;
use crate::mode::is_possible;

impl<T: Transport, P: Platform> Gpu<'_, T, P> {
    /// Gives a framebuffer another size: a black picture, in place of the one it had; present it to be seen.
    ///
    /// The old picture is let go first, so that there need not be memory for two.
    ///
    /// # Errors
    ///
    /// - [`Error::Gone`], [`Error::ForeignFramebuffer`], [`Error::NoSuchScanout`], [`Error::InvalidSize`]: nothing has changed.
    /// - Else as [`create_framebuffer`](Self::create_framebuffer). The framebuffer has a black picture of the size it had before, if the
    ///   device lets it; if not, it has none: drawing does nothing, [`Error::FramebufferLost`] says so, and
    ///   [`attach`](Self::attach) makes it again, after a [`reset`](Self::reset) if the error was [`Error::Timeout`] or [`Error::Device`].
    pub fn resize_framebuffer(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
        width: u32,
        height: u32,
    ) -> Result<(), Error> {
        if framebuffer.owner().gpu != self.id {
            return Err(Error::ForeignFramebuffer);
        }
        self.check_scanout(framebuffer.scanout())?;
        if !is_possible(width, height) {
            return Err(Error::InvalidSize { width, height });
        }
        let before = framebuffer.dimensions();
        let resized = self.renew(framebuffer, (width, height));
        if let Err(error) = &resized
            && !error.needs_reset()
            && let Err(error) = self.renew(framebuffer, before)
        {
            let (width, height) = before;
            log::warn!("a framebuffer of {width} x {height} pixels has no picture now: {error}");
        }
        resized
    }

    /// Makes a black picture of this size in place of what the framebuffer has; if that fails, it has none.
    pub(crate) fn renew(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
        size: (u32, u32),
    ) -> Result<(), Error> {
        // A frame that failed does not matter any more.
        if let Err(error) = self.finish_frame(framebuffer)
            && error.needs_reset()
        {
            return Err(error);
        }
        framebuffer.lost();
        let scanout = framebuffer.scanout();
        let made = self.back(framebuffer.chunks_mut(), size, scanout)?;
        framebuffer.renewed(size, made);
        Ok(())
    }
}
