//! The configuration space, changing under its reader: what is read must have been there, all at the same time.

use levitate_virtio::features::NoFeatures;
use levitate_virtio::{
    ConfigError, ConfigSpace, Device, Interface, MmioTransport, Transport, Wanted,
};

use super::{behave, probe_transport, set_up};
use crate::bench::{Bench, Registers, TIMEOUT};
use crate::device::{CONFIG_BYTES, Kind, Menu};
use crate::sabotage::Sabotage;

/// Readings a program makes at most.
const MAX_CALLS: usize = 16;

/// A field: where it is and how wide.
type Field = (usize, usize);

pub(crate) fn run(bytes: &[u8], sabotage: Sabotage) {
    let bench = Bench::new(bytes, Kind::Bare, sabotage);
    let settings = set_up(&bench, 0);
    let shorter = usize::from(bench.byte()) % CONFIG_BYTES;
    bench.with(|device| {
        device.menu = Menu::Config;
        device.region_bytes -= shorter;
        device.history.push(device.config);
    });
    if let Some(device) = start(&bench) {
        for _ in 0..MAX_CALLS {
            if !bench.goes_on() {
                break;
            }
            let fields: Vec<Field> = (0..1 + bench.byte() % 4)
                .map(|_| {
                    let choice = bench.byte();
                    let width = 1 << (choice & 3);
                    (usize::from(choice >> 2) & !(width.min(4) - 1), width)
                })
                .collect();
            check(&bench, &device, &fields);
        }
        bench.call("drop", 0, || drop(device));
    }
    bench.settle(0);
    behave(&bench, &settings, &[(0, 0x0403_0201), (4, 0x0807_0605)]);
    bench.with(|device| device.region_bytes = 0x140);
    let read = start(&bench).map(|device| device.read_config(|space| space.read_u64(0)));
    bench.demand(
        matches!(read, Some(Ok(0x0807_0605_0403_0201))),
        "the configuration of a device that behaves reads something else",
    );
    bench.finish();
}

type Driven = Device<MmioTransport<Registers>, levitate_virtio::stage::Negotiated>;

fn start(bench: &Bench) -> Option<Driven> {
    let transport = probe_transport(bench)?;
    let clock = bench.clock();
    let device = bench.call("begin", 1, || Device::begin(transport, &clock, TIMEOUT));
    let negotiated = device.ok()?.negotiate(&Wanted::<NoFeatures>::default());
    Some(negotiated.ok()?.0)
}

fn check(bench: &Bench, device: &Driven, fields: &[Field]) {
    // What was there before this reading began is of the past.
    bench.with(|device| {
        device.history.clear();
        device.history.push(device.config);
        device.is_config_false = device.has_lies();
    });
    let outcome = bench.call("read_config", 0, || {
        device.read_config(|space| {
            let read = |field: &Field| read_field(space, *field);
            fields.iter().map(read).collect::<Result<Vec<u64>, _>>()
        })
    });
    let len = bench.with(|device| device.region_bytes) - 0x100;
    let fits = fields.iter().all(|(at, width)| at + width <= len);
    match outcome {
        Ok(values) => {
            bench.demand(fits, "a field was read that is not there");
            let is_true = device.transport().interface() == Interface::Modern
                && !bench.with(|device| device.is_config_false);
            let was_there = bench.with(|device| {
                let mut contents = device.history.iter();
                contents.any(|content| {
                    let pairs = fields.iter().zip(&values);
                    pairs
                        .into_iter()
                        .all(|(field, value)| field_of(content, *field) == *value)
                })
            });
            bench.demand(
                !is_true || was_there,
                "a configuration was read that never was",
            );
        }
        Err(ConfigError::TooShort { .. }) => {
            bench.demand(!fits, "a field that is there was refused");
        }
        Err(_) => {}
    }
}

fn read_field<T: Transport>(
    space: &ConfigSpace<'_, T>,
    (at, width): Field,
) -> Result<u64, ConfigError> {
    match width {
        1 => space.read_u8(at).map(u64::from),
        2 => space.read_u16(at).map(u64::from),
        4 => space.read_u32(at).map(u64::from),
        _ => space.read_u64(at),
    }
}

fn field_of(content: &[u8; CONFIG_BYTES], (at, width): Field) -> u64 {
    let bytes = content[at..].iter().take(width).rev();
    bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
}
