//! What a device says when it gives chains back: [`Used`].

use super::Chain;

/// One element of a used ring, or one used descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// The chain it names; of a batch the last one.
    pub(crate) id: u32,
    /// How many bytes the device wrote to that chain.
    pub(crate) len_bytes: u32,
    /// How many chains it gives back: more than one with VIRTIO_F_IN_ORDER only.
    pub(crate) chains: u16,
    /// How many descriptors of the table or ring these took.
    pub(crate) descriptors: u16,
    /// Whether there is noise where the specification has drivers look at nothing.
    pub(crate) is_noisy: bool,
}

impl Used {
    /// Gives `chain` back, and no other.
    pub(crate) fn new(chain: &Chain, len_bytes: u32) -> Self {
        Self {
            id: chain.head.into(),
            len_bytes,
            chains: 1,
            descriptors: chain.descriptors,
            is_noisy: false,
        }
    }

    /// The same, naming another chain.
    pub(crate) const fn naming(mut self, id: u32) -> Self {
        self.id = id;
        self
    }
}
