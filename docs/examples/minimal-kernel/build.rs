//! Tells the linker where QEMU is to load the kernel, and at which symbol it begins; no linker script is needed.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target_arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let load_address = match target_arch.as_str() {
        // Memory begins at 1 GiB, with 2 MiB that QEMU's device tree may lie in.
        "aarch64" => "0x40200000",
        // Memory begins at 0, with 1 MiB that the firmware uses.
        _ => "0x200000",
    };
    // Not position-independent: nobody is there to relocate it.
    for argument in ["--no-pie", "--entry=start", "--image-base"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins={load_address}");
}
