//! Bringing what was drawn to the screen: one notification and one wait a frame (§5.7.6.5).

use levitate_hal::Platform;
use levitate_virtio::Transport;

use crate::device::Gpu;
use crate::error::Error;
use crate::frame::{FrameToken, Presented};
use crate::framebuffer::Framebuffer;

impl<T: Transport, P: Platform> Gpu<'_, T, P> {
    /// Brings what was drawn since the last frame to the screen, and waits until it is there.
    ///
    /// Each damaged rectangle is transferred and flushed; all commands are sent with one notification. If nothing was drawn, nothing is sent.
    /// A frame that is in flight is waited for first.
    ///
    /// # Errors
    ///
    /// [`Error`]; the damage is kept, so that the next frame repeats it.
    pub fn present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
    ) -> Result<Presented, Error> {
        self.check_framebuffer(framebuffer)?;
        self.finish_frame(framebuffer)?;
        let slots = self.slots_for(framebuffer)?;
        let control = self.control()?;
        if control.queue.idle_slots() < slots {
            control.reserve(slots)?;
        }
        let token = self.submit_present(framebuffer)?;
        self.wait_present(framebuffer, token)
    }

    /// Returns how many commands a frame of this framebuffer is, as far as there can be room for them.
    pub(crate) fn slots_for(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
    ) -> Result<u16, Error> {
        let commands = framebuffer.damage_mut().len().saturating_mul(2);
        let commands = u16::try_from(commands).unwrap_or(u16::MAX);
        Ok(self.control()?.capacity().min(commands))
    }

    /// Sends what was drawn since the last frame on its way, and does not wait.
    ///
    /// Meanwhile one can draw on; what is drawn now may be seen half done until the next frame.
    /// Damage is merged where there is not room for the commands of all its rectangles.
    ///
    /// # Errors
    ///
    /// - [`Error::FrameInFlight`]: the framebuffer's last frame is not done.
    /// - [`Error::Submit`]: there is no room for two commands.
    /// - That of the last frame, if nobody has asked for its outcome.
    ///
    /// The damage is kept, so that the next frame repeats it.
    pub fn submit_present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
    ) -> Result<FrameToken, Error> {
        self.check_framebuffer(framebuffer)?;
        if let Some(serial) = framebuffer.in_flight().map(|frame| frame.serial) {
            let last = FrameToken {
                serial: Some(serial),
            };
            if self.poll_present(framebuffer, last)?.is_none() {
                return Err(Error::FrameInFlight);
            }
        }
        let owner = framebuffer.owner();
        let stride_bytes = framebuffer.stride_bytes();
        let damage = framebuffer.damage_mut();
        if damage.len() == 0 {
            return Ok(FrameToken { serial: None });
        }
        let control = self.control()?;
        if !control.is_quiet() {
            control.sweep()?;
        }
        let idle_slots = control.queue.idle_slots();
        if idle_slots < 2 {
            return Err(Error::Submit(control.queue.lacks(2)));
        }
        damage.reduce_to(usize::from(idle_slots >> 1));
        let serial = control.submit_frame(owner.resource_id, stride_bytes, damage)?;
        framebuffer.submitted(serial);
        Ok(FrameToken {
            serial: Some(serial),
        })
    }

    /// Asks whether a frame is on the screen; `None` while it is on its way. The outcome is told once.
    ///
    /// # Errors
    ///
    /// [`Error::FrameForgotten`] if `frame` is not the framebuffer's frame in flight, else [`Error`]:
    /// [`Error::Timeout`] if the device had more time than it may take. The damage is kept then, so that the next frame repeats it.
    pub fn poll_present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
        frame: FrameToken,
    ) -> Result<Option<Presented>, Error> {
        let Some(serial) = frame.serial else {
            return Ok(Some(Presented::default()));
        };
        self.check_in_flight(framebuffer, serial)?;
        match self.control()?.poll_frame(serial) {
            Ok(None) => Ok(None),
            Ok(Some(())) => Ok(framebuffer.presented()),
            Err(error) => {
                framebuffer.not_presented();
                Err(error)
            }
        }
    }

    /// Waits until a frame is on the screen.
    ///
    /// # Errors
    ///
    /// As [`poll_present`](Self::poll_present).
    pub fn wait_present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
        frame: FrameToken,
    ) -> Result<Presented, Error> {
        let Some(serial) = frame.serial else {
            return Ok(Presented::default());
        };
        self.check_in_flight(framebuffer, serial)?;
        match self.control()?.wait_frame(serial) {
            Ok(()) => framebuffer.presented().ok_or(Error::FrameForgotten),
            Err(error) => {
                framebuffer.not_presented();
                Err(error)
            }
        }
    }

    /// Says whether the framebuffer's frame in flight is this one, and the device knows the framebuffer.
    fn check_in_flight(
        &self,
        framebuffer: &Framebuffer<'_, P::Dma>,
        serial: u64,
    ) -> Result<(), Error> {
        self.check_framebuffer(framebuffer)?;
        match framebuffer.in_flight() {
            Some(frame) if frame.serial == serial => Ok(()),
            _ => Err(Error::FrameForgotten),
        }
    }

    /// Waits for the frame in flight, if there is one.
    pub(crate) fn finish_frame(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
    ) -> Result<(), Error> {
        let Some(serial) = framebuffer.in_flight().map(|frame| frame.serial) else {
            return Ok(());
        };
        let frame = FrameToken {
            serial: Some(serial),
        };
        self.wait_present(framebuffer, frame).map(drop)
    }
}
