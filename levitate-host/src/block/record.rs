//! What a disk notes of each request: [`BlockRequest`].

use std::ops::Range;

/// The type of a request (§5.2.6).
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
    /// `VIRTIO_BLK_T_GET_LIFETIME`.
    GetLifetime,
    /// `VIRTIO_BLK_T_DISCARD`.
    Discard,
    /// `VIRTIO_BLK_T_WRITE_ZEROES`.
    WriteZeroes,
    /// `VIRTIO_BLK_T_SECURE_ERASE`.
    SecureErase,
    /// `VIRTIO_BLK_T_ZONE_APPEND`.
    ZoneAppend,
    /// `VIRTIO_BLK_T_ZONE_REPORT`.
    ZoneReport,
    /// `VIRTIO_BLK_T_ZONE_OPEN`.
    ZoneOpen,
    /// `VIRTIO_BLK_T_ZONE_CLOSE`.
    ZoneClose,
    /// `VIRTIO_BLK_T_ZONE_FINISH`.
    ZoneFinish,
    /// `VIRTIO_BLK_T_ZONE_RESET`.
    ZoneReset,
    /// `VIRTIO_BLK_T_ZONE_RESET_ALL`.
    ZoneResetAll,
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
            10 => Self::GetLifetime,
            11 => Self::Discard,
            13 => Self::WriteZeroes,
            14 => Self::SecureErase,
            15 => Self::ZoneAppend,
            16 => Self::ZoneReport,
            18 => Self::ZoneOpen,
            20 => Self::ZoneClose,
            22 => Self::ZoneFinish,
            24 => Self::ZoneReset,
            26 => Self::ZoneResetAll,
            other => Self::Other(other),
        }
    }

    /// Says whether the header's sector means nothing, and is to be 0.
    pub(super) const fn has_no_sector(self) -> bool {
        matches!(
            self,
            Self::GetId | Self::GetLifetime | Self::Discard | Self::WriteZeroes | Self::SecureErase
        )
    }
}

/// One request as the disk served it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// The queue it came by.
    pub queue: u16,
    /// Its type.
    pub kind: Kind,
    /// The sector in its header.
    pub sector: u64,
    /// Length of the data either way, in bytes.
    pub data_len_bytes: usize,
    /// Buffers of the data, without header and status.
    pub segments: usize,
    /// What a DISCARD, WRITE_ZEROES or SECURE_ERASE names.
    pub ranges: Vec<SectorRange>,
    /// The status it was answered with.
    pub status: u8,
}

/// One segment of a DISCARD, WRITE_ZEROES or SECURE_ERASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorRange {
    /// Its first sector.
    pub sector: u64,
    /// How many sectors it has.
    pub sectors: u32,
    /// Its flags; bit 0 is `unmap`.
    pub flags: u32,
}

impl SectorRange {
    pub(super) const LEN_BYTES: usize = 16;

    /// Reads as many whole segments as there are.
    pub(super) fn parse_all(data: &[u8]) -> Vec<Self> {
        let (whole, _) = data.as_chunks::<{ Self::LEN_BYTES }>();
        whole.iter().map(Self::parse).collect()
    }

    /// Returns its sectors, which are not beyond the disk.
    pub(super) fn extent(&self) -> Range<u64> {
        self.sector..self.sector + u64::from(self.sectors)
    }

    fn parse(segment: &[u8; Self::LEN_BYTES]) -> Self {
        let (words, _) = segment.as_chunks::<4>();
        let word = |index: usize| u32::from_le_bytes(words[index]);
        Self {
            sector: u64::from(word(0)) | u64::from(word(1)) << 32,
            sectors: word(2),
            flags: word(3),
        }
    }
}
