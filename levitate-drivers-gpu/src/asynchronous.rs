//! A display for a task that waits without a CPU: [`AsyncGpu`].

use core::future::poll_fn;
use core::task::Poll;

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Signal, Token, Transport};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::device::Gpu;
use crate::error::Error;
use crate::frame::{FrameToken, Presented};
use crate::framebuffer::Framebuffer;
use crate::mode::{DisplayInfo, Screens};
use crate::protocol::Response;
use crate::protocol::display::RespDisplayInfo;
use crate::protocol::edid::RespEdid;
use crate::protocol::header::GetDisplayInfo;
use crate::scanout::{edid_of, mode_of};

/// A GPU device whose frames and questions are futures: the task that waits is woken by the device's interrupt, by way of a [`Signal`].
///
/// It is made of a [`Gpu`], whose other calls are there all the same, by [`gpu_mut`](Self::gpu_mut).
/// One task uses it at a time.
///
/// [`Signal::on_interrupt`] is to be called by the handler of the device's interrupt, with the handle from [`Gpu::interrupt`], and
/// [`Signal::on_tick`] now and then, so that a missed deadline is noticed.
#[derive(Debug)]
pub struct AsyncGpu<'s, T: Transport, P: Platform> {
    gpu: Gpu<'s, T, P>,
    signal: &'s Signal,
    idle_polls: u64,
}

impl<'s, T: Transport, P: Platform> AsyncGpu<'s, T, P> {
    /// Has the device interrupt when commands are answered, and the driver wait for `signal`, which is this driver's alone.
    #[must_use]
    pub fn new(mut gpu: Gpu<'s, T, P>, signal: &'s Signal) -> Self {
        // One that is of no use any more says so with every call.
        let _ = gpu.enable_interrupts();
        Self {
            gpu,
            signal,
            idle_polls: 0,
        }
    }

