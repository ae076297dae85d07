//! The numbers of models and tests, compared with the headers of Linux.

use std::mem::{offset_of, size_of};

use levitate_hal::Mmio;
use levitate_host::block::{Kind, ZoneKind, ZoneModel, ZoneState};
use levitate_host::{BlockModel, Version};
use virtio_bindings::{virtio_blk as blk, virtio_gpu as gpu};

use crate::adapter::{OK, bytes, command, small};
use crate::block::{disk, request};
use crate::block_config::everything;
use crate::block_zones::{INVALID, NO_ACTIVE, NO_OPEN, UNALIGNED};
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

#[test]
fn statuses_have_the_numbers_of_linux() {
    for (ours, linux) in [
        (0, blk::VIRTIO_BLK_S_OK),
        (1, blk::VIRTIO_BLK_S_IOERR),
        (2, blk::VIRTIO_BLK_S_UNSUPP),
        (INVALID, blk::VIRTIO_BLK_S_ZONE_INVALID_CMD),
        (UNALIGNED, blk::VIRTIO_BLK_S_ZONE_UNALIGNED_WP),
        (NO_OPEN, blk::VIRTIO_BLK_S_ZONE_OPEN_RESOURCE),
        (NO_ACTIVE, blk::VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE),
    ] {
        assert_eq!(u32::from(ours), linux);
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
    assert_eq!(size_of::<Config>(), 96);
    assert_eq!(size_of::<blk::virtio_blk_discard_write_zeroes>(), 16);
    assert_eq!(size_of::<blk::virtio_blk_zone_report>(), 64);
    assert_eq!(size_of::<blk::virtio_blk_zone_descriptor>(), 64);
    rig.device.assert_clean();
}

#[test]
fn zones_have_the_numbers_of_linux() {
    let models = [
        (ZoneModel::DriveManaged, blk::VIRTIO_BLK_Z_NONE),
        (ZoneModel::HostManaged, blk::VIRTIO_BLK_Z_HM),
        (ZoneModel::HostAware, blk::VIRTIO_BLK_Z_HA),
    ];
    assert!(models.iter().all(|(ours, linux)| *ours as u32 == *linux));
    let kinds = [
        (ZoneKind::Conventional, blk::VIRTIO_BLK_ZT_CONV),
        (ZoneKind::WriteRequired, blk::VIRTIO_BLK_ZT_SWR),
        (ZoneKind::WritePreferred, blk::VIRTIO_BLK_ZT_SWP),
    ];
    assert!(kinds.iter().all(|(ours, linux)| *ours as u32 == *linux));
    let states = [
        (ZoneState::NotWritePointer, blk::VIRTIO_BLK_ZS_NOT_WP),
        (ZoneState::Empty, blk::VIRTIO_BLK_ZS_EMPTY),
        (ZoneState::ImplicitlyOpen, blk::VIRTIO_BLK_ZS_IOPEN),
        (ZoneState::ExplicitlyOpen, blk::VIRTIO_BLK_ZS_EOPEN),
        (ZoneState::Closed, blk::VIRTIO_BLK_ZS_CLOSED),
        (ZoneState::ReadOnly, blk::VIRTIO_BLK_ZS_RDONLY),
        (ZoneState::Full, blk::VIRTIO_BLK_ZS_FULL),
        (ZoneState::Offline, blk::VIRTIO_BLK_ZS_OFFLINE),
    ];
    assert!(states.iter().all(|(ours, linux)| *ours as u32 == *linux));
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

#[test]
fn gpu_responses_have_the_numbers_of_linux() {
    for (ours, linux) in [
        (OK, gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_NODATA),
        (
            0x1101,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_DISPLAY_INFO,
        ),
        (0x1104, gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_OK_EDID),
        (0x1200, gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_UNSPEC),
        (
            0x1201,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
        ),
        (
            0x1202,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID,
        ),
        (
            0x1203,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
        ),
        (
            0x1205,
            gpu::virtio_gpu_ctrl_type_VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
        ),
    ] {
        assert_eq!(ours, linux);
    }
}
