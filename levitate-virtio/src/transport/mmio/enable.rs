//! Giving a virtqueue to an MMIO device, through the registers of either version (§4.2.3.2, §4.2.4).

use levitate_hal::{Barriers, DmaAddr, Mmio};
use static_assertions::const_assert_eq;

use super::registers as reg;
use crate::queue::QueueIndex;
use crate::queue::layout;
use crate::transport::{Area, EnableQueueError, Interface, QueueAreas, halves};

/// Version 2: three addresses, then `QueueReady`, which is read back.
pub(super) fn modern<M: Mmio>(
    mmio: &M,
    queue: QueueIndex,
    areas: &QueueAreas,
) -> Result<(), EnableQueueError> {
    let interface = Interface::Modern;
    areas.check_separate(queue)?;
    check_size(mmio, interface, queue, areas)?;
    reg::QUEUE_SIZE.write(mmio, u32::from(areas.size.get()));
    for (low, high, addr) in [
        (reg::QUEUE_DESC_LOW, reg::QUEUE_DESC_HIGH, areas.descriptor),
        (reg::QUEUE_DRIVER_LOW, reg::QUEUE_DRIVER_HIGH, areas.driver),
        (reg::QUEUE_DEVICE_LOW, reg::QUEUE_DEVICE_HIGH, areas.device),
    ] {
        let halves = halves(addr.get());
        low.write(mmio, halves[0]);
        high.write(mmio, halves[1]);
    }
    // The rings are zeroed in memory before the device may look at them.
    Barriers::Platform.before_notify();
    reg::QUEUE_READY.write(mmio, 1);
    read_back(
        queue,
        "QueueReady",
        interface,
        1,
        reg::QUEUE_READY.read(mmio),
    )
}

/// [`layout::LEGACY_ALIGN`], as the registers take it.
const LEGACY_PAGE_BYTES: u32 = 4096;
const_assert_eq!(LEGACY_PAGE_BYTES as usize, layout::LEGACY_ALIGN);

/// Version 1: page size, alignment, then the number of the queue's first page, which is read back.
pub(super) fn legacy<M: Mmio>(
    mmio: &M,
    queue: QueueIndex,
    areas: &QueueAreas,
) -> Result<(), EnableQueueError> {
    let interface = Interface::Legacy;
    let misplaced = |area, addr| EnableQueueError::Misplaced {
        queue,
        area,
        addr,
        interface,
    };
    let base = areas.descriptor;
    let page_number = u32::try_from(base.get().wrapping_shr(LEGACY_PAGE_BYTES.ilog2()))
        .ok()
        .filter(|number| *number != 0 && base.is_aligned_to(u64::from(LEGACY_PAGE_BYTES)))
        .ok_or(misplaced(Area::Descriptor, base))?;
    let block = layout::block(areas.size, layout::LEGACY_ALIGN);
    let at = |offset: usize| -> Option<DmaAddr> { base.checked_add(offset as u64) };
    if at(block.available_ring) != Some(areas.driver) {
        return Err(misplaced(Area::Driver, areas.driver));
    }
    if at(block.used_ring) != Some(areas.device) {
        return Err(misplaced(Area::Device, areas.device));
    }
    // It outlives a device reset, but not a device that another program set up differently: write it every time.
    reg::GUEST_PAGE_SIZE.write(mmio, LEGACY_PAGE_BYTES);
    check_size(mmio, interface, queue, areas)?;
    reg::QUEUE_SIZE.write(mmio, u32::from(areas.size.get()));
    reg::QUEUE_ALIGN.write(mmio, LEGACY_PAGE_BYTES);
    // The rings are zeroed in memory before the device may look at them.
    Barriers::Platform.before_notify();
    reg::QUEUE_PFN.write(mmio, page_number);
    read_back(
        queue,
        "QueuePFN",
        interface,
        page_number,
        reg::QUEUE_PFN.read(mmio),
    )
}

/// Selects a queue and reads how large it may be; a queue in use is not asked (§4.2.4).
pub(super) fn read_max_size<M: Mmio>(
    mmio: &M,
    interface: Interface,
    queue: QueueIndex,
) -> Result<u32, EnableQueueError> {
    reg::QUEUE_SEL.write(mmio, u32::from(queue.get()));
    if is_enabled(mmio, interface) {
        return Err(EnableQueueError::InUse { queue });
    }
    match reg::QUEUE_SIZE_MAX.read(mmio) {
        0 => Err(EnableQueueError::NoSuchQueue { queue }),
        max => Ok(max),
    }
}

/// Reads whether the selected queue is in use.
pub(super) fn is_enabled<M: Mmio>(mmio: &M, interface: Interface) -> bool {
    let value = match interface {
        Interface::Legacy => reg::QUEUE_PFN.read(mmio),
        Interface::Modern => reg::QUEUE_READY.read(mmio),
    };
    value != 0
}

fn check_size<M: Mmio>(
    mmio: &M,
    interface: Interface,
    queue: QueueIndex,
    areas: &QueueAreas,
) -> Result<(), EnableQueueError> {
    let max = read_max_size(mmio, interface, queue)?;
    if u32::from(areas.size.get()) > max {
        return Err(EnableQueueError::TooLarge {
            queue,
            size: areas.size,
            max,
        });
    }
    Ok(())
}

/// Turns a queue that silently did not come into being into an error here, instead of a timeout later.
fn read_back(
    queue: QueueIndex,
    register: &'static str,
    interface: Interface,
    expected: u32,
    found: u32,
) -> Result<(), EnableQueueError> {
    match found {
        0 => Err(EnableQueueError::Ignored {
            queue,
            register,
            interface,
        }),
        found if found != expected => Err(EnableQueueError::ReadBack {
            queue,
            register,
            expected,
            found,
        }),
        _ => Ok(()),
    }
}
