//! What a disk notes of each request: [`BlockRequest`].

/// The type of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `VIRTIO_BLK_T_IN`: a read.
    In,
    /// `VIRTIO_BLK_T_OUT`: a write.
    Out,
    /// `VIRTIO_BLK_T_FLUSH`.
    Flush,
    /// `VIRTIO_BLK_T_GET_ID`.
    GetId,
    /// Another number; answered with UNSUPP.
    Other(u32),
}

impl Kind {
    pub(super) const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::In,
            1 => Self::Out,
            4 => Self::Flush,
            8 => Self::GetId,
            other => Self::Other(other),
        }
    }
}

/// One request as the disk served it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Its type.
    pub kind: Kind,
    /// Its first sector.
    pub sector: u64,
    /// Length of the data either way, in bytes.
    pub data_len_bytes: usize,
    /// Descriptors between header and status.
    pub segments: usize,
    /// The status it was answered with.
    pub status: u8,
}
