//! A live device and its control queue: commands out, responses in and checked ([`Control`], §5.7.6).

use levitate_hal::{Deadline, DmaBuffer, Platform};
use levitate_virtio::{
    Completed, Data, Device, Negotiated, Queue, Timeout, Token, Transport, stage,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::config::GpuConfig;
use crate::device::Options;
use crate::error::{CommandError, Error, ResponseFault};
use crate::features::GpuFeatures;
use crate::frame::{Frame, Part};
use crate::protocol::{Command, CommandType, Header, Response};

mod frames;
mod polled;
mod silence;

/// What is remembered of a command in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    command: CommandType,
    fence: Option<u64>,
    part: Option<Part>,
}

/// The control queue, as long as it is.
pub(crate) type ControlQueue<'s, T, P> = Queue<
    's,
    DmaBuffer<<P as Platform>::Dma>,
    Pending,
    <P as Platform>::Dma,
    <T as Transport>::Notifier,
>;

/// One life of a device, from its initialization to its reset.
pub(crate) struct Control<'s, T: Transport, P: Platform> {
    pub(crate) device: Device<T, stage::Live>,
    pub(crate) queue: ControlQueue<'s, T, P>,
    pub(crate) frames: &'s mut [Frame],
    pub(crate) platform: P,
    pub(crate) options: Options,
    pub(crate) config: GpuConfig,
    pub(crate) features: Negotiated<GpuFeatures>,
    /// Whether the device was asked about its screens, as it should be before a scanout is set (§5.7.5).
    pub(crate) knows_screens: bool,
    /// Whether a screen has changed and the device was not asked about it yet.
    pub(crate) has_changed_screens: bool,
    /// The last question for an EDID, if it was not answered in time. No other is asked until it is: it keeps its slot.
    pub(crate) silent_edid: Option<Token>,
    next_fence: u64,
    next_serial: u64,
}

impl<'s, T: Transport, P: Platform> Control<'s, T, P> {
    pub(crate) fn new(
        device: Device<T, stage::Live>,
        queue: ControlQueue<'s, T, P>,
        frames: &'s mut [Frame],
        platform: P,
        options: Options,
        (config, features): (GpuConfig, Negotiated<GpuFeatures>),
    ) -> Self {
        frames.fill(Frame::NONE);
        Self {
            device,
            queue,
            frames,
            platform,
            options,
            config,
            features,
            knows_screens: false,
            has_changed_screens: false,
            silent_edid: None,
            next_fence: 1,
            next_serial: 1,
        }
    }

