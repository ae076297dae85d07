//! What a zoned disk is (§5.2.4, §5.2.6): [`Zoned`], and [`Zone`] for one of its zones.

/// Who keeps to the order of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ZoneModel {
    /// `VIRTIO_BLK_Z_NONE`: the disk itself; it looks like any other.
    DriveManaged = 0,
    /// `VIRTIO_BLK_Z_HM`: the driver, which can write only where a zone's write pointer is.
    HostManaged = 1,
    /// `VIRTIO_BLK_Z_HA`: the driver if it likes; it can write anywhere.
    HostAware = 2,
}

/// The zones of a disk, and how many may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zoned {
    pub(super) model: ZoneModel,
    pub(super) zone_sectors: u32,
    pub(super) capacity_sectors: u32,
    pub(super) conventional_zones: usize,
    pub(super) max_open_zones: u32,
    pub(super) max_active_zones: u32,
    pub(super) max_append_sectors: u32,
    pub(super) write_granularity_bytes: u32,
}

impl Zoned {
    /// Zones of `zone_sectors` sectors, all of them sequential and writable to the end, without limits, and appends of up to 64 sectors.
    ///
    /// # Panics
    ///
    /// If a zone has no sectors.
    #[must_use]
    pub fn new(model: ZoneModel, zone_sectors: u32) -> Self {
        assert!(zone_sectors > 0, "a zone without sectors is none");
        Self {
            model,
            zone_sectors,
            capacity_sectors: zone_sectors,
            conventional_zones: 0,
            max_open_zones: 0,
            max_active_zones: 0,
            max_append_sectors: 64,
            write_granularity_bytes: 512,
        }
    }

    /// Makes the first `zones` zones conventional.
    #[must_use]
    pub const fn conventional(mut self, zones: usize) -> Self {
        self.conventional_zones = zones;
        self
    }

    /// Makes only the first `sectors` of each sequential zone writable.
    #[must_use]
    pub fn capacity(mut self, sectors: u32) -> Self {
        self.capacity_sectors = sectors.min(self.zone_sectors);
        self
    }

    /// Limits the zones that are open at once; 0 is no limit.
    #[must_use]
    pub const fn max_open(mut self, zones: u32) -> Self {
        self.max_open_zones = zones;
        self
    }

    /// Limits the zones that are open or closed at once; 0 is no limit.
    #[must_use]
    pub const fn max_active(mut self, zones: u32) -> Self {
        self.max_active_zones = zones;
        self
    }

    /// Limits what one append may write; 0 is a disk that cannot append.
    #[must_use]
    pub const fn max_append(mut self, sectors: u32) -> Self {
        self.max_append_sectors = sectors;
        self
    }

    /// Sets what writes to sequential zones are multiples of, in bytes.
    #[must_use]
    pub fn write_granularity(mut self, bytes: u32) -> Self {
        self.write_granularity_bytes = bytes.max(1);
        self
    }
}

/// The type of a zone, with its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ZoneKind {
    /// `VIRTIO_BLK_ZT_CONV`: written anywhere.
    Conventional = 1,
    /// `VIRTIO_BLK_ZT_SWR`: written at the write pointer only.
    WriteRequired = 2,
    /// `VIRTIO_BLK_ZT_SWP`: better written at the write pointer.
    WritePreferred = 3,
}

/// The state of a zone, with its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ZoneState {
    /// `VIRTIO_BLK_ZS_NOT_WP`: a conventional zone.
    NotWritePointer = 0,
    /// `VIRTIO_BLK_ZS_EMPTY`.
    Empty = 1,
    /// `VIRTIO_BLK_ZS_IOPEN`: opened by a write.
    ImplicitlyOpen = 2,
    /// `VIRTIO_BLK_ZS_EOPEN`: opened by ZONE_OPEN.
    ExplicitlyOpen = 3,
    /// `VIRTIO_BLK_ZS_CLOSED`.
    Closed = 4,
    /// `VIRTIO_BLK_ZS_RDONLY`.
    ReadOnly = 13,
    /// `VIRTIO_BLK_ZS_FULL`.
    Full = 14,
    /// `VIRTIO_BLK_ZS_OFFLINE`.
    Offline = 15,
}

impl ZoneState {
    /// Says whether a zone in this state counts as open.
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::ImplicitlyOpen | Self::ExplicitlyOpen)
    }

    /// Says whether a zone in this state counts as active.
    pub(super) const fn is_active(self) -> bool {
        self.is_open() || matches!(self, Self::Closed)
    }

    /// Says whether a zone in this state has a write pointer that is valid.
    pub(super) const fn is_writable(self) -> bool {
        self.is_active() || matches!(self, Self::Empty)
    }
}

/// One zone as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Its type.
    pub kind: ZoneKind,
    /// Its state.
    pub state: ZoneState,
    /// Its first sector.
    pub start: u64,
    /// How many sectors it has.
    pub sectors: u64,
    /// How many of them can be written.
    pub capacity_sectors: u64,
    /// The sector after the last one written; of no meaning in a conventional zone.
    pub write_pointer: u64,
}

impl Zone {
    /// Says whether it has a write pointer at all.
    pub(super) const fn is_sequential(&self) -> bool {
        !matches!(self.kind, ZoneKind::Conventional)
    }

    /// The first sector behind it.
    pub(super) const fn end(&self) -> u64 {
        self.start + self.sectors
    }

    /// The first sector that cannot be written.
    pub(super) const fn writable_end(&self) -> u64 {
        self.start + self.capacity_sectors
    }

    /// Its descriptor in a report: 64 bytes.
    pub(super) fn descriptor(&self) -> [u8; 64] {
        // The pointer is of no meaning here; all ones, so that nobody gets on with it.
        let write_pointer = if self.state.is_writable() {
            self.write_pointer
        } else {
            u64::MAX
        };
        let mut bytes = [0; 64];
        bytes[0..8].copy_from_slice(&self.capacity_sectors.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.start.to_le_bytes());
        bytes[16..24].copy_from_slice(&write_pointer.to_le_bytes());
        bytes[24] = self.kind as u8;
        bytes[25] = self.state as u8;
        bytes
    }
}
