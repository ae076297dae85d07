//! The crate `virtio-drivers` in place of ours: [`VirtioDriversGpu`] and [`VirtioDriversBlk`].

mod blk;
mod configuration;
mod gpu;
mod in_flight;
mod life;
mod record;
mod transport;

use levitate_kernel::command_line::{Driver, Kind};

pub(crate) use self::blk::VirtioDriversBlk;
pub(crate) use self::gpu::VirtioDriversGpu;
pub(crate) use self::life::Life;
pub(crate) use self::record::Record;
pub(crate) use self::transport::Counted;

/// The driver's name, as the log shows it.
const NAME: &str = Driver::VirtioDrivers.crate_name(Kind::Blk);
