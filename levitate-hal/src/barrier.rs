//! Memory barriers, named for what they order: [`Barriers`].
//!
//! A virtqueue is shared by two observers of memory.
//! Another CPU (a hypervisor's device thread) needs the ordering that CPUs give each other; a hardware device
//! (VIRTIO_F_ORDER_PLATFORM, §6) needs the stronger ordering of the platform's bus.

use core::sync::atomic::Ordering;
#[cfg(not(loom))]
use core::sync::atomic::fence;

#[cfg(loom)]
pub mod model;

#[cfg(loom)]
use model::fence;

/// The barriers to use with one device, chosen once from its negotiated features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barriers {
    /// The device is another CPU; VIRTIO_F_ORDER_PLATFORM was not negotiated.
    Cpu,
    /// The device is hardware; VIRTIO_F_ORDER_PLATFORM was negotiated.
    Platform,
}

impl Barriers {
    /// Orders the stores that fill descriptors and ring entries before the store that publishes them (§2.7.13.3.1, §2.8.21.1).
    ///
    /// It orders earlier loads too: what was read of an answer is read before the device may write there again.
    #[inline]
    pub fn before_publish(self) {
        match self {
            Self::Cpu => cpu::release(),
            Self::Platform => platform::release(),
        }
    }

    /// Orders the store of the index before the load of the other side's suppression field (§2.7.13.4.1).
    ///
    /// Also to be used between a store to the driver's own suppression field and the load of the used index (§2.7.14).
    #[inline]
    pub fn before_suppression_read(self) {
        match self {
            // SeqCst: a store must be visible before a later load; partner is the same fence in the device.
            Self::Cpu => fence(Ordering::SeqCst),
            Self::Platform => platform::full(),
        }
    }

    /// Orders the load of the used index before the loads of what it publishes (§2.7.14).
    #[inline]
    pub fn after_used_index_read(self) {
        match self {
            // Acquire: partner is the device's releasing store of the used index.
            Self::Cpu => fence(Ordering::Acquire),
            Self::Platform => platform::load_load(),
        }
    }

    /// Orders earlier stores to memory before a following register write that makes the device look at them.
    #[inline]
    pub fn before_notify(self) {
        platform::memory_before_register();
    }
}

#[cfg(all(target_arch = "aarch64", not(any(loom, miri))))]
mod cpu {
    use core::arch::asm;

    /// Loads before later stores, and stores before later stores, by a barrier each.
    #[inline]
    pub(super) fn release() {
        // SAFETY: a barrier reads and writes nothing; every aarch64 CPU has it at every exception level.
        unsafe { asm!("dmb ishld", "dmb ishst", options(nostack, preserves_flags)) }
    }
}

#[cfg(not(all(target_arch = "aarch64", not(any(loom, miri)))))]
mod cpu {
    use super::{Ordering, fence};

    #[inline]
    pub(super) fn release() {
        // Release: partner is the device's acquiring load of the index.
        fence(Ordering::Release);
    }
}

#[cfg(target_arch = "aarch64")]
mod platform {
    use core::arch::asm;

    #[inline]
    pub(super) fn release() {
        load_load();
        store_store();
    }

    #[inline]
    fn store_store() {
        // SAFETY: a barrier reads and writes nothing; every aarch64 CPU has it at every exception level.
        unsafe { asm!("dmb oshst", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn load_load() {
        // SAFETY: a barrier reads and writes nothing; every aarch64 CPU has it at every exception level.
        unsafe { asm!("dmb oshld", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn full() {
        // SAFETY: a barrier reads and writes nothing; every aarch64 CPU has it at every exception level.
        unsafe { asm!("dmb osh", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn memory_before_register() {
        // Normal memory and device memory are not ordered with each other without it.
        store_store();
    }
}

#[cfg(any(target_arch = "riscv64", target_arch = "riscv32"))]
mod platform {
    use core::arch::asm;

    #[inline]
    pub(super) fn release() {
        // SAFETY: a fence reads and writes nothing; every RISC-V hart has it.
        unsafe { asm!("fence iorw, ow", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn load_load() {
        // SAFETY: a fence reads and writes nothing; every RISC-V hart has it.
        unsafe { asm!("fence ir, ir", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn full() {
        // SAFETY: a fence reads and writes nothing; every RISC-V hart has it.
        unsafe { asm!("fence iorw, iorw", options(nostack, preserves_flags)) }
    }

    #[inline]
    pub(super) fn memory_before_register() {
        // SAFETY: a fence reads and writes nothing; every RISC-V hart has it.
        unsafe { asm!("fence w, o", options(nostack, preserves_flags)) }
    }
}

#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "riscv32"
)))]
mod platform {
    //! x86 keeps stores, and loads, in order by itself, for devices too; elsewhere the CPU fences are the strongest there are.

    use core::sync::atomic::{Ordering, fence};

    #[inline]
    pub(super) fn release() {
        // Release: partner is the device's read of what was published.
        fence(Ordering::Release);
    }

    #[inline]
    pub(super) fn load_load() {
        // Acquire: partner is the device's write of the used index.
        fence(Ordering::Acquire);
    }

    #[inline]
    pub(super) fn full() {
        // SeqCst: a store before a later load; partner is the device's own full barrier.
        fence(Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn memory_before_register() {
        // Release: keeps the compiler from moving stores past the register write; partner is the device's handling of it.
        fence(Ordering::Release);
    }
}
