//! Anything may be named as a model; what is none gets a sentence that says what it is.

mod support;

use pegbar_formats::{FormatError, StateDict, Tensor, pth, read_model, read_state_dict};

#[test]
fn what_is_no_model_is_told_by_its_content() {
    let dir = tempfile::tempdir().unwrap();
    let mut riff = b"RIFF\x10\0\0\0WEBPVP8 ".to_vec();
    riff.resize(64, 0);
    let mut mp4 = b"\0\0\0\x20ftypisom\0\0\x02\0".to_vec();
    mp4.resize(64, 1);
    let cases: &[(&str, &[u8], &str)] = &[
        ("empty.pth", b"", "empty (0 bytes)"),
        ("notes.txt", b"These are notes.\nNothing else.\n", "a text file"),
        ("page.pth", b"\n<!DOCTYPE html>\n<html><head><title>Sign in", "a web page"),
        ("page2.pth", b"<HTML>\n", "a web page"),
        ("denied.pth", b"<?xml version=\"1.0\"?><Error>AccessDenied</Error>", "an XML document"),
        (
            "pointer.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "a Git LFS pointer",
        ),
        ("picture.pth", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        ("photo.pth", b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        ("film.onnx", b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x23", "a Matroska or WebM video"),
        ("film.pth", &mp4, "an MP4"),
        ("picture.webp", &riff, "a WebP picture"),
        ("model.pth.gz", b"\x1f\x8b\x08\0\0\0\0\0", "a gzip archive"),
        ("llm.bin", b"GGUF\x03\0\0\0", "a GGUF language model"),
        ("zeros.pth", &[0; 4096], "a file of zeros"),
        ("noise.pth", b"\xd3\x91\x07\xfe\x22\x80\x13\x00\xc4", "not a model file Pegbar knows"),
        ("config.json", b"{\"a\": 1}", "a JSON document"),
        ("plain.pkl", b"\x80\x04\x95\x0b\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.", "PyTorch did not write"),
    ];
    for (name, content, expected) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        for error in [read_model(&path).unwrap_err(), read_state_dict(&path).unwrap_err()] {
            let sentence = error.to_string();
            assert!(sentence.contains(expected), "{name}: {sentence}");
            assert!(!sentence.contains(name), "{name}: the caller names the file: {sentence}");
        }
    }
    let zip = support::stored_zip(&[("inner/4x-model.pth", b"x")]);
    let path = dir.path().join("package.zip");
    std::fs::write(&path, zip).unwrap();
    let sentence = read_model(&path).unwrap_err().to_string();
    assert!(sentence.contains("unpack it"), "{sentence}");

    assert!(matches!(read_model(dir.path()), Err(FormatError::NotAFile { what: "a folder" })));
    let sentence = read_model(&dir.path().join("gone.pth")).unwrap_err().to_string();
    assert!(sentence.contains("no such file"), "{sentence}");
}

#[test]
fn the_name_does_not_matter_where_the_content_speaks() {
    let dir = tempfile::tempdir().unwrap();
    let mut state_dict = StateDict::new();
    state_dict.insert("a", Tensor::from_f32(vec![1], vec![1.0]).unwrap());
    let path = dir.path().join("model.bin");
    pth::write(&path, &state_dict, None).unwrap();
    assert!(read_state_dict(&path).is_ok());
    let path = dir.path().join("model");
    pegbar_formats::safetensors::write(&path, &state_dict, &Default::default()).unwrap();
    assert!(read_state_dict(&path).is_ok());
    let path = dir.path().join("graph.pth");
    std::fs::write(&path, "7767517\n1 1\nInput a 0 1 a\n").unwrap();
    let sentence = read_state_dict(&path).unwrap_err().to_string();
    assert!(sentence.contains("an ncnn graph"), "{sentence}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_without_waiting_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.pth");
    if !std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: a named pipe as a model (no mkfifo)");
        return;
    }
    assert!(matches!(read_model(&path), Err(FormatError::NotAFile { .. })));
}

#[test]
fn a_write_into_nowhere_is_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let mut state_dict = StateDict::new();
    state_dict.insert("a", Tensor::from_f32(vec![1], vec![1.0]).unwrap());
    let error = pth::write(&dir.path().join("no/such/folder.pth"), &state_dict, None).unwrap_err();
    assert!(error.to_string().contains("check the name and the folder"), "{error}");
}
