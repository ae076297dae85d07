//! What the tests have in common: a modelled disk, a driver for it, and what must hold in the end.

use std::time::Duration;

use levitate_drivers_blk::{Blk, BlkStorage, InitError, Options, Token};
use levitate_hal::DmaBuffer;
use levitate_host::any::ModelledTransport;
use levitate_host::block::pattern;
use levitate_host::{AnyDevice, Behaviour, BlockModel, Plug, Pool, Version, VirtualClock};
use levitate_virtio::{Features, Interface, Transport};

pub(crate) type Disk = AnyDevice<BlockModel>;
pub(crate) type Driver<'s, const MORE: usize = 0> =
    Blk<'s, ModelledTransport<BlockModel>, (Pool, VirtualClock), MORE>;
pub(crate) type Storage<const N: usize, const MORE: usize = 0> = BlkStorage<Pool, N, MORE>;

/// A disk, and the platform of its driver.
pub(crate) struct Bench {
    pub(crate) pool: Pool,
    pub(crate) clock: VirtualClock,
    pub(crate) disk: Disk,
    pub(crate) options: Options,
}

impl Bench {
    pub(crate) fn new(model: BlockModel) -> Self {
        Self::with(Version::Two, model, |_| {})
    }

    pub(crate) fn with(
        plug: impl Into<Plug>,
        model: BlockModel,
        behave: impl FnOnce(&mut Behaviour),
    ) -> Self {
        Self::on(
            Pool::builder().exact_alignment().build(),
            plug,
            model,
            behave,
        )
    }

    /// On memory of the test's choice.
    pub(crate) fn on(
        pool: Pool,
        plug: impl Into<Plug>,
        model: BlockModel,
        behave: impl FnOnce(&mut Behaviour),
    ) -> Self {
        let clock = VirtualClock::new();
        let disk = Disk::plug(plug.into(), model, &pool, &clock, behave);
        let options = Options {
            timeout: Duration::from_millis(100),
            ..Options::default()
        };
        Self {
            pool,
            clock,
            disk,
            options,
        }
    }

    pub(crate) fn try_drive<'s, const N: usize, const MORE: usize>(
        &self,
        storage: &'s mut Storage<N, MORE>,
    ) -> Result<Driver<'s, MORE>, InitError> {
        let platform = (self.pool.clone(), self.clock.clone());
        Blk::with_options(self.disk.transport(), platform, storage, self.options)
    }

    pub(crate) fn drive<'s, const N: usize, const MORE: usize>(
        &self,
        storage: &'s mut Storage<N, MORE>,
    ) -> Driver<'s, MORE> {
        let driver = self.try_drive(storage).expect("the device comes up");
        self.disk.clear_log();
        driver
    }

    /// Says whether the device has the legacy interface.
    pub(crate) fn is_legacy(&self) -> bool {
        self.disk.transport().interface() == Interface::Legacy
    }

    /// Notifications since the driver came up.
    pub(crate) fn notifications(&self) -> usize {
        self.disk.notifications().len()
    }

    /// Requests the disk has served since they were counted last.
    pub(crate) fn take_requests(&self) -> Vec<levitate_host::block::BlockRequest> {
        self.disk.model(BlockModel::take_requests)
    }
}

/// The driver broke no rule, and all memory is back.
impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.disk.assert_clean();
            self.pool.assert_settled();
        }
    }
}

/// Benches for every transport, with and without each of the features of the rings.
pub(crate) fn every_variant(model: impl Fn() -> BlockModel) -> impl Iterator<Item = Bench> {
    variants_of(&Plug::ALL, model)
}

/// Benches for every transport, with the rings whose requests the device may use in any order.
pub(crate) fn variants_out_of_order(model: impl Fn() -> BlockModel) -> impl Iterator<Item = Bench> {
    variants_out_of_order_of(&Plug::ALL, model)
}

/// Benches for these transports, with the same.
pub(crate) fn variants_out_of_order_of(
    plugs: &[Plug],
    model: impl Fn() -> BlockModel,
) -> impl Iterator<Item = Bench> {
    let is_wanted = |offered: Features| !offered.contains(Features::IN_ORDER);
    with_rings(plugs, is_wanted, model)
}

/// Benches for these transports, with and without each of the features of the rings.
pub(crate) fn variants_of(
    plugs: &[Plug],
    model: impl Fn() -> BlockModel,
) -> impl Iterator<Item = Bench> {
    with_rings(plugs, |_| true, model)
}

fn with_rings(
    plugs: &[Plug],
    is_wanted: impl Fn(Features) -> bool,
    model: impl Fn() -> BlockModel,
) -> impl Iterator<Item = Bench> {
    let each = plugs
        .iter()
        .flat_map(|plug| rings(*plug).into_iter().map(|rings| (*plug, rings)));
    each.filter(move |(_, (offered, _))| is_wanted(*offered))
        .map(move |(plug, (offered, withheld))| {
            println!("{plug:?} with {offered:?}, without {withheld:?}");
            Bench::with(plug, model(), |behaviour| {
                behaviour.offer = offered.bits();
                behaviour.withhold = withheld.bits();
            })
        })
}

/// What such a device offers of rings beyond the usual, and what it withholds of that.
fn rings(plug: Plug) -> Vec<(Features, Features)> {
    let (indirect, event_index) = (Features::INDIRECT_DESC, Features::EVENT_IDX);
    let both = indirect | event_index;
    let split =
        [Features::empty(), indirect, event_index, both].map(|set| (Features::empty(), set));
    let packed = Features::RING_PACKED;
    let packed = [
        (packed, Features::empty()),
        (packed, indirect),
        (packed, both),
        (packed | Features::IN_ORDER, Features::empty()),
    ];
    match plug {
        // It has no bit for the others.
        Plug::Mmio(Version::One) => split.to_vec(),
        _ => [split, packed].concat(),
    }
}

/// Reads one sector, which is as the model was made.
#[track_caller]
pub(crate) fn assert_reads<const MORE: usize>(blk: &mut Driver<'_, MORE>, sector: u64) {
    let mut data = [0; 512];
    blk.read(sector, &mut data).expect("read");
    assert_eq!(data[..], patterned(sector, 512));
}

/// What a patterned disk holds at `sector`.
pub(crate) fn patterned(sector: u64, len_bytes: usize) -> Vec<u8> {
    let start = sector as usize * 512;
    (start..start + len_bytes).map(pattern).collect()
}

/// A buffer with `len_bytes` bytes of `byte`.
pub(crate) fn filled<const MORE: usize>(
    driver: &Driver<'_, MORE>,
    len_bytes: usize,
    byte: u8,
) -> DmaBuffer<Pool> {
    let mut buffer = driver
        .allocate_buffer(len_bytes)
        .expect("the pool has room");
    buffer.as_mut_slice().fill(byte);
    buffer
}

/// Submits a read of one sector.
pub(crate) fn submit_read<const MORE: usize>(blk: &mut Driver<'_, MORE>, sector: u64) -> Token {
    let buffer = filled(blk, 512, 0);
    blk.submit_read(sector, buffer).unwrap()
}
