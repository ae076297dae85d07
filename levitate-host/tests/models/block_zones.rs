//! Zoned disks: the state machine, its limits, and the status of each refusal.

use levitate_host::block::{ZoneKind, ZoneModel, ZoneState, Zoned};
use levitate_host::{BlockModel, Version};

use crate::block::{disk, request};
use crate::rig::Rig;

pub(crate) const APPEND: u32 = 15;
pub(crate) const REPORT: u32 = 16;
pub(crate) const OPEN: u32 = 18;
pub(crate) const CLOSE: u32 = 20;
pub(crate) const FINISH: u32 = 22;
pub(crate) const RESET: u32 = 24;
pub(crate) const RESET_ALL: u32 = 26;

pub(crate) const INVALID: u8 = 3;
pub(crate) const UNALIGNED: u8 = 4;
pub(crate) const NO_OPEN: u8 = 5;
pub(crate) const NO_ACTIVE: u8 = 6;

/// Zones of 16 sectors on a disk of 72: the first conventional, the last with 8 sectors.
pub(crate) fn host_managed() -> Zoned {
    Zoned::new(ZoneModel::HostManaged, 16).conventional(1)
}

pub(crate) fn zoned(zoned: Zoned) -> Rig<BlockModel> {
    disk(BlockModel::patterned(72).zoned(zoned), Version::Two)
}

/// Sends a request without data that names a sector.
pub(crate) fn act(rig: &mut Rig<BlockModel>, kind: u32, sector: u64) -> u8 {
    request(rig, kind, sector, &[], 0).0
}

pub(crate) fn write(rig: &mut Rig<BlockModel>, sector: u64, sectors: usize) -> u8 {
    request(rig, 1, sector, &vec![0x5a; sectors * 512], 0).0
}

pub(crate) fn append(rig: &mut Rig<BlockModel>, sector: u64, sectors: usize) -> (u8, u64) {
    let (status, answer) = request(rig, APPEND, sector, &vec![0xa5; sectors * 512], 8);
    (status, u64::from_le_bytes(answer.try_into().unwrap()))
}

pub(crate) fn states(rig: &Rig<BlockModel>) -> Vec<ZoneState> {
    rig.device
        .model(|disk| disk.zones().iter().map(|zone| zone.state).collect())
}

pub(crate) fn state(rig: &Rig<BlockModel>, index: usize) -> ZoneState {
    states(rig)[index]
}

