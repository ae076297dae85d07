//! What a driver may and what it has to accept of the features on offer (§2.2.1, §6).

use super::{Core, DeviceModel, Family};
use crate::device::feature::*;

const NOTIFY_ON_EMPTY: u64 = 1 << 24;
const ANY_LAYOUT: u64 = 1 << 27;
const UNUSED_30: u64 = 1 << 30;
const SR_IOV: u64 = 1 << 37;
const ADMIN_VQ: u64 = 1 << 41;
const SUSPEND: u64 = 1 << 43;

/// Bits for which a rule of their own says that they stay unaccepted.
const RULED_OUT: u64 = UNUSED_30 | SR_IOV | ADMIN_VQ;

impl<M: DeviceModel> Core<M> {
    /// Checks the features a driver has chosen, and returns those that were not on offer.
    pub(super) fn check_choice(&mut self, chosen: u64) -> u64 {
        let offered = self.offered();
        let surplus = chosen & !offered;
        if surplus != 0 {
            self.violations.add(
                "FEAT-01",
                format!("features {surplus:#x} were accepted and not offered"),
            );
        }
        if let Some(known) = known_bits(self.model.device_id(), self.family) {
            let foreign = chosen & offered & !known & !RULED_OUT & !self.rules.features;
            if foreign != 0 {
                self.violations.add(
                    "FEAT-04",
                    format!("features {foreign:#x} were accepted and mean nothing here"),
                );
            }
        }
        let refused = offered & !chosen;
        let rules = [
            (chosen & UNUSED_30, "LEG-16", "feature bit 30 was accepted"),
            (chosen & SR_IOV, "RSVD-10", "VIRTIO_F_SR_IOV was accepted"),
            (
                refused & VERSION_1,
                "RSVD-01",
                "VIRTIO_F_VERSION_1 was not accepted",
            ),
            (
                refused & RING_PACKED,
                "RSVD-06",
                "VIRTIO_F_RING_PACKED was not accepted",
            ),
            (
                refused & ORDER_PLATFORM,
                "RSVD-07",
                "VIRTIO_F_ORDER_PLATFORM was not accepted",
            ),
        ];
        for (broken, rule, what) in rules {
            if broken != 0 {
                self.violations.add(rule, what.to_owned());
            }
        }
        if chosen & ADMIN_VQ != 0
            && let Some(rule) = self.rules.admin_queue
        {
            self.violations
                .add(rule, "VIRTIO_F_ADMIN_VQ was accepted".to_owned());
        }
        if self.family == Family::Legacy && refused & ANY_LAYOUT != 0 {
            self.violations
                .add("LEG-15", "VIRTIO_F_ANY_LAYOUT was not accepted".to_owned());
        }
        self.model.check_features(chosen, &mut self.violations);
        surplus
    }
}

/// Returns the bits that mean something for a device of this type over every transport, if the type is known (§5.2.3, §5.7.3, §6).
fn known_bits(device_id: u32, family: Family) -> Option<u64> {
    let (modern, legacy): (&[u32], &[u32]) = match device_id {
        2 => (&[1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17], &[0, 7]),
        16 => (&[0, 1, 2, 3, 4, 5], &[]),
        _ => return None,
    };
    let set = |bits: &[u32]| bits.iter().fold(0, |set, bit| set | 1 << bit);
    let common = INDIRECT_DESC | EVENT_IDX;
    Some(match family {
        Family::Legacy => set(modern) | set(legacy) | common | NOTIFY_ON_EMPTY | ANY_LAYOUT,
        Family::Modern => {
            let reserved = VERSION_1 | ACCESS_PLATFORM | RING_PACKED | IN_ORDER | ORDER_PLATFORM;
            set(modern) | common | reserved | NOTIFICATION_DATA | RING_RESET | SUSPEND
        }
    })
}
