//! Telling whether a file or a frame is the same as before.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use pegbar_frame::Frame;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Files up to this size are read whole.
const WHOLE_BYTES: u64 = 64 << 20;
/// Of larger ones so many blocks, evenly spread, the first and the last among them.
const N_BLOCKS: u64 = 64;
const BLOCK_BYTES: u64 = 1 << 20;

/// Length and hash of a file, as text: `1234567:9f86d0...`.
///
/// A film of 40 GB would take minutes to read, so of files over 64 MiB only 64 blocks of 1 MiB count: enough to tell one film
/// from another and from itself after any edit that moves its bytes, not to prove that no bit differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut hash = Sha256::new();
        if length <= WHOLE_BYTES {
            io::copy(&mut file, &mut HashWriter(&mut hash))?;
        } else {
            let mut block = vec![0; BLOCK_BYTES as usize];
            for i in 0..N_BLOCKS {
                let at = (u128::from(length - BLOCK_BYTES) * u128::from(i) / u128::from(N_BLOCKS - 1)) as u64;
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(&mut block)?;
                hash.update(&block);
            }
        }
        Ok(Self(format!("{length}:{}", hex(&hash.finalize()))))
    }

    /// Of a film of many files: their sizes, and all bytes of 64 of them, evenly spread, the first and the last among them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of_files(paths: &[PathBuf]) -> io::Result<Self> {
        let mut hash = Sha256::new();
        let mut total = 0;
        for path in paths {
            let length = path.metadata()?.len();
            hash.update(length.to_le_bytes());
            total += length;
        }
        let n_read = paths.len().min(N_BLOCKS as usize);
        for i in 0..n_read {
            let place = i * (paths.len() - 1) / (n_read - 1).max(1);
            io::copy(&mut File::open(&paths[place])?, &mut HashWriter(&mut hash))?;
        }
        Ok(Self(format!("{total}:{}", hex(&hash.finalize()))))
    }

    /// Of a text.
    pub fn of_text(text: &str) -> Self {
        Self(format!("{}:{}", text.len(), hex(&Sha256::digest(text.as_bytes()))))
    }

    /// Of several, in their order.
    pub fn of_all(parts: &[Self]) -> Self {
        Self(parts.iter().map(|part| part.0.as_str()).collect::<Vec<_>>().join("+"))
    }
}

/// SHA-256 of a frame: its size, format and samples, not its time stamp.
pub fn frame_hash(frame: &Frame) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}x{} {}", frame.width, frame.height, frame.format));
    for plane in &frame.planes {
        hash.update(&plane.data);
    }
    hex(&hash.finalize())
}

/// Stands for frames that come one after the other; for one it is [`frame_hash`], for none it is empty.
pub fn frames_hash<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    let mut hashes: Vec<String> = frames.into_iter().map(frame_hash).collect();
    if hashes.len() > 1 { hex(&Sha256::digest(hashes.concat())) } else { hashes.pop().unwrap_or_default() }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn changes_show() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("film");
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            Fingerprint::of_file(&path).expect("read")
        };
        assert_eq!(of(b"abc"), of(b"abc"));
        assert_ne!(of(b"abc"), of(b"abd"));
        assert_ne!(of(b"abc"), of(b"abc\0"));
        assert_eq!(
            of(b"").0,
            "0:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "SHA-256 of nothing"
        );
    }

    #[test]
    fn large_files_are_sampled_to_their_end() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("film");
        let mut file = File::create(&path).expect("created");
        file.set_len(WHOLE_BYTES * 40).expect("a sparse file");
        let before = Fingerprint::of_file(&path).expect("read");
        file.seek(SeekFrom::End(-1)).expect("sought");
        file.write_all(b"x").expect("written");
        assert_ne!(Fingerprint::of_file(&path).expect("read"), before);
    }
}
