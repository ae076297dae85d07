//! What a program does with a virtqueue: any calls, as the bytes say, and then the reset ([`Program`]).

use levitate_hal::{Direction, DmaSlice, Mapped, Segments as _};
use levitate_virtio::{Completed, Data, QueueQuiesced, SubmitError, Token, Transport as _};

use super::model::{InFlight, Model};
use super::{Buffer, Live, LiveQueue};
use crate::bench::{Bench, TIMEOUT};
use crate::device::ANSWER;
use crate::sabotage::Sabotage;

mod look;
mod restart;

/// A request that was submitted and not taken back.
struct Request {
    token: Token,
    number: u32,
    addr: Option<u64>,
    is_done: bool,
    /// Bytes of data and of the footer that the device wrote.
    written: (usize, usize),
    /// Bytes that are sure to be the device's answer.
    sure: usize,
    /// The device used it as it should.
    is_honest: bool,
}

/// What a footer is at first.
const INITIAL: u8 = 0xff;

/// What a program does with a queue, and what it must then find.
pub(super) struct Program<'b, 's, const H: usize, const F: usize> {
    bench: &'b Bench,
    device: Live,
    queue: LiveQueue<'s>,
    /// Requests it has room for.
    slots: usize,
    model: Model,
    requests: Vec<Request>,
    submitted: u32,
    /// Numbers of the requests that are done, in the order in which they were.
    done: Vec<u32>,
    /// Whether it wants to be notified, and how many more of the requests are waited for together.
    is_notified: bool,
    awaited: usize,
    /// That the queue is reset and was not brought back into use.
    proof: Option<QueueQuiesced>,
    /// One that has served.
    old_proof: Option<QueueQuiesced>,
    /// Those that were in use when the queue was reset.
    old_tokens: Vec<Token>,
}

impl<'b, 's, const H: usize, const F: usize> Program<'b, 's, H, F> {
    pub(super) fn new(bench: &'b Bench, device: Live, queue: LiveQueue<'s>) -> Self {
        let model = Model::new(device.transport().interface(), bench.sabotage());
        Self {
            bench,
            device,
            slots: queue.idle_slots().into(),
            queue,
            model,
            requests: Vec::new(),
            submitted: 0,
            done: Vec::new(),
            is_notified: false,
            awaited: 0,
            proof: None,
            old_proof: None,
            old_tokens: Vec::new(),
        }
    }

    pub(super) fn call(&mut self) {
        let choice = self.bench.byte();
        match choice % 16 {
            0..=4 => self.submit(),
            5 | 6 => {
                let _ = self.queue.notify();
            }
            9 if choice & 16 != 0 => self.take_in_turn(),
            7..=9 => self.process(),
            10 => self.pick_any(choice / 16),
            11 => self.take_first_done(),
            12 if choice & 16 != 0 => self.await_together(),
            12 => {
                self.is_notified = self.bench.byte().is_multiple_of(2);
                self.queue.set_used_notifications(self.is_notified);
            }
            13 if choice & 16 != 0 => self.restart(),
            13 => self.diagnose(),
            14 => self.poll(choice & 16 != 0),
            _ => self.bench.pass(),
        }
    }

    /// Makes a request that may have any data, also such as does not fit.
    fn submit(&mut self) {
        let (data, addr) = self.data();
        let room = match &data {
            Data::Writable(buffer) => buffer.len_bytes() as u32,
            Data::Readable(_) | Data::None => 0,
        };
        let idle = self.queue.idle_slots();
        let number = self.submitted;
        self.submitted += 1;
        match self.queue.submit(&[3_u8; H], data, &[INITIAL; F], number) {
            Ok(token) => {
                let is_new = self.requests.iter().all(|request| request.token != token);
                self.bench
                    .demand(is_new && self.is_not_old(token), "a token is in use twice");
                self.bench
                    .demand(idle != 0, "more requests than there are slots");
                let is_whole = self.queue.fault().is_none();
                self.bench
                    .demand(is_whole, "a queue with a fault takes a request");
                self.requests.push(Request {
                    token,
                    number,
                    addr,
                    is_done: false,
                    written: (0, 0),
                    sure: 0,
                    is_honest: false,
                });
                let request = InFlight::new(number, (room, F as u32));
                self.bench
                    .with(|device| self.model.submitted(device, request));
            }
            Err(rejected) => {
                self.bench.demand(
                    rejected.context == number && addr_of(&rejected.data) == addr,
                    "a refused request does not come back as it was",
                );
                let is_full = matches!(rejected.error, SubmitError::Full { .. });
                self.bench
                    .demand(!is_full || idle == 0, "an idle slot is not to be had");
            }
        }
    }

