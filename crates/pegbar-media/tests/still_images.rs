//! Still images of every kind, made by ffmpeg where the `image` crate could only agree with itself.
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use pegbar_frame::PlanarImage;
use pegbar_media::still::{self, Format, StillImage, Subsampling, WriteOptions};
use pegbar_media::{MediaError, Tools};

const ALL: [Format; 5] = [Format::Png, Format::Jpeg, Format::Webp, Format::Tiff, Format::Bmp];

/// A slope in each channel, of values that 8 (or 16) bits hold exactly.
fn slope(channels: usize, width: usize, height: usize, max: usize) -> PlanarImage {
    let n = width * height;
    let data = (0..channels * n).map(|i| ((i * 37 + i / n * 11) % (max + 1)) as f32 / max as f32).collect();
    PlanarImage { width, height, channels, data }
}

fn still(channels: usize, alpha: bool, depth_bits: u8) -> StillImage {
    let max = if depth_bits == 16 { 65535 } else { 255 };
    StillImage {
        image: slope(channels, 13, 7, max),
        alpha: alpha.then(|| slope(1, 13, 7, max)),
        depth_bits,
        icc_profile: None,
    }
}

/// Bytes with the header of a profile for a kind of image.
fn profile(space: &[u8; 4]) -> Vec<u8> {
    let mut bytes = vec![0; 200];
    bytes[16..20].copy_from_slice(space);
    bytes
}

fn options(format: Format) -> WriteOptions {
    WriteOptions::new(format, 95)
}

