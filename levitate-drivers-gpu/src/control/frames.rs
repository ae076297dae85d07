//! Frames on the control queue: commands that go out together, and whose answers are waited for together (§5.7.6.5).

use levitate_hal::{Deadline, Platform};
use levitate_virtio::{Data, DeviceFault, Token, Transport};

use super::{Control, ControlQueue, check};
use crate::damage::Damage;
use crate::error::Error;
use crate::frame::{Frame, Part};
use crate::protocol::Header;
use crate::protocol::transfer::{ResourceFlush, TransferToHost2d};

impl<T: Transport, P: Platform> Control<'_, T, P> {
    /// Submits the transfer and the flush of each rectangle, and notifies the device once; returns the frame's number.
    ///
    /// The caller knows that there are idle slots for all of them.
    pub(crate) fn submit_frame(
        &mut self,
        resource_id: u32,
        stride_bytes: u64,
        damage: &Damage,
    ) -> Result<u64, Error> {
        let mut part = Part {
            serial: self.next_serial,
            number: 0,
        };
        let submitted = self.submit_parts(&mut part, resource_id, stride_bytes, damage);
        if let (0, Err(error)) = (part.number, submitted) {
            return Err(error);
        }
        self.queue.notify();
        self.next_serial = part.serial.wrapping_add(1);
        // The clock is read when the device is at work already.
        let deadline = Some(self.deadline());
        if let Some(frame) = self.place_for_frame() {
            frame.serial = Some(part.serial);
            frame.unanswered = part.number;
            frame.failure = submitted.err();
            frame.deadline = deadline;
        }
        Ok(part.serial)
    }

    /// Submits the commands of a frame, and counts them in `part`.
    fn submit_parts(
        &mut self,
        part: &mut Part,
        resource_id: u32,
        stride_bytes: u64,
        damage: &Damage,
    ) -> Result<(), Error> {
        for area in damage.areas() {
            let offset = u64::from(area.top())
                .saturating_mul(stride_bytes)
                .saturating_add(u64::from(area.left()).saturating_mul(4));
            let command = TransferToHost2d::new(resource_id, area.to_rect(), offset);
            self.submit_part::<_, Header>(Some(*part), &command, Data::None)?;
            part.number = part.number.saturating_add(1);
        }
        for area in damage.areas() {
            let command = self.fenced(ResourceFlush::new(resource_id, area.to_rect()));
            self.submit_part::<_, Header>(Some(*part), &command, Data::None)?;
            part.number = part.number.saturating_add(1);
        }
        Ok(())
    }

    /// Returns a place for a new frame: a free one, else that of the oldest frame that is done and nobody asked for.
    fn place_for_frame(&mut self) -> Option<&mut Frame> {
        // The rest is not even looked at: of all that a frame takes little is in the CPU's caches, for the device has just copied a picture.
        let index = match self.frames.iter().position(|frame| frame.serial.is_none()) {
            Some(free) => free,
            None => self.oldest_done()?,
        };
        self.frames.get_mut(index)
    }

    /// Returns the place of the oldest frame that is done.
    fn oldest_done(&self) -> Option<usize> {
        let frames = self.frames.iter().enumerate();
        frames
            .filter(|(_, frame)| frame.unanswered == 0)
            .min_by_key(|(_, frame)| frame.serial)
            .map(|(index, _)| index)
    }

    /// Asks for the outcome of a frame, which is told once; `None` while it is in flight.
    pub(crate) fn poll_frame(&mut self, serial: u64) -> Result<Option<()>, Error> {
        let (index, deadline) = self.find_frame(serial)?;
        self.await_frames();
        let mut swept = self.sweep();
        if swept.is_ok() && self.lacks_answers(index) {
            if !deadline.is_missed(self.platform.clock()) {
                return Ok(None);
            }
            // What arrived until the clock was read is in time.
            swept = self.sweep();
        }
        self.end_frame(index, &deadline, swept).map(Some)
    }

    /// Waits for the outcome of a frame, which is told once.
    pub(crate) fn wait_frame(&mut self, serial: u64) -> Result<(), Error> {
        let (index, deadline) = self.find_frame(serial)?;
        account::<T, P>(&mut self.queue, self.frames);
        // Nobody else waits meanwhile: the other places are not looked at, for the device has just copied a picture.
        let lacking = self.frames.get(index).map_or(0, |frame| frame.unanswered);
        self.queue.await_together(lacking);
        let clock = self.platform.clone();
        let outcome = deadline.poll(clock.clock(), || match self.sweep() {
            Ok(()) if self.lacks_answers(index) => None,
            swept => Some(swept),
        });
        self.end_frame(index, &deadline, outcome.unwrap_or(Ok(())))
    }

    /// Returns the place of a frame, and its deadline.
    fn find_frame(&self, serial: u64) -> Result<(usize, Deadline), Error> {
        let mut frames = self.frames.iter().enumerate();
        frames
            .find(|(_, frame)| frame.serial == Some(serial))
            .and_then(|(index, frame)| Some((index, frame.deadline?)))
            .ok_or(Error::FrameForgotten)
    }

    /// Asks for one interrupt for all that a frame lacks: of several that are in flight, the one that may be done first.
    fn await_frames(&mut self) {
        account::<T, P>(&mut self.queue, self.frames);
        let lacking = self.frames.iter().map(|frame| frame.unanswered);
        let fewest = lacking.filter(|lacking| *lacking != 0).min();
        self.queue.await_together(fewest.unwrap_or(0));
    }

    fn lacks_answers(&self, index: usize) -> bool {
        self.frames
            .get(index)
            .is_some_and(|frame| frame.unanswered != 0)
    }

    /// Returns what became of a frame that is answered, or has had its time, and forgets it.
    fn end_frame(
        &mut self,
        index: usize,
        deadline: &Deadline,
        swept: Result<(), DeviceFault>,
    ) -> Result<(), Error> {
        let frame = self.frames.get_mut(index).ok_or(Error::FrameForgotten)?;
        // The place is free from here on.
        let serial = frame.serial.take();
        let unanswered = core::mem::take(&mut frame.unanswered);
        swept?;
        if unanswered == 0 {
            return frame.failure.map_or(Ok(()), Err);
        }
        match self.first_missing(serial) {
            Some(token) => Err(self.timeout::<Header>(token, deadline)),
            None => Err(Error::FrameForgotten),
        }
    }

    /// Returns the first command of a frame that is not answered.
    fn first_missing(&mut self, serial: Option<u64>) -> Option<Token> {
        self.queue
            .contexts_mut()
            .filter_map(|(token, pending)| Some((token, pending.part?)))
            .filter(|(_, part)| Some(part.serial) == serial)
            .min_by_key(|(_, part)| part.number)
            .map(|(token, _)| token)
    }

    /// Says whether the device has nothing, and nothing waits to be taken back.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.in_flight() == 0 && self.queue.next_done().is_none()
    }

    /// Collects what the device is done with: answers to frames are counted, and all others thrown away as too late.
    ///
    /// To be called when no other command is waited for.
    pub(crate) fn sweep(&mut self) -> Result<(), DeviceFault> {
        sweep::<T, P>(&mut self.queue, self.frames)
    }
}

/// [`Control::sweep`].
pub(super) fn sweep<T: Transport, P: Platform>(
    queue: &mut ControlQueue<'_, T, P>,
    frames: &mut [Frame],
) -> Result<(), DeviceFault> {
    queue.process()?;
    account::<T, P>(queue, frames);
    Ok(())
}

/// Takes back what was collected: not only just now, for whoever waits for a single command collects too.
fn account<T: Transport, P: Platform>(queue: &mut ControlQueue<'_, T, P>, frames: &mut [Frame]) {
    while let Some(token) = queue.next_done() {
        let Some(completed) = queue.take::<Header>(token) else {
            break;
        };
        let serial = completed.context.part.map(|part| part.serial);
        let frame = frames
            .iter_mut()
            .find(|frame| serial.is_some() && frame.serial == serial);
        if let Some(frame) = frame {
            frame.unanswered = frame.unanswered.saturating_sub(1);
            if let Err(error) = check(&completed) {
                frame.failure.get_or_insert(error);
            }
        }
    }
}
