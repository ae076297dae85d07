//! What is special about a GIC of version 2: how it is started.

use core::ops::Range;

use arm_gic::gicv2::GicV2;
use levitate_hal::Mmio;

use super::{ALL_PRIORITIES, ControllerError, FIRST_SPECIAL, usable};
use crate::platform::Registers;

/// Starts it, with every line off.
///
/// # Errors
///
/// [`ControllerError::Registers`].
///
/// # Safety
///
/// The ranges are the registers of a GICv2, which nothing else uses; it is called once.
pub(super) unsafe fn start(
    distributor: &Range<usize>,
    cpu_interface: &Range<usize>,
) -> Result<GicV2<'static>, ControllerError> {
    let distributor = usable(distributor, 0x1000)?;
    let cpu_interface = usable(cpu_interface, 0x1000)?;
    configure(&distributor, &cpu_interface);
    // SAFETY: registers of a GICv2 that nothing else uses, says the caller; `usable` checked place and length.
    let mut gic = unsafe { GicV2::new(distributor.start as *mut _, cpu_interface.start as *mut _) };
    if gic.typer().has_security_extension() {
        gic.enable_group1(true);
    } else {
        gic.enable_group0(true);
    }
    Ok(gic)
}

/// Prepares every line: off, in the group this kernel sees, and the shared ones routed to this CPU.
///
/// `GicV2::setup` routes nothing, and touches registers of lines that are not there.
fn configure(distributor: &Range<usize>, cpu_interface: &Range<usize>) {
    /// `GICD_TYPER`: the low five bits count the lines, 32 at a time.
    const TYPE: usize = 0x004;
    const SECURITY_EXTENSION: u32 = 1 << 10;
    /// `GICD_IGROUPR`, `GICD_ICENABLER`: a bit for each line.
    const GROUP: usize = 0x080;
    const CLEAR_ENABLE: usize = 0x180;
    /// `GICD_ITARGETSR`: a byte for each line, in it a bit for each CPU.
    const TARGETS: usize = 0x800;
    const FIRST_SHARED: usize = 32;
    /// `GICC_CTLR`, `GICC_PMR`.
    const CONTROL: usize = 0x000;
    const PRIORITY_MASK: usize = 0x004;

    let (Some(distributor), Some(cpu_interface)) = (
        Registers::new(distributor.clone()),
        Registers::new(cpu_interface.clone()),
    ) else {
        return;
    };
    let kind = distributor.read32(TYPE);
    let groups = if kind & SECURITY_EXTENSION == 0 {
        0
    } else {
        u32::MAX
    };
    let blocks = (kind as usize & 0x1f) + 1;
    for block in 0..blocks {
        distributor.write32(CLEAR_ENABLE + 4 * block, u32::MAX);
        distributor.write32(GROUP + 4 * block, groups);
    }
    // The bytes of the private lines read as this CPU's own bit; with one CPU all of them read as zero and ignore writes.
    let this_cpu = distributor.read8(TARGETS);
    let lines = (32 * blocks).min(FIRST_SPECIAL as usize);
    for line in FIRST_SHARED..lines {
        distributor.write8(TARGETS + line, this_cpu);
    }
    cpu_interface.write32(PRIORITY_MASK, u32::from(ALL_PRIORITIES));
    cpu_interface.write32(CONTROL, 1);
}
