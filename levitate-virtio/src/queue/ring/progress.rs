//! How far the requests of a queue have come: [`Progress`].

/// How far the requests of a queue have come.
///
/// All of them count without end, from [`first`](Self::first) on.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Number of the first request since the queue was enabled, a multiple of 2^16, for the indices of rings begin at 0.
    first: u64,
    /// Number of the next request to be made available.
    pub(in super::super) submitted: u64,
    /// Number of the next request for which it is to be decided whether to notify.
    pub(in super::super) decided: u64,
    /// How many requests the device is done with, as far as the driver has looked, counted as the others.
    pub(in super::super) done: u64,
}

impl Progress {
    /// Goes on behind the request of this number, of which there may be tokens: none of the next requests has the same, as their records
    /// have it, until there were 2^32 of them; a queue that is enabled anew counts for up to 2^16.
    pub(in super::super) const fn behind(last: u64) -> Self {
        let first = (last | u16::MAX as u64).wrapping_add(1);
        Self {
            first,
            submitted: first,
            decided: first,
            done: first,
        }
    }

    /// That of a queue whose first request had the number 0.
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(in super::super) const fn of(submitted: u64, done: u64) -> Self {
        Self {
            first: 0,
            submitted,
            decided: 0,
            done,
        }
    }

    /// Notes that one more request is made available.
    #[inline]
    pub(in super::super) const fn note_submitted(&mut self) {
        self.submitted = self.submitted.wrapping_add(1);
    }

    /// Returns how many requests were submitted since the queue was enabled.
    pub(in super::super) const fn count(self) -> u64 {
        self.submitted.wrapping_sub(self.first)
    }

    /// Returns how many requests were submitted since it was last decided whether to notify.
    #[inline]
    pub(in super::super) const fn undecided(self) -> u64 {
        self.submitted.wrapping_sub(self.decided)
    }

    /// Returns how many requests the device has: never more than a queue has descriptors.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer")]
    pub(in super::super) const fn in_flight(self) -> u16 {
        self.submitted.wrapping_sub(self.done) as u16
    }

    /// Returns the number of the last request, be it an earlier queue's, as its record has it.
    pub(in super::super) const fn last(self) -> u32 {
        self.sequence().wrapping_sub(1)
    }

    /// Returns the number of the next request, as its record has it.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is in flight is told apart by far fewer bits"
    )]
    pub(in super::super) const fn sequence(self) -> u32 {
        self.submitted as u32
    }

    /// Returns an index that counts what is made available without end (§2.7.6).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it has 16 bits")]
    pub(in super::super) const fn available_index(self) -> u16 {
        self.submitted as u16
    }

    /// Returns the index of the first request for which it is to be decided whether to notify, if there is one.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it has 16 bits")]
    pub(in super::super) const fn decided_index(self) -> u16 {
        self.decided as u16
    }

    /// Returns an index that counts what is used without end (§2.7.8).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it has 16 bits")]
    pub(in super::super) const fn used_index(self) -> u16 {
        self.done as u16
    }
}
