//! Interrupts, clock, heap and DMA memory.

mod messages;

use alloc::vec::Vec;
use core::alloc::Layout;
use core::ops::Range;

use levitate_hal::{Clock, Deadline, Direction, DmaError, DmaRegion, Mapped};
use levitate_kernel::selftest::{Case, Outcome};

use super::{Result, ensure, vector_registers, wait_until};
use crate::arch::{DEVICE_MEMORY, interrupt_controller};
use crate::lock::Mutex;
use crate::memory::frames::Frames;
use crate::memory::{MemoryError, frames, heap};
use crate::platform::{KernelClock, KernelDma};
use crate::{interrupts, serial, timer};

macro_rules! case {
    ($name:literal, $test:path) => {
        Case {
            name: $name,
            run: |()| Outcome::of($test()),
        }
    };
}

pub(super) const CASES: &[Case<()>] = &[
    case!("clock-advances", clock_advances),
    case!("timer-interrupts", timer_interrupts),
    case!("lock-masks-interrupts", lock_masks_interrupts),
    case!("interrupts-keep-registers", vector_registers::are_kept),
    case!("uart-answers", uart_answers),
    case!("uart-interrupts", uart_interrupts),
    case!("messages-interrupt", messages::interrupt),
    case!("heap", heap_allocates_and_frees),
    case!("heap-refuses", heap_refuses_what_it_has_not),
    case!("memory-is-mapped-to-its-end", memory_is_mapped_to_its_end),
    case!("memory-in-use-is-not-free", memory_in_use_is_not_free),
    case!("registers-are-no-memory", registers_are_no_memory),
    case!("dma-is-aligned-and-zeroed", dma_is_aligned_and_zeroed),
    case!("dma-refuses", dma_refuses_what_it_has_not),
    case!("dma-maps-buffers", dma_maps_buffers),
];

fn clock_advances() -> Result {
    let start = KernelClock.now();
    let mut last = start;
    for _ in 0..1000 {
        let now = KernelClock.now();
        ensure!(now >= last, "the clock went back from {last:?} to {now:?}");
        last = now;
    }
    ensure!(last > start, "the clock stands at {start:?}");
    Ok(())
}

fn timer_interrupts() -> Result {
    // The clock first: what happens between the two makes the time longer, not shorter.
    let start = KernelClock.now();
    let before = timer::ticks();
    wait_until(|| timer::ticks() >= before + 3)?;
    let elapsed = KernelClock.now().since(start);
    // Three ticks take at least two whole periods.
    ensure!(
        elapsed >= 2 * timer::TICK,
        "3 ticks of {:?} within {elapsed:?}",
        timer::TICK
    );
    Ok(())
}

fn lock_masks_interrupts() -> Result {
    let lock = Mutex::new(());
    let ticks_meanwhile = {
        let _guard = lock.lock();
        let before = timer::ticks();
        let deadline = Deadline::after(&KernelClock, 3 * timer::TICK);
        while !deadline.is_missed(&KernelClock) {
            KernelClock.relax();
        }
        timer::ticks() - before
    };
    ensure!(
        ticks_meanwhile == 0,
        "{ticks_meanwhile} interrupts while a lock was held"
    );
    wait_for_tick()
}

fn uart_answers() -> Result {
    ensure!(
        serial::answers(),
        "the serial port does not identify itself"
    );
    Ok(())
}

fn uart_interrupts() -> Result {
    let line = serial::line()
        .ok_or_else(|| Outcome::failed(format_args!("the serial port has no interrupt")))?;
    let before = interrupts::count(&[line]);
    interrupt_controller::make_pending(line.number);
    wait_until(|| interrupts::count(&[line]) > before)
}

fn wait_for_tick() -> Result {
    let before = timer::ticks();
    wait_until(|| timer::ticks() > before)
}

fn heap_allocates_and_frees() -> Result {
    let before = heap::allocated_bytes();
    {
        let mut blocks = Vec::new();
        for index in 0..200_usize {
            let byte = (index % 251) as u8;
            blocks.push(alloc::vec![byte; 1 + index * 37]);
        }
        // Every second one goes, so that the next ones have to fit into gaps.
        let mut index = 0;
        blocks.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        let more: Vec<Vec<u64>> = (0..100_u64).map(|value| alloc::vec![value; 64]).collect();
        for (index, block) in blocks.iter().enumerate() {
            let byte = ((2 * index + 1) % 251) as u8;
            ensure!(
                block.iter().all(|found| *found == byte),
                "block {index} was overwritten"
            );
        }
        for (value, block) in (0_u64..).zip(&more) {
            ensure!(
                block.iter().all(|found| *found == value),
                "block {value} of 512 bytes was overwritten"
            );
        }
        ensure!(heap::allocated_bytes() > before, "nothing was allocated");
    }
    let after = heap::allocated_bytes();
    ensure!(
        after == before,
        "{before} bytes were allocated before, {after} after"
    );
    Ok(())
}

fn heap_refuses_what_it_has_not() -> Result {
    let mut too_much: Vec<u8> = Vec::new();
    let refused = too_much.try_reserve_exact(heap::SIZE_BYTES).is_err();
    ensure!(
        refused,
        "{} bytes of a heap of that size were given out",
        heap::SIZE_BYTES
    );
    Ok(())
}

