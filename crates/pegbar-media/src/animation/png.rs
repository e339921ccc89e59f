//! What an animated PNG says about its playback (PNG third edition, 11.3.6).

use std::io::{Read, Seek, SeekFrom};

use super::{Playback, shown_ms};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// So many chunks before the picture are looked at.
const MOST_CHUNKS: usize = 1000;

/// Whether a file is an animated PNG: read up to its first picture, whose data are passed over.
pub(super) fn is_animated(file: &mut (impl Read + Seek)) -> bool {
    let mut at = SIGNATURE.len() as u64;
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 8];
        if file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).is_err() {
            return false;
        }
        let [a, b, c, d, name @ ..] = head;
        match &name {
            b"acTL" => return true,
            b"IDAT" => return false,
            // Length, name and checksum besides.
            _ => at += u64::from(u32::from_be_bytes([a, b, c, d])) + 12,
        }
    }
    false
}

/// Reads it; `None` where the file is none.
pub(super) fn playback(bytes: &[u8]) -> Option<Playback> {
    let mut playback = None;
    for (name, data) in chunks(bytes) {
        match (&name, &mut playback) {
            (b"acTL", None) => {
                let n_plays = u32::from_be_bytes(data.get(4..8)?.try_into().ok()?);
                playback = Some(Playback { n_plays: (n_plays > 0).then_some(n_plays), last_frame_ms: None });
            }
            (b"fcTL", Some(playback)) => {
                let number =
                    |at: usize| Some(u32::from(u16::from_be_bytes(data.get(at..at + 2)?.try_into().ok()?)));
                let (num, den) = (number(20)?, number(22)?);
                // A denominator of 0 stands for hundredths.
                let den = if den == 0 { 100 } else { den };
                playback.last_frame_ms = Some(shown_ms(1000 * num / den));
            }
            _ => {}
        }
    }
    playback
}

/// Names and data of the chunks; data may be cut short at the end.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let (&head, after) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, name @ ..] = head;
        let n = u32::from_be_bytes([a, b, c, d]) as usize;
        let data = &after[..n.min(after.len())];
        // The checksum comes after.
        rest = after.get(n.saturating_add(4)..).unwrap_or_default();
        Some((name, data))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes()[..], name, data, &[0; 4]].concat()
    }

    #[test]
    fn plays_and_the_last_delay() {
        let control = |num: u16, den: u16| {
            chunk(b"fcTL", &[&[0; 20][..], &num.to_be_bytes(), &den.to_be_bytes(), &[0; 2]].concat())
        };
        let file = |plays: u32| {
            let animation = chunk(b"acTL", &[2u32.to_be_bytes(), plays.to_be_bytes()].concat());
            [SIGNATURE, &animation, &control(1, 10), &chunk(b"IDAT", b"x"), &control(1, 4)].concat()
        };
        let animated = |bytes: &[u8]| is_animated(&mut std::io::Cursor::new(bytes));
        assert!(animated(&file(0)));
        assert_eq!(playback(&file(0)), Some(Playback { n_plays: None, last_frame_ms: Some(250) }));
        assert_eq!(playback(&file(3)).and_then(|p| p.n_plays), Some(3));
        let still = [SIGNATURE, &chunk(b"IDAT", b"x"), &chunk(b"acTL", &[0; 8])].concat();
        assert!(!animated(&still), "after the picture it means nothing");
        for n in 0..file(0).len() {
            playback(&file(0)[..n]);
        }
    }
}
