//! What a program lends to the driver, and what it gets back: [`Program`].

use levitate_drivers_blk::{BufferError, Completion, Token};
use levitate_hal::{Direction, DmaBuffer, DmaError, Mapped, Segments as _};

use super::Driver;
use super::tasks::{AsyncDriver, AsyncRequest};
use crate::bench::Bench;
use crate::memory::Memory;
use crate::sabotage::Sabotage;

type Buffer = DmaBuffer<Memory>;

/// Most bytes of a request, so that an input is done soon.
const MAX_BYTES: usize = 2048;

/// The books of a program: whatever is lent comes back once, as it was, and not while the device has it.
pub(super) struct Program<'b> {
    bench: &'b Bench,
    lent: Vec<(Option<Token>, Place)>,
    /// What nobody waits for any more: it may come back once, or is freed.
    abandoned: Vec<(Token, Place)>,
    tokens: Vec<Token>,
}

/// Names a buffer by its first byte, as the device addresses it, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    addr: u64,
    len: u64,
}

impl Place {
    fn of(buffer: &Buffer) -> Self {
        let start = buffer.segment(0).map_or(0, |segment| {
            segment.addr.get() - buffer.window().start as u64
        });
        Self {
            addr: start,
            len: buffer.capacity_bytes() as u64,
        }
    }
}

impl<'b> Program<'b> {
    pub(super) const fn new(bench: &'b Bench) -> Self {
        Self {
            bench,
            lent: Vec::new(),
            abandoned: Vec::new(),
            tokens: Vec::new(),
        }
    }

    /// Reads or writes by way of a buffer of the program's own, and waits.
    pub(super) fn transfer(&mut self, driver: &mut Driver<'_>, sector: u64) {
        let Some(buffer) = self.buffer(|length| driver.allocate_buffer(length)) else {
            return;
        };
        let place = Place::of(&buffer);
        let outcome = self.bench.call("transfer", 8, || match sector % 2 {
            0 => driver.read_buffer(sector, buffer),
            _ => driver.write_buffer(sector, buffer),
        });
        match outcome {
            Ok(buffer)
            | Err(BufferError {
                buffer: Some(buffer),
                ..
            }) => self.check_returned(buffer, place),
            Err(BufferError { buffer: None, .. }) => self.lent.push((None, place)),
        }
    }

    pub(super) fn submit(&mut self, driver: &mut Driver<'_>, sector: u64) {
        let Some(buffer) = self.buffer(|length| driver.allocate_buffer(length)) else {
            return;
        };
        let place = Place::of(&buffer);
        let outcome = match sector % 2 {
            0 => driver.submit_read(sector, buffer),
            _ => driver.submit_write(sector, buffer),
        };
        match outcome {
            Ok(token) => self.submitted(token, place),
            Err(rejected) => self.check_returned(rejected.buffer, place),
        }
    }

    /// Submits a request, for a task to wait for its answer.
    pub(super) fn submit_for_task<'f, 's>(
        &mut self,
        blk: &'f AsyncDriver<'s>,
        sector: u64,
    ) -> Option<AsyncRequest<'f, 's>> {
        let buffer = self.buffer(|length| blk.allocate_buffer(length))?;
        let place = Place::of(&buffer);
        let outcome = match sector % 2 {
            0 => blk.submit_read(sector, buffer),
            _ => blk.submit_write(sector, buffer),
        };
        match outcome {
            Ok(request) => {
                self.submitted(request.token(), place);
                Some(request)
            }
            Err(rejected) => {
                self.check_returned(rejected.buffer, place);
                None
            }
        }
    }

    fn submitted(&mut self, token: Token, place: Place) {
        self.lent.push((Some(token), place));
        self.tokens.push(token);
        self.bench.with(crate::device::Device::fetch);
        if self.bench.is_sabotaged(Sabotage::TakenEarly) {
            self.account(Some(token), place);
        }
    }