fn memory_is_mapped_to_its_end() -> Result {
    const PATTERN: u64 = 0x5a5a_0123_4567_89ab;
    let last_bytes = frames::last_pages();
    ensure!(!last_bytes.is_empty(), "there is no memory");
    for pages in last_bytes {
        let (start, layout) = (pages.start, Layout::for_value(&[0_u8; frames::PAGE_BYTES]));
        ensure!(
            frames::take(pages.clone()),
            "the page at {start:#x} is not free"
        );
        let last = (pages.end - size_of::<u64>()) as *mut u64;
        // SAFETY: the page is memory, and this test's own since it was taken out of the free ones.
        unsafe { last.write_volatile(PATTERN ^ start as u64) };
        // SAFETY: as above.
        let found = unsafe { last.read_volatile() };
        // SAFETY: the page was taken above, is one page long, and is not used any more.
        unsafe { frames::release(start, layout) };
        ensure!(
            found == PATTERN ^ start as u64,
            "the end of memory at {:#x} does not keep what is written",
            pages.end
        );
    }
    Ok(())
}

/// A list of free pages at addresses that nobody looks at.
fn frames_of(range: Range<usize>) -> Result<Frames> {
    let mut frames = Frames::new();
    // SAFETY: no memory is used that comes from this list: it is dropped with it.
    let is_added = unsafe { frames.add(range.clone()) };
    ensure!(is_added, "{range:#x?} is not taken for memory");
    Ok(frames)
}

fn memory_in_use_is_not_free() -> Result {
    const START: usize = 1 << 40;
    const PAGE: usize = frames::PAGE_BYTES;
    const PAGES: usize = 1000;
    let memory = START..START + PAGES * PAGE;
    for (in_use, free_pages) in [
        (START + PAGE..START + PAGE, PAGES),
        (0..START, PAGES),
        (START + 1..START + 2, PAGES - 1),
        (START + PAGE - 1..START + PAGE + 1, PAGES - 2),
        (START + 10 * PAGE..usize::MAX, 10),
        (0..usize::MAX, 0),
    ] {
        let mut frames = frames_of(memory.clone())?;
        frames.take_out(in_use.clone())?;
        let found = frames.free_bytes() / PAGE;
        ensure!(
            found == free_pages,
            "with {in_use:#x?} in use {found} pages of {PAGES} are free, not {free_pages}"
        );
    }
    // One page in two: more pieces than the list has room for.
    let mut frames = frames_of(memory.clone())?;
    let mut starts = memory.step_by(2 * PAGE);
    let refused = starts.find_map(|start| frames.take_out(start..start + PAGE).err());
    ensure!(
        matches!(refused, Some(MemoryError::InUse { .. })),
        "{} pieces were taken out of a list that is not as long: {refused:?}",
        PAGES / 2
    );
    Ok(())
}

fn registers_are_no_memory() -> Result {
    const PAGE: usize = frames::PAGE_BYTES;
    let Range { start, end } = DEVICE_MEMORY;
    for range in [
        start..end,
        start - PAGE..start + PAGE,
        end - PAGE..end + PAGE,
        0..usize::MAX,
    ] {
        let frames = frames_of(range.clone());
        ensure!(frames.is_err(), "{range:#x?} is taken for memory");
    }
    let frames = frames_of(end..end + PAGE)?;
    ensure!(frames.free_bytes() == PAGE, "one page has another size");
    Ok(())
}

fn dma_is_aligned_and_zeroed() -> Result {
    let before = frames::free_bytes();
    for (size, align) in [
        (1, 1),
        (16, 16),
        (4096, 4096),
        (5000, 64),
        (100, 65536),
        (3 << 20, 1 << 21),
    ] {
        for _ in 0..2 {
            let region = DmaRegion::new(&KernelDma, size, align)?;
            let device = region.device_addr();
            ensure!(
                device.is_aligned_to(align as u64),
                "{device} is not aligned to {align}"
            );
            ensure!(
                device.get() == region.as_ptr().addr().get() as u64,
                "{device} is not the address the CPU uses"
            );
            let places = [0, size / 2, size - 1];
            for offset in places {
                let found: u8 = region.read(offset)?;
                ensure!(found == 0, "byte {offset} of {size} is {found:#x}");
            }
            for offset in places {
                // The second turn gets the same memory, dirty now.
                region.write(offset, &0xa5_u8)?;
            }
        }
    }
    let after = frames::free_bytes();
    ensure!(
        before == after,
        "{before} bytes were free before, {after} after"
    );
    Ok(())
}

fn dma_refuses_what_it_has_not() -> Result {
    let size = frames::free_bytes() + 1;
    let error = DmaRegion::new(&KernelDma, size, 1).err();
    ensure!(
        matches!(error, Some(DmaError::OutOfMemory { .. })),
        "{size} bytes: {error:?}"
    );
    let error = DmaRegion::new(&KernelDma, 0, 1).err();
    ensure!(
        matches!(error, Some(DmaError::InvalidLayout { .. })),
        "no bytes: {error:?}"
    );
    Ok(())
}

fn dma_maps_buffers() -> Result {
    let mut buffer = alloc::vec![7_u8; 10_000];
    let address = buffer.as_mut_ptr().addr() as u64;
    let mapped = Mapped::new(&KernelDma, buffer, Direction::Both).map_err(|(error, _)| error)?;
    ensure!(
        mapped.device_addr().get() == address,
        "a buffer at {address:#x} is mapped at {}",
        mapped.device_addr()
    );
    let buffer = mapped.into_inner();
    ensure!(buffer == [7_u8; 10_000], "mapping changed the buffer");
    ensure!(
        !frames::is_memory(DEVICE_MEMORY),
        "registers are taken for memory"
    );
    for pages in frames::last_pages() {
        let beyond = pages.start..pages.end + 1;
        ensure!(
            !frames::is_memory(beyond),
            "memory is said to go on after {:#x}",
            pages.end
        );
    }
    Ok(())
}