    /// Tries to take back any request, done or not, or looks from there on for another one; each takes one byte.
    fn pick_any(&mut self, way: u8) {
        let choice = self.bench.byte();
        if let Some(position) = usize::from(choice).checked_rem(self.old_tokens.len()) {
            self.check_old_token(position);
        }
        if let Some(position) = usize::from(choice).checked_rem(self.requests.len()) {
            match way % 4 {
                0 | 1 => self.take(position),
                2 => self.take_ahead(position),
                _ => self.find(position, (choice / 16).into()),
            }
        }
    }

    /// Looks for a request among those that are done, from the one at `first` on; `meant` also stands for one that there is not.
    fn find(&mut self, first: usize, meant: usize) {
        let Request { token, number, .. } = self.requests[first];
        let meant = self.requests.get(meant % (self.requests.len() + 1));
        let meant = meant.map(|one| one.number);
        let mut met = Vec::new();
        let found = self.queue.find_done(token, |context| {
            met.push(*context);
            Some(*context) == meant
        });
        let done = self.done.iter().position(|done| *done == number);
        let done = done.map_or(&[][..], |from| &self.done[from..]);
        let place = done.iter().position(|done| Some(*done) == meant);
        let token_at = |place: usize| {
            let number = done.get(place)?;
            let request = self.requests.iter().find(|one| one.number == *number);
            request.map(|one| one.token)
        };
        let expected = place.and_then(|place| Some((token_at(place)?, token_at(place + 1))));
        let to_meet = place.map_or(done, |place| &done[..=place]);
        self.bench.demand(
            found == expected && met == to_meet,
            "another request is found among those that are done",
        );
    }

    fn take_first_done(&mut self) {
        if let Some(token) = self.queue.next_done() {
            let position = self.requests.iter().position(|one| one.token == token);
            match position {
                Some(position) => self.take(position),
                None => self
                    .bench
                    .fail("a request is done that was not submitted".to_owned()),
            }
        }
    }

    fn take(&mut self, position: usize) {
        let Request { token, is_done, .. } = self.requests[position];
        self.bench.demand(
            self.queue.is_done(token) == is_done,
            "a request is done too soon, or not when it should be",
        );
        let Some(completed) = self.queue.take::<[u8; F]>(token) else {
            self.bench
                .demand(!is_done, "a request that is done is kept");
            return;
        };
        self.check(position, &completed);
        let again = self.queue.take::<[u8; F]>(token).is_some();
        self.bench.demand(!again, "a request is taken twice");
    }

    /// Checks a request that came back, whose position among those that were submitted this is.
    fn check(&mut self, position: usize, completed: &Completed<[u8; F], Buffer, u32>) {
        let request = self.requests.remove(position);
        self.done.retain(|number| *number != request.number);
        let written = (completed.data_bytes, completed.footer_bytes);
        self.bench.demand(
            request.is_done
                && completed.token == request.token
                && completed.context == request.number
                && written == request.written
                && addr_of(&completed.data) == request.addr,
            "a request does not come back as it was",
        );
        check_answer(self.bench, &request, &completed.data);
        if request.is_honest && !self.bench.with(|device| device.has_scribbled) {
            self.check_footer(request.sure, completed);
        }
        let held = request
            .addr
            .is_some_and(|addr| self.bench.with(|device| device.holds(addr, 1)));
        self.bench
            .demand(!held, "data came back that the device still has");
    }

