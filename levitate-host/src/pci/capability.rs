//! Entries of the capability list, byte for byte (§4.1.4): [`Capability`].

/// The capability ID that says "vendor-specific", and so VirtIO.
pub(super) const VENDOR_SPECIFIC: u8 = 0x09;
/// The capability ID of MSI-X.
pub(super) const MSIX: u8 = 0x11;

/// `VIRTIO_PCI_CAP_COMMON_CFG`.
pub(super) const COMMON_CFG: u8 = 1;
/// `VIRTIO_PCI_CAP_NOTIFY_CFG`.
pub(super) const NOTIFY_CFG: u8 = 2;
/// `VIRTIO_PCI_CAP_ISR_CFG`.
pub(super) const ISR_CFG: u8 = 3;
/// `VIRTIO_PCI_CAP_DEVICE_CFG`.
pub(super) const DEVICE_CFG: u8 = 4;
/// `VIRTIO_PCI_CAP_PCI_CFG`.
pub(super) const PCI_CFG: u8 = 5;
/// `VIRTIO_PCI_CAP_SHARED_MEMORY_CFG`.
pub(super) const SHARED_MEMORY_CFG: u8 = 8;
/// `VIRTIO_PCI_CAP_VENDOR_CFG`.
pub(super) const VENDOR_CFG: u8 = 9;

/// Where `cap_next` is within a capability.
const NEXT: usize = 1;
/// Where `cap_len` is.
const LEN: usize = 2;
/// Where `cfg_type` is.
pub(super) const TYPE: usize = 3;
/// Where `bar` is.
pub(super) const BAR: usize = 4;
/// Where `offset` is.
pub(super) const OFFSET: usize = 8;
/// Where `length` is.
pub(super) const LENGTH: usize = 12;

/// One entry of the capability list.
///
/// As made by the functions here it is what the specification asks for; the `with_` methods are for lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    bytes: Vec<u8>,
    place: Option<u8>,
    next: Option<u8>,
}

impl Capability {
    /// Any capability at all: its ID, and what follows the pointer to the next.
    #[must_use]
    pub fn other(id: u8, body: &[u8]) -> Self {
        let mut bytes = vec![id, 0];
        bytes.extend_from_slice(body);
        Self {
            bytes,
            place: None,
            next: None,
        }
    }

    /// A structure of the type `cfg_type`: `length` bytes from `offset` in `bar`.
    #[must_use]
    pub fn structure(cfg_type: u8, bar: u8, offset: u32, length: u32) -> Self {
        let mut body = vec![0, cfg_type, bar, 0, 0, 0];
        body.extend(offset.to_le_bytes());
        body.extend(length.to_le_bytes());
        Self::other(VENDOR_SPECIFIC, &body).measured()
    }

    /// The notification structure (§4.1.4.4).
    #[must_use]
    pub fn notify(bar: u8, offset: u32, length: u32, multiplier: u32) -> Self {
        Self::structure(NOTIFY_CFG, bar, offset, length).followed_by(&multiplier.to_le_bytes())
    }

    /// The window into the BARs (§4.1.4.9).
    #[must_use]
    pub fn window() -> Self {
        Self::structure(PCI_CFG, 0, 0, 0).followed_by(&[0; 4])
    }

    /// Shared memory region `id` (§4.1.4.7).
    #[must_use]
    pub fn shared_memory(id: u8, bar: u8, offset: u64, length: u64) -> Self {
        Self::structure(SHARED_MEMORY_CFG, bar, offset as u32, length as u32)
            .with_bytes(5, &[id])
            .followed_by(&((offset >> 32) as u32).to_le_bytes())
            .followed_by(&((length >> 32) as u32).to_le_bytes())
    }

    /// Data of a vendor (§4.1.4.8); it is padded to a multiple of four bytes.
    #[must_use]
    pub fn vendor(vendor_id: u16, data: &[u8]) -> Self {
        let mut body = vec![0, VENDOR_CFG];
        body.extend(vendor_id.to_le_bytes());
        body.extend_from_slice(data);
        let padded = (body.len() + 2).next_multiple_of(4) - 2;
        body.resize(padded, 0);
        Self::other(VENDOR_SPECIFIC, &body).measured()
    }

