//! Reads, writes and checksums a disk through a vhost-user back end: `qemu-storage-daemon`, or whatever serves a block device.
//!
//! ```text
//! qemu-storage-daemon --blockdev driver=file,node-name=disk,filename=disk.img \
//!     --export vhost-user-blk,id=export,node-name=disk,writable=on,addr.type=unix,addr.path=disk.sock &
//! cargo run -p levitate-host --example vhost_blk -- --socket disk.sock checksum
//! ```

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "sizes of a disk, which the driver has checked"
)]

#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod progress;
#[cfg(target_os = "linux")]
mod stream;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return program::main();
    #[cfg(not(target_os = "linux"))]
    {
        eprintln!("vhost_blk: vhost-user needs memory files and events of Linux");
        std::process::ExitCode::FAILURE
    }
}
