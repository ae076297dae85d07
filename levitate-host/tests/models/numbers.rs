//! The numbers of models and tests, compared with the headers of Linux.

use std::mem::{offset_of, size_of};

use levitate_hal::Mmio;
use levitate_host::block::{EraseLimits, Kind, ZoneModel, ZoneState};
use levitate_host::{BlockModel, GpuModel, Version};
use virtio_bindings::{virtio_blk as blk, virtio_gpu as gpu};

use crate::adapter::{WHOLE, bytes, command, create, drawn, flush, set_scanout, small};
use crate::block::{disk, request};
use crate::block_config::everything;
use crate::block_zones::{OPEN, REPORT, act, host_managed, write, zoned};
use crate::rig::Rig;

#[test]
fn requests_have_the_numbers_of_linux() {
    let mut rig = disk(BlockModel::patterned(1), Version::Two);
    // The header has no number for GET_LIFETIME.
    for (number, kind) in [
        (blk::VIRTIO_BLK_T_IN, Kind::In),
        (blk::VIRTIO_BLK_T_OUT, Kind::Out),
        (blk::VIRTIO_BLK_T_FLUSH, Kind::Flush),
        (blk::VIRTIO_BLK_T_GET_ID, Kind::GetId),
        (blk::VIRTIO_BLK_T_DISCARD, Kind::Discard),
        (blk::VIRTIO_BLK_T_WRITE_ZEROES, Kind::WriteZeroes),
        (blk::VIRTIO_BLK_T_SECURE_ERASE, Kind::SecureErase),
        (blk::VIRTIO_BLK_T_ZONE_APPEND, Kind::ZoneAppend),
        (blk::VIRTIO_BLK_T_ZONE_REPORT, Kind::ZoneReport),
        (blk::VIRTIO_BLK_T_ZONE_OPEN, Kind::ZoneOpen),
        (blk::VIRTIO_BLK_T_ZONE_CLOSE, Kind::ZoneClose),
        (blk::VIRTIO_BLK_T_ZONE_FINISH, Kind::ZoneFinish),
        (blk::VIRTIO_BLK_T_ZONE_RESET, Kind::ZoneReset),
        (blk::VIRTIO_BLK_T_ZONE_RESET_ALL, Kind::ZoneResetAll),
    ] {
        request(&mut rig, number, 0, &[], 0);
        let noted = rig.device.model(BlockModel::take_requests);
        assert_eq!(noted[0].kind, kind);
    }
}

/// The status of a request that the disk is provoked with.
type Provoked = fn(&mut Rig<BlockModel>) -> u8;

#[test]
fn statuses_have_the_numbers_of_linux() {
    let plain = || BlockModel::patterned(72);
    let full = || plain().zoned(host_managed().max_open(1).max_active(1));
    let one_open = || plain().zoned(host_managed().max_open(1));
    let cases: [(BlockModel, Provoked, u32); 7] = [
        (plain(), |rig| write(rig, 0, 1), blk::VIRTIO_BLK_S_OK),
        (plain(), |rig| write(rig, 72, 1), blk::VIRTIO_BLK_S_IOERR),
        (plain(), |rig| act(rig, OPEN, 0), blk::VIRTIO_BLK_S_UNSUPP),
        (
            full(),
            |rig| act(rig, OPEN, 0),
            blk::VIRTIO_BLK_S_ZONE_INVALID_CMD,
        ),
        (
            full(),
            |rig| write(rig, 17, 1),
            blk::VIRTIO_BLK_S_ZONE_UNALIGNED_WP,
        ),
        (
            one_open(),
            |rig| act(rig, OPEN, 16) + act(rig, OPEN, 32),
            blk::VIRTIO_BLK_S_ZONE_OPEN_RESOURCE,
        ),
        (
            full(),
            |rig| act(rig, OPEN, 16) + act(rig, OPEN, 32),
            blk::VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE,
        ),
    ];
    for (model, provoke, linux) in cases {
        let mut rig = disk(model, Version::Two);
        assert_eq!(u32::from(provoke(&mut rig)), linux);
        // That a sector is out of range is reported, too.
        let _ = rig.ids();
    }
}

