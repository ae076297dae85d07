//! Commands as they lie in memory (§5.7.6), and as a test reads them: [`Command`].

/// A rectangle, in pixels from the top left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rect {
    /// Names the rectangle of that place and size.
    #[must_use]
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// Says whether it lies inside a picture of that size.
    pub(super) fn is_inside(self, width: u32, height: u32) -> bool {
        let right = self.x.checked_add(self.width);
        let bottom = self.y.checked_add(self.height);
        right.is_some_and(|right| right <= width) && bottom.is_some_and(|bottom| bottom <= height)
    }
}

/// A command, with what it says besides its header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the specification's structures"
)]
pub enum Command {
    /// `VIRTIO_GPU_CMD_GET_DISPLAY_INFO`.
    GetDisplayInfo,
    /// `VIRTIO_GPU_CMD_GET_EDID`.
    GetEdid { scanout: u32 },
    /// `VIRTIO_GPU_CMD_RESOURCE_CREATE_2D`.
    Create2d {
        resource: u32,
        format: u32,
        width: u32,
        height: u32,
    },
    /// `VIRTIO_GPU_CMD_RESOURCE_UNREF`.
    Unref { resource: u32 },
    /// `VIRTIO_GPU_CMD_SET_SCANOUT`.
    SetScanout {
        rect: Rect,
        scanout: u32,
        resource: u32,
    },
    /// `VIRTIO_GPU_CMD_RESOURCE_FLUSH`.
    Flush { rect: Rect, resource: u32 },
    /// `VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D`.
    Transfer {
        rect: Rect,
        offset: u64,
        resource: u32,
    },
    /// `VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING`; entries are address and length.
    AttachBacking {
        resource: u32,
        announced: u32,
        entries: Vec<(u64, u32)>,
    },
    /// `VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING`.
    DetachBacking { resource: u32 },
    /// `VIRTIO_GPU_CMD_UPDATE_CURSOR`.
    UpdateCursor {
        scanout: u32,
        x: u32,
        y: u32,
        resource: u32,
        hot_x: u32,
        hot_y: u32,
    },
    /// `VIRTIO_GPU_CMD_MOVE_CURSOR`.
    MoveCursor { scanout: u32, x: u32, y: u32 },
    /// A command that the device does not know, by its number.
    Unknown(u32),
    /// A command with fewer bytes than it must have, by its number.
    Short(u32),
}

/// One command as the device served it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuRequest {
    /// The queue it came by: 0 control, 1 cursor.
    pub queue: u16,
    /// What it said.
    pub command: Command,
    /// The fence it asked for.
    pub fence: Option<u64>,
    /// The type of the response; `None` if there was none, as QEMU has it on the cursor queue.
    pub response: Option<u32>,
}

pub(super) const HEADER_BYTES: usize = 24;
pub(super) const FLAG_FENCE: u32 = 1;
pub(super) const FLAG_INFO_RING_IDX: u32 = 2;

/// A header (§5.7.6.7).
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) fence: u64,
    pub(super) context: u32,
    pub(super) ring_index: u8,
}

/// Reads little-endian numbers at offsets.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn word(&self, offset: usize) -> Option<u32> {
        let (bytes, _) = self.0.get(offset..)?.split_first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn long(&self, offset: usize) -> Option<u64> {
        let (bytes, _) = self.0.get(offset..)?.split_first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn rect(&self, offset: usize) -> Option<Rect> {
        Some(Rect {
            x: self.word(offset)?,
            y: self.word(offset + 4)?,
            width: self.word(offset + 8)?,
            height: self.word(offset + 12)?,
        })
    }
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let fields = Fields(bytes);
        Some(Self {
            kind: fields.word(0)?,
            flags: fields.word(4)?,
            fence: fields.long(8)?,
            context: fields.word(16)?,
            ring_index: bytes[20],
        })
    }

    /// Returns the header of the response: fence and context are those of the command if it asked for a fence (§5.7.6.7).
    pub(super) fn response(self, kind: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        if self.flags & FLAG_FENCE != 0 {
            bytes[4..8].copy_from_slice(&FLAG_FENCE.to_le_bytes());
            bytes[8..16].copy_from_slice(&self.fence.to_le_bytes());
            bytes[16..20].copy_from_slice(&self.context.to_le_bytes());
        }
        bytes
    }
}

impl Command {
    /// Reads the command of type `kind` from all bytes of the request, header included.
    pub(super) fn parse(kind: u32, bytes: &[u8]) -> Self {
        Self::try_parse(kind, &Fields(bytes)).unwrap_or(Self::Short(kind))
    }

    fn try_parse(kind: u32, fields: &Fields<'_>) -> Option<Self> {
        let word = |offset| fields.word(offset);
        Some(match kind {
            0x0100 => Self::GetDisplayInfo,
            0x0101 => Self::Create2d {
                resource: word(24)?,
                format: word(28)?,
                width: word(32)?,
                height: word(36)?,
            },
            0x0102 => {
                word(28)?;
                Self::Unref {
                    resource: word(24)?,
                }
            }
            0x0103 => Self::SetScanout {
                rect: fields.rect(24)?,
                scanout: word(40)?,
                resource: word(44)?,
            },
            0x0104 => {
                word(44)?;
                Self::Flush {
                    rect: fields.rect(24)?,
                    resource: word(40)?,
                }
            }
            0x0105 => {
                word(52)?;
                Self::Transfer {
                    rect: fields.rect(24)?,
                    offset: fields.long(40)?,
                    resource: word(48)?,
                }
            }
            0x0106 => Self::AttachBacking {
                resource: word(24)?,
                announced: word(28)?,
                entries: entries(&fields.0[32..]),
            },
            0x0107 => {
                word(28)?;
                Self::DetachBacking {
                    resource: word(24)?,
                }
            }
            0x010a => {
                word(28)?;
                Self::GetEdid { scanout: word(24)? }
            }
            0x0300 => {
                word(52)?;
                Self::UpdateCursor {
                    scanout: word(24)?,
                    x: word(28)?,
                    y: word(32)?,
                    resource: word(40)?,
                    hot_x: word(44)?,
                    hot_y: word(48)?,
                }
            }
            0x0301 => {
                word(52)?;
                Self::MoveCursor {
                    scanout: word(24)?,
                    x: word(28)?,
                    y: word(32)?,
                }
            }
            other => Self::Unknown(other),
        })
    }
}

/// Reads as many whole entries as there are.
fn entries(bytes: &[u8]) -> Vec<(u64, u32)> {
    let (whole, _) = bytes.as_chunks::<16>();
    let entry = |entry: &[u8; 16]| {
        let fields = Fields(entry);
        Some((fields.long(0)?, fields.word(8)?))
    };
    whole.iter().filter_map(entry).collect()
}
