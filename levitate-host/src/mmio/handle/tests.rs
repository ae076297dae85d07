//! When the thread of a device is woken.

use super::*;
use crate::{BlockModel, Pool};

#[test]
fn a_register_write_that_notifies_of_nothing_wakes_nobody() {
    let device = MmioDevice::builder(BlockModel::patterned(1))
        .build_threaded(&Pool::new(), &SystemClock::new());
    let Server::Thread(worker) = &device.server else {
        panic!("no thread");
    };
    for probe in [0x000, 0x004, 0x008] {
        device.read32(probe);
    }
    for status in [0, 1, 3] {
        device.write32(0x070, status);
        device.read32(0x070);
    }
    assert_eq!(worker.times_woken(), 0);
    device.look_at(0);
    assert_eq!(worker.times_woken(), 1);
}
