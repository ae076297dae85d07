//! How the driver must complain of a device ([`Expected`]).

use levitate_virtio::DeviceFault;

/// How a look at the ring must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Expected {
    Jumped {
        claimed: u16,
        in_flight: u16,
    },
    NoSuchChain {
        id: u32,
    },
    OutOfOrder {
        id: u32,
    },
    TooLong {
        len: u32,
        capacity: u32,
    },
    /// It was reset, and could not be brought back into use.
    NotEnabled,
}

impl Expected {
    /// Says whether it is this fault.
    pub(in super::super) fn is(self, fault: DeviceFault) -> bool {
        match (self, fault) {
            (
                Self::Jumped { claimed, in_flight },
                DeviceFault::UsedIndexJumped {
                    claimed: their_claimed,
                    in_flight: their_in_flight,
                },
            ) => (claimed, in_flight) == (their_claimed, their_in_flight),
            (
                Self::NoSuchChain { id },
                DeviceFault::UnknownId { id: theirs } | DeviceFault::NotInFlight { id: theirs },
            ) => id == theirs,
            (Self::OutOfOrder { id }, DeviceFault::OutOfOrder { id: theirs }) => id == theirs,
            (
                Self::TooLong { len, capacity },
                DeviceFault::UsedLengthTooLong {
                    len_bytes,
                    capacity_bytes,
                },
            ) => (len, capacity) == (len_bytes, capacity_bytes),
            (Self::NotEnabled, DeviceFault::NotEnabled) => true,
            _ => false,
        }
    }
}
