//! Whether a JPEG file holds its whole picture: decoders make gray of what is missing, without a word.

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;

/// Whether the picture's scans come to their end, the marker EOI (ITU-T T.81, B.2.1). Pictures within segments, such as
/// Exif's small one, do not count, nor does what follows the picture.
pub(super) fn is_reached(bytes: &[u8]) -> bool {
    let mut at = 0;
    let mut has_scan = false;
    while let Some(before) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) {
        at += before + 1;
        let Some(&marker) = bytes.get(at) else { return false };
        if marker == 0xFF {
            // Any number of them may stand before a marker.
            continue;
        }
        at += 1;
        if marker == END_OF_IMAGE {
            return has_scan;
        }
        if has_segment(marker, has_scan) {
            let Some(&[high, low]) = bytes.get(at..at + 2) else { return false };
            at += usize::from(u16::from_be_bytes([high, low])).max(2);
        }
        has_scan |= marker == START_OF_SCAN;
    }
    false
}

/// Whether a length and so many bytes follow a marker. Between the codes of damaged scans only those are trusted that may
/// stand there: tables, scans, applications' segments and comments.
fn has_segment(marker: u8, has_scan: bool) -> bool {
    match marker {
        0xC4 | 0xCC | 0xDA..=0xDD | 0xE0..=0xEF | 0xFE => true,
        0xC0..=0xCF | 0xDE..=0xFD => !has_scan,
        // Restarts and starts, which are all of their segment; a byte of 0xFF among the codes; what is reserved.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: [u8; 4] = [0xFF, START_OF_SCAN, 0, 2];
    const END: [u8; 2] = [0xFF, END_OF_IMAGE];

    #[test]
    fn the_end_counts_only_behind_the_scans() {
        let start = [0xFF, 0xD8];
        // A segment with a whole picture in it.
        let small = [&[0xFF, 0xE1, 0, 12][..], &start, &SCAN, &[7, 7], &END].concat();
        // Restarts, a byte of 0xFF, and bytes that fill up to the end.
        let codes = [1, 2, 0xFF, 0xD0, 3, 0xFF, 0, 4, 0xFF, 0xFF];
        let tables = [0xFF, 0xC4, 0, 4, 0xFF, 0xD9];
        let cut = [&start[..], &small, &SCAN, &codes, &tables, &SCAN, &codes].concat();
        for n in 0..=cut.len() {
            assert!(!is_reached(&cut[..n]), "{n}");
        }
        assert!(is_reached(&[&cut[..], &END].concat()));
        assert!(is_reached(&[&cut[..], &END, &start, &small, &[0xFF]].concat()));
        assert!(!is_reached(&[&start[..], &small, &END].concat()), "no scan");
        // A segment that says it is longer than the file.
        assert!(!is_reached(&[&start[..], &[0xFF, 0xE1, 0xFF, 0xFF], &SCAN, &END].concat()));
    }
}
