//! Hands the linker the kernel's memory map, on bare metal only.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target_os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let target_arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if target_os != "none" || target_arch != "aarch64" {
        return;
    }
    let manifest_dir = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let memory_map = format!("{manifest_dir}/linker/aarch64-virt.ld");
    println!("cargo::rerun-if-changed={memory_map}");
    // `aarch64-rt` puts `image.ld`, the order of the sections, on the linker's search path.
    println!("cargo::rustc-link-arg-bins=-Timage.ld");
    println!("cargo::rustc-link-arg-bins=-T{memory_map}");
}