    /// Checks the footer of a request to which the device wrote so many bytes, and nothing else ever.
    fn check_footer(&self, written: usize, completed: &Completed<[u8; F], Buffer, u32>) {
        let room = match &completed.data {
            Data::Writable(buffer) => buffer.len_bytes(),
            Data::Readable(_) | Data::None => 0,
        };
        let footer_bytes = written.saturating_sub(room).min(F);
        let mut expected = [INITIAL; F];
        if self.bench.is_sabotaged(Sabotage::StaleFooter) {
            expected = [ANSWER; F];
        }
        expected[..footer_bytes].fill(ANSWER);
        self.bench.demand(
            completed.footer == expected,
            "a footer is not what was submitted and what the device wrote over it",
        );
    }

    /// Makes one request and waits for its answer.
    pub(super) fn echo(&mut self) -> bool {
        let Ok(slice) = DmaSlice::new_zeroed(&self.bench.memory, 32) else {
            return false;
        };
        let data = Data::Writable(Buffer::from(slice));
        let Ok(token) = self.queue.submit(&[3_u8; H], data, &[INITIAL; F], 0) else {
            return false;
        };
        self.queue.notify();
        for _ in 0..4 {
            self.bench.pass();
            if self.queue.process().is_err() {
                return false;
            }
        }
        let completed = self.queue.take::<[u8; F]>(token);
        completed.is_some_and(|completed| match completed.data {
            Data::Writable(buffer) => buffer.as_slice() == [ANSWER; 32],
            _ => false,
        })
    }

    /// Resets the device, takes the queue apart and counts what comes back; `None` if the reset failed.
    pub(super) fn end(self) -> Option<()> {
        let Self {
            bench,
            device,
            queue,
            requests,
            ..
        } = self;
        bench.behave();
        let clock = bench.clock();
        let (_, quiesced) = bench
            .call("reset", 1, || device.reset(&clock, TIMEOUT))
            .ok()?;
        let mut left = requests;
        let released = queue.release(&quiesced, |data, number| {
            let key = (number, addr_of(&data));
            match left.iter().position(|one| (one.number, one.addr) == key) {
                Some(position) => check_answer(bench, &left.swap_remove(position), &data),
                None => bench.fail("a reset gives back what was not submitted".to_owned()),
            }
        });
        bench.demand(released.is_ok(), "a queue does not take its proof");
        bench.demand(left.is_empty(), "a reset does not give back everything");
        Some(())
    }

    fn data(&self) -> (Data<Buffer>, Option<u64>) {
        let kind = self.bench.byte();
        let len = 1 + usize::from(self.bench.byte() % 48);
        let memory = &self.bench.memory;
        let buffer = match kind % 3 {
            0 => None,
            1 => DmaSlice::new_zeroed(memory, len).ok().map(Buffer::from),
            _ => {
                let directions = [Direction::Both, Direction::ToDevice, Direction::FromDevice];
                let direction = directions[usize::from(kind / 3 % 3)];
                let bytes = vec![9; len].into_boxed_slice();
                Mapped::new(memory, bytes, direction).ok().map(Buffer::from)
            }
        };
        let Some(buffer) = buffer else {
            return (Data::None, None);
        };
        let addr = buffer.segment(0).map(|segment| segment.addr.get());
        match kind & 0x80 {
            0 => (Data::Readable(buffer), addr),
            _ => (Data::Writable(buffer), addr),
        }
    }
}

/// Checks that the device's answer, as far as it is sure, is where the CPU sees it.
fn check_answer(bench: &Bench, request: &Request, data: &Data<Buffer>) {
    if let Data::Writable(buffer) = data {
        let mut answer = buffer.as_slice().iter().take(request.sure);
        bench.demand(
            answer.all(|byte| *byte == ANSWER),
            "the data is not what the device wrote",
        );
    }
}

fn addr_of(data: &Data<Buffer>) -> Option<u64> {
    match data {
        Data::None => None,
        Data::Readable(buffer) | Data::Writable(buffer) => {
            buffer.segment(0).map(|segment| segment.addr.get())
        }
    }
}