    /// MSI-X with `vectors` vectors: the table and the pending bits, each as a BAR and an offset in it.
    #[must_use]
    pub fn msix(vectors: u16, table: (u8, u32), pending: (u8, u32)) -> Self {
        let mut body = vectors.saturating_sub(1).to_le_bytes().to_vec();
        body.extend((table.1 & !7 | u32::from(table.0)).to_le_bytes());
        body.extend((pending.1 & !7 | u32::from(pending.0)).to_le_bytes());
        Self::other(MSIX, &body)
    }

    /// The same, at `place` in configuration space rather than right after the entry before it.
    #[must_use]
    pub const fn placed(mut self, place: u8) -> Self {
        self.place = Some(place);
        self
    }

    /// The same, with a pointer to `next` rather than to the entry after it.
    #[must_use]
    pub const fn with_next(mut self, next: u8) -> Self {
        self.next = Some(next);
        self
    }

    /// The same, with another `cap_len`.
    #[must_use]
    pub fn with_len(self, cap_len: u8) -> Self {
        self.with_bytes(LEN, &[cap_len])
    }

    /// The same, with another `cfg_type`.
    #[must_use]
    pub fn with_type(self, cfg_type: u8) -> Self {
        self.with_bytes(TYPE, &[cfg_type])
    }

    /// The same, in another `bar`.
    #[must_use]
    pub fn with_bar(self, bar: u8) -> Self {
        self.with_bytes(BAR, &[bar])
    }

    /// The same, with another `offset` and `length`.
    #[must_use]
    pub fn with_range(self, offset: u32, length: u32) -> Self {
        self.with_bytes(OFFSET, &offset.to_le_bytes())
            .with_bytes(LENGTH, &length.to_le_bytes())
    }

    /// The same, with `bytes` at `offset`.
    ///
    /// # Panics
    ///
    /// If the capability is not that long.
    #[must_use]
    pub fn with_bytes(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Returns its type, if it is one of VirtIO.
    #[must_use]
    pub fn cfg_type(&self) -> Option<u8> {
        let is_ours = self.bytes.first() == Some(&VENDOR_SPECIFIC);
        self.bytes.get(TYPE).copied().filter(|_| is_ours)
    }

    /// Returns its capability ID.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.bytes[0]
    }

    /// Makes it longer.
    fn followed_by(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.measured()
    }

    /// Sets `cap_len` to what it is.
    fn measured(mut self) -> Self {
        self.bytes[LEN] = self.bytes.len() as u8;
        self
    }
}

/// A capability in its place: where, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) len_bytes: usize,
    pub(super) id: u8,
    pub(super) cfg_type: Option<u8>,
}

impl Placed {
    /// Says whether an access touches it.
    pub(super) const fn is_touched(&self, offset: usize, width_bytes: usize) -> bool {
        offset < self.at + self.len_bytes && self.at < offset + width_bytes
    }
}

/// Writes the list into `bytes` from `first` on, and returns where each entry is.
pub(super) fn lay_out(list: &[Capability], first: u8, bytes: &mut [u8]) -> Vec<Placed> {
    let mut free = usize::from(first);
    let mut placed = Vec::new();
    for capability in list {
        let at = capability.place.map_or(free, usize::from);
        free = (at + capability.bytes.len()).next_multiple_of(4);
        placed.push(Placed {
            at,
            len_bytes: capability.bytes.len(),
            id: capability.id(),
            cfg_type: capability.cfg_type(),
        });
    }
    for (position, capability) in list.iter().enumerate() {
        let at = placed[position].at;
        bytes[at..at + capability.bytes.len()].copy_from_slice(&capability.bytes);
        let following = placed.get(position + 1).map_or(0, |next| next.at as u8);
        bytes[at + NEXT] = capability.next.unwrap_or(following);
    }
    placed
}
