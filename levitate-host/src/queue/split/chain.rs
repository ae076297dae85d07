//! A chain of a split virtqueue, followed and checked once (§2.7.5): [`walk`].

use super::super::descriptor::{INDIRECT, NEXT, WRITE, fields};
use super::super::{Buffer, Chain, DESCRIPTOR_BYTES, RingError, RingFeatures};
use super::SplitQueue;
use crate::device::Violations;
use crate::dma::DeviceMemory;

/// Follows the chain that begins at `head`.
pub(super) fn walk(
    queue: &SplitQueue,
    head: u16,
    memory: &DeviceMemory,
    features: RingFeatures,
    violations: &mut Violations,
) -> Result<Chain, RingError> {
    let mut table = queue.areas.descriptor;
    let mut table_entries = u64::from(queue.size);
    let mut chain = Chain {
        head,
        buffers: Vec::new(),
        indirect_table: None,
        descriptors: 1,
        first: head,
    };
    let mut index = head;
    let mut total_bytes = 0_u64;
    loop {
        if u64::from(index) >= table_entries {
            return Err(RingError::DescriptorIndex {
                index,
                table: table_entries,
            });
        }
        let at = table.saturating_add(DESCRIPTOR_BYTES * u64::from(index));
        let (addr, len_bytes, flags, next) = fields(memory.read_array(at)?);
        if flags & INDIRECT != 0 {
            check_indirect(index, flags, &chain, features, violations)?;
            if len_bytes == 0 || u64::from(len_bytes) % DESCRIPTOR_BYTES != 0 {
                return Err(RingError::IndirectLength { len_bytes });
            }
            table = addr;
            table_entries = u64::from(len_bytes) / DESCRIPTOR_BYTES;
            chain.indirect_table = Some((addr, len_bytes));
            index = 0;
            continue;
        }
        if len_bytes == 0 {
            return Err(RingError::EmptyBuffer { index });
        }
        let is_writable = flags & WRITE != 0;
        if !is_writable && chain.buffers.last().is_some_and(|last| last.is_writable) {
            violations.add(
                "SPLIT-02",
                format!("descriptor {index} is readable after a writable one"),
            );
            return Err(RingError::ReadableAfterWritable { index });
        }
        total_bytes += u64::from(len_bytes);
        if total_bytes > 1 << 32 {
            violations.add(
                "SPLIT-04",
                format!("the chain from {head} has more than 2^32 bytes"),
            );
            return Err(RingError::TooManyBytes { head });
        }
        chain.buffers.push(Buffer {
            addr,
            len_bytes,
            is_writable,
        });
        if flags & NEXT == 0 {
            return Ok(chain);
        }
        if chain.buffers.len() >= usize::from(queue.size) {
            violations.add(
                "SPLIT-08",
                format!(
                    "the chain from {head} is longer than the queue size, {}",
                    queue.size
                ),
            );
            return Err(RingError::ChainTooLong {
                head,
                size: queue.size,
            });
        }
        if features.in_order {
            check_order(index, next, &chain, queue.size, violations);
        }
        index = next;
        if chain.indirect_table.is_none() {
            chain.descriptors += 1;
        }
    }
}

/// Checks that descriptors follow each other in memory, as they have to with IN_ORDER.
fn check_order(index: u16, next: u16, chain: &Chain, size: u16, violations: &mut Violations) {
    let is_indirect = chain.indirect_table.is_some();
    let following = match index + 1 {
        first if !is_indirect && first == size => 0,
        following => following,
    };
    if next != following {
        let rule = if is_indirect { "SPLIT-10" } else { "SPLIT-05" };
        violations.add(rule, format!("descriptor {next} comes after {index}"));
    }
}

fn check_indirect(
    index: u16,
    flags: u16,
    chain: &Chain,
    features: RingFeatures,
    violations: &mut Violations,
) -> Result<(), RingError> {
    if !features.indirect {
        violations.add(
            "SPLIT-06",
            format!("descriptor {index} is INDIRECT, which was not negotiated"),
        );
        return Err(RingError::Flags { index, flags });
    }
    if chain.indirect_table.is_some() {
        violations.add(
            "SPLIT-07",
            format!("descriptor {index} of an indirect table is INDIRECT"),
        );
        return Err(RingError::Flags { index, flags });
    }
    if flags & NEXT != 0 {
        violations.add(
            "SPLIT-09",
            format!("descriptor {index} is INDIRECT and NEXT"),
        );
        return Err(RingError::Flags { index, flags });
    }
    Ok(())
}
