//! Which MSI-X vector stands for what: [`VectorPlan`] (§4.1.5.1.2).

use core::num::NonZeroU16;

use thiserror::Error;

use crate::queue::QueueIndex;
use crate::transport::InterruptStatus;

/// Which vectors a device is told to use; an event without one makes no interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorPlan {
    /// The vector for changes of the configuration.
    pub config: Option<u16>,
    /// The vectors for used buffers.
    pub queues: Option<QueueVectors>,
}

/// Vectors in a row, which the queues take in turn: with as many as there are queues, each has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueVectors {
    /// The vector of queue 0.
    pub first: u16,
    /// How many vectors there are.
    pub count: NonZeroU16,
}

impl QueueVectors {
    /// One vector for all queues.
    #[must_use]
    pub const fn shared(vector: u16) -> Self {
        Self {
            first: vector,
            count: NonZeroU16::MIN,
        }
    }

    /// Returns the vector of `queue`.
    #[must_use]
    pub const fn of(&self, queue: QueueIndex) -> u16 {
        let turn = match queue.get().checked_rem(self.count.get()) {
            Some(turn) => turn,
            None => 0,
        };
        self.first.saturating_add(turn)
    }

    const fn last(&self) -> u32 {
        (self.first as u32)
            .saturating_add(self.count.get() as u32)
            .saturating_sub(1)
    }
}

impl VectorPlan {
    /// Spreads the events of a device with so many queues over the first of `vectors` vectors: the configuration, then the queues.
    ///
    /// With a single vector, all share it; with none, there is no plan.
    #[must_use]
    pub const fn spread(vectors: u16, queues: u16) -> Option<Self> {
        let queues = match vectors {
            0 => return None,
            1 => QueueVectors::shared(0),
            _ => {
                let others = vectors.saturating_sub(1);
                let count = if queues < others { queues } else { others };
                let count = match NonZeroU16::new(count) {
                    Some(count) => count,
                    None => NonZeroU16::MIN,
                };
                QueueVectors { first: 1, count }
            }
        };
        Some(Self {
            config: Some(0),
            queues: Some(queues),
        })
    }

    /// Returns what the message of `vector` can be about.
    #[must_use]
    pub fn causes(&self, vector: u16) -> InterruptStatus {
        let mut causes = InterruptStatus::empty();
        let is_of_queue = self
            .queues
            .is_some_and(|queues| queues.first <= vector && u32::from(vector) <= queues.last());
        causes.set(InterruptStatus::USED_BUFFER, is_of_queue);
        causes.set(InterruptStatus::CONFIG_CHANGE, self.config == Some(vector));
        causes
    }

    /// Returns what any of its messages can be about.
    pub(super) fn all_causes(&self) -> InterruptStatus {
        let mut causes = InterruptStatus::empty();
        causes.set(InterruptStatus::USED_BUFFER, self.queues.is_some());
        causes.set(InterruptStatus::CONFIG_CHANGE, self.config.is_some());
        causes
    }

    /// Checks that a table of so many vectors has all of it.
    pub(super) fn check(&self, vectors: u16) -> Result<(), PlanError> {
        let queues = self.queues.map(|queues| queues.last());
        let last = self.config.map(u32::from).max(queues);
        match last {
            Some(last) if last >= vectors.into() => Err(PlanError::NoSuchVector { last, vectors }),
            _ => Ok(()),
        }
    }
}

/// Why a device cannot be told to use a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The plan has a vector that the table has not.
    #[error("vector {last} is planned for, of a table of {vectors}")]
    NoSuchVector {
        /// The last vector of the plan.
        last: u32,
        /// Vectors of the table.
        vectors: u16,
    },
    /// The function sends no messages: MSI-X is off, or masked as a whole.
    #[error("MSI-X is off, or all of its vectors are masked")]
    TableOff,
    /// The table is that of another function.
    #[error("the MSI-X table is that of another function")]
    ForeignTable,
}
