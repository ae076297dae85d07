//! Hands the linker the script of the architecture, on bare metal only.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").unwrap_or_default() != "none" {
        return;
    }
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let manifest_dir = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let script = format!("{manifest_dir}/src/arch/{architecture}/linker.ld");
    println!("cargo::rerun-if-changed={script}");
    if !Path::new(&script).is_file() {
        println!(
            "cargo::error=the kernel does not run on {architecture}: there is no {script} (docs/decisions/0031-what-an-architecture-is.md)"
        );
    }
    // Where a script puts the kernel is where QEMU loads it, even where the target's default could be loaded anywhere.
    println!("cargo::rustc-link-arg-bins=--no-pie");
    println!("cargo::rustc-link-arg-bins=-T{script}");
}