    /// Returns the deadline of a command sent now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.platform.clock(), self.options.timeout)
    }

    /// Sends a command that carries no data and waits for its response.
    pub(crate) fn run<C, R>(&mut self, command: C) -> Result<R, Error>
    where
        C: Command + IntoBytes + Immutable,
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        self.reserve(1)?;
        let deadline = self.deadline();
        let token = self.send::<C, R>(&command)?;
        self.wait(token, &deadline)
    }

    /// Sends a command that carries no data; the caller has reserved a slot for it.
    pub(crate) fn send<C, R>(&mut self, command: &C) -> Result<Token, Error>
    where
        C: Command + IntoBytes + Immutable,
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        let token = self.submit::<C, R>(command, Data::None)?;
        self.queue.notify();
        Ok(token)
    }

    /// Waits until `needed` commands can be submitted.
    pub(crate) fn reserve(&mut self, needed: u16) -> Result<(), Error> {
        self.sweep()?;
        if self.queue.idle_slots() >= needed {
            return Ok(());
        }
        self.wait_until(needed, |queue| queue.idle_slots() >= needed)
    }

    /// Waits until the device has answered all that it was sent, but for an EDID that it is silent about.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        let edid = self.silent_edid;
        self.wait_until(1, |queue| {
            queue.in_flight() == silence::slots_taken::<T, P>(queue, edid)
        })
    }

    /// Waits until enough was answered, for so many slots.
    ///
    /// What is done and belongs to no frame is thrown away: no command is waited for when this is called.
    fn wait_until(
        &mut self,
        needed: u16,
        is_ready: impl Fn(&ControlQueue<'s, T, P>) -> bool,
    ) -> Result<(), Error> {
        let deadline = self.deadline();
        let Self {
            queue,
            frames,
            platform,
            ..
        } = self;
        let ready = deadline.poll(platform.clock(), || {
            match frames::sweep::<T, P>(queue, frames) {
                Ok(()) => is_ready(queue).then_some(Ok(())),
                Err(fault) => Some(Err(fault)),
            }
        });
        if let Some(ready) = ready {
            return Ok(ready?);
        }
        Err(self.no_room(needed, &deadline))
    }

    /// Looks for the reason why there is no room: whatever the slots are taken by, the device has it, and the oldest of it says why.
    fn no_room(&mut self, needed: u16, deadline: &Deadline) -> Error {
        match self.queue.oldest_in_flight() {
            Some(token) => self.timeout::<Header>(token, deadline),
            None => Error::Submit(self.queue.lacks(needed)),
        }
    }

    /// Makes a command available to the device, without notifying it.
    pub(crate) fn submit<C, R>(
        &mut self,
        command: &C,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Token, Error>
    where
        C: Command + IntoBytes + Immutable,
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        self.submit_part::<C, R>(None, command, data)
    }

    /// Makes a command available to the device that may be part of a frame, without notifying it.
    fn submit_part<C, R>(
        &mut self,
        part: Option<Part>,
        command: &C,
        data: Data<DmaBuffer<P::Dma>>,
    ) -> Result<Token, Error>
    where
        C: Command + IntoBytes + Immutable,
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        let pending = Pending {
            command: C::TYPE,
            fence: command.header().fence(),
            part,
        };
        // All zero is no response, so one that the device did not write is told from one that it did.
        self.queue
            .submit(command, data, &R::new_zeroed(), pending)
            .map_err(|rejected| rejected.error.into())
    }

    /// Puts a new fence on a command: the device answers when it has done it.
    pub(crate) fn fenced<C: Command>(&mut self, mut command: C) -> C {
        command.header_mut().set_fence(self.next_fence);
        self.next_fence = self.next_fence.wrapping_add(1);
        command
    }

    /// Waits for the response to a command.
    pub(crate) fn wait<R>(&mut self, token: Token, deadline: &Deadline) -> Result<R, Error>
    where
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        let Self {
            queue, platform, ..
        } = self;
        let completed = deadline.poll(platform.clock(), || match queue.process() {
            Ok(_) => queue.take::<R>(token).map(Ok),
            Err(fault) => Some(Err(fault)),
        });
        match completed {
            Some(completed) => checked(completed?),
            None => Err(self.timeout::<R>(token, deadline)),
        }
    }

    /// Looks for the reason why a command was not answered.
    fn timeout<R>(&mut self, token: Token, deadline: &Deadline) -> Error
    where
        R: Response + FromBytes + IntoBytes + Immutable,
    {
        Error::Timeout(Timeout {
            timeout: deadline.timeout(),
            cause: self
                .device
                .diagnose(&mut self.queue, token, &R::new_zeroed()),
        })
    }
}

/// Returns a response that is one, and the one that the command asks for.
fn checked<R: Response, B>(completed: Completed<R, B, Pending>) -> Result<R, Error> {
    check(&completed)?;
    Ok(completed.footer)
}

/// Checks that a response is one, and the one that the command asks for.
fn check<R: Response, B>(completed: &Completed<R, B, Pending>) -> Result<(), Error> {
    let Pending { command, fence, .. } = completed.context;
    let header = completed.footer.header();
    let kind = header.kind.get();
    let written_bytes = completed.footer_bytes;
    let wrong = |fault| Error::Response { command, fault };
    let too_short = |expected_bytes| {
        wrong(ResponseFault::TooShort {
            written_bytes,
            expected_bytes,
        })
    };
    if written_bytes < size_of::<Header>() {
        return Err(too_short(size_of::<Header>()));
    }
    if let Some(error) = CommandError::from_response(kind) {
        return Err(Error::Command { command, error });
    }
    if kind != R::TYPE {
        return Err(wrong(ResponseFault::UnexpectedType {
            found: kind,
            expected: R::TYPE,
        }));
    }
    if written_bytes < R::MIN_BYTES {
        return Err(too_short(R::MIN_BYTES));
    }
    let expected_bytes = completed.footer.len_bytes().map_err(wrong)?;
    if written_bytes < expected_bytes {
        return Err(too_short(expected_bytes));
    }
    if let Some(expected) = fence {
        let found = header.fence();
        if found != Some(expected) {
            return Err(wrong(ResponseFault::UnexpectedFence { found, expected }));
        }
    }
    Ok(())
}
