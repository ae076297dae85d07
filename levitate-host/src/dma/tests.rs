//! Each of the pool's judgements, made to fail.

// Miri maps no files.
#[cfg(not(miri))]
mod another_mapping;
mod policies;

use std::alloc::Layout;
use std::ptr::NonNull;

use levitate_hal::{Direction, Dma, DmaAddr, DmaAllocation, DmaError, DmaSlice, Mapped};

use super::{AccessKind, Live, Misuse, Policy, Pool, StrayReason};

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn allocate(pool: &Pool, size: usize, align: usize) -> DmaAllocation {
    pool.allocate(layout(size, align)).unwrap()
}

#[test]
fn both_sides_see_the_same_zeroed_bytes_under_different_addresses() {
    let pool = Pool::new();
    let memory = pool.device_memory();
    let mut slice = DmaSlice::<u8, _>::new_zeroed(&pool, 100).unwrap();
    let device = slice.device_addr().get();
    assert_ne!(device, slice.as_ptr().addr() as u64);
    assert_eq!(memory.read_array::<100>(device).unwrap(), [0; 100]);
    slice[7] = 9;
    assert_eq!(memory.read_array::<1>(device + 7).unwrap(), [9]);
    memory.write(device + 8, &[1, 2]).unwrap();
    assert_eq!(slice[8..10], [1, 2]);
    memory.store_u16(device + 10, 0x1234).unwrap();
    assert_eq!(slice[10..12], [0x34, 0x12], "little-endian");
    memory.store_u16(device + 13, 0x5678).unwrap();
    assert_eq!(memory.load_u16(device + 13).unwrap(), 0x5678, "misaligned");
    assert_eq!(memory.load_u16(device + 10).unwrap(), 0x1234);
}

#[test]
fn alignment_is_exactly_what_was_asked_for_under_both_addresses() {
    let pool = Pool::builder().exact_alignment().build();
    for align in [1, 2, 4, 16, 512, 4096, 65536] {
        let allocation = allocate(&pool, 40, align);
        for address in [allocation.cpu.addr().get() as u64, allocation.device.get()] {
            assert_eq!(address % (2 * align as u64), align as u64);
        }
        // SAFETY: allocated above with this layout, released once, used by nobody.
        unsafe { pool.release(allocation, layout(40, align)) };
    }
    pool.assert_no_leaks();
}

#[test]
fn what_lies_beside_a_range_is_nobodys() {
    let pool = Pool::new();
    let memory = pool.device_memory();
    let slice = DmaSlice::<u8, _>::new_zeroed(&pool, 5000).unwrap();
    let other = DmaSlice::<u8, _>::new_zeroed(&pool, 5000).unwrap();
    let start = slice.device_addr().get();
    assert!(other.device_addr().get() >= start + 8192 + 4096);
    let past = memory.write(start + 4999, &[1, 2]).unwrap_err();
    assert_eq!(past.kind, AccessKind::Write);
    assert!(matches!(
        past.reason,
        StrayReason::PastEnd {
            range_len_bytes: 5000,
            ..
        }
    ));
    assert_eq!(slice[4999], 0, "nothing was written");
    let cpu_address = slice.as_ptr().addr() as u64;
    for nowhere in [start - 1, start + 5000, cpu_address, 0, u64::MAX] {
        let stray = memory.read_array::<1>(nowhere).unwrap_err();
        assert_eq!(stray.reason, StrayReason::Nothing);
    }
    assert!(memory.check(start, 5000, AccessKind::Write).is_ok());
    assert!(memory.check(start, u64::MAX, AccessKind::Write).is_err());
    let strays = pool.take_stray_accesses();
    assert_eq!(strays.len(), 6, "questions are not accesses");
}

