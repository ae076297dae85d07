//! How a request ends (§5.2.6): [`Status`].

/// The last byte of a request, as the device writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
    ZoneInvalidCommand = 3,
    ZoneUnalignedWritePointer = 4,
    ZoneOpenResource = 5,
    ZoneActiveResource = 6,
}

impl Status {
    /// The same for a driver that has not negotiated ZONED, and knows none of the zones' own.
    pub(super) const fn without_zones(self) -> Self {
        match self {
            Self::ZoneInvalidCommand
            | Self::ZoneUnalignedWritePointer
            | Self::ZoneOpenResource
            | Self::ZoneActiveResource => Self::IoError,
            other => other,
        }
    }
}

/// A request's success, or the status that says otherwise.
pub(super) type Served = Result<(), Status>;

impl From<std::io::Error> for Status {
    fn from(_: std::io::Error) -> Self {
        Self::IoError
    }
}
