//! Memory that devices share with the CPU: [`Arena`].

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError};

/// A picture of 1920x1080 pixels takes 8 MiB of it, the queues of both devices a few pages.
const ARENA_BYTES: usize = 16 << 20;

/// The largest alignment that a driver asks for.
const PAGE_BYTES: usize = 4096;

/// The arena's memory.
#[repr(C, align(4096))]
struct Memory(UnsafeCell<[u8; ARENA_BYTES]>);

// SAFETY: only `Arena` looks at it, and gives every byte to one owner at most.
unsafe impl Sync for Memory {}

const _: () = assert!(align_of::<Memory>() == PAGE_BYTES);

static MEMORY: Memory = Memory(UnsafeCell::new([0; ARENA_BYTES]));

/// How much of it has an owner, from the beginning.
static USED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Memory that is given out once and never taken back, which is enough for drivers that come up once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arena;

// SAFETY:
// - `allocate` returns memory of `MEMORY` that was zero from the start and that nobody else was given;
// - memory is mapped at its own addresses, nothing translates for the devices, and they see what the CPU's caches hold:
//   for both sides an address is the same number, and a buffer that is contiguous here is contiguous there;
// - nothing here panics: sums are checked.
unsafe impl Dma for Arena {
    fn allocate(&self, layout: Layout) -> Result<DmaAllocation, DmaError> {
        let (size_bytes, align_bytes) = (layout.size(), layout.align());
        if size_bytes == 0 {
            return Err(DmaError::InvalidLayout {
                size_bytes,
                align_bytes,
            });
        }
        let out_of_memory = DmaError::OutOfMemory {
            size_bytes,
            align_bytes,
        };
        let place = |used_bytes: usize| {
            let begin = used_bytes.checked_next_multiple_of(align_bytes)?;
            let end = begin.checked_add(size_bytes)?;
            (align_bytes <= PAGE_BYTES && end <= ARENA_BYTES).then_some(begin..end)
        };
        // Relaxed: only that no two callers get the same bytes counts; nothing else is ordered by it.
        let used_bytes =
            USED_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used_bytes| {
                Some(place(used_bytes)?.end)
            });
        let place = used_bytes.ok().and_then(place).ok_or(out_of_memory)?;
        let cpu = MEMORY.0.get().cast::<u8>().wrapping_add(place.start);
        let cpu = NonNull::new(cpu).ok_or(out_of_memory)?;
        let device = DmaAddr::new(cpu.addr().get() as u64);
        Ok(DmaAllocation { cpu, device })
    }

    unsafe fn release(&self, _allocation: DmaAllocation, _layout: Layout) {}

    unsafe fn map(
        &self,
        buffer: NonNull<[u8]>,
        _direction: Direction,
    ) -> Result<DmaAddr, DmaError> {
        Ok(DmaAddr::new(buffer.addr().get() as u64))
    }

    unsafe fn unmap(&self, _buffer: NonNull<[u8]>, _device: DmaAddr, _direction: Direction) {}
}