#[test]
fn lossless_formats_keep_every_sample() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for format in ALL.into_iter().filter(|f| *f != Format::Jpeg) {
        for channels in [1, 3] {
            for alpha in [false, true] {
                for depth_bits in [8, 16] {
                    let picture = still(channels, alpha, depth_bits);
                    let notes = still::write(&path, &picture, &options(format)).unwrap();
                    let got = still::read(&path).unwrap();
                    let what = format!("{format:?} {channels} {alpha} {depth_bits}");
                    let deep = matches!(format, Format::Png | Format::Tiff);
                    if depth_bits == 16 && !deep {
                        assert!(notes[0].contains("16 bits"), "{what}: {notes:?}");
                        assert_eq!(got.depth_bits, 8, "{what}");
                        continue;
                    }
                    assert_eq!(notes, [""; 0], "{what}");
                    assert_eq!(got.depth_bits, depth_bits, "{what}");
                    // These two have no gray, or none with opacity: three equal channels then.
                    let expected_channels = match format {
                        Format::Bmp if channels == 1 => got.image.channels,
                        Format::Tiff if alpha => 3,
                        Format::Webp => got.image.channels,
                        _ => channels,
                    };
                    assert_eq!(got.image.channels, expected_channels, "{what}");
                    for c in 0..got.image.channels {
                        assert_eq!(got.image.plane(c), picture.image.plane(c.min(channels - 1)), "{what}");
                    }
                    assert!(got.alpha == picture.alpha, "{what}");
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn sixteen_bits_in_eight_have_no_bands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    // Two codes over the whole width.
    let (width, height) = (128, 8);
    let code = |x: usize| 100.0 + 2.0 * x as f32 / width as f32;
    let data = (0..width * height).map(|i| code(i % width) / 255.0).collect();
    let image = PlanarImage { width, height, channels: 1, data };
    let worst = |depth_bits| {
        let picture = StillImage { image: image.clone(), alpha: None, depth_bits, icc_profile: None };
        still::write(&path, &picture, &options(Format::Webp)).unwrap();
        let got = still::read(&path).unwrap().image;
        let error = |x: usize, y: usize| got.plane(0)[y * width + x] * 255.0 - code(x);
        let blocks =
            (0..width / 8).map(|block| (0..64).map(|i| error(block * 8 + i % 8, i / 8)).sum::<f32>() / 64.0);
        blocks.map(f32::abs).fold(0.0, f32::max)
    };
    assert!(worst(8) > 0.4, "rounded: {}", worst(8));
    assert!(worst(16) < 0.05, "dithered: {}", worst(16));
}

#[test]
fn jpeg_is_close_and_white_where_transparent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jpg");
    for channels in [1, 3] {
        let data = (0..channels * 64).map(|i| (i % 8) as f32 / 16.0 + 0.2).collect();
        let image = PlanarImage { width: 8, height: 8, channels, data };
        let mut picture = StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
        assert!(still::write(&path, &picture, &options(Format::Jpeg)).unwrap().is_empty());
        let got = still::read(&path).unwrap();
        assert_eq!(got.image.channels, channels);
        for (a, b) in got.image.data.iter().zip(&picture.image.data) {
            assert!((a - b).abs() < 0.03, "{a} {b}");
        }
        picture.alpha = Some(PlanarImage::zeros(1, 8, 8));
        let notes = still::write(&path, &picture, &options(Format::Jpeg)).unwrap();
        assert!(notes[0].contains("white"), "{notes:?}");
        assert!(still::read(&path).unwrap().image.data.iter().all(|&v| v > 0.98));
    }
}

#[test]
fn jpeg_shares_colours_and_comes_in_steps_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jpg");
    // Red and blue of one luma, in turn.
    let (width, height) = (64, 48);
    let mut image = PlanarImage::zeros(3, height, width);
    for i in 0..width * height {
        let (c, v) = if (i % width + i / width) % 2 == 0 { (0, 0.381) } else { (2, 1.0) };
        image.data[c * width * height + i] = v;
    }
    let picture = StillImage { image, alpha: None, depth_bits: 8, icc_profile: Some(profile(b"RGB ")) };
    for progressive in [false, true] {
        for (subsampling, factors, is_sharp) in [
            (Subsampling::S444, 0x11, true),
            (Subsampling::S440, 0x12, false),
            (Subsampling::S422, 0x21, false),
            (Subsampling::S420, 0x22, false),
        ] {
            let options = WriteOptions { subsampling, progressive, ..options(Format::Jpeg) };
            assert!(still::write(&path, &picture, &options).unwrap().is_empty());
            let bytes = std::fs::read(&path).unwrap();
            // The header of the frame: its marker, length, depth, size, number of components; of luma the number and the factors.
            let marker: [u8; 2] = if progressive { [0xff, 0xc2] } else { [0xff, 0xc0] };
            let at = bytes.windows(2).position(|w| w == marker).expect("a header of the frame");
            assert_eq!(bytes[at + 11], factors, "{subsampling:?}");
            let got = still::read(&path).unwrap();
            assert!(got.icc_profile.is_some());
            let contrast = got.image.plane(2)[1] - got.image.plane(2)[0];
            assert_eq!(contrast > 0.8, is_sharp, "{subsampling:?} {contrast}");
        }
    }
}

#[test]
fn webp_with_loss_is_close_and_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.webp");
    let tools = Tools::find().unwrap();
    for channels in [1, 3] {
        for alpha in [false, true] {
            let (width, height) = (61, 45);
            let wave =
                |i: usize| 0.5 + 0.3 * ((i % width) as f32 * 0.2).sin() * ((i / width) as f32 * 0.3).cos();
            let mut image = PlanarImage::zeros(channels, height, width);
            for (c, plane) in image.data.chunks_exact_mut(width * height).enumerate() {
                plane.iter_mut().enumerate().for_each(|(i, v)| *v = wave(i) * (1.0 - 0.3 * c as f32));
            }
            let mut opacity = PlanarImage::zeros(1, height, width);
            opacity
                .data
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = if i % width < 30 { 1.0 } else { 0.5 });
            let picture =
                StillImage { image, alpha: alpha.then_some(opacity), depth_bits: 8, icc_profile: None };
            let size = |quality| {
                assert_eq!(still::write_lossy_webp(&tools, &path, &picture, quality).unwrap(), [""; 0]);
                std::fs::metadata(&path).unwrap().len()
            };
            assert!(size(20) < size(95));
            let got = still::read(&path).unwrap();
            assert_eq!(got.alpha.is_some(), alpha);
            let n = width * height;
            let error = |c: usize| {
                let was = picture.image.plane(if channels == 1 { 0 } else { c });
                was.iter().zip(got.image.plane(c)).map(|(a, b)| (a - b).abs()).sum::<f32>() / n as f32
            };
            assert!((0..got.image.channels).all(|c| error(c) < 0.02), "{channels} {alpha}");
            if let (Some(was), Some(is)) = (&picture.alpha, &got.alpha) {
                assert!(was.data.iter().zip(&is.data).all(|(a, b)| (a - b).abs() < 0.01));
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn profiles_are_kept_where_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for format in ALL {
        let picture = StillImage { icc_profile: Some(profile(b"RGB ")), ..still(3, false, 8) };
        let notes = still::write(&path, &picture, &options(format)).unwrap();
        let got = still::read(&path).unwrap();
        if format == Format::Bmp {
            assert!(notes[0].contains("ICC profile is not kept"), "{notes:?}");
        } else {
            assert!(notes.is_empty(), "{format:?} {notes:?}");
            assert_eq!(got.icc_profile, picture.icc_profile, "{format:?}");
        }
    }
    // A profile for another kind of image would turn the colours.
    let picture = StillImage { icc_profile: Some(profile(b"CMYK")), ..still(3, false, 8) };
    still::write(&path, &picture, &options(Format::Png)).unwrap();
    assert_eq!(still::read(&path).unwrap().icc_profile, None);
}

/// An Exif segment that says nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let mut body = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    body.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut segment = vec![0xFF, 0xE1, 0, (body.len() + 2) as u8];
    segment.extend(body);
    segment
}

#[test]
fn orientation_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jpg");
    // Bright on the left, dark on the right, twice as wide as high.
    let data = (0..16 * 8).map(|i| if i % 16 < 8 { 0.9 } else { 0.1 }).collect();
    let image = PlanarImage { width: 16, height: 8, channels: 1, data };
    let picture = StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
    still::write(&path, &picture, &options(Format::Jpeg)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for (orientation, size, bright_at) in [
        (1, (16, 8), (0, 0)),
        (2, (16, 8), (15, 0)),
        (3, (16, 8), (15, 0)),
        (6, (8, 16), (0, 0)),
        (8, (8, 16), (0, 15)),
    ] {
        let turned = [&bytes[..2], &exif(orientation), &bytes[2..]].concat();
        let got = still::read_bytes(&turned).unwrap();
        assert_eq!((got.image.width, got.image.height), size, "{orientation}");
        let (x, y): (usize, usize) = bright_at;
        assert!(got.image.data[y * size.0 + x] > 0.8, "{orientation}");
    }
}

#[test]
fn cmyk_becomes_rgb() {
    let got = still::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cmyk.jpg")).unwrap();
    assert_eq!((got.image.channels, got.image.width), (3, 8));
    let pixel = |x: usize| [0, 1, 2].map(|c| got.image.plane(c)[8 + x]);
    // Cyan ink on the left, yellow on the right.
    let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.05);
    assert!(near(pixel(1), [0.0, 1.0, 1.0]), "{:?}", pixel(1));
    assert!(near(pixel(6), [1.0, 1.0, 0.0]), "{:?}", pixel(6));
}

