//! Raw pictures through an ffmpeg process.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

static FFMPEG: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let named = std::env::var_os("PEGBAR_FFMPEG").map(PathBuf::from);
    let path = match named {
        Some(folder) if folder.is_dir() => folder.join("ffmpeg"),
        Some(file) => file,
        None => PathBuf::from("ffmpeg"),
    };
    let filters = Command::new(&path).args(["-hide_banner", "-filters"]).output().ok()?;
    String::from_utf8_lossy(&filters.stdout).contains(" zscale ").then_some(path)
});

/// Whether there is an ffmpeg with zscale; says so when there is none.
pub(crate) fn is_missing(what: &str) -> bool {
    if FFMPEG.is_none() {
        eprintln!("skipped: {what} (no ffmpeg with zscale on PATH or in PEGBAR_FFMPEG)");
    }
    FFMPEG.is_none()
}

/// Raw pictures of `size`, one after another, through one ffmpeg process that converts them in several ways: for each
/// pair of `-vf` filters and format, the raw pictures that come out.
pub(crate) fn convert_all(
    bytes: &[u8],
    size: (usize, usize),
    from: &str,
    to: &[(String, String)],
) -> Result<Vec<Vec<u8>>, String> {
    let path = FFMPEG.as_ref().expect("the caller checked is_missing");
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = |i: usize| folder.path().join(format!("{i}.raw"));
    let mut command = Command::new(path);
    command.args(["-v", "error", "-nostdin", "-filter_threads", "1", "-f", "rawvideo", "-pix_fmt", from]);
    command.arg("-s").arg(format!("{}x{}", size.0, size.1)).args(["-i", "pipe:0"]);
    for (i, (filters, format)) in to.iter().enumerate() {
        command.args([
            "-vf",
            filters,
            "-sws_flags",
            "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact",
        ]);
        command.args(["-f", "rawvideo", "-pix_fmt", format]).arg(file(i));
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A refusing ffmpeg closes the pipe early; its own message is the one to report.
        scope.spawn(move || drop(stdin.write_all(bytes)));
        child.wait_with_output()
    })
    .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("{from} -> {to:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    (0..to.len()).map(|i| std::fs::read(file(i)).map_err(|e| e.to_string())).collect()
}

/// [`convert_all`] with one way.
pub(crate) fn convert(
    bytes: &[u8],
    size: (usize, usize),
    from: &str,
    filters: &str,
    to: &str,
) -> Result<Vec<u8>, String> {
    Ok(convert_all(bytes, size, from, &[(filters.to_owned(), to.to_owned())])?.remove(0))
}

/// Bytes of an xorshift generator.
pub(crate) fn noise(n: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    })
    .take(n)
    .collect()
}
