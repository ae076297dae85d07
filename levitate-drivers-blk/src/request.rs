//! One request and what becomes of it: [`RequestHeader`], [`RequestStatus`], [`RequestKind`], [`Completion`] (§5.2.6).

use core::fmt;
use core::mem::{align_of, offset_of, size_of};

use levitate_hal::{Dma, DmaBuffer};
use levitate_virtio::{Completed, Data};
use static_assertions::{assert_impl_all, const_assert_eq};
use thiserror::Error;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use levitate_virtio::Token;

use crate::error::BufferError;
use crate::listener::Listener;

/// The device-readable beginning of every request (§5.2.6).
#[doc(alias = "virtio_blk_req")]
#[doc(alias = "virtio_blk_outhdr")]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(8))]
pub struct RequestHeader {
    /// What to do: the number of a [`RequestKind`].
    #[doc(alias = "type")]
    pub kind: U32,
    /// Zero; a priority on a legacy device.
    #[doc(alias = "ioprio")]
    pub reserved: U32,
    /// First sector to read or write, in units of 512 bytes; zero for other requests.
    pub sector: U64,
}

const_assert_eq!(size_of::<RequestHeader>(), 16);
const_assert_eq!(align_of::<RequestHeader>(), 8);
const_assert_eq!(offset_of!(RequestHeader, kind), 0);
const_assert_eq!(offset_of!(RequestHeader, reserved), 4);
const_assert_eq!(offset_of!(RequestHeader, sector), 8);
assert_impl_all!(RequestHeader: FromBytes, IntoBytes, Send, Sync);

/// The device-writable end of every request: how it went (§5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct RequestStatus(u8);

const_assert_eq!(size_of::<RequestStatus>(), 1);
const_assert_eq!(align_of::<RequestStatus>(), 1);

impl RequestStatus {
    /// The request was carried out.
    #[doc(alias = "VIRTIO_BLK_S_OK")]
    pub const OK: Self = Self(0);
    /// The device or the driver is at fault.
    #[doc(alias = "VIRTIO_BLK_S_IOERR")]
    pub const IOERR: Self = Self(1);
    /// The device does not know such a request.
    #[doc(alias = "VIRTIO_BLK_S_UNSUPP")]
    pub const UNSUPP: Self = Self(2);
    /// No status of the specification: what the byte holds until the device writes it.
    pub const UNWRITTEN: Self = Self(0xff);

    /// Names the status `status`.
    #[must_use]
    pub const fn new(status: u8) -> Self {
        Self(status)
    }
}

/// What a request asks of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Read sectors.
    #[doc(alias = "VIRTIO_BLK_T_IN")]
    Read,
    /// Write sectors.
    #[doc(alias = "VIRTIO_BLK_T_OUT")]
    Write,
    /// Make what was written durable.
    #[doc(alias = "VIRTIO_BLK_T_FLUSH")]
    Flush,
    /// Tell the device's ID.
    #[doc(alias = "VIRTIO_BLK_T_GET_ID")]
    GetId,
    /// Tell how worn the device is.
    #[doc(alias = "VIRTIO_BLK_T_GET_LIFETIME")]
    GetLifetime,
    /// Forget what is in sectors.
    #[doc(alias = "VIRTIO_BLK_T_DISCARD")]
    Discard,
    /// Make sectors read as zeroes.
    #[doc(alias = "VIRTIO_BLK_T_WRITE_ZEROES")]
    WriteZeroes,
    /// Erase sectors, and every copy of them.
    #[doc(alias = "VIRTIO_BLK_T_SECURE_ERASE")]
    SecureErase,
}

impl RequestKind {
    /// Returns the specification's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 4,
            Self::GetId => 8,
            Self::GetLifetime => 10,
            Self::Discard => 11,
            Self::WriteZeroes => 13,
            Self::SecureErase => 14,
        }
    }

    pub(crate) fn header(self, sector: u64) -> RequestHeader {
        RequestHeader {
            kind: self.number().into(),
            reserved: 0.into(),
            sector: sector.into(),
        }
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::GetId => "get-ID",
            Self::GetLifetime => "get-lifetime",
            Self::Discard => "discard",
            Self::WriteZeroes => "write-zeroes",
            Self::SecureErase => "secure-erase",
        })
    }
}

