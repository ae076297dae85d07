//! Feature bits and what may be accepted of them: [`Features`], [`DeviceFeatures`], [`Negotiated`] (§2.2, §6).

use core::fmt;

use crate::transport::Interface;

bitflags::bitflags! {
    /// Feature bits that do not depend on the device type (§6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// Legacy only: notify when the device runs out of buffers (§6.3).
        const NOTIFY_ON_EMPTY = 1 << 24;
        /// Legacy only: the device takes any framing of a request (§6.3).
        const ANY_LAYOUT = 1 << 27;
        /// Descriptors may point to tables of descriptors (§2.7.5.3).
        const INDIRECT_DESC = 1 << 28;
        /// Notifications are suppressed by index (§2.7.7, §2.7.10).
        const EVENT_IDX = 1 << 29;
        /// The device follows version 1 of the specification or later.
        const VERSION_1 = 1 << 32;
        /// Addresses go through the platform's translation, an IOMMU for instance.
        ///
        /// It is always accepted: an address of a [`Dma`](levitate_hal::Dma) is the one that the device must use, translated or
        /// not, and memory is the device's only between its mapping and its unmapping (§6.1).
        const ACCESS_PLATFORM = 1 << 33;
        /// Packed virtqueues (§2.8).
        const RING_PACKED = 1 << 34;
        /// The device uses buffers in the order they were made available.
        const IN_ORDER = 1 << 35;
        /// Memory accesses are ordered as the platform orders them for hardware.
        const ORDER_PLATFORM = 1 << 36;
        /// Single root I/O virtualization; PCI only.
        const SR_IOV = 1 << 37;
        /// Notifications carry data (§2.9).
        const NOTIFICATION_DATA = 1 << 38;
        /// Notifications carry data the device chose; PCI only.
        const NOTIF_CONFIG_DATA = 1 << 39;
        /// Single queues can be reset (§2.6.1).
        const RING_RESET = 1 << 40;
        /// Administration virtqueues; PCI only.
        const ADMIN_VQ = 1 << 41;
        /// The device can be suspended.
        const SUSPEND = 1 << 43;
    }
}

impl Features {
    /// What this crate does when it is negotiated; nothing else is ever accepted.
    pub const IMPLEMENTED: Self = Self::ANY_LAYOUT
        .union(Self::INDIRECT_DESC)
        .union(Self::EVENT_IDX)
        .union(Self::VERSION_1)
        .union(Self::ACCESS_PLATFORM)
        .union(Self::RING_PACKED)
        .union(Self::IN_ORDER)
        .union(Self::ORDER_PLATFORM)
        .union(Self::NOTIFICATION_DATA)
        .union(Self::NOTIF_CONFIG_DATA)
        .union(Self::RING_RESET);

    /// What is wanted unless somebody says otherwise: all that is implemented but RING_RESET.
    ///
    /// A queue that was reset gives back what its requests carried, for the device has promised to be done with it (§2.6.1).
    /// QEMU 7.2's disks are not: they go on with the requests, and write to their memory. Whoever knows the device better may want it.
    pub const DEFAULT: Self = Self::IMPLEMENTED.difference(Self::RING_RESET);

    /// What takes a transport to do something of its own, and is accepted only where it says that it does:
    /// [`Transport::supported_features`](crate::Transport::supported_features).
    pub const UP_TO_TRANSPORT: Self = Self::NOTIFICATION_DATA
        .union(Self::NOTIF_CONFIG_DATA)
        .union(Self::RING_RESET);

    /// What takes code for a ring format, and is accepted only by a driver that has it: [`Format`](crate::queue::Format).
    pub const UP_TO_FORMAT: Self = Self::RING_PACKED;

    /// Bits a device type defines for itself (§2.2).
    const DEVICE_BITS: u64 = 0x00ff_ffff | 1 << 41 | 1 << 42 | !((1 << 50) - 1);
}

