//! Deterministic mutation of inputs.

/// Numbers at which parsers go wrong.
const INTERESTING: [u64; 18] = [
    0,
    1,
    2,
    7,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Repetition stops at this length: long enough to show memory out of proportion, short enough to be quick.
const MAX_LEN: usize = 1 << 17;

/// Makes inputs from a corpus. The same seed makes the same inputs on every machine.
#[derive(Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    /// A mutator that is a function of the seed alone.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// SplitMix64 (Steele, Lea, Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`, or 0.
    fn below(&mut self, n: usize) -> usize {
        // The bias is of no concern here.
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> Option<&'a T> {
        items.get(self.below(items.len())).copied()
    }

    fn interesting(&mut self) -> u64 {
        INTERESTING[self.below(INTERESTING.len())]
    }

    /// One to eight mutations of an input of the corpus.
    pub fn input(&mut self, corpus: &[Vec<u8>], dictionary: &[&[u8]]) -> Vec<u8> {
        let Some(start) = corpus.get(self.below(corpus.len())) else { return Vec::new() };
        let mut input = start.clone();
        for _ in 0..1 + self.below(8) {
            self.mutate(&mut input, corpus, dictionary);
        }
        input
    }

    fn mutate(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>], dictionary: &[&[u8]]) {
        let at = self.below(input.len());
        match self.below(13) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            2 => {
                let value = self.next() as u8;
                if let Some(byte) = input.get_mut(at) {
                    *byte = value;
                }
            }
            3 => {
                let value = self.interesting();
                self.overwrite(input, at, &value.to_le_bytes());
            }
            4 => self.nudge_length(input),
            5 => self.change_digits(input, at),
            6 => input.truncate(at),
            7 => {
                let len = self.below(input.len() - at).min(64);
                input.drain(at..at + len);
            }
            8 => {
                let piece = self.piece(input);
                let at = self.below(input.len() + 1);
                input.splice(at..at, piece);
            }
            9 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            10 | 11 => {
                if let Some(word) = self.pick(dictionary) {
                    let replaced = if self.below(2) == 0 { 0 } else { word.len().min(input.len() - at) };
                    input.splice(at..at + replaced, word.iter().copied());
                }
            }
            _ => {
                // Rare and large: a short piece, over and over.
                if self.below(8) == 0 {
                    let piece = self.piece(input);
                    let piece = &piece[..piece.len().min(1 + self.below(24))];
                    if !piece.is_empty() && input.len() < MAX_LEN {
                        let n = self.below((MAX_LEN - input.len()) / piece.len());
                        input.splice(at..at, piece.repeat(n));
                    }
                }
            }
        }
        input.truncate(2 * MAX_LEN);
    }

    /// A copy of some part of the input.
    fn piece(&mut self, input: &[u8]) -> Vec<u8> {
        let from = self.below(input.len());
        let len = self.below((input.len() - from).min(256) + 1);
        input[from..from + len].to_vec()
    }

    /// Writes the first 1, 2, 4 or 8 bytes over those at `at`.
    fn overwrite(&mut self, input: &mut [u8], at: usize, bytes: &[u8; 8]) {
        let width = 1 << self.below(4);
        for (target, &byte) in input[at..].iter_mut().zip(&bytes[..width]) {
            *target = byte;
        }
    }

    /// Changes a field that looks like a length or an offset: a small number in four or eight bytes.
    fn nudge_length(&mut self, input: &mut [u8]) {
        let len = input.len() as u64;
        let candidates: Vec<usize> = (0..input.len().saturating_sub(3))
            .filter(|&at| {
                let value = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]]);
                value != 0 && u64::from(value) <= len
            })
            .collect();
        if let Some(&at) = candidates.get(self.below(candidates.len())) {
            let value = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]]);
            let changed = match self.below(6) {
                0 => value.wrapping_add(1),
                1 => value.wrapping_sub(1),
                2 => value.wrapping_mul(2),
                3 => len as u32,
                4 => self.interesting() as u32,
                _ => self.next() as u32 & 0xffff,
            };
            input[at..at + 4].copy_from_slice(&changed.to_le_bytes());
        }
    }

    /// Replaces a number in text.
    fn change_digits(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(start) = input[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
        let end = start + input[start..].iter().take_while(|b| b.is_ascii_digit()).count();
        let value = self.interesting();
        let text = if self.below(4) == 0 { format!("-{value}") } else { value.to_string() };
        input.splice(start..end, text.into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let corpus = [b"7767517\n2 2\n".to_vec(), vec![1, 0, 0, 0, 9]];
        let make = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..200).map(|_| mutator.input(&corpus, &[b"word"])).collect::<Vec<_>>()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(2));
        assert!(Mutator::new(0).input(&[], &[]).is_empty());
        let empty = [Vec::new()];
        for seed in 0..1000 {
            Mutator::new(seed).input(&empty, &[]);
        }
    }
}
