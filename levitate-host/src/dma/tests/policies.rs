//! What sets the policies apart, and what each finds.

use levitate_hal::{Direction, Dma, DmaError, DmaSlice, Mapped};

use super::{allocate, layout};
use crate::dma::{Policy, Pool, ShareError, StrayReason};

const FAILING: Policy = Policy::FaultInjecting {
    allocations: Some(1),
    mappings: Some(0),
};

pub(super) fn pool(policy: Policy) -> Pool {
    Pool::builder().policy(policy).exact_alignment().build()
}

#[test]
fn an_identity_address_is_the_cpu_address() {
    let pool = pool(Policy::Identity);
    let slice = DmaSlice::<u8, _>::new_zeroed(&pool, 10).unwrap();
    assert_eq!(slice.device_addr().get(), slice.as_ptr().addr() as u64);
    let buffer = vec![3_u8; 10];
    let at = buffer.as_ptr().addr() as u64;
    let mapped = Mapped::new(&pool, buffer, Direction::ToDevice).unwrap();
    assert_eq!(mapped.device_addr().get(), at);
    assert_eq!(pool.device_memory().read_array::<10>(at), Ok([3; 10]));
}

#[test]
fn an_identity_mapping_does_not_overlap_another() {
    let pool = pool(Policy::Identity);
    let mut bytes = [0_u8; 8];
    let whole = std::ptr::NonNull::from(&mut bytes[..]);
    let inner = std::ptr::NonNull::slice_from_raw_parts(whole.cast(), 4);
    // SAFETY: the buffer outlives the mapping.
    let device = unsafe { pool.map(whole, Direction::Both) }.unwrap();
    // SAFETY: refused, so nobody uses it twice.
    let second = unsafe { pool.map(inner, Direction::Both) };
    assert_eq!(second, Err(DmaError::NotMappable { size_bytes: 4 }));
    // SAFETY: as it was mapped.
    unsafe { pool.unmap(whole, device, Direction::Both) };
}

#[test]
fn alignment_holds_under_both_addresses_of_a_linear_range() {
    for policy in [Policy::Identity, Policy::Bounce] {
        let pool = pool(policy);
        for align in [1, 16, 4096, 65536] {
            let allocation = allocate(&pool, 40, align);
            for address in [allocation.cpu.addr().get() as u64, allocation.device.get()] {
                assert_eq!(address % (2 * align as u64), align as u64, "{policy:?}");
            }
            // SAFETY: allocated above with this layout, released once, used by nobody.
            unsafe { pool.release(allocation, layout(40, align)) };
        }
    }
}

#[test]
fn memory_behind_an_iommu_is_not_one_range() {
    for policy in [Policy::Iommu, FAILING] {
        let refused = pool(policy).shared_memory().unwrap_err();
        assert!(matches!(refused, ShareError::NotLinear(named) if named == policy));
    }
}

#[test]
fn the_policy_fails_the_chosen_allocation_and_mapping_once() {
    let pool = pool(FAILING);
    let _first = DmaSlice::<u8, _>::new_zeroed(&pool, 1).unwrap();
    assert!(DmaSlice::<u8, _>::new_zeroed(&pool, 1).is_err());
    let _third = DmaSlice::<u8, _>::new_zeroed(&pool, 1).unwrap();
    let (_, buffer) = Mapped::new(&pool, vec![1_u8], Direction::Both).unwrap_err();
    let _mapped = Mapped::new(&pool, buffer, Direction::Both).unwrap();
}

#[test]
fn a_device_that_keeps_an_address_finds_nobody() {
    for policy in [Policy::Identity, Policy::Bounce, Policy::Iommu] {
        let pool = pool(policy);
        let freed = DmaSlice::<u8, _>::new_zeroed(&pool, 64).unwrap();
        let address = freed.device_addr().get();
        drop(freed);
        let _next = DmaSlice::<u8, _>::new_zeroed(&pool, 64).unwrap();
        let stray = pool.device_memory().write(address, &[1]).unwrap_err();
        assert_eq!(stray.reason, StrayReason::Nothing, "{policy:?}");
        assert_eq!(pool.take_stray_accesses(), [stray]);
    }
}

#[test]
fn freed_memory_is_used_again_when_there_is_no_other() {
    let pool = Pool::builder().memory_len(1 << 16).build();
    for _ in 0..100 {
        let slice = DmaSlice::<u8, _>::new_zeroed(&pool, 30_000).unwrap();
        assert!(slice[..] == [0; 30_000], "zeroed again");
    }
    assert!(matches!(
        DmaSlice::<u8, _>::new_zeroed(&pool, 1 << 16),
        Err(DmaError::OutOfMemory { .. })
    ));
}

#[test]
fn leaked_memory_outlives_its_pool() {
    let pool = Pool::new();
    pool.allow_leaks();
    let leaked = allocate(&pool, 64, 16);
    drop(pool);
    // SAFETY: allocated above, never released, and `Dma` promises that it stays.
    unsafe { leaked.cpu.write_bytes(7, 64) };
    // SAFETY: as above, and written just now.
    assert_eq!(unsafe { leaked.cpu.read() }, 7);
}

#[test]
#[should_panic(expected = "stray Read of 4 bytes at 0x1000")]
fn a_stray_access_fails_the_test_at_the_end() {
    let pool = pool(Policy::Iommu);
    let _ = pool.device_memory().read_array::<4>(0x1000);
}

#[test]
#[should_panic(expected = "where no allocation begins")]
fn a_double_free_fails_the_test_at_the_end() {
    let pool = Pool::new();
    let allocation = allocate(&pool, 64, 16);
    // SAFETY: given back once.
    unsafe { pool.release(allocation, layout(64, 16)) };
    // SAFETY: broken on purpose; the pool only compares the numbers.
    unsafe { pool.release(allocation, layout(64, 16)) };
}

/// Reads an answer of `device` from a mapped buffer, as a driver does: synced, or not.
fn answer_seen(policy: Policy, is_synced: bool) -> u8 {
    let pool = pool(policy);
    let mut mapped = Mapped::new(&pool, vec![0_u8; 1], Direction::FromDevice).unwrap();
    pool.device_memory()
        .write(mapped.device_addr().get(), &[9])
        .unwrap();
    if is_synced {
        mapped.sync_for_cpu();
    }
    mapped.as_slice()[0]
}

#[test]
fn a_driver_that_peeks_before_the_sync_is_found_out_by_bounce() {
    assert_eq!(answer_seen(Policy::Iommu, false), 9, "and by no other");
    assert_eq!(answer_seen(Policy::Bounce, false), 0);
    assert_eq!(answer_seen(Policy::Bounce, true), 9);
}
