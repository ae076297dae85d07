//! What sets the policies apart, and what each finds.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::ptr::{NonNull, null_mut};

use levitate_hal::{Direction, Dma, DmaError, DmaSlice, Mapped};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::{allocate, layout};
use crate::dma::{Policy, Pool, ShareError, SharedMemory, StrayReason};

const FAILING: Policy = Policy::FaultInjecting {
    allocations: Some(1),
    mappings: Some(0),
};

fn pool(policy: Policy) -> Pool {
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

/// Maps the memory once more, as another process does, and returns where its byte `offset` is now.
///
/// It stays mapped: the test's process ends soon.
fn map_again(shared: &SharedMemory, offset: u64) -> NonNull<u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let (len, from) = (shared.len_bytes as usize, shared.offset_bytes);
    // SAFETY: a new mapping at an address of the kernel's choice, so none of the process's is replaced.
    let base = unsafe {
        mmap(
            null_mut(),
            len,
            access,
            MapFlags::SHARED,
            &shared.file,
            from,
        )
    };
    let base = NonNull::new(base.unwrap().cast::<u8>()).unwrap();
    assert_ne!(base, shared.cpu_base);
    assert!(offset < shared.len_bytes);
    // SAFETY: `offset` is less than what was mapped just now.
    unsafe { base.add(offset as usize) }
}

#[test]
fn another_mapping_has_the_same_bytes_by_the_three_addresses() {
    for policy in [Policy::Identity, Policy::Bounce] {
        let pool = pool(policy);
        let shared = pool.shared_memory().unwrap();
        let mut slice = DmaSlice::<u8, _>::new_zeroed(&pool, 5).unwrap();
        slice.copy_from_slice(b"hello");
        let offset = slice.device_addr().get() - shared.device_base.get();
        let cpu_offset = slice.as_ptr().addr() - shared.cpu_base.addr().get();
        assert_eq!(cpu_offset as u64, offset);
        let again = map_again(&shared, offset).cast::<[u8; 5]>();
        // SAFETY: mapped for good, and five bytes lie there under the first address, too; nobody writes them now.
        assert_eq!(&unsafe { again.read_volatile() }, b"hello");
        // SAFETY: as above, and there is no reference to them now.
        unsafe { again.write_volatile(*b"world") };
        assert_eq!(slice.as_ref(), b"world");
        let at = slice.device_addr().get();
        assert_eq!(pool.device_memory().read_array(at), Ok(*b"world"));
    }
}

#[test]
fn shared_memory_stays_mapped_without_its_pool() {
    let shared = pool(Policy::Bounce).shared_memory().unwrap();
    let again = map_again(&shared, 4096);
    // SAFETY: mapped for good, and no one's block.
    unsafe { again.write_volatile(7) };
    // SAFETY: `shared` keeps its memory mapped, which is longer than that.
    let first = unsafe { shared.cpu_base.add(4096) };
    // SAFETY: as above; written just now.
    assert_eq!(unsafe { first.read_volatile() }, 7);
}

#[test]
fn a_mapping_is_shared_under_bounce_only() {
    let pool = pool(Policy::Bounce);
    let shared = pool.shared_memory().unwrap();
    let mapped = Mapped::new(&pool, b"hello".to_vec(), Direction::ToDevice).unwrap();
    let offset = mapped.device_addr().get() - shared.device_base.get();
    assert_eq!(offset % 2, 1, "no alignment by luck");
    let file = File::from(shared.file);
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, offset).unwrap();
    assert_eq!(&bytes, b"hello");
    drop(mapped);
    file.read_exact_at(&mut bytes, offset).unwrap();
    assert_eq!(bytes, [0xa5; 5], "poisoned");
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
        assert!(slice.iter().all(|byte| *byte == 0), "zeroed again");
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