    /// Notes that nobody waits for a request any more: its buffer is freed when the device has answered, unless somebody else takes it.
    pub(super) fn abandoned(&mut self, token: Token) {
        let mut lent = self.lent.iter();
        if let Some(position) = lent.position(|(lent_for, _)| *lent_for == Some(token)) {
            let (_, place) = self.lent.swap_remove(position);
            self.abandoned.push((token, place));
        }
    }

    pub(super) fn submit_flush(&mut self, driver: &mut Driver<'_>) {
        if let Ok(token) = driver.submit_flush() {
            self.tokens.push(token);
            self.bench.with(crate::device::Device::fetch);
        }
    }

    pub(super) fn completed(&mut self, completion: Completion<Memory>) {
        let token = Some(completion.token);
        self.bench.demand(
            self.tokens.contains(&completion.token)
                || self.lent.iter().any(|(token, _)| token.is_none()),
            "a request is done that was not submitted",
        );
        self.tokens.retain(|other| *other != completion.token);
        if let Some(buffer) = completion.buffer {
            let place = Place::of(&buffer);
            self.account(token, place);
            if self.bench.is_sabotaged(Sabotage::TakenTwice) {
                self.account(token, place);
            }
        }
    }

    /// Takes what a reset gives back.
    pub(super) fn returned(&mut self, buffer: Option<Buffer>) {
        if let Some(buffer) = buffer {
            self.account(None, Place::of(&buffer));
        }
    }

    /// After a reset, nobody has anything any more.
    pub(super) fn expect_nothing_lent(&mut self) {
        self.bench.demand(
            self.lent.is_empty(),
            "a buffer did not come back in a reset",
        );
        self.tokens.clear();
        self.abandoned.clear();
    }

    /// Checks that a buffer that comes back was lent, for this request, and that the device has done with it.
    fn account(&mut self, token: Option<Token>, place: Place) {
        let found = self.lent.iter().position(|(lent_for, lent)| {
            *lent == place && (token.is_none() || lent_for.is_none() || *lent_for == token)
        });
        let mut abandoned = self.abandoned.iter();
        let found_abandoned = abandoned.position(|(lent_for, lent)| {
            *lent == place && token.is_none_or(|token| token == *lent_for)
        });
        match (found, found_abandoned) {
            (Some(position), _) => drop(self.lent.swap_remove(position)),
            (None, Some(position)) => drop(self.abandoned.swap_remove(position)),
            (None, None) => self.bench.fail("a buffer came back twice".to_owned()),
        }
        self.check_done(place);
    }

    fn check_returned(&self, mut buffer: Buffer, place: Place) {
        self.bench
            .demand(Place::of(&buffer) == place, "another buffer came back");
        self.check_done(place);
        // It is the program's: every byte can be written.
        buffer.as_mut_slice().fill(0x11);
    }

    fn check_done(&self, place: Place) {
        let is_held = self
            .bench
            .with(|device| device.holds(place.addr, place.len));
        self.bench
            .demand(!is_held, "a buffer came back that the device still has");
    }

    pub(super) fn any_token(&self) -> Option<Token> {
        let choice = usize::from(self.bench.byte());
        let position = choice.checked_rem(self.tokens.len())?;
        self.tokens.get(position).copied()
    }

    /// Chooses a length; most are good.
    pub(super) fn length(&self) -> usize {
        match self.bench.byte() {
            odd @ 240.. => usize::from(odd),
            blocks => 512 * (1 + usize::from(blocks) % (MAX_BYTES / 512)),
        }
    }

    /// Makes a buffer: coherent, or a box of the program's that is mapped.
    fn buffer(&self, allocate: impl FnOnce(usize) -> Result<Buffer, DmaError>) -> Option<Buffer> {
        let length = self.length();
        let direction = match self.bench.byte() % 4 {
            0 | 1 => return allocate(length).ok(),
            2 => Direction::Both,
            _ => Direction::FromDevice,
        };
        let data = vec![1; length].into_boxed_slice();
        let mapped = Mapped::new(&self.bench.memory, data, direction);
        Some(mapped.ok()?.into())
    }
}