/// Why the device did not carry a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It answered `VIRTIO_BLK_S_IOERR`.
    #[error("device answered IOERR")]
    Io,
    /// It answered `VIRTIO_BLK_S_UNSUPP`.
    #[error("device answered UNSUPP: it does not know such a request")]
    Unsupported,
    /// It answered with a status that nobody has specified.
    #[error("device answered with the unknown status {status}")]
    UnknownStatus {
        /// The status byte.
        status: u8,
    },
    /// It gave the request back without an answer.
    #[error("device returned the request without writing a status")]
    NoStatus,
    /// It answered `VIRTIO_BLK_S_OK` and says that it wrote less than that takes.
    #[error(
        "device answered OK and wrote {written_bytes} bytes, status included, of {expected_bytes}"
    )]
    Short {
        /// Bytes the device says it wrote.
        written_bytes: usize,
        /// Bytes of data to be read, and one for the status.
        expected_bytes: usize,
    },
    /// It was reset before it answered.
    #[error("device was reset before it answered")]
    Aborted,
}

/// A submitted request that the device is done with.
#[derive(Debug)]
pub struct Completion<D: Dma> {
    /// What its submission returned.
    pub token: Token,
    /// What was asked of the device.
    pub kind: RequestKind,
    /// The first sector, zero for a flush.
    pub sector: u64,
    /// Whether the device did it; if not, the content of a buffer to read into is of no use.
    pub result: Result<(), RequestError>,
    /// The buffer that was submitted.
    pub buffer: Option<DmaBuffer<D>>,
}

impl<D: Dma> Completion<D> {
    /// Returns the buffer of a read or a write, or the error with it.
    pub(crate) fn into_buffer(self) -> Result<DmaBuffer<D>, BufferError<D>> {
        match (self.result, self.buffer) {
            (Ok(()), Some(buffer)) => Ok(buffer),
            (Err(error), buffer) => Err(BufferError {
                error: error.into(),
                buffer,
            }),
            (Ok(()), None) => unreachable!("a queue gives back the data it was handed"),
        }
    }
}

/// A submitted request that is handed back because the device was reset.
#[derive(Debug)]
pub struct Reclaimed<D: Dma> {
    /// What was asked of the device.
    pub kind: RequestKind,
    /// The first sector, zero for a flush.
    pub sector: u64,
    /// What the device answered before the reset, else [`RequestError::Aborted`]: it may have carried the request out, or not.
    pub result: Result<(), RequestError>,
    /// The buffer that was submitted.
    pub buffer: Option<DmaBuffer<D>>,
}

/// What the driver remembers of a request.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) kind: RequestKind,
    pub(crate) sector: u64,
    pub(crate) owner: Owner,
    pub(crate) listener: Listener,
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The user's, who is told of its completion.
    User,
    /// The driver's own: nobody but it waits for it, and its buffer is the driver's.
    Driver,
}

/// Translates what the virtqueue gives back; nothing of it is believed that the device does not vouch for.
#[inline]
pub(crate) fn completion<D: Dma>(
    completed: Completed<RequestStatus, DmaBuffer<D>, Context>,
) -> Completion<D> {
    complete(completed, |completion| completion)
}

/// As [`completion`], for `done` to use it where it is.
#[inline]
pub(crate) fn complete<D: Dma, R>(
    completed: Completed<RequestStatus, DmaBuffer<D>, Context>,
    done: impl FnOnce(Completion<D>) -> R,
) -> R {
    let result = match completed.is_whole && completed.footer == RequestStatus::OK {
        true => Ok(()),
        false => Err(failure(
            completed.footer,
            completed.footer_bytes,
            completed.data_bytes,
            match &completed.data {
                Data::Writable(buffer) => buffer.len_bytes(),
                Data::Readable(_) | Data::None => 0,
            },
        )),
    };
    let Context {
        kind,
        sector,
        listener,
        ..
    } = completed.context;
    let make = |buffer| Completion {
        token: completed.token,
        kind,
        sector,
        result,
        buffer,
    };
    // Two calls of each: for one, the buffer would be moved to where it is either there or not, and what there is looked at twice.
    match completed.data {
        Data::Readable(buffer) | Data::Writable(buffer) => {
            listener.end();
            done(make(Some(buffer)))
        }
        Data::None => {
            listener.end();
            done(make(None))
        }
    }
}