/// A picture drawn by ffmpeg.
fn drawn(tools: &Tools, folder: &Path, name: &str, options: &str) -> PathBuf {
    let path = folder.join(name);
    let done = Command::new(&tools.ffmpeg)
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=33x17", "-frames:v", "1"])
        .args(options.split_whitespace())
        .arg(&path)
        .status()
        .unwrap();
    assert!(done.success(), "{name} {options}");
    path
}

#[test]
fn kinds_of_files_by_other_hands() {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            eprintln!("skipped: still images by ffmpeg ({error})");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    // Name, options, channels, depth, opacity.
    let cases = [
        ("a.png", "-pix_fmt rgb24", 3, 8, false),
        ("b.png", "-pix_fmt rgb24 -flags +ildct", 3, 8, false),
        ("c.png", "-pix_fmt pal8", 3, 8, false),
        ("d.png", "-pix_fmt monob", 1, 8, false),
        ("e.png", "-pix_fmt gray16be", 1, 16, false),
        ("f.png", "-pix_fmt rgb48be", 3, 16, false),
        ("g.png", "-pix_fmt ya8", 1, 8, true),
        ("h.png", "-pix_fmt rgba64be", 3, 16, true),
        ("i.tiff", "-pix_fmt rgb24 -compression_algo lzw", 3, 8, false),
        ("j.tiff", "-pix_fmt gray16le -compression_algo deflate", 1, 16, false),
        ("k.tiff", "-pix_fmt rgb48le -compression_algo packbits", 3, 16, false),
        ("l.bmp", "-pix_fmt bgr24", 3, 8, false),
        ("m.bmp", "-pix_fmt pal8", 3, 8, false),
        ("n.jpg", "-pix_fmt yuvj444p -q:v 1", 3, 8, false),
        ("o.tiff", "-pix_fmt gray", 1, 8, false),
        ("p.webp", "-pix_fmt bgra -c:v libwebp -lossless 1", 3, 8, false),
    ];
    let reference = still::read(&drawn(&tools, folder.path(), "reference.png", "-pix_fmt rgb24")).unwrap();
    for (name, options, channels, depth_bits, alpha) in cases {
        if name.ends_with("webp") && !tools.has_encoder("libwebp").unwrap() {
            continue;
        }
        let got = still::read(&drawn(&tools, folder.path(), name, options))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((got.image.width, got.image.height), (33, 17), "{name}");
        assert_eq!((got.image.channels, got.depth_bits), (channels, depth_bits), "{name}");
        assert!(got.alpha.is_some() == alpha || !alpha, "{name}");
        if channels == 3 && !options.contains("pal8") {
            let apart = got.image.data.iter().zip(&reference.image.data).map(|(a, b)| (a - b).abs());
            let mean = apart.sum::<f32>() / got.image.data.len() as f32;
            assert!(mean < if name.ends_with("jpg") { 0.06 } else { 0.003 }, "{name}: {mean}");
        }
    }
}

