//! How a platform lets devices reach memory: [`Policy`].

/// Which kind of platform a [`Pool`](super::Pool) plays.
///
/// Whatever the policy, a device reaches what was allocated and mapped, to the byte, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// No translation: a device address is the CPU address, and buffers are mapped where they lie.
    Identity,
    /// Devices reach one linear area only: a mapping is a copy in it, made on `map` and on each sync, and poisoned on unmap.
    ///
    /// A driver that looks at a buffer too early, or forgets a sync, gets other bytes than the device's.
    Bounce,
    /// Device addresses have nothing in common with CPU addresses, and none is used twice; buffers are mapped where they lie.
    #[default]
    Iommu,
    /// As [`Iommu`](Self::Iommu), with an allocation or a mapping that fails.
    FaultInjecting {
        /// Allocations that succeed before one fails, once; `None` for no failure.
        allocations: Option<usize>,
        /// Mappings that succeed before one fails, once; `None` for no failure.
        mappings: Option<usize>,
    },
}
