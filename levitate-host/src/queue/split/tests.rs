//! What becomes of a chain that changes between the two readings of it.

use levitate_hal::DmaRegion;

use super::*;
use crate::dma::Pool;

const SIZE: u16 = 4;

/// A queue in which a chain of two descriptors is available: table at 0, available ring at 0x100, used ring at 0x200.
fn queue(pool: &Pool) -> (SplitQueue, DmaRegion<Pool>) {
    let memory = DmaRegion::new(pool, 4096, 4096).unwrap();
    let at = memory.device_addr().get();
    let areas = Areas {
        descriptor: at,
        driver: at + 0x100,
        device: at + 0x200,
    };
    let queue = SplitQueue::new(SIZE, areas);
    for (index, flags) in [(0_u16, 1_u16), (1, 2)] {
        let descriptor = 16 * usize::from(index);
        let buffer = at + 0x800 + 16 * u64::from(index);
        memory.write(descriptor, &buffer.to_le_bytes()).unwrap();
        memory.write(descriptor + 8, &16_u32.to_le_bytes()).unwrap();
        memory.write(descriptor + 12, &flags.to_le_bytes()).unwrap();
        memory.write(descriptor + 14, &1_u16.to_le_bytes()).unwrap();
    }
    memory.write(0x102, &1_u16.to_le_bytes()).unwrap();
    (queue, memory)
}

/// Changes `bytes` at `offset` after the checker has read the chain, and before rust-vmm does.
fn fetch_changed(offset: usize, bytes: &[u8; 2]) -> (Result<Chain, RingError>, Vec<&'static str>) {
    let pool = Pool::new();
    let (mut queue, memory) = queue(&pool);
    let (device, features) = (pool.device_memory(), RingFeatures::default());
    let mut violations = Violations::default();
    let checked = queue.check_next(&device, features, &mut violations);
    let checked = checked.unwrap().expect("a chain");
    memory.write(offset, bytes).unwrap();
    let fetched = queue.fetch(checked, &device, features, &mut violations);
    let broken = violations.as_slice().iter().map(|one| one.id).collect();
    (fetched, broken)
}

#[test]
fn a_chain_that_changes_as_it_is_read_is_the_drivers_doing() {
    // The length of the second descriptor; the flags of the first, which end the chain; the head.
    for (offset, value) in [(16 + 8, 15_u16), (12, 0), (0x104, 1)] {
        let (fetched, broken) = fetch_changed(offset, &value.to_le_bytes());
        assert_eq!(fetched, Err(RingError::Changed { head: 0 }), "{offset:#x}");
        assert_eq!(broken, ["CLEAN-01"]);
    }
    // An entry that is not read.
    let (fetched, broken) = fetch_changed(0x106, &[1, 0]);
    assert_eq!(fetched.map(|chain| chain.buffers.len()), Ok(2));
    assert_eq!(broken, [""; 0]);
}
