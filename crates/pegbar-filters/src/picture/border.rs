//! What lies beyond the edge of a picture.

/// How samples beyond the edge are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Border {
    /// The nearest sample: `aaa|abcd|ddd`.
    Replicate,
    /// Mirrored about the outermost sample: `dcb|abcd|cba`.
    Mirror,
    /// Mirrored about the edge: `cba|abcd|dcb`.
    MirrorRepeat,
    /// From the other side: `bcd|abcd|abc`.
    Wrap,
}

impl Border {
    /// The sample in `0..n` that stands for position `i`; `n` is not zero.
    pub(crate) fn index(self, i: isize, n: usize) -> usize {
        let n = n as isize;
        let found = match self {
            _ if n == 1 => 0,
            Self::Replicate => i.clamp(0, n - 1),
            Self::Wrap => i.rem_euclid(n),
            Self::Mirror => {
                let i = i.rem_euclid(2 * (n - 1));
                i.min(2 * (n - 1) - i)
            }
            Self::MirrorRepeat => {
                let i = i.rem_euclid(2 * n);
                i.min(2 * n - 1 - i)
            }
        };
        found as usize
    }

    /// Writes a row with `before` and `after` samples beyond its ends.
    pub(crate) fn extend(self, row: &[f32], before: usize, after: usize, out: &mut Vec<f32>) {
        let n = row.len();
        out.clear();
        out.extend((0..before).map(|i| row[self.index(i as isize - before as isize, n)]));
        out.extend_from_slice(row);
        out.extend((0..after).map(|i| row[self.index((n + i) as isize, n)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_beyond_the_edge() {
        let row: Vec<f32> = vec![1.0, 2.0, 3.0, 4.0];
        let extend = |border: Border| {
            let mut out = Vec::new();
            border.extend(&row, 3, 3, &mut out);
            out.iter().map(|v| *v as u8).collect::<Vec<_>>()
        };
        assert_eq!(extend(Border::Replicate), [1, 1, 1, 1, 2, 3, 4, 4, 4, 4]);
        assert_eq!(extend(Border::Mirror), [4, 3, 2, 1, 2, 3, 4, 3, 2, 1]);
        assert_eq!(extend(Border::MirrorRepeat), [3, 2, 1, 1, 2, 3, 4, 4, 3, 2]);
        assert_eq!(extend(Border::Wrap), [2, 3, 4, 1, 2, 3, 4, 1, 2, 3]);
        for border in [Border::Replicate, Border::Mirror, Border::MirrorRepeat, Border::Wrap] {
            for n in 1..5 {
                assert!((-30..30).all(|i| border.index(i, n) < n));
            }
        }
    }
}