#[test]
fn a_disk_offers_the_bits_of_linux_and_has_its_fields() {
    let rig = Rig::live(everything().read_only(), Version::Two, 3, 8, u64::MAX);
    let bits = [
        blk::VIRTIO_BLK_F_SIZE_MAX,
        blk::VIRTIO_BLK_F_SEG_MAX,
        blk::VIRTIO_BLK_F_GEOMETRY,
        blk::VIRTIO_BLK_F_RO,
        blk::VIRTIO_BLK_F_BLK_SIZE,
        blk::VIRTIO_BLK_F_FLUSH,
        blk::VIRTIO_BLK_F_TOPOLOGY,
        blk::VIRTIO_BLK_F_CONFIG_WCE,
        blk::VIRTIO_BLK_F_MQ,
        blk::VIRTIO_BLK_F_DISCARD,
        blk::VIRTIO_BLK_F_WRITE_ZEROES,
        blk::VIRTIO_BLK_F_SECURE_ERASE,
        blk::VIRTIO_BLK_F_ZONED,
    ];
    // LIFETIME, 15, is not in the header.
    let wanted: u64 = bits.iter().map(|bit| 1 << bit).sum();
    assert_eq!(rig.device.negotiated() & 0xff_ffff, wanted | 1 << 15);
    type Config = blk::virtio_blk_config;
    type Zoned = blk::virtio_blk_config_virtio_blk_zoned_characteristics;
    let zoned = offset_of!(Config, zoned);
    for (offset, value) in [
        (offset_of!(Config, seg_max), 0x1112_1314),
        (offset_of!(Config, blk_size), 4096),
        (offset_of!(Config, opt_io_size), 0x3536_3738),
        (offset_of!(Config, discard_sector_alignment), 0x43),
        (offset_of!(Config, max_write_zeroes_seg), 0x52),
        (offset_of!(Config, secure_erase_sector_alignment), 0x60),
        (zoned + offset_of!(Zoned, zone_sectors), 16),
        (zoned + offset_of!(Zoned, write_granularity), 1024),
    ] {
        assert_eq!(rig.device.read32(0x100 + offset), value, "at {offset}");
    }
    rig.device.assert_clean();
}

#[test]
fn zone_models_have_the_numbers_of_linux() {
    type Zoned = blk::virtio_blk_config_virtio_blk_zoned_characteristics;
    let at = offset_of!(blk::virtio_blk_config, zoned) + offset_of!(Zoned, model);
    for (model, linux) in [
        (ZoneModel::DriveManaged, blk::VIRTIO_BLK_Z_NONE),
        (ZoneModel::HostManaged, blk::VIRTIO_BLK_Z_HM),
        (ZoneModel::HostAware, blk::VIRTIO_BLK_Z_HA),
    ] {
        let rig = zoned(levitate_host::block::Zoned::new(model, 16));
        assert_eq!(u32::from(rig.device.read8(0x100 + at)), linux);
    }
}

/// Type and state of the first zone in the report of a disk.
fn first_zone(rig: &mut Rig<BlockModel>, sector: u64) -> (u32, u32) {
    type Descriptor = blk::virtio_blk_zone_descriptor;
    let header = size_of::<blk::virtio_blk_zone_report>();
    let room = header + size_of::<Descriptor>();
    let (status, report) = request(rig, REPORT, sector, &[], room);
    assert_eq!((status, report[0]), (0, 1), "room for one");
    let byte = |offset: usize| u32::from(report[header + offset]);
    (
        byte(offset_of!(Descriptor, z_type)),
        byte(offset_of!(Descriptor, z_state)),
    )
}

