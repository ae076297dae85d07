#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "what is added or multiplied is clamped or range-checked first: sizes of displays, numbers that are typed"
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "a test may panic"
    )
)]

#[cfg(test)]
extern crate std;

pub mod acpi;
pub mod bench;
pub mod card;
pub mod changes;
pub mod checked_function;
pub mod command_line;
pub mod console;
pub mod expectations;
pub mod hexdump;
pub mod line_editor;
pub mod log_format;
pub mod selftest;
pub mod shell;
pub mod ticks;