/// The feature bits of one device type.
///
/// Implemented on a `bitflags` type of a device crate that has a flag for each bit the *driver implements*.
pub trait DeviceFeatures: bitflags::Flags<Bits = u64> + Copy + fmt::Debug + 'static {
    /// Pairs of a feature and the one it depends on: the first is left out where the second is missing.
    const DEPENDENCIES: &'static [(Self, Self)];
}

/// A device type of whose features the driver wants none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFeatures(u64);

bitflags::bitflags! {
    impl NoFeatures: u64 {}
}

impl DeviceFeatures for NoFeatures {
    const DEPENDENCIES: &'static [(Self, Self)] = &[];
}

/// What a driver would like to negotiate.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<F> {
    /// Device-independent bits; those not in [`Features::IMPLEMENTED`] are ignored.
    pub common: Features,
    /// Bits of the device type to accept where they are offered.
    pub device: F,
    /// Bits of the device type without which the driver cannot work.
    pub required: F,
}

impl<F: DeviceFeatures> Default for Wanted<F> {
    /// [`Features::DEFAULT`] and all of the device type's, nothing required.
    fn default() -> Self {
        Self {
            common: Features::DEFAULT,
            device: F::all(),
            required: F::empty(),
        }
    }
}

/// What driver and device agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated<F> {
    /// Device-independent bits.
    pub common: Features,
    /// Bits of the device type.
    pub device: F,
}

impl<F: DeviceFeatures> Negotiated<F> {
    const UP_TO_OTHERS: Features = Features::UP_TO_TRANSPORT.union(Features::UP_TO_FORMAT);

    /// Chooses from `offered` what is wanted, implemented, and has what it depends on.
    ///
    /// `supported` is what the transport does of [`Features::UP_TO_TRANSPORT`], and what of [`Features::UP_TO_FORMAT`] there is code
    /// for.
    #[must_use]
    pub fn choose(
        offered: u64,
        wanted: &Wanted<F>,
        interface: Interface,
        supported: Features,
    ) -> Self {
        let mut common = Features::from_bits_truncate(offered)
            .intersection(wanted.common)
            .intersection(Features::IMPLEMENTED)
            .difference(Self::UP_TO_OTHERS.difference(supported));
        match interface {
            // Neither may be refused where it is offered (§6.1, §6.3).
            Interface::Modern => {
                common.remove(Features::ANY_LAYOUT);
                common |= Features::from_bits_truncate(offered) & Features::VERSION_1;
            }
            Interface::Legacy => {
                // What a legacy device has no bits for; they may be wanted all the same.
                common &= Features::ANY_LAYOUT | Features::INDIRECT_DESC | Features::EVENT_IDX;
                common |= Features::from_bits_truncate(offered) & Features::ANY_LAYOUT;
            }
        }
        let mut device = F::from_bits_truncate(offered & Features::DEVICE_BITS)
            .intersection(wanted.device.union(wanted.required));
        // A dependency can hang on another: as many rounds as there are pairs settle any order of them.
        for _ in F::DEPENDENCIES {
            for (feature, needed) in F::DEPENDENCIES {
                if !device.contains(*needed) {
                    device.remove(*feature);
                }
            }
        }
        Self { common, device }
    }

    /// Returns all accepted bits, as they are written to the device.
    #[must_use]
    pub fn bits(&self) -> u64 {
        self.common.bits() | self.device.bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    bitflags::bitflags! {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        struct Toy: u64 {
            const BASE = 1;
            const NEEDS_BASE = 2;
            const NEEDS_NEEDS_BASE = 4;
        }
    }

    impl DeviceFeatures for Toy {
        const DEPENDENCIES: &'static [(Self, Self)] = &[
            (Toy::NEEDS_NEEDS_BASE, Toy::NEEDS_BASE),
            (Toy::NEEDS_BASE, Toy::BASE),
        ];
    }

    /// A transport that does everything, and code for all rings.
    const ALL: Features = Features::UP_TO_TRANSPORT.union(Features::UP_TO_FORMAT);