#[test]
fn a_device_keeps_to_the_direction_of_a_mapping() {
    let pool = Pool::new();
    let memory = pool.device_memory();
    let to = Mapped::new(&pool, vec![7_u8; 10], Direction::ToDevice).unwrap();
    let from = Mapped::new(&pool, vec![8_u8; 10], Direction::FromDevice).unwrap();
    assert_eq!(memory.read_array::<10>(to.device_addr().get()), Ok([7; 10]));
    assert_eq!(
        memory
            .write(to.device_addr().get(), &[0])
            .unwrap_err()
            .reason,
        StrayReason::Direction(Direction::ToDevice)
    );
    assert_eq!(
        memory
            .read_array::<1>(from.device_addr().get())
            .unwrap_err()
            .reason,
        StrayReason::Direction(Direction::FromDevice)
    );
    assert_eq!(pool.take_stray_accesses().len(), 2);
    memory.write(from.device_addr().get() + 9, &[1]).unwrap();
    assert_eq!(from.as_slice()[9], 1, "no bounce buffer in between");
    assert_eq!(pool.live().mappings, 2);
}

#[test]
fn a_bounce_buffer_shows_a_forgotten_sync() {
    let pool = Pool::builder().policy(Policy::Bounce).build();
    let memory = pool.device_memory();
    let mut both = Mapped::new(&pool, vec![1_u8; 4], Direction::Both).unwrap();
    let device = both.device_addr().get();
    both.as_mut_slice()[0] = 2;
    assert_eq!(memory.read_array::<4>(device), Ok([1; 4]), "not synced yet");
    both.sync_for_device();
    assert_eq!(memory.read_array::<4>(device), Ok([2, 1, 1, 1]));
    memory.write(device + 3, &[9]).unwrap();
    assert_eq!(both.as_slice(), [2, 1, 1, 1], "peeked too early");
    both.sync_for_cpu();
    assert_eq!(both.as_slice(), [2, 1, 1, 9]);
    memory.write(device, &[5]).unwrap();
    assert_eq!(both.into_inner(), [5, 1, 1, 9], "unmap syncs");
    assert!(memory.read_array::<1>(device).is_err(), "unmapped");
    assert_eq!(pool.take_stray_accesses().len(), 1);
}

#[test]
fn bytes_a_device_did_not_write_come_back_as_they_were() {
    let pool = Pool::builder().policy(Policy::Bounce).build();
    let mut from = Mapped::new(&pool, vec![1_u8, 2, 3], Direction::FromDevice).unwrap();
    from.sync_for_device();
    let device = from.device_addr().get();
    pool.device_memory().write(device + 1, &[9]).unwrap();
    assert_eq!(from.into_inner(), [1, 9, 3]);
    let to = Mapped::new(&pool, vec![1_u8], Direction::ToDevice).unwrap();
    assert_eq!(to.into_inner(), [1]);
    pool.assert_no_leaks();
}

#[test]
fn the_chosen_allocation_and_mapping_fail_once() {
    let pool = Pool::new();
    pool.fail_allocation_after(1);
    pool.fail_mapping_after(0);
    let _first = DmaSlice::<u8, _>::new_zeroed(&pool, 1).unwrap();
    assert!(matches!(
        DmaSlice::<u8, _>::new_zeroed(&pool, 8),
        Err(DmaError::OutOfMemory { size_bytes: 8, .. })
    ));
    let _third = DmaSlice::<u8, _>::new_zeroed(&pool, 1).unwrap();
    let (error, buffer) = Mapped::new(&pool, vec![3_u8], Direction::Both).unwrap_err();
    assert!(matches!(error, DmaError::OutOfMemory { .. }));
    let _mapped = Mapped::new(&pool, buffer, Direction::Both).unwrap();
    assert_eq!((pool.allocated_so_far(), pool.mapped_so_far()), (2, 1));
    assert_eq!(
        pool.live(),
        Live {
            allocations: 2,
            mappings: 1
        }
    );
}

#[test]
fn no_memory_has_no_bytes() {
    assert!(matches!(
        Pool::new().allocate(layout(0, 8)),
        Err(DmaError::InvalidLayout { .. })
    ));
}

