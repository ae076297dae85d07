//! How worn a disk says it is.

use crate::bench::{Bench, Storage};
use levitate_drivers_blk::{Error, Lifetime, RequestKind, Reserve, SubmitError};
use levitate_host::block::Lifetime as Answer;
use levitate_host::{BlockModel, Plug};

#[test]
fn a_device_that_tells_is_asked() {
    for plug in Plug::ALL {
        let answer = Answer {
            pre_eol_info: 2,
            type_a: 0,
            type_b: 11,
        };
        let bench = Bench::with(plug, BlockModel::patterned(8).lifetime(answer), |_| {});
        let mut storage = Storage::<4>::new();
        let mut blk = bench.drive(&mut storage);
        let lifetime = Lifetime {
            reserve: Some(Reserve::Warning),
            worn_tenths_a: None,
            worn_tenths_b: Some(11),
        };
        assert_eq!(blk.lifetime(), Ok(lifetime));
    }
}

#[test]
fn a_device_that_does_not_is_not_asked() {
    let bench = Bench::new(BlockModel::patterned(8));
    let mut storage = Storage::<4>::new();
    let mut blk = bench.drive(&mut storage);
    let kind = RequestKind::GetLifetime;
    let refusal = Error::Refused(SubmitError::NoCommand { kind });
    assert_eq!(blk.lifetime(), Err(refusal));
    assert_eq!(bench.disk.log().all(), [], "no register was touched");
}