#[test]
fn broken_files_are_named_not_panicked_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    for format in ALL {
        still::write(&path, &still(3, false, 8), &options(format)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for n in (0..bytes.len()).step_by(7) {
            if let Err(error) = still::read_bytes(&bytes[..n]) {
                assert!(!error.to_string().is_empty());
            }
            let mut damaged = bytes.clone();
            damaged[n] ^= 0x41;
            let _ = still::read_bytes(&damaged);
        }
        let error = still::read_bytes(&bytes[..bytes.len() / 3]).unwrap_err().to_string();
        assert!(error.contains(format.name()), "{error}");
    }
    for (bytes, says) in [(&b""[..], "0 bytes"), (b"<html>", "no image"), (b"\0\0\0\x1cftypavif", "AVIF")] {
        assert!(still::read_bytes(bytes).unwrap_err().to_string().contains(says));
    }
    let error = still::read(folder.path()).unwrap_err();
    assert!(matches!(&error, MediaError::Unreadable { reason } if reason.contains("directory")), "{error}");
    assert!(still::read(&folder.path().join("none.png")).unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn a_jpeg_that_ends_too_early_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jpg");
    let picture = StillImage { image: slope(3, 61, 47, 255), alpha: None, depth_bits: 8, icc_profile: None };
    for progressive in [false, true] {
        still::write(&path, &still(3, false, 8), &WriteOptions { progressive, ..options(Format::Jpeg) })
            .unwrap();
        let small = std::fs::read(&path).unwrap();
        still::write(&path, &picture, &WriteOptions { progressive, ..options(Format::Jpeg) }).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // A whole small picture within the head.
        let inner = [b"Exif\0\0II*\0\0\0\0\0", &small[..]].concat();
        let length = (inner.len() as u16 + 2).to_be_bytes();
        let with_small = [&bytes[..2], &[0xFF, 0xE1], &length, &inner, &bytes[2..]].concat();
        for whole in [&bytes, &with_small] {
            let read = still::read_bytes(whole).unwrap();
            assert_eq!((read.image.width, read.image.height), (61, 47));
            let longer = [&whole[..], b"more \xFF\xD8\xFF"].concat();
            assert_eq!(still::read_bytes(&longer).unwrap().image.data, read.image.data);
            for n in (0..whole.len()).step_by(13).chain(whole.len() - 40..whole.len()) {
                assert!(
                    still::read_bytes(&whole[..n]).is_err(),
                    "{n} of {} bytes, {progressive}",
                    whole.len()
                );
            }
            let error = still::read_bytes(&whole[..whole.len() * 3 / 4]).unwrap_err().to_string();
            assert!(error.contains("this JPEG image is cut off"), "{error}");
        }
    }
}

/// A PNG header alone, which promises a picture of this size.
fn promised_png(width: u32, height: u32) -> Vec<u8> {
    let mut crc_table = [0u32; 256];
    for (i, entry) in crc_table.iter_mut().enumerate() {
        *entry = (0..8).fold(i as u32, |c, _| if c & 1 != 0 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 });
    }
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let mut out = (body.len() as u32).to_be_bytes().to_vec();
        let checked = [&kind[..], body].concat();
        let crc =
            checked.iter().fold(!0u32, |c, &b| crc_table[((c ^ u32::from(b)) & 0xFF) as usize] ^ (c >> 8));
        out.extend(checked);
        out.extend((!crc).to_be_bytes());
        out
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &[0x78, 0x9C, 3, 0, 0, 0, 0, 1])]
        .concat()
}

