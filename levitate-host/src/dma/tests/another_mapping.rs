//! The memory as another process maps it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::ptr::{NonNull, null_mut};

use levitate_hal::{Direction, DmaSlice, Mapped};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::policies::pool;
use crate::dma::{Policy, SharedMemory};

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