#[test]
fn a_second_release_and_a_wrong_layout_are_found() {
    let pool = Pool::new();
    let allocation = allocate(&pool, 64, 16);
    // SAFETY: not given back: the layout is wrong, and the pool says so.
    unsafe { pool.release(allocation, layout(32, 16)) };
    assert_eq!(pool.live().allocations, 1);
    // SAFETY: given back once.
    unsafe { pool.release(allocation, layout(64, 16)) };
    // SAFETY: broken on purpose; the pool only compares the numbers.
    unsafe { pool.release(allocation, layout(64, 16)) };
    let misuses = pool.take_misuses();
    assert!(matches!(
        misuses[..],
        [
            Misuse::ReleaseOfAnother { .. },
            Misuse::ReleaseOfNothing { .. }
        ]
    ));
}

#[test]
fn a_sync_or_unmap_of_another_buffer_is_found() {
    let pool = Pool::new();
    let mut bytes = [0_u8; 8];
    let buffer = NonNull::from(&mut bytes[..]);
    // SAFETY: the buffer outlives the mapping.
    let device = unsafe { pool.map(buffer, Direction::Both) }.unwrap();
    // SAFETY: broken on purpose; the pool compares the direction first.
    unsafe { pool.sync_for_cpu(buffer, device, Direction::ToDevice) };
    // SAFETY: broken on purpose; the pool finds no mapping there.
    unsafe { pool.sync_for_device(buffer, DmaAddr::new(1), Direction::Both) };
    // SAFETY: as it was mapped.
    unsafe { pool.unmap(buffer, device, Direction::Both) };
    // SAFETY: broken on purpose; the pool finds no mapping there.
    unsafe { pool.unmap(buffer, device, Direction::Both) };
    let misuses = pool.take_misuses();
    assert!(matches!(
        misuses[..],
        [
            Misuse::OtherMapping { .. },
            Misuse::NoSuchMapping { .. },
            Misuse::NoSuchMapping {
                operation: "unmap",
                ..
            }
        ]
    ));
}

#[test]
fn memory_given_back_while_exposed_is_found() {
    let pool = Pool::new();
    let memory = pool.device_memory();
    let slice = DmaSlice::<u8, _>::new_zeroed(&pool, 64).unwrap();
    let other = DmaSlice::<u8, _>::new_zeroed(&pool, 64).unwrap();
    let exposure = memory.expose(slice.device_addr().get() + 60, 4);
    drop(other);
    assert_eq!(pool.misuses(), []);
    drop(slice);
    assert!(matches!(
        pool.take_misuses()[..],
        [Misuse::StillExposed {
            operation: "release",
            exposed_len_bytes: 4,
            ..
        }]
    ));
    let mapped = Mapped::new(&pool, vec![0_u8; 4], Direction::Both).unwrap();
    memory.conceal(exposure);
    let exposure = memory.expose(mapped.device_addr().get(), 1);
    memory.conceal(exposure);
    drop(mapped);
    assert_eq!(pool.misuses(), []);
    let mapped = Mapped::new(&pool, vec![0_u8; 4], Direction::Both).unwrap();
    memory.expose(mapped.device_addr().get() + 3, 1);
    drop(mapped);
    assert!(matches!(
        pool.take_misuses()[..],
        [Misuse::StillExposed {
            operation: "unmap",
            ..
        }]
    ));
}

#[test]
#[should_panic(expected = "leaked: allocation of 24 bytes")]
fn a_leak_fails_the_test_when_asked() {
    let pool = Pool::new();
    let _kept = allocate(&pool, 24, 8);
    pool.assert_no_leaks();
}

#[test]
#[should_panic(expected = "leaked: allocation of 24 bytes")]
fn a_leak_fails_the_test_at_the_end() {
    let pool = Pool::new();
    allocate(&pool, 24, 8);
}

#[test]
fn a_leak_can_be_allowed() {
    let pool = Pool::new();
    pool.allow_leaks();
    allocate(&pool, 24, 8);
}