#[test]
fn a_report_has_64_bytes_and_64_for_each_zone() {
    let mut rig = zoned(host_managed().capacity(12));
    assert_eq!(write(&mut rig, 16, 3), 0);
    let (status, report) = request(&mut rig, REPORT, 0, &[], 64 * 7);
    assert_eq!(status, 0);
    assert_eq!(report[..8], 5_u64.to_le_bytes());
    assert_eq!(report[8..64], [0; 56]);
    let zone = |capacity: u8, start: u8, pointer: [u8; 8], kind: u8, state: u8| {
        let mut wanted = [0; 64];
        wanted[0] = capacity;
        wanted[8] = start;
        wanted[16..24].copy_from_slice(&pointer);
        wanted[24..26].copy_from_slice(&[kind, state]);
        wanted
    };
    let at = |sector: u8| [sector, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(report[64..128], zone(16, 0, [0xff; 8], 1, 0));
    assert_eq!(report[128..192], zone(12, 16, at(19), 2, 2));
    assert_eq!(report[192..256], zone(12, 32, at(32), 2, 1));
    assert_eq!(report[320..384], zone(8, 64, at(64), 2, 1), "a short one");
    assert_eq!(report[384..], [0; 64], "there is no sixth");
    // From any sector of the zone; as many as there is room for.
    let (status, report) = request(&mut rig, REPORT, 33, &[], 64 + 64 + 63);
    assert_eq!((status, &report[..8]), (0, &1_u64.to_le_bytes()[..]));
    assert_eq!(report[64..128], zone(12, 32, at(32), 2, 1));
    rig.device.assert_clean();
    assert_eq!(request(&mut rig, REPORT, 0, &[], 63).0, INVALID);
    assert_eq!(request(&mut rig, REPORT, 72, &[], 128).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-28"]);
}

#[test]
fn each_state_has_its_number() {
    let mut rig = zoned(host_managed());
    for (state, number) in [
        (ZoneState::Empty, 1),
        (ZoneState::ImplicitlyOpen, 2),
        (ZoneState::ExplicitlyOpen, 3),
        (ZoneState::Closed, 4),
        (ZoneState::ReadOnly, 13),
        (ZoneState::Full, 14),
        (ZoneState::Offline, 15),
    ] {
        rig.device.model(|disk| disk.set_zone_state(1, state));
        let (_, report) = request(&mut rig, REPORT, 16, &[], 128);
        assert_eq!(report[64 + 25], number);
        let is_valid = number < 13;
        assert_eq!(
            report[64 + 16..64 + 24] == [0xff; 8],
            !is_valid,
            "{state:?}"
        );
    }
    rig.device
        .model(|disk| assert_eq!(disk.zones()[1].kind, ZoneKind::WriteRequired));
}

/// Brings zone 1 of a fresh disk to a state, with two sectors written unless it is empty.
fn zone_in(state: ZoneState) -> Rig<BlockModel> {
    let mut rig = zoned(host_managed());
    if state != ZoneState::Empty {
        assert_eq!(write(&mut rig, 16, 2), 0);
    }
    match state {
        ZoneState::ExplicitlyOpen => assert_eq!(act(&mut rig, OPEN, 16), 0),
        ZoneState::Closed => assert_eq!(act(&mut rig, CLOSE, 16), 0),
        ZoneState::Full => assert_eq!(act(&mut rig, FINISH, 16), 0),
        ZoneState::ReadOnly | ZoneState::Offline => {
            rig.device.model(|disk| disk.set_zone_state(1, state));
        }
        _ => {}
    }
    assert_eq!(self::state(&rig, 1), state);
    rig
}

#[test]
fn every_request_in_every_state_has_its_outcome() {
    use ZoneState::*;
    let table = [
        //           write at the pointer     open                  close                 finish          reset
        (
            Empty,
            [
                Ok(ImplicitlyOpen),
                Ok(ExplicitlyOpen),
                Err(INVALID),
                Err(INVALID),
                Ok(Empty),
            ],
        ),
        (
            ImplicitlyOpen,
            [
                Ok(ImplicitlyOpen),
                Ok(ExplicitlyOpen),
                Ok(Closed),
                Ok(Full),
                Ok(Empty),
            ],
        ),
        (
            ExplicitlyOpen,
            [
                Ok(ExplicitlyOpen),
                Ok(ExplicitlyOpen),
                Ok(Closed),
                Ok(Full),
                Ok(Empty),
            ],
        ),
        (
            Closed,
            [
                Ok(ImplicitlyOpen),
                Ok(ExplicitlyOpen),
                Ok(Closed),
                Err(INVALID),
                Ok(Empty),
            ],
        ),
        (ReadOnly, [Err(INVALID); 5]),
        (
            Full,
            [
                Err(INVALID),
                Err(INVALID),
                Err(INVALID),
                Ok(Full),
                Ok(Empty),
            ],
        ),
        (Offline, [Err(INVALID); 5]),
    ];
    for (from, outcomes) in table {
        for (kind, outcome) in [1, OPEN, CLOSE, FINISH, RESET].into_iter().zip(outcomes) {
            let mut rig = zone_in(from);
            let pointer = if from == Empty { 16 } else { 18 };
            let status = match kind {
                1 => write(&mut rig, pointer, 1),
                _ => act(&mut rig, kind, 16),
            };
            let wanted: (u8, ZoneState) = match outcome {
                Ok(to) => (0, to),
                Err(status) => (status, from),
            };
            assert_eq!((status, state(&rig, 1)), wanted, "{kind} in {from:?}");
            rig.device.assert_clean();
        }
    }
}

#[test]
fn an_open_zone_without_data_closes_to_empty() {
    let mut rig = zoned(host_managed());
    assert_eq!(act(&mut rig, OPEN, 16), 0);
    assert_eq!(act(&mut rig, CLOSE, 16), 0);
    assert_eq!(state(&rig, 1), ZoneState::Empty);
}

#[test]
fn a_zone_is_full_when_its_capacity_is_written() {
    let mut rig = zoned(host_managed().capacity(4));
    assert_eq!(write(&mut rig, 16, 3), 0);
    assert_eq!(write(&mut rig, 19, 1), 0);
    assert_eq!(state(&rig, 1), ZoneState::Full);
    assert_eq!(append(&mut rig, 32, 4), (0, 32));
    assert_eq!(state(&rig, 2), ZoneState::Full);
    rig.device.assert_clean();
    assert_eq!(write(&mut rig, 48, 5), INVALID);
    assert_eq!(append(&mut rig, 48, 5).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-38", "BLK-38"]);
    assert_eq!(state(&rig, 3), ZoneState::Empty);
}

#[test]
fn a_write_begins_at_the_write_pointer() {
    let mut rig = zoned(host_managed());
    assert_eq!(write(&mut rig, 17, 1), UNALIGNED);
    assert_eq!(write(&mut rig, 16, 2), 0);
    assert_eq!(write(&mut rig, 16, 1), UNALIGNED);
    assert_eq!(write(&mut rig, 18, 2), 0);
    let (_, read) = request(&mut rig, 0, 16, &[], 4 * 512);
    assert_eq!(read, [0x5a; 4 * 512]);
    assert_eq!(write(&mut rig, 5, 3), 0, "anywhere in a conventional zone");
    rig.device.assert_clean();
}

#[test]
fn an_append_says_where_it_went() {
    let mut rig = zoned(host_managed().max_append(4));
    assert_eq!(append(&mut rig, 32, 3), (0, 32));
    assert_eq!(append(&mut rig, 32, 4), (0, 35));
    let (_, read) = request(&mut rig, 0, 32, &[], 8 * 512);
    assert_eq!(read[..7 * 512], [0xa5; 7 * 512]);
    assert_eq!(read[7 * 512..], [0; 512], "not written yet");
    rig.device.assert_clean();
    assert_eq!(append(&mut rig, 33, 1).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-32"]);
    assert_eq!(append(&mut rig, 48, 5).0, INVALID);
    assert_eq!(rig.ids(), ["BLK-34"]);
    assert_eq!(append(&mut rig, 0, 1).0, INVALID, "conventional");
    assert_eq!(rig.ids(), [""; 0]);
    assert_eq!(request(&mut rig, APPEND, 48, &[1; 512], 0).0, 1);
    assert_eq!(rig.ids(), ["BLK-40"], "no append_sector");
    let mut rig = zoned(host_managed().max_append(0));
    assert_eq!(append(&mut rig, 16, 1).0, 2, "it cannot append");
}

#[test]
fn a_reset_of_all_zones_resets_those_that_can_be() {
    let mut rig = zoned(host_managed());
    write(&mut rig, 16, 16);
    write(&mut rig, 32, 1);
    act(&mut rig, OPEN, 48);
    rig.device
        .model(|disk| disk.set_zone_state(4, ZoneState::Offline));
    assert_eq!(act(&mut rig, RESET_ALL, 0), 0);
    use ZoneState::{Empty, NotWritePointer, Offline};
    assert_eq!(
        states(&rig),
        [NotWritePointer, Empty, Empty, Empty, Offline]
    );
    rig.device.assert_clean();
    assert_eq!(act(&mut rig, RESET_ALL, 16), 0);
    assert_eq!(rig.ids(), ["BLK-31"]);
}

#[test]
fn open_zones_are_limited_and_one_that_a_write_opened_makes_room() {
    let mut rig = zoned(host_managed().max_open(2));
    assert_eq!(act(&mut rig, OPEN, 16), 0);
    assert_eq!(write(&mut rig, 32, 1), 0);
    assert_eq!(write(&mut rig, 48, 1), 0);
    use ZoneState::{Closed, Empty, ExplicitlyOpen, ImplicitlyOpen};
    assert_eq!(
        states(&rig)[1..],
        [ExplicitlyOpen, Closed, ImplicitlyOpen, Empty]
    );
    assert_eq!(act(&mut rig, OPEN, 48), 0, "open already");
    assert_eq!(act(&mut rig, OPEN, 64), NO_OPEN);
    assert_eq!(write(&mut rig, 64, 1), NO_OPEN);
    assert_eq!(write(&mut rig, 33, 1), NO_OPEN, "closed");
    assert_eq!(append(&mut rig, 32, 1).0, NO_OPEN);
    assert_eq!(act(&mut rig, CLOSE, 16), 0);
    assert_eq!(write(&mut rig, 33, 1), 0);
    rig.device.assert_clean();
}

#[test]
fn active_zones_are_limited_too_and_that_comes_first() {
    let mut rig = zoned(host_managed().max_open(1).max_active(2));
    assert_eq!(write(&mut rig, 16, 1), 0);
    assert_eq!(write(&mut rig, 32, 1), 0, "the first is closed for it");
    assert_eq!(write(&mut rig, 48, 1), NO_ACTIVE);
    assert_eq!(act(&mut rig, OPEN, 48), NO_ACTIVE);
    assert_eq!(write(&mut rig, 17, 1), 0, "closed, so active already");
    assert_eq!(act(&mut rig, FINISH, 16), 0);
    assert_eq!(append(&mut rig, 48, 1), (0, 48));
    rig.device.assert_clean();
}

#[test]
fn read_only_zones_can_be_read_and_offline_ones_cannot() {
    for (lost, status) in [(ZoneState::ReadOnly, 0), (ZoneState::Offline, INVALID)] {
        let mut rig = zone_in(lost);
        assert_eq!(request(&mut rig, 0, 16, &[], 512).0, status);
        assert_eq!(append(&mut rig, 16, 1).0, INVALID);
    }
}
