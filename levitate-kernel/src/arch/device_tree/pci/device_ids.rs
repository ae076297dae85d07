//! By which ids an interrupt controller knows the functions of a PCI bus: [`DeviceIds`].

use dtoolkit::fdt::FdtNode;
use heapless::Vec;

use super::{COMPATIBLE, cells, chunks};
use crate::arch::device_tree::DeviceTree;
use crate::machine::{Machine, MachineError};

/// Ranges of ids that are noted; `virt` has one.
const MAX_RANGES: usize = 8;

/// What makes a device id of a requester id, which is a function's bus, device and function number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceIds {
    /// Which bits of a requester id count.
    mask: u16,
    ranges: Vec<Mapped, MAX_RANGES>,
}

/// Requester ids, under the mask, that have device ids in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapped {
    requester: u32,
    device: u32,
    count: u32,
}

impl DeviceIds {
    /// Reads them from the `msi-map` of the host bridge; without one, each requester id is the device id.
    ///
    /// # Errors
    ///
    /// [`MachineError::TooMany`].
    pub(crate) fn read(
        tree: &DeviceTree,
        controller: FdtNode<'static>,
    ) -> Result<Self, MachineError> {
        let host = tree.devices(COMPATIBLE).next();
        let Some(host) = host.filter(|host| cells(*host, "msi-map").next().is_some()) else {
            let everything = Mapped {
                requester: 0,
                device: 0,
                count: 1 << u16::BITS,
            };
            return Ok(Self {
                mask: u16::MAX,
                ranges: Vec::from_iter([everything]),
            });
        };
        let phandle = cells(controller, "phandle").next();
        let ranges = chunks(host, "msi-map").filter_map(|[requester, to, device, count]| {
            (Some(to) == phandle).then_some(Mapped {
                requester,
                device,
                count,
            })
        });
        let mask = cells(host, "msi-map-mask").next().unwrap_or(u32::MAX);
        Ok(Self {
            mask: (mask & u32::from(u16::MAX)) as u16,
            ranges: Machine::collect(tree.source(), "PCI message maps", ranges)?,
        })
    }

    /// Returns the device id of the function with this requester id, if the controller takes messages from it.
    pub(crate) fn find(&self, requester: u16) -> Option<u32> {
        let requester = u32::from(requester & self.mask);
        self.ranges.iter().find_map(|range| {
            let offset = requester.checked_sub(range.requester)?;
            let is_inside = offset < range.count;
            is_inside.then(|| range.device.checked_add(offset))?
        })
    }
}
