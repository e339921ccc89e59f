//! What users get wrong: each a sentence.

use pegbar_frame::{Colour, Frame, PixelFormat, Rational};
use pegbar_media::{Container, DecodeOptions, Encoder, MediaError, StreamParams, Tools, probe};

use crate::support::{ffmpeg, folder, pass_through, settings, tools};

const WHOLE: DecodeOptions = DecodeOptions::WHOLE;

#[test]
fn files_that_are_no_video() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let sound = folder.path().join("sound.wav");
    ffmpeg("-f lavfi -i sine=d=0.1", &sound);
    let text = "Once upon a time there was a text that somebody took for a film.\n".repeat(100);
    let garbage: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty.mkv", b"", "0 bytes"),
        ("text.txt", text.as_bytes(), "no video file"),
        ("text.mkv", text.as_bytes(), "no video file"),
        ("text.mp4", b"hello", "no video file"),
        ("garbage.mp4", &garbage, "no video file"),
        ("page.html", b"<html><body>hello</body></html>", "no video file"),
    ];
    for (name, bytes, says) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = probe(tools, &path).and_then(|p| p.video(0).cloned()).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
        assert!(!error.contains(folder.path().to_str().unwrap()), "{error}");
    }
    for (path, says) in [
        (folder.path().to_owned(), "directory"),
        (folder.path().join("none.mkv"), "does not exist"),
        (sound, "sound but no video"),
    ] {
        let error = probe(tools, &path).and_then(|p| p.video(0).cloned()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let Some(tools) = tools() else { return };
    let folder = folder();
    let path = folder.path().join("secret.mkv");
    std::fs::write(&path, b"x").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&path).is_ok() {
        eprintln!("skipped: unreadable file (this user may read everything)");
        return;
    }
    let error = probe(tools, &path).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "{error}");
}

fn params(format: PixelFormat, width: usize, height: usize) -> StreamParams {
    StreamParams {
        width,
        height,
        format,
        time_base: Rational::new(1, 25),
        frame_rate: Some(Rational::new(25, 1)),
        sar: Rational::new(1, 1),
        colour: Colour::default(),
        hdr: None,
    }
}

fn black(width: usize, height: usize, pts: i64) -> Frame {
    Frame::zeros(PixelFormat::YUV420P, width, height, pts, Colour::default()).unwrap()
}

#[test]
fn encoders_and_formats_that_are_not_there() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let create = |encode: &str, name: &str, params: StreamParams| {
        let output = folder.path().join(name);
        let container = Container::from_path(&output)?;
        Encoder::create(tools, &output, container, &settings(encode), &params, None).map(drop)
    };
    let small = params(PixelFormat::YUV420P, 64, 48);
    let cases = [
        ("-c:v libx999", "x.mkv", small.clone(), "no encoder libx999"),
        ("ffv1", "x.mp4", small.clone(), ".mp4 cannot hold ffv1"),
        ("h264", "x.webm", small.clone(), ".webm cannot hold h264"),
        ("h264", "x.avi", small.clone(), "time stamps"),
        ("h265", "x.mkv", params(PixelFormat::YUV420P, 8, 8), "at least 16x16"),
        ("h264", "x.mkv", params(PixelFormat::YUV420P, 63, 48), "even"),
        ("h264", "x.mkv", params(PixelFormat::GBRP, 64, 48), "cannot store gbrp"),
        ("h264", "no/such/folder.mkv", small.clone(), "cannot be written"),
        ("h264", "x.mkv", StreamParams { time_base: Rational::new(0, 1), ..small.clone() }, "time base"),
    ];
    for (encode, name, params, says) in cases {
        let error = create(encode, name, params).unwrap_err().to_string();
        assert!(error.contains(says), "{encode} {name}: {error}");
    }
}

#[test]
fn frames_that_do_not_belong() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let output = folder.path().join("x.mkv");
    let params = params(PixelFormat::YUV420P, 64, 48);
    let create =
        || Encoder::create(tools, &output, Container::Mkv, &settings("ffv1"), &params, None).unwrap();
    let mut encoder = create();
    let error = encoder.write_frame(&black(32, 48, 0)).unwrap_err().to_string();
    assert!(error.contains("32x48") && error.contains("64x48"), "{error}");
    encoder.write_frame(&black(64, 48, 3)).unwrap();
    let error = encoder.write_frame(&black(64, 48, 3)).unwrap_err().to_string();
    assert!(error.contains("time stamp"), "{error}");
    encoder.write_frame(&black(64, 48, 4)).unwrap();
    assert_eq!(encoder.finish().unwrap().n_frames, 2);
    let error = create().finish().unwrap_err().to_string();
    assert!(error.contains("no frame"), "{error}");
}

#[test]
fn options_that_ffmpeg_refuses_come_back_in_its_words() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = folder.path().join("source.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25 -frames:v 50 -c:v ffv1", &source);
    let output = folder.path().join("out.mkv");
    let error = pass_through(&source, &output, "-c:v libx264 -crf nonsense", &WHOLE).unwrap_err();
    assert!(matches!(error, MediaError::Encode { .. }), "{error}");
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = folder.path().join("source.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=320x240:r=25 -frames:v 100 -c:v ffv1", &source);
    // A device that is always full.
    let output = folder.path().join("out.mkv");
    std::os::unix::fs::symlink("/dev/full", &output).unwrap();
    let error =
        pass_through(&source, &output, "-c:v rawvideo -allow_raw_vfw 1", &WHOLE).unwrap_err().to_string();
    assert!(error.contains("No space left"), "{error}");
}

#[test]
fn tools_that_are_missing_or_too_old() {
    let nowhere = Tools::find_in(None, Some("".into())).unwrap_err().to_string();
    assert!(nowhere.contains("ffmpeg was not found on PATH") && nowhere.contains("install"), "{nowhere}");
    let wrong = Tools::find_in(Some("/no/such/place".into()), None).unwrap_err().to_string();
    assert!(wrong.contains("/no/such/place") && wrong.contains("PEGBAR_FFMPEG"), "{wrong}");
}