/// Returns why a request was not carried out.
///
/// A device that failed need not have filled the buffer, so a short length says nothing then; one that did not fail must have.
#[cold]
fn failure(
    status: RequestStatus,
    status_bytes: usize,
    data_bytes: usize,
    expected_bytes: usize,
) -> RequestError {
    match status {
        RequestStatus::OK => RequestError::Short {
            written_bytes: data_bytes.saturating_add(status_bytes),
            expected_bytes: expected_bytes.saturating_add(size_of::<RequestStatus>()),
        },
        RequestStatus::IOERR => RequestError::Io,
        RequestStatus::UNSUPP => RequestError::Unsupported,
        RequestStatus::UNWRITTEN => RequestError::NoStatus,
        RequestStatus(status) => RequestError::UnknownStatus { status },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_bindings::virtio_blk as c;

    #[test]
    fn a_header_is_little_endian_on_every_host() {
        let header = RequestKind::GetId.header(0x0102_0304_0506_0708);
        assert_eq!(
            header.as_bytes(),
            [8, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]
        );
        let back = RequestHeader::read_from_bytes(header.as_bytes()).unwrap();
        assert_eq!(back.sector.get(), 0x0102_0304_0506_0708);
    }

    #[test]
    fn the_numbers_are_the_ones_of_the_specification() {
        assert_eq!(RequestKind::Read.number(), c::VIRTIO_BLK_T_IN);
        assert_eq!(RequestKind::Write.number(), c::VIRTIO_BLK_T_OUT);
        assert_eq!(RequestKind::Flush.number(), c::VIRTIO_BLK_T_FLUSH);
        assert_eq!(RequestKind::GetId.number(), c::VIRTIO_BLK_T_GET_ID);
        assert_eq!(RequestKind::GetLifetime.number(), 10);
        assert_eq!(RequestKind::Discard.number(), c::VIRTIO_BLK_T_DISCARD);
        assert_eq!(
            RequestKind::WriteZeroes.number(),
            c::VIRTIO_BLK_T_WRITE_ZEROES
        );
        assert_eq!(
            RequestKind::SecureErase.number(),
            c::VIRTIO_BLK_T_SECURE_ERASE
        );
        assert_eq!(u32::from(RequestStatus::OK.0), c::VIRTIO_BLK_S_OK);
        assert_eq!(u32::from(RequestStatus::IOERR.0), c::VIRTIO_BLK_S_IOERR);
        assert_eq!(u32::from(RequestStatus::UNSUPP.0), c::VIRTIO_BLK_S_UNSUPP);
        assert_eq!(crate::id::ID_BYTES, c::VIRTIO_BLK_ID_BYTES as usize);
        assert_eq!(
            size_of::<RequestHeader>(),
            size_of::<c::virtio_blk_outhdr>()
        );
        assert_eq!(
            offset_of!(RequestHeader, sector),
            offset_of!(c::virtio_blk_outhdr, sector)
        );
    }

    #[test]
    fn an_ok_that_does_not_cover_everything_is_too_short() {
        for (status_bytes, data_bytes) in [(0, 512), (0, 0), (1, 511)] {
            let short = RequestError::Short {
                written_bytes: data_bytes + status_bytes,
                expected_bytes: 513,
            };
            let found = failure(RequestStatus::OK, status_bytes, data_bytes, 512);
            assert_eq!(found, short);
        }
    }

    #[test]
    fn an_error_is_an_error_however_long_it_is() {
        for (status_bytes, data_bytes) in [(1, 512), (0, 1), (0, 0)] {
            let read = |status| failure(RequestStatus(status), status_bytes, data_bytes, 512);
            assert_eq!(read(1), RequestError::Io);
            assert_eq!(read(2), RequestError::Unsupported);
            assert_eq!(read(3), RequestError::UnknownStatus { status: 3 });
            assert_eq!(read(254), RequestError::UnknownStatus { status: 254 });
            assert_eq!(read(255), RequestError::NoStatus);
        }
    }
}
