//! Ways for a device to lie: [`Fault`].

/// What a device does wrong with one answer.
///
/// Without one, a device is honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The used element names a descriptor beyond the table.
    UsedIdOutOfRange,
    /// The used element names a descriptor that is no head of a chain in flight.
    UsedIdNotInFlight,
    /// The answer is given twice, with the same used element.
    UsedTwice,
    /// The used element says that this many bytes were written, whatever room there was.
    UsedLen(u32),
    /// The used element is right, and then the used index moves on by so many more.
    UsedIndexJump(u16),
    /// Only the first bytes of the answer are written, and counted.
    AnswerTruncated {
        /// How many bytes are written.
        len_bytes: u32,
    },
    /// The first four bytes of the answer are this number: a GPU response of another type.
    AnswerType(u32),
    /// The last byte of the writable part is this number: a block status of the device's own invention.
    LastByte(u8),
    /// The answer is written, and the used ring is not.
    NoUsedElement,
    /// The used ring is written as if it followed the available ring at once, without regard to the queue alignment.
    UsedRingMisplaced,
    /// The answer is given properly, and DEVICE_NEEDS_RESET is set.
    NeedsReset,
}

impl Fault {
    /// Says whether it is about what is written to the rings, and not about the answer itself.
    pub(super) const fn is_about_rings(self) -> bool {
        matches!(
            self,
            Self::UsedIdOutOfRange
                | Self::UsedIdNotInFlight
                | Self::UsedTwice
                | Self::UsedIndexJump(_)
                | Self::NoUsedElement
                | Self::UsedRingMisplaced
        )
    }
}
