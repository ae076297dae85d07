//! The command line, and what each command does.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, value_parser};
use levitate_drivers_blk::{Blk, BlkStorage, Options as BlkOptions};
use levitate_host::vhost_user::{Options, VhostUserTransport};
use levitate_host::{Policy, Pool, SystemClock};
use sha2::{Digest as _, Sha256};

use crate::progress::Progress;
use crate::stream::{self, DEPTH, Disk};

/// Reads, writes and checksums a disk through a vhost-user back end.
#[derive(Debug, Parser)]
#[command(name = "vhost_blk")]
struct Arguments {
    /// Where the back end listens.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// How many seconds each answer of the back end may take.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 5,
        value_parser = value_parser!(u64).range(1..=86_400)
    )]
    timeout: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tells what the disk says of itself.
    Info,
    /// Prints the SHA-256 of the whole disk.
    Checksum,
    /// Copies the disk to a file, or to standard output if it is -.
    Read {
        /// The file, which is overwritten.
        file: PathBuf,
        /// The first sector of 512 bytes.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// How many sectors; to the end of the disk if nothing is said.
        #[arg(long)]
        sectors: Option<u64>,
    },
    /// Copies a raw image to the disk, which it must fill.
    Write {
        /// The image.
        file: PathBuf,
        /// Takes an image that is shorter than the disk, and leaves the rest as it is.
        #[arg(long)]
        partial: bool,
    },
}

/// Everything that can go wrong is told to a person, in one line.
type Outcome = Result<(), Box<dyn Error>>;

pub(crate) fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vhost_blk: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    let timeout = Duration::from_secs(arguments.timeout);
    let pool = Pool::builder().policy(Policy::Bounce).build();
    // A back end that does not confirm the reset at the end keeps memory; the message says that it is gone, and that is enough.
    pool.allow_leaks();
    let options = Options {
        timeout,
        ..Options::block()
    };
    let transport = VhostUserTransport::connect(&arguments.socket, &pool, options)?;
    let mut storage = BlkStorage::<Pool, DEPTH>::new();
    let options = BlkOptions {
        timeout,
        ..BlkOptions::default()
    };
    let mut disk = Blk::with_options(transport, (pool, SystemClock::new()), &mut storage, options)?;
    match &arguments.command {
        Command::Info => info(&mut disk),
        Command::Checksum => checksum(&mut disk),
        Command::Read {
            file,
            first,
            sectors,
        } => read(&mut disk, file, *first, *sectors),
        Command::Write { file, partial } => write(&mut disk, file, *partial),
    }
}

fn info(disk: &mut Disk<'_>) -> Outcome {
    let capabilities = *disk.capabilities();
    println!("id           {}", disk.id()?);
    println!("capacity     {} bytes", capabilities.capacity_bytes());
    println!("block size   {} bytes", capabilities.block_size_bytes());
    println!(
        "longest      {} bytes a request",
        capabilities.max_request_bytes()
    );
    println!("read-only    {}", yes_or_no(capabilities.is_read_only()));
    println!("flush        {}", yes_or_no(capabilities.has_flush()));
    Ok(())
}

const fn yes_or_no(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}

fn checksum(disk: &mut Disk<'_>) -> Outcome {
    let sectors = disk.capacity_sectors();
    let mut hash = Sha256::new();
    let mut progress = Progress::begin("checksum", sectors * 512);
    stream::read(disk, 0, sectors, |bytes| {
        hash.update(bytes);
        progress.advance(bytes.len());
        Ok(())
    })?;
    progress.end();
    let digits: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("{digits}");
    Ok(())
}

fn read(disk: &mut Disk<'_>, file: &Path, first: u64, sectors: Option<u64>) -> Outcome {
    // Before the file is opened, which empties it.
    let sectors = checked_range(disk, first, sectors)?;
    let failed = |error: io::Error| format!("cannot write {}: {error}", file.display());
    let mut output: Box<dyn Write> = match file == Path::new("-") {
        true => Box::new(io::stdout().lock()),
        false => Box::new(File::create(file).map_err(failed)?),
    };
    let mut progress = Progress::begin("read", sectors * 512);
    stream::read(disk, first, sectors, |bytes| {
        output.write_all(bytes).map_err(failed)?;
        progress.advance(bytes.len());
        Ok(())
    })?;
    output.flush().map_err(failed)?;
    progress.end();
    Ok(())
}

/// Returns how many sectors to read, if the disk has them.
fn checked_range(disk: &Disk<'_>, first: u64, sectors: Option<u64>) -> Result<u64, String> {
    let capacity = disk.capacity_sectors();
    let left = capacity.saturating_sub(first);
    // Of an empty disk, everything is nothing.
    if left == 0 && first > 0 {
        return Err(format!(
            "sector {first} is past the end: the disk has {capacity} sectors"
        ));
    }
    let sectors = sectors.unwrap_or(left);
    if sectors > left {
        return Err(format!(
            "{sectors} sectors from {first} on are too many: the disk has {capacity}"
        ));
    }
    let block_sectors = u64::from(disk.block_size_bytes()) / 512;
    if !first.is_multiple_of(block_sectors) || !sectors.is_multiple_of(block_sectors) {
        return Err(format!(
            "{sectors} sectors from {first} on are no whole blocks, which have {block_sectors} each"
        ));
    }
    Ok(sectors)
}

fn write(disk: &mut Disk<'_>, file: &Path, partial: bool) -> Outcome {
    let name = file.display();
    let failed = |error: io::Error| format!("cannot read {name}: {error}");
    let mut input = File::open(file).map_err(failed)?;
    let len_bytes = input.metadata().map_err(failed)?.len();
    let capacity_bytes = disk.capabilities().capacity_bytes();
    let block_bytes = u64::from(disk.block_size_bytes());
    if len_bytes > capacity_bytes {
        return Err(format!(
            "image {name} is too long: {len_bytes} bytes for a disk of {capacity_bytes}"
        )
        .into());
    }
    if len_bytes < capacity_bytes && !partial {
        return Err(format!(
            "image {name} is short: {len_bytes} bytes for a disk of {capacity_bytes}; --partial writes it all the same"
        )
        .into());
    }
    if !len_bytes.is_multiple_of(block_bytes) {
        return Err(format!(
            "image {name} does not end with a block: it has {len_bytes} bytes, and a block {block_bytes}"
        )
        .into());
    }
    let mut progress = Progress::begin("write", len_bytes);
    stream::write(disk, len_bytes / 512, |bytes| {
        input.read_exact(bytes).map_err(failed)?;
        progress.advance(bytes.len());
        Ok(())
    })?;
    disk.flush()?;
    progress.end();
    Ok(())
}
