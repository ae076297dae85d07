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

/// A request's success, or the status that says otherwise.
pub(super) type Served = Result<(), Status>;

impl From<std::io::Error> for Status {
    fn from(_: std::io::Error) -> Self {
        Self::IoError
    }
}
