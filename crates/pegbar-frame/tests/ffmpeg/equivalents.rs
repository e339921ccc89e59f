//! The planar equivalents hold what the packed formats held.

use pegbar_frame::{Colour, Frame, PixelFormat};

use crate::process::{convert, convert_all, is_missing, noise};

const SIZE: (usize, usize) = (64, 32);
const N: usize = SIZE.0 * SIZE.1;

/// A noise picture in the given format, made by ffmpeg so that padding bits are as it writes them.
fn drawn(format: &str) -> Vec<u8> {
    convert(&noise(N * 8, 5), SIZE, "rgba64le", "null", format).unwrap()
}

fn to_planar(bytes: &[u8], name: &str) -> Frame {
    let format = PixelFormat::planar_equivalent(name).unwrap();
    let filter = PixelFormat::exact_filter(name).unwrap_or("null");
    let planar = convert(bytes, SIZE, name, filter, &format.ffmpeg_name()).unwrap();
    Frame::from_bytes(format, SIZE.0, SIZE.1, 0, Colour::default(), &planar).unwrap()
}

#[test]
fn there_and_back_is_exact() {
    if is_missing("planar equivalents, there and back") {
        return;
    }
    let names = [
        "monow",
        "monob",
        "nv12",
        "nv21",
        "yuyv422",
        "uyvy422",
        "yvyu422",
        "nv24",
        "p010le",
        "p010be",
        "p210le",
        "p410le",
        "p016le",
        "ayuv64le",
        "rgb24",
        "bgr24",
        "ya8",
        "rgb48be",
        "bgr48le",
        "rgba64le",
        "yuv420p10be",
        "gray16be",
        "gbrp12be",
        "yuva444p16be",
    ];
    let ways = names.map(|name| ("null".to_owned(), name.to_owned()));
    let drawn = convert_all(&noise(N * 8, 5), SIZE, "rgba64le", &ways).unwrap();
    for (name, packed) in names.into_iter().zip(drawn) {
        let frame = to_planar(&packed, name);
        let mut planar = Vec::new();
        frame.write_bytes(&mut planar);
        let back = convert(&planar, SIZE, &frame.format.ffmpeg_name(), "null", name).unwrap();
        assert!(back == packed, "{name} -> {} loses", frame.format);
    }
}

#[test]
fn rgba_bytes_land_in_their_planes() {
    if is_missing("RGBA to planes") {
        return;
    }
    // Byte of green, blue, red and alpha in a pixel.
    for (name, order) in [
        ("rgba", [1, 2, 0, 3]),
        ("bgra", [1, 0, 2, 3]),
        ("argb", [2, 3, 1, 0]),
        ("abgr", [2, 1, 3, 0]),
        ("rgb0", [1, 2, 0, 3]),
        ("0bgr", [2, 1, 3, 0]),
    ] {
        let packed = drawn(name);
        let frame = to_planar(&packed, name);
        for (plane, byte) in frame.planes.iter().zip(order) {
            assert!(plane.data.iter().eq(packed.iter().skip(byte).step_by(4)), "{name} byte {byte}");
        }
    }
}

#[test]
fn palettes_keep_every_colour() {
    if is_missing("palettes") {
        return;
    }
    // ffmpeg's palette is native-endian ARGB: B, G, R, A in memory.
    let (indices, palette) = (noise(N, 7), noise(1024, 9));
    let frame = to_planar(&[indices.clone(), palette.clone()].concat(), "pal8");
    for (plane, byte) in frame.planes.iter().zip([1, 0, 2, 3]) {
        assert!(
            plane.data.iter().eq(indices.iter().map(|&i| &palette[4 * usize::from(i) + byte])),
            "byte {byte}"
        );
    }
}

#[test]
fn few_bits_of_rgb_reach_black_and_white() {
    if is_missing("15- and 16-bit RGB") {
        return;
    }
    for (name, green, levels) in
        [("rgb565le", 5, 63), ("bgr565le", 5, 63), ("rgb555le", 5, 31), ("bgr555le", 5, 31)]
    {
        let packed = drawn(name);
        let frame = to_planar(&packed, name);
        for (code, pixel) in frame.planes[0].data.iter().zip(packed.chunks_exact(2)) {
            let level = u32::from(u16::from_le_bytes([pixel[0], pixel[1]])) >> green & levels;
            // Bits repeated below themselves.
            let want = if levels == 63 { level << 2 | level >> 4 } else { level << 3 | level >> 2 };
            assert_eq!(u32::from(*code), want, "{name} level {level}");
        }
    }
    let packed = drawn("x2rgb10le");
    let frame = to_planar(&packed, "x2rgb10le");
    for (code, pixel) in frame.planes[0].data.chunks_exact(2).zip(packed.chunks_exact(4)) {
        let green = u32::from_le_bytes([pixel[0], pixel[1], pixel[2], pixel[3]]) >> 10 & 1023;
        assert_eq!(u32::from(u16::from_le_bytes([code[0], code[1]])), green);
    }
}