#[test]
fn sizes_that_cannot_be() {
    for (width, height, says) in [(20_000, 20_000, "20000x20000"), (1 << 30, 1 << 30, ""), (0, 5, "")] {
        let error = still::read_bytes(&promised_png(width, height)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // Promised, but not there: an error, and no large allocation on the way to it.
    assert!(still::read_bytes(&promised_png(300, 300)).is_err());
    let folder = tempfile::tempdir().unwrap();
    let wide =
        StillImage { image: PlanarImage::zeros(1, 1, 20_000), alpha: None, depth_bits: 8, icc_profile: None };
    let error =
        still::write(&folder.path().join("x"), &wide, &options(Format::Webp)).unwrap_err().to_string();
    assert!(error.contains("20000x1") && error.contains("16383"), "{error}");
    still::write(&folder.path().join("x"), &wide, &options(Format::Png)).unwrap();
    let torn = StillImage { alpha: Some(PlanarImage::zeros(1, 2, 2)), ..wide };
    assert!(still::write(&folder.path().join("x"), &torn, &options(Format::Png)).is_err());
    assert!(still::write(&folder.path().join("no/x"), &torn, &options(Format::Png)).is_err());
}

#[cfg(unix)]
#[test]
fn the_file_has_the_usual_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, b"x").unwrap();
    let image = folder.path().join("image");
    still::write(&image, &still(1, false, 8), &options(Format::Png)).unwrap();
    let mode = |p: &Path| p.metadata().unwrap().permissions().mode();
    assert_eq!(mode(&image), mode(&plain));
}
