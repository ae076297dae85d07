//! What is special about a GIC of version 3 or 4: how it is started.

use core::ops::Range;
use core::ptr::NonNull;

use arm_gic::UniqueMmioPointer;
use arm_gic::gicv3::{GicCpuInterface, GicV3};

use super::{ALL_PRIORITIES, CPU, ControllerError, usable};

/// Starts it, with every line off.
///
/// # Errors
///
/// [`ControllerError::Registers`] and [`ControllerError::Redistributors`].
///
/// # Safety
///
/// The ranges are the registers of a GICv3, which nothing else uses; it is called once.
pub(super) unsafe fn start(
    distributor: &Range<usize>,
    redistributors: &Range<usize>,
) -> Result<GicV3<'static>, ControllerError> {
    let distributor = usable(distributor, 0x1_0000)?;
    let redistributors = usable(redistributors, 0x2_0000)?;
    let refused = ControllerError::Redistributors;
    let distributor = NonNull::new(distributor.start as *mut _).ok_or(refused)?;
    let redistributors = NonNull::new(redistributors.start as *mut _).ok_or(refused)?;
    // SAFETY: registers of a GICv3 that nothing else uses, says the caller; `usable` checked place and length.
    let distributor = unsafe { UniqueMmioPointer::new(distributor) };
    // SAFETY: as above; one redistributor, the first CPU's, is used, and there is room for it.
    let gic = unsafe { GicV3::new(distributor, redistributors, 1) };
    let mut gic = gic.map_err(|_| refused)?;
    gic.setup(CPU);
    GicCpuInterface::set_priority_mask(ALL_PRIORITIES);
    Ok(gic)
}
