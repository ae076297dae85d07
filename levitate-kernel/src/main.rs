//! The kernel's program: on bare metal it boots the machine, on a host it says what it is.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(
    target_os = "none",
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a kernel that counts wrongly should stop and say where; what comes from a device is checked where it is read"
    )
)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod arch;
#[cfg(target_os = "none")]
mod benchmarks;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod cases;
#[cfg(target_os = "none")]
mod commands;
#[cfg(target_os = "none")]
mod devices;
#[cfg(target_os = "none")]
mod drivers;
#[cfg(target_os = "none")]
mod executor;
#[cfg(target_os = "none")]
mod interrupts;
#[cfg(target_os = "none")]
mod lock;
#[cfg(target_os = "none")]
mod logger;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod news;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod pci;
#[cfg(target_os = "none")]
mod platform;
#[cfg(target_os = "none")]
mod screen;
#[cfg(target_os = "none")]
mod serial;
#[cfg(target_os = "none")]
mod session;
#[cfg(target_os = "none")]
mod timer;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("levitate-kernel boots on bare metal: start it with `cargo xtask run`");
    std::process::ExitCode::from(2)
}
