//! What a request costs in a virtqueue: the program that `cargo xtask bench queue` runs.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark: its devices do not lie, and its own mistakes end it"
)]

mod allocations;
mod contender;
mod contenders;
mod device;
mod floor;
mod levitate;
#[cfg(target_os = "linux")]
mod libblkio;
mod memory;
mod spec;
mod time;
mod virtio_drivers;

use clap::{Parser, Subcommand};

/// What a request costs in a virtqueue.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print what can be measured: a line of JSON for each contender and depth
    List,
    /// Measure times and allocations of everything, in turns: a line of JSON for each contender and depth
    Time {
        /// Turns of each
        #[arg(long, default_value_t = 301)]
        rounds: usize,
        /// Requests in a turn: few, for it to be over before something else wants the CPU
        #[arg(long, default_value_t = 2048)]
        requests: usize,
    },
    /// Run requests of one contender, for a profiler to count what its phases take
    Run {
        /// The name of the contender
        contender: String,
        /// Requests in a batch
        #[arg(long)]
        depth: usize,
        /// Batches
        #[arg(long, default_value_t = 64)]
        batches: usize,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::List => {
            for entry in contenders::all() {
                println!("{}", serde_json::to_string(&entry.case)?);
            }
        }
        Command::Time { rounds, requests } => {
            for result in time::measure(rounds, requests) {
                println!("{}", serde_json::to_string(&result)?);
            }
        }
        Command::Run {
            contender,
            depth,
            batches,
        } => contenders::run(&contender, depth, batches)?,
    }
    Ok(())
}
