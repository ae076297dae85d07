//! A display adapter, and the commands the tests send it.

use levitate_hal::DmaSlice;
use levitate_host::{GpuModel, Pool, Version};

use crate::rig::Rig;

pub(crate) const OK: u32 = 0x1100;
pub(crate) const EDID: u64 = 2;
pub(crate) const WIDTH: u32 = 32;
pub(crate) const HEIGHT: u32 = 20;

pub(crate) fn adapter(model: GpuModel) -> Rig<GpuModel> {
    Rig::live(model, Version::Two, 2, 16, u64::MAX)
}

pub(crate) fn small() -> Rig<GpuModel> {
    let mut rig = adapter(GpuModel::new(WIDTH, HEIGHT));
    assert_eq!(command(&mut rig, 0x0100, &[]).0, 0x1101);
    rig
}

pub(crate) fn bytes(kind: u32, words: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; 24];
    bytes[..4].copy_from_slice(&kind.to_le_bytes());
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes
}

/// Sends the bytes by `queue` with 1056 bytes of room; returns the response and how long it was.
pub(crate) fn send(rig: &mut Rig<GpuModel>, queue: u32, bytes: &[u8]) -> (Vec<u8>, u32) {
    let (_request, request_at) = rig.buffer(bytes);
    let (response, response_at) = rig.buffer(&[0xcc; 1056]);
    let position = rig.rings[queue as usize].used_index();
    rig.send(
        queue,
        &[
            (request_at, bytes.len() as u32, false),
            (response_at, 1056, true),
        ],
    );
    let (_, len) = rig.rings[queue as usize].used_element(position);
    (response.to_vec(), len)
}

/// Sends a control command of these words; returns the type of the response, and the body.
pub(crate) fn command(rig: &mut Rig<GpuModel>, kind: u32, words: &[u32]) -> (u32, Vec<u8>) {
    let (response, len) = send(rig, 0, &bytes(kind, words));
    let number = u32::from_le_bytes(response[..4].try_into().unwrap());
    (number, response[24..len as usize].to_vec())
}

pub(crate) fn create(
    rig: &mut Rig<GpuModel>,
    id: u32,
    format: u32,
    width: u32,
    height: u32,
) -> u32 {
    command(rig, 0x0101, &[id, format, width, height]).0
}

pub(crate) fn attach(rig: &mut Rig<GpuModel>, id: u32, entries: &[(u64, u32)]) -> u32 {
    let mut words = vec![id, entries.len() as u32];
    for (addr, len) in entries {
        words.extend([*addr as u32, (addr >> 32) as u32, *len, 0]);
    }
    command(rig, 0x0106, &words).0
}

pub(crate) fn set_scanout(rig: &mut Rig<GpuModel>, rect: [u32; 4], scanout: u32, id: u32) -> u32 {
    command(
        rig,
        0x0103,
        &[rect[0], rect[1], rect[2], rect[3], scanout, id],
    )
    .0
}

pub(crate) fn transfer(rig: &mut Rig<GpuModel>, rect: [u32; 4], offset: u32, id: u32) -> u32 {
    command(
        rig,
        0x0105,
        &[rect[0], rect[1], rect[2], rect[3], offset, 0, id, 0],
    )
    .0
}

pub(crate) fn flush(rig: &mut Rig<GpuModel>, rect: [u32; 4], id: u32) -> u32 {
    command(rig, 0x0104, &[rect[0], rect[1], rect[2], rect[3], id, 0]).0
}

pub(crate) const WHOLE: [u32; 4] = [0, 0, WIDTH, HEIGHT];

pub(crate) fn colour(x: u32, y: u32) -> u32 {
    x << 16 | y << 8 | (x ^ y)
}

/// A picture in B8G8R8X8, in memory.
pub(crate) fn picture(
    rig: &Rig<GpuModel>,
    paint: impl Fn(u32, u32) -> u32,
) -> (DmaSlice<u8, Pool>, u64) {
    let pixel = |at: u32| paint(at % WIDTH, at / WIDTH).to_le_bytes();
    let bytes: Vec<u8> = (0..WIDTH * HEIGHT).flat_map(pixel).collect();
    rig.buffer(&bytes)
}

/// An adapter whose screen 0 is attached to resource 1, with the picture behind it.
pub(crate) fn drawn() -> (DmaSlice<u8, Pool>, Rig<GpuModel>) {
    let mut rig = small();
    let (memory, at) = picture(&rig, colour);
    assert_eq!(create(&mut rig, 1, 2, WIDTH, HEIGHT), OK);
    assert_eq!(attach(&mut rig, 1, &[(at, WIDTH * HEIGHT * 4)]), OK);
    assert_eq!(set_scanout(&mut rig, WHOLE, 0, 1), OK);
    (memory, rig)
}

pub(crate) fn visible(rig: &Rig<GpuModel>, x: u32, y: u32) -> Option<u32> {
    rig.device.model(|gpu| gpu.visible(0)?.pixel(x, y))
}
