//! Hands the linker the kernel's memory map, on bare metal only.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target_os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let target_arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if target_os != "none" {
        return;
    }
    let manifest_dir = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let (memory_map, arguments): (_, &[_]) = match target_arch.as_str() {
        // `aarch64-rt` puts `image.ld`, the order of the sections, on the linker's search path.
        "aarch64" => ("aarch64-virt.ld", &["-Timage.ld"]),
        // The target's default can be loaded anywhere, which QEMU does not do.
        "x86_64" => ("x86_64-pvh.ld", &["--no-pie"]),
        _ => return,
    };
    let memory_map = format!("{manifest_dir}/linker/{memory_map}");
    println!("cargo::rerun-if-changed={memory_map}");
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-T{memory_map}");
}