    /// Returns the driver with the blocking calls; the device interrupts for nothing but changes of its configuration.
    #[must_use]
    pub fn into_inner(self) -> Gpu<'s, T, P> {
        let mut gpu = self.gpu;
        let _ = gpu.disable_interrupts();
        gpu
    }

    /// Returns the driver, to be asked about itself.
    #[must_use]
    pub const fn gpu(&self) -> &Gpu<'s, T, P> {
        &self.gpu
    }

    /// Returns the driver, for the calls that wait with the CPU.
    #[must_use]
    pub const fn gpu_mut(&mut self) -> &mut Gpu<'s, T, P> {
        &mut self.gpu
    }

    /// Returns how many polls of its futures there were, besides the first of each wait, that did not bring it further: nobody woke the task,
    /// or for nothing. A number that is too large begins anew.
    ///
    /// Requests and notifications are counted by [`Gpu::counts`].
    #[must_use]
    pub const fn idle_polls(&self) -> u64 {
        self.idle_polls
    }

    /// Brings what was drawn since the last frame to the screen, and waits until it is there: [`Gpu::present`].
    ///
    /// A future that is dropped leaves its frame with the device, which may come to the screen or not; the next call for this framebuffer
    /// waits for it first, and has its outcome.
    ///
    /// # Errors
    ///
    /// [`Error`]; the damage is kept, so that the next frame repeats it.
    pub async fn present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
    ) -> Result<Presented, Error> {
        self.gpu.check_framebuffer(framebuffer)?;
        if let Some(serial) = framebuffer.in_flight().map(|frame| frame.serial) {
            let serial = Some(serial);
            self.wait_present(framebuffer, FrameToken { serial })
                .await?;
        }
        let slots = self.gpu.slots_for(framebuffer)?;
        if slots != 0 {
            self.reserve(slots).await?;
        }
        let frame = self.gpu.submit_present(framebuffer)?;
        self.wait_present(framebuffer, frame).await
    }

    /// Waits until a frame is on the screen that [`Gpu::submit_present`] has sent: [`Gpu::wait_present`].
    ///
    /// # Errors
    ///
    /// As [`Gpu::poll_present`].
    pub async fn wait_present(
        &mut self,
        framebuffer: &mut Framebuffer<'_, P::Dma>,
        frame: FrameToken,
    ) -> Result<Presented, Error> {
        self.wait(|gpu| gpu.poll_present(framebuffer, frame)).await
    }

    /// Looks whether a display has changed, and if so asks about all of them again: [`Gpu::process_events`], to be called after
    /// [`Signal::config_change`].
    ///
    /// Of a future that is dropped the next call asks all questions again.
    ///
    /// # Errors
    ///
    /// As [`Gpu::process_events`].
    pub async fn process_events(&mut self) -> Result<Option<Screens>, Error> {
        if !self.gpu.has_changed_screens()? {
            return Ok(None);
        }
        self.reserve(1).await?;
        let control = self.gpu.control()?;
        let deadline = control.deadline();
        let token = control.send::<_, RespDisplayInfo>(&GetDisplayInfo::new())?;
        let response: RespDisplayInfo = self.answer(token, &deadline).await?;
        let info = DisplayInfo::new(&response, self.gpu.num_scanouts());
        let mut screens = Screens::new(&info);
        for (scanout, screen) in (0..).zip(screens.as_mut_slice()) {
            if self.gpu.may_ask_edid(scanout, &deadline)? {
                let token = self.gpu.send_edid(scanout)?;
                let response = self.answer::<RespEdid>(token, &deadline).await;
                screen.edid_mode = mode_of(scanout, response.map(|edid| edid_of(&edid)))?;
            }
        }
        let control = self.gpu.control()?;
        control.knows_screens = true;
        control.has_changed_screens = false;
        Ok(Some(screens))
    }

    /// Waits until `needed` commands can be submitted.
    async fn reserve(&mut self, needed: u16) -> Result<(), Error> {
        // Without the clock, as long as there is nothing to wait for.
        if self.gpu.control()?.has_room(needed)? {
            return Ok(());
        }
        let deadline = self.gpu.control()?.deadline();
        self.wait(|gpu| gpu.control()?.poll_room(needed, &deadline))
            .await
    }

    /// Waits for the response to a command.
    async fn answer<R>(&mut self, token: Token, deadline: &Deadline) -> Result<R, Error>
    where
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        self.wait(|gpu| gpu.control()?.poll_answer(token, deadline))
            .await
    }

    /// Calls `poll` each time the signal wakes the task, until there is an outcome, or the device has given up.
    async fn wait<R>(
        &mut self,
        mut poll: impl FnMut(&mut Gpu<'s, T, P>) -> Result<Option<R>, Error>,
    ) -> Result<R, Error> {
        let registration = Registration(self.signal);
        let Self {
            gpu, idle_polls, ..
        } = self;
        let mut is_first = true;
        poll_fn(|context| {
            // First this and then the look: an answer that comes before it is seen, one that comes later wakes the task.
            registration.0.register(context.waker());
            if let Some(outcome) = poll(gpu).transpose() {
                return Poll::Ready(outcome);
            }
            if registration.0.take_attention()
                && let Some(given_up) = gpu.control()?.device.read_given_up()
            {
                return Poll::Ready(Err(given_up.into()));
            }
            if !core::mem::take(&mut is_first) {
                *idle_polls = idle_polls.wrapping_add(1);
            }
            Poll::Pending
        })
        .await
    }
}

/// A waker that is in the signal while somebody waits.
struct Registration<'a>(&'a Signal);

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::{Context, Waker};
    use std::sync::Arc;
    use std::task::Wake;

    use levitate_host::{GpuModel, MmioDevice, Pool, VirtualClock};
    use levitate_virtio::{Interrupt, InterruptStatus, MmioTransport};

    use super::*;
    use crate::GpuStorage;

    struct Used;

    impl Interrupt for Used {
        fn acknowledge(&self) -> InterruptStatus {
            InterruptStatus::USED_BUFFER
        }
    }

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_interrupt_right_after_the_look_wakes_the_task() {
        let (pool, clock) = (Pool::new(), VirtualClock::new());
        let device = MmioDevice::builder(GpuModel::new(64, 48)).build(&pool, &clock);
        let transport = MmioTransport::probe(device).unwrap().unwrap();
        let mut storage = GpuStorage::<_>::new();
        let gpu = Gpu::new(transport, (pool, clock), &mut storage).unwrap();
        let signal = Signal::new();
        let mut gpu = AsyncGpu::new(gpu, &signal);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let mut looks = 0;
        {
            let mut wait = pin!(gpu.wait(|_| {
                looks += 1;
                if looks == 1 {
                    signal.on_interrupt(&Used);
                    return Ok(None);
                }
                Ok(Some(()))
            }));
            let mut context = Context::from_waker(&waker);
            assert!(wait.as_mut().poll(&mut context).is_pending());
            assert_eq!(bell.0.load(Ordering::SeqCst), 1);
            assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(Ok(())));
        }
        drop(waker);
        assert_eq!(Arc::strong_count(&bell), 1, "the signal keeps no waker");
    }
}