#[test]
fn zones_have_the_numbers_of_linux() {
    let mut aware = zoned(levitate_host::block::Zoned::new(ZoneModel::HostAware, 16));
    assert_eq!(first_zone(&mut aware, 0).0, blk::VIRTIO_BLK_ZT_SWP);
    let mut rig = zoned(host_managed());
    let conventional = (blk::VIRTIO_BLK_ZT_CONV, blk::VIRTIO_BLK_ZS_NOT_WP);
    assert_eq!(first_zone(&mut rig, 0), conventional);
    for (state, linux) in [
        (ZoneState::Empty, blk::VIRTIO_BLK_ZS_EMPTY),
        (ZoneState::ImplicitlyOpen, blk::VIRTIO_BLK_ZS_IOPEN),
        (ZoneState::ExplicitlyOpen, blk::VIRTIO_BLK_ZS_EOPEN),
        (ZoneState::Closed, blk::VIRTIO_BLK_ZS_CLOSED),
        (ZoneState::ReadOnly, blk::VIRTIO_BLK_ZS_RDONLY),
        (ZoneState::Full, blk::VIRTIO_BLK_ZS_FULL),
        (ZoneState::Offline, blk::VIRTIO_BLK_ZS_OFFLINE),
    ] {
        rig.device.model(|disk| disk.set_zone_state(1, state));
        let wanted = (blk::VIRTIO_BLK_ZT_SWR, linux);
        assert_eq!(first_zone(&mut rig, 16), wanted, "{state:?}");
    }
}

#[test]
fn a_range_is_as_long_as_that_of_linux() {
    let mut rig = disk(
        BlockModel::patterned(8).discard(EraseLimits {
            max_sectors: 8,
            max_segments: 2,
            alignment_sectors: 1,
        }),
        Version::Two,
    );
    let ranges = [0; 2 * size_of::<blk::virtio_blk_discard_write_zeroes>()];
    assert_eq!(
        request(&mut rig, blk::VIRTIO_BLK_T_DISCARD, 0, &ranges, 0).0,
        0
    );
    let noted = rig.device.model(BlockModel::take_requests);
    assert_eq!(noted[0].ranges.len(), 2);
}

#[test]
fn gpu_commands_have_the_numbers_of_linux() {
    let mut rig = small();
    for (number, name) in [
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
            "GetDisplayInfo",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
            "Create2d",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_UNREF,
            "Unref",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_SET_SCANOUT,
            "SetScanout",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_FLUSH,
            "Flush",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D,
            "Transfer",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING,
            "AttachBacking",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING,
            "DetachBacking",
        ),
        (gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_GET_EDID, "GetEdid"),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_UPDATE_CURSOR,
            "UpdateCursor",
        ),
        (
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_CMD_MOVE_CURSOR,
            "MoveCursor",
        ),
    ] {
        command(&mut rig, number, &[0; 8]);
        let noted = rig.device.model(|gpu| gpu.take_requests()).pop().unwrap();
        let found = format!("{:?}", noted.command);
        assert!(found.starts_with(name), "{number:#x} is {found}");
    }
    assert_eq!(
        size_of::<gpu::virtio_gpu_update_cursor>(),
        bytes(0, &[0; 8]).len()
    );
}

/// The type of the response to a command that the adapter is provoked with.
type Answered = fn(&mut Rig<GpuModel>) -> u32;

#[test]
fn gpu_responses_have_the_numbers_of_linux() {
    let cases: [(Answered, u32); 8] = [
        (
            |rig| create(rig, 2, 2, 16, 16),
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_NODATA,
        ),
        (
            |rig| command(rig, 0x0100, &[]).0,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
        ),
        (
            |rig| command(rig, 0x010a, &[0, 0]).0,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_EDID,
        ),
        (
            |rig| command(rig, 0x0999, &[]).0,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_UNSPEC,
        ),
        (
            |rig| create(rig, 3, 2, 1 << 14, 1 << 14),
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
        ),
        (
            |rig| set_scanout(rig, WHOLE, 1, 1),
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
        ),
        (
            |rig| flush(rig, WHOLE, 4),
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
        ),
        (
            |rig| create(rig, 4, 99, 16, 16),
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
        ),
    ];
    let (_memory, mut rig) = drawn();
    for (provoke, linux) in cases {
        assert_eq!(provoke(&mut rig), linux);
    }
    // An unknown format, an unknown command and the like are reported, too.
    let _ = rig.device.take_complaints();
}
