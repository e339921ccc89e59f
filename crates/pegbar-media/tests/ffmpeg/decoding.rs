//! Decoding of files that are not as they should be.

use pegbar_media::{DecodeOptions, MediaError};

use crate::support::{decoder, ffmpeg, folder, frames, tools};

#[test]
fn a_cut_off_film_gives_the_frames_it_has_and_a_warning() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let whole = folder.path().join("whole.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=160x120:r=25 -frames:v 40 -c:v libx264 -preset ultrafast -g 10", &whole);
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.mkv");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let mut decoder = decoder(&cut, &DecodeOptions::default()).unwrap();
    let mut n = 0;
    while decoder.next_frame().unwrap().is_some() {
        n += 1;
    }
    assert!((10..40).contains(&n), "{n}");
    assert!(!decoder.warnings().is_empty());
    assert!(decoder.next_frame().unwrap().is_none());
}

#[test]
fn damage_is_reported_as_warnings() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let film = folder.path().join("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=160x120:r=25 -frames:v 40 -c:v libx264 -g 10", &film);
    let mut bytes = std::fs::read(&film).unwrap();
    let half = bytes.len() / 2;
    for (i, byte) in bytes[half..half + half / 4].iter_mut().enumerate() {
        if i % 50 == 0 {
            *byte ^= 0x55;
        }
    }
    std::fs::write(&film, &bytes).unwrap();
    let mut decoder = decoder(&film, &DecodeOptions::default()).unwrap();
    while decoder.next_frame().unwrap().is_some() {}
    let warnings = decoder.warnings();
    assert!(!warnings.is_empty());
    assert!(warnings.iter().all(|w| !w.contains(" @ 0x")), "{warnings:?}");
}

#[test]
fn a_picture_that_changes_size_is_refused_in_words() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let mut bytes = Vec::new();
    for size in ["64x48", "96x64"] {
        let part = folder.path().join("part.h264");
        ffmpeg(&format!("-f lavfi -i testsrc2=s={size}:r=25 -frames:v 5 -c:v libx264 -bf 0"), &part);
        bytes.extend(std::fs::read(&part).unwrap());
    }
    let film = folder.path().join("film.h264");
    std::fs::write(&film, bytes).unwrap();
    let mut decoder = decoder(&film, &DecodeOptions::default()).unwrap();
    let error = loop {
        match decoder.next_frame() {
            Ok(Some(frame)) => assert_eq!((frame.width, frame.height), (64, 48)),
            Ok(None) => panic!("the change went unnoticed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, MediaError::SizeChanged { n_frames: 5, width: 64, height: 48 }), "{error}");
    assert!(error.to_string().contains("64x48"));
}

#[test]
fn a_part_beyond_the_end_is_an_error_in_words() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let film = folder.path().join("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25 -frames:v 5 -c:v ffv1", &film);
    let part = DecodeOptions { start_secs: Some(60.0), ..DecodeOptions::WHOLE };
    let error = decoder(&film, &part).and_then(|mut d| d.next_frame()).unwrap_err();
    assert!(error.to_string().contains("no frame in this part"), "{error}");
}

#[test]
fn names_that_look_like_options_or_urls_are_files() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let plain = folder.path().join("plain.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25 -frames:v 2 -c:v ffv1", &plain);
    for name in ["-i.mkv", "http:__x?y=%20.mkv", "a b'c\"d.mkv", "%03d.mkv", "\u{e9}\u{4e2d}.mkv"] {
        let path = folder.path().join(name);
        std::fs::copy(&plain, &path).unwrap();
        assert_eq!(frames(&path).len(), 2, "{name}");
    }
}
