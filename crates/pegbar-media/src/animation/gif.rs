//! What a GIF says about its playback: one walk over its blocks (GIF89a, sections 18 to 27).

use super::Playback;

/// Reads it; `None` where the file has no frame.
pub(super) fn playback(bytes: &[u8]) -> Option<Playback> {
    let mut blocks = Blocks { rest: bytes.get(6..)? };
    let screen = blocks.take(7)?;
    blocks.colour_table(screen[4])?;
    // A file that does not say how often it repeats is shown once.
    let mut playback = Playback { n_plays: Some(1), last_frame_ms: None };
    let (mut n_frames, mut delay_ms) = (0, 0);
    while let Some(&[kind]) = blocks.take(1) {
        match kind {
            0x21 => {
                let Some(&[label]) = blocks.take(1) else { break };
                let Some(data) = blocks.sub_blocks() else { break };
                match (label, data.as_slice()) {
                    (0xf9, &[_, low, high, ..]) => delay_ms = 10 * u32::from(u16::from_le_bytes([low, high])),
                    (0xff, data)
                        if data.starts_with(b"NETSCAPE2.0\x01") || data.starts_with(b"ANIMEXTS1.0\x01") =>
                    {
                        if let Some(&[low, high]) = data.get(12..14) {
                            // It counts the repeats after the first showing; 0 is for ever.
                            let repeats = u32::from(u16::from_le_bytes([low, high]));
                            playback.n_plays = (repeats > 0).then(|| repeats + 1);
                        }
                    }
                    _ => {}
                }
            }
            0x2c => {
                let image = blocks.take(9).and_then(|image| blocks.colour_table(image[8]));
                if image.is_none() || blocks.take(1).is_none() || blocks.sub_blocks().is_none() {
                    break;
                }
                n_frames += 1;
                playback.last_frame_ms = Some(super::shown_ms(delay_ms));
                delay_ms = 0;
            }
            _ => break,
        }
    }
    (n_frames > 0).then_some(playback)
}

struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Blocks<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    /// Passes over the colour table that a byte of flags tells of.
    fn colour_table(&mut self, flags: u8) -> Option<()> {
        if flags & 0x80 != 0 {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Some(())
    }

    /// The data of a row of sub-blocks.
    fn sub_blocks(&mut self) -> Option<Vec<u8>> {
        let mut data = Vec::new();
        loop {
            let &[n] = self.take(1)? else { return None };
            if n == 0 {
                return Some(data);
            }
            data.extend_from_slice(self.take(usize::from(n))?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(repeats: Option<u16>, delays: &[u16]) -> Vec<u8> {
        let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0".to_vec();
        bytes.extend([0; 6]);
        if let Some(repeats) = repeats {
            bytes.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
            bytes.extend(repeats.to_le_bytes());
            bytes.push(0);
        }
        for delay in delays {
            bytes.extend(b"\x21\xf9\x04\0");
            bytes.extend(delay.to_le_bytes());
            bytes.extend(b"\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
        }
        bytes.push(0x3b);
        bytes
    }

    #[test]
    fn repeats_and_the_last_delay() {
        let playback =
            |n_plays, last_frame_ms| Some(Playback { n_plays, last_frame_ms: Some(last_frame_ms) });
        assert_eq!(super::playback(&file(Some(0), &[4, 20])), playback(None, 200));
        assert_eq!(super::playback(&file(Some(2), &[4])), playback(Some(3), 40));
        assert_eq!(super::playback(&file(None, &[4, 0])), playback(Some(1), 100));
        assert_eq!(super::playback(&file(None, &[])), None);
        let whole = file(Some(0), &[4, 20]);
        for n in 0..whole.len() {
            super::playback(&whole[..n]);
        }
    }
}