    #[test]
    fn of_everything_offered_only_what_is_implemented_is_accepted() {
        let choose = |common| {
            let wanted = Wanted {
                common,
                ..Wanted::<Toy>::default()
            };
            Negotiated::choose(u64::MAX, &wanted, Interface::Modern, ALL)
        };
        let by_default =
            Negotiated::choose(u64::MAX, &Wanted::<Toy>::default(), Interface::Modern, ALL);
        assert_eq!(
            by_default.bits(),
            choose(Features::all()).bits() & !(1 << 40)
        );
        assert_eq!(
            choose(Features::all()).bits(),
            7 | 1 << 28 | 1 << 29 | 0x1f << 32 | 1 << 38 | 1 << 39 | 1 << 40,
            "INDIRECT_DESC, EVENT_IDX, VERSION_1, ACCESS_PLATFORM, RING_PACKED, IN_ORDER, ORDER_PLATFORM, NOTIFICATION_DATA, \
             NOTIF_CONFIG_DATA, RING_RESET and the toy's own"
        );
    }

    #[test]
    fn what_was_not_offered_is_not_accepted() {
        let negotiated =
            Negotiated::<Toy>::choose(1 << 32, &Wanted::default(), Interface::Modern, ALL);
        assert_eq!(negotiated.bits(), 1 << 32);
    }

    #[test]
    fn a_feature_goes_with_what_it_depends_on() {
        let offered = Toy::NEEDS_BASE | Toy::NEEDS_NEEDS_BASE;
        let negotiated =
            Negotiated::<Toy>::choose(offered.bits(), &Wanted::default(), Interface::Modern, ALL);
        assert_eq!(negotiated.device, Toy::empty());
    }

    #[test]
    fn a_legacy_device_is_never_given_version_1_and_always_any_layout() {
        let wanted = Wanted {
            common: Features::empty(),
            ..Wanted::<Toy>::default()
        };
        let negotiated = Negotiated::choose(u64::MAX, &wanted, Interface::Legacy, ALL);
        assert_eq!(negotiated.common, Features::ANY_LAYOUT);
    }

    #[test]
    fn a_legacy_device_is_given_nothing_that_it_has_no_bits_for() {
        let wanted = Wanted {
            common: Features::all(),
            ..Wanted::<Toy>::default()
        };
        let negotiated = Negotiated::choose(u64::MAX, &wanted, Interface::Legacy, ALL);
        let has = Features::ANY_LAYOUT | Features::INDIRECT_DESC | Features::EVENT_IDX;
        assert_eq!(negotiated.common, has);
    }

    #[test]
    fn a_feature_of_a_ring_without_code_is_not_accepted() {
        let choose = |rings| {
            Negotiated::<Toy>::choose(u64::MAX, &Wanted::default(), Interface::Modern, rings)
        };
        assert!(
            !choose(Features::empty())
                .common
                .contains(Features::RING_PACKED)
        );
        assert!(
            choose(Features::RING_PACKED)
                .common
                .contains(Features::RING_PACKED)
        );
    }

    #[test]
    fn a_feature_not_wanted_is_not_accepted() {
        let wanted = Wanted {
            common: Features::EVENT_IDX,
            device: Toy::empty(),
            required: Toy::BASE,
        };
        let negotiated = Negotiated::choose(u64::MAX, &wanted, Interface::Modern, ALL);
        assert_eq!(negotiated.common, Features::EVENT_IDX | Features::VERSION_1);
        assert_eq!(negotiated.device, Toy::BASE);
    }

    #[test]
    fn the_ranges_are_the_ones_of_the_specification() {
        for bit in 0..64 {
            let is_device = matches!(bit, 0..=23 | 41 | 42 | 50..);
            assert_eq!(
                Features::DEVICE_BITS >> bit & 1 == 1,
                is_device,
                "bit {bit}"
            );
        }
    }
}
