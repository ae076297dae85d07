//! The target `pci`: under cargo-fuzz a fuzzer, else a program that runs the inputs it is given.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| levitate_fuzz::pci(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    levitate_fuzz::replay(levitate_fuzz::pci)
}
