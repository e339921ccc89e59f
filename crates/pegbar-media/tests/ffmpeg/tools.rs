//! Finding programs, real and pretended ones.

use pegbar_media::Tools;

use crate::support::tools;

#[cfg(unix)]
fn pretend(folder: &std::path::Path, program: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(program);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
#[test]
fn versions_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let find = || Tools::find_in(Some(folder.path().into()), None);
    let says = |program: &str, version: &str| {
        pretend(
            folder.path(),
            program,
            &format!("echo '{program} version {version} Copyright (c) 2000-2026'"),
        );
    };
    says("ffmpeg", "4.2");
    let error = find().unwrap_err().to_string();
    assert!(error.contains("ffprobe was not found beside"), "{error}");
    says("ffprobe", "4.2");
    let error = find().unwrap_err().to_string();
    assert!(error.contains("ffmpeg 4.2 is too old") && error.contains("5.0"), "{error}");
    says("ffmpeg", "5.0");
    let error = find().unwrap_err().to_string();
    assert!(error.contains("ffprobe 4.2 is too old"), "{error}");
    says("ffprobe", "N-118193-g5f38c82536");
    assert_eq!(find().unwrap().version, "5.0");
    says("ffmpeg", "N-118193-g5f38c82536");
    assert_eq!(find().unwrap().version, "N-118193-g5f38c82536");
    // The program itself may be named instead of the folder; on PATH it is found as well.
    assert!(Tools::find_in(Some(folder.path().join("ffmpeg").into()), None).is_ok());
    assert!(Tools::find_in(None, Some(folder.path().into())).is_ok());
    assert!(Tools::find_in(Some("".into()), Some(folder.path().into())).is_ok());
    pretend(folder.path(), "ffmpeg", "echo hello");
    assert!(find().unwrap_err().to_string().contains("does not say that it is ffmpeg"));
    pretend(folder.path(), "ffmpeg", "echo 'cannot load libx.so' >&2; exit 127");
    assert!(find().unwrap_err().to_string().contains("cannot load libx.so"));
}

#[test]
fn the_real_one_has_encoders() {
    let Some(tools) = tools() else { return };
    for encoder in ["ffv1", "rawvideo", "flac"] {
        assert!(tools.has_encoder(encoder).unwrap(), "{encoder}");
    }
    assert!(!tools.has_encoder("libx999").unwrap());
    assert!(tools.encoders().unwrap().len() > 50);
}
