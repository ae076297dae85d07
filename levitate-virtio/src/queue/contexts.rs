//! What a driver remembers of its requests, while the queue has them.

use levitate_hal::Dma;

use super::ring::Format;
use super::slot::{Slot, State};
use super::{Queue, Token};

impl<B, C, D: Dma, N, R: Format> Queue<'_, B, C, D, N, R> {
    /// Returns the request that has been done for longest and not been taken.
    #[must_use]
    pub fn next_done(&self) -> Option<Token> {
        self.done_token(self.done.first()?)
    }

    /// Returns the request that was done next after `token` and has not been taken; `None` also if `token` itself was.
    #[must_use]
    pub fn done_after(&self, token: Token) -> Option<Token> {
        let slot = self
            .slot(token)
            .filter(|slot| slot.record.state() == State::Done)?;
        self.done_token(slot.record.next()?)
    }

    /// Looks at what the driver remembers of each request that is done and has not been taken, from `first` on in the order they were done
    /// in, until `is_meant` says so of one; returns that one, and the one behind it.
    pub fn find_done(
        &mut self,
        first: Token,
        mut is_meant: impl FnMut(&mut C) -> bool,
    ) -> Option<(Token, Option<Token>)> {
        let mut number = match self.is_done(first) {
            true => first.slot(),
            false => return None,
        };
        // The list is as long as that.
        for _ in 0..self.done_len {
            let slot = self.slots.get_mut(usize::from(number))?;
            if is_meant(slot.context_mut()?) {
                let next = slot.record.next();
                let after = next.and_then(|next| self.done_token(next));
                return Some((self.done_token(number)?, after));
            }
            number = slot.record.next()?;
        }
        None
    }

    /// Says whether the request is done, as of the last [`process`](Self::process).
    #[must_use]
    pub fn is_done(&self, token: Token) -> bool {
        self.slot(token)
            .is_some_and(|slot| slot.record.state() == State::Done)
    }

    /// Returns what the driver remembers of a request that has not been taken back.
    #[must_use]
    pub fn context(&self, token: Token) -> Option<&C> {
        self.slot(token)?.context()
    }

    /// Returns what the driver remembers of a request that has not been taken back, to change it.
    #[must_use]
    pub fn context_mut(&mut self, token: Token) -> Option<&mut C> {
        self.slot(token)?;
        let slot = self.slots.get_mut(usize::from(token.slot()))?;
        slot.context_mut()
    }

    /// Returns what the driver remembers of each request that has not been taken back, to change it.
    pub fn contexts_mut(&mut self) -> impl Iterator<Item = (Token, &mut C)> {
        let queue = self.index;
        let busy = self.busy_slots();
        let contexts = (0_u16..)
            .zip(self.slots.iter_mut())
            .filter_map(move |(number, slot)| {
                let token = Token::of(queue, number, &slot.record);
                Some((token, slot.context_mut()?))
            });
        // Behind the last of them, there may be many that are idle.
        contexts.take(busy.into())
    }

    /// Returns how many requests the device has, or was done with and nobody took.
    pub(super) const fn busy_slots(&self) -> u16 {
        self.progress.in_flight().wrapping_add(self.done_len)
    }

    pub(super) fn slot(&self, token: Token) -> Option<&Slot<B, C>> {
        let slot = self.slots.get(usize::from(token.slot()))?;
        let is_its = Token::of(self.index, token.slot(), &slot.record) == token;
        (is_its && slot.record.state() != State::Idle).then_some(slot)
    }

    fn done_token(&self, number: u16) -> Option<Token> {
        let slot = self.slots.get(usize::from(number))?;
        Some(Token::of(self.index, number, &slot.record))
    }
}
