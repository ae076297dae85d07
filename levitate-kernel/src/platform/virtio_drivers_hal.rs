//! What `virtio-drivers` asks of the machine: [`KernelHal`], with the memory of [`KernelDma`].
//!
//! Its drivers release their memory as they are dropped, some of it before their device is reset.
//! What they release waits here, until somebody knows that no device can reach it any more.

use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use levitate_hal::{Dma as _, DmaAddr, DmaAllocation};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use super::{KernelDma, Registers};
use crate::lock::Mutex;

/// The machine, for every driver of `virtio-drivers`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelHal;

/// Memory that a driver has released, and that is not given back yet.
///
/// INVARIANT: it came from `KernelDma.allocate(layout)`, and is in the list once.
struct Released {
    allocation: DmaAllocation,
    layout: Layout,
}

// SAFETY: it is the memory's only owner, and the memory is the same for every CPU.
unsafe impl Send for Released {}

static RELEASED: Mutex<Vec<Released>> = Mutex::new(Vec::new());

impl KernelHal {
    /// Gives back what was released.
    ///
    /// # Safety
    ///
    /// No device can reach what was released since this, or [`leak`](Self::leak), was last called.
    pub(crate) unsafe fn give_back() {
        for Released { allocation, layout } in take_released() {
            // SAFETY: it came from `allocate(layout)` and is given back once, by the invariant; the driver that had it has
            // released it, and no device reaches it, says the caller.
            unsafe { KernelDma.release(allocation, layout) };
        }
    }

    /// Keeps what was released for ever, because a device may still reach it.
    pub(crate) fn leak() {
        drop(take_released());
    }
}

fn take_released() -> Vec<Released> {
    core::mem::take(&mut *RELEASED.lock())
}

/// Returns the layout of `pages` pages, unless that is longer than memory can be.
fn layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok()
}

// SAFETY:
// - `KernelDma` hands out zeroed pages, aligned as asked, that are nobody else's until they are given back, which is after they
//   are released here;
// - whatever the kernel has in memory is mapped where it is, and the devices are coherent: both addresses of a buffer are the
//   physical one, and sharing it changes nothing;
// - registers are mapped where they are too, which is checked.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match layout(pages).map(|layout| KernelDma.allocate(layout)) {
            Some(Ok(DmaAllocation { cpu, device })) => (device.get(), cpu),
            // The trait's way to say that there is no memory.
            _ => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(paddr: PhysAddr, vaddr: NonNull<u8>, pages: usize) -> i32 {
        let device = DmaAddr::new(paddr);
        let allocation = DmaAllocation { cpu: vaddr, device };
        let released = layout(pages).map(|layout| Released { allocation, layout });
        RELEASED.lock().extend(released);
        0
    }

    #[expect(
        clippy::panic,
        reason = "the trait has no error, and whoever calls this has had the device's BARs mapped"
    )]
    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, size: usize) -> NonNull<u8> {
        let start = paddr as usize;
        let registers = start
            .checked_add(size)
            .and_then(|end| Registers::new(start..end));
        match registers.and_then(|registers| registers.pointer()) {
            Some(pointer) => pointer.cast(),
            None => panic!("no registers are mapped at {paddr:#x}, {size} bytes"),
        }
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.addr().get() as PhysAddr
    }

    unsafe fn unshare(_paddr: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
