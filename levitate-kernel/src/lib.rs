#![cfg_attr(not(test), no_std)]
#![doc = include_str!("../README.md")]
