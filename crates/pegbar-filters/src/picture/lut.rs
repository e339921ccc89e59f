//! Looks colours up in a table (`.cube`).

use std::path::{Path, PathBuf};

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues, PathTarget};
use thiserror::Error;

use super::samples::{map_colour, map_pixels, with_channels};

/// The parameters of [`Lut`].
pub const PARAMS: &[Param] = &[
    Param::path(
        "file",
        "The table, a `.cube` file of Adobe's or Resolve's kind, 1D or 3D.",
        PathTarget::File,
    ),
    Param::float("strength", "How far colours go towards those of the table.", "%", (0.0, 100.0), 100.0),
];

/// Largest file that is read, in bytes: a table of 256 x 256 x 256 with long numbers.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Why a table cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LutError {
    /// The file cannot be read.
    #[error("lut: {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No file is given.
    #[error("lut: no file is given; set `file` to a .cube file")]
    NoFile,
    /// A line says something that is not allowed.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The file is at its end before the table is.
    #[error("the table has {got} colours of {expected}; is the file cut off?")]
    Short {
        /// Lines there should be.
        expected: usize,
        /// Lines there are.
        got: usize,
    },
    /// There is no line `LUT_1D_SIZE` or `LUT_3D_SIZE`.
    #[error("there is no line LUT_1D_SIZE or LUT_3D_SIZE; is this a .cube file?")]
    NoSize,
}

/// A table of colours.
#[derive(Debug, Clone, PartialEq)]
pub struct CubeTable {
    /// Whether the table is a cube; otherwise it holds three curves.
    pub is_3d: bool,
    /// Entries along each side: 2 to 65536 of curves, 2 to 256 of a cube.
    pub size: usize,
    /// Colours that the first and the last entries stand for.
    pub domain: [[f32; 3]; 2],
    /// Entries; in a cube red runs fastest.
    pub entries: Vec<[f32; 3]>,
}

impl CubeTable {
    /// Reads a `.cube` file (Adobe: "Cube LUT Specification 1.0"), and the input ranges of DaVinci Resolve.
    ///
    /// # Errors
    /// Says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, LutError> {
        let mut size: Option<(bool, usize)> = None;
        let mut domain = [[0.0; 3], [1.0; 3]];
        let mut entries = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let error = |problem: String| LutError::Line { line: i + 1, problem };
            let line = line.trim().trim_start_matches('\u{feff}');
            let mut words = line.split_whitespace();
            let Some(first) = words.next().filter(|w| !w.starts_with('#')) else { continue };
            let rest: Vec<&str> = words.collect();
            match first {
                "TITLE" => {}
                "LUT_1D_SIZE" | "LUT_3D_SIZE" => {
                    if size.is_some() {
                        return Err(error(
                            "the size is given twice; files with both kinds of table are not read".into(),
                        ));
                    }
                    let is_3d = first == "LUT_3D_SIZE";
                    let most = if is_3d { 256 } else { 65_536 };
                    let n = rest.first().and_then(|w| w.parse().ok()).filter(|n| (2..=most).contains(n));
                    let n =
                        n.ok_or_else(|| error(format!("{first} must be a whole number from 2 to {most}")))?;
                    size = Some((is_3d, n));
                }
                "DOMAIN_MIN" => {
                    domain[0] = three(&rest).ok_or_else(|| error("DOMAIN_MIN takes three numbers".into()))?
                }
                "DOMAIN_MAX" => {
                    domain[1] = three(&rest).ok_or_else(|| error("DOMAIN_MAX takes three numbers".into()))?
                }
                "LUT_1D_INPUT_RANGE" | "LUT_3D_INPUT_RANGE" => {
                    let range: Vec<f32> = rest.iter().filter_map(|w| w.parse().ok()).collect();
                    let [low, high] = range[..] else {
                        return Err(error(format!("{first} takes two numbers")));
                    };
                    domain = [[low; 3], [high; 3]];
                }
                _ if first.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
                    let Some((is_3d, n)) = size else {
                        return Err(error("numbers before LUT_1D_SIZE or LUT_3D_SIZE".into()));
                    };
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let entry = three(&words)
                        .ok_or_else(|| error(format!("expected three numbers, got {line:?}")))?;
                    if entries.len() == expected(is_3d, n) {
                        return Err(error(format!("more than {} colours", entries.len())));
                    }
                    entries.push(entry);
                }
                _ if first.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') => {}
                _ => return Err(error(format!("{first:?} is neither a keyword nor a number"))),
            }
            if (0..3).any(|c| !(domain[1][c] - domain[0][c]).is_finite()) {
                return Err(error("the domain is not finite".into()));
            }
        }
        let (is_3d, n) = size.ok_or(LutError::NoSize)?;
        if entries.len() != expected(is_3d, n) {
            return Err(LutError::Short { expected: expected(is_3d, n), got: entries.len() });
        }
        if (0..3).any(|c| domain[1][c] <= domain[0][c]) {
            return Err(LutError::Line {
                line: 1,
                problem: "DOMAIN_MAX must be greater than DOMAIN_MIN".into(),
            });
        }
        Ok(Self { is_3d, size: n, domain, entries })
    }

    /// The colour of the table for another: in a cube by tetrahedra, along curves by lines. Colours beyond the domain
    /// take its edge.
    pub fn at(&self, colour: [f32; 3]) -> [f32; 3] {
        let last = self.size - 1;
        let mut cell = [0usize; 3];
        let mut part = [0.0f32; 3];
        for c in 0..3 {
            let (low, high) = (self.domain[0][c], self.domain[1][c]);
            let part_of_domain = (colour[c] - low) / (high - low);
            // NaN becomes the low end.
            let place = if part_of_domain > 0.0 { part_of_domain.min(1.0) * last as f32 } else { 0.0 };
            cell[c] = (place as usize).min(last - 1);
            part[c] = place - cell[c] as f32;
        }
        if !self.is_3d {
            return [0, 1, 2].map(|c| {
                let (a, b) = (self.entries[cell[c]][c], self.entries[cell[c] + 1][c]);
                a + part[c] * (b - a)
            });
        }
        let steps = [1, self.size, self.size * self.size];
        // From the near corner to the far one along the axes in order of the parts, the largest first.
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| part[*b].total_cmp(&part[*a]));
        let mut at = cell[0] * steps[0] + cell[1] * steps[1] + cell[2] * steps[2];
        let mut corner = self.entries[at];
        let mut out = corner;
        for axis in order {
            at += steps[axis];
            let next = self.entries[at];
            (0..3).for_each(|c| out[c] += part[axis] * (next[c] - corner[c]));
            corner = next;
        }
        out
    }
}

fn expected(is_3d: bool, n: usize) -> usize {
    if is_3d { n * n * n } else { n }
}

fn three(words: &[&str]) -> Option<[f32; 3]> {
    let [a, b, c] = words else { return None };
    let numbers = [a.parse().ok()?, b.parse().ok()?, c.parse().ok()?];
    numbers.iter().all(|v: &f32| v.is_finite()).then_some(numbers)
}

/// Looks colours up in a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Lut {
    /// The table.
    pub table: CubeTable,
    /// How far colours go, `0..=1`.
    pub strength: f32,
}

impl Lut {
    /// Reads the settings and the file.
    ///
    /// # Errors
    /// When the file cannot be read or is no table.
    pub fn from_values(values: &ParamValues) -> Result<Self, LutError> {
        Self::read(Path::new(values.text("file")), values)
    }

    /// Reads the settings, and a file whatever they name.
    ///
    /// # Errors
    /// When the file cannot be read or is no table.
    pub fn read(path: &Path, values: &ParamValues) -> Result<Self, LutError> {
        if path.as_os_str().is_empty() {
            return Err(LutError::NoFile);
        }
        let read = || {
            let bytes = std::fs::metadata(path)?.len();
            if bytes > MAX_FILE_BYTES {
                return Err(std::io::Error::other(format!("{bytes} bytes are too many for a table")));
            }
            std::fs::read_to_string(path)
        };
        let text = read().map_err(|source| LutError::Read { path: path.into(), source })?;
        Ok(Self { table: CubeTable::parse(&text)?, strength: values.f32("strength") / 100.0 })
    }

    /// Applies the table; a gray picture stays gray where its curves do.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let image = if image.channels < 3 && self.colours_gray() { &with_channels(image, 3) } else { image };
        let towards = |s: f32, want: f32| s + self.strength * (want - s);
        if image.channels < 3 {
            return map_colour(image, |s| towards(s, self.table.at([s; 3])[0]));
        }
        map_pixels(image, |rgb| {
            let want = self.table.at(rgb);
            [0, 1, 2].map(|c| towards(rgb[c], want[c]))
        })
    }

    /// Whether gray becomes anything but gray: gray pictures get three channels then.
    pub fn colours_gray(&self) -> bool {
        (0..=1024).any(|i| {
            let [r, g, b] = self.table.at([i as f32 / 1024.0; 3]);
            (r - g).abs() > 1e-5 || (g - b).abs() > 1e-5
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    fn cube(size: usize, f: impl Fn([f32; 3]) -> [f32; 3]) -> String {
        let mut text = format!("TITLE \"made\"\n# comment\nLUT_3D_SIZE {size}\n");
        for i in 0..size * size * size {
            let v = [i % size, i / size % size, i / size / size].map(|v| v as f32 / (size - 1) as f32);
            let [r, g, b] = f(v);
            text += &format!("{r} {g} {b}\n");
        }
        text
    }

    #[test]
    fn identity_changes_nothing() {
        for size in [2, 9, 33] {
            let table = CubeTable::parse(&cube(size, |c| c)).unwrap();
            let lut = Lut { table, strength: 1.0 };
            let image = made::picture(4, 17, 13);
            made::close(&lut.apply(&image).data, &image.data, 2e-7);
            for i in 0..size {
                let v = i as f32 / (size - 1) as f32;
                assert_eq!(lut.table.at([v, 0.0, v]), [v, 0.0, v]);
            }
            made::keeps_shape_and_alpha(|image| lut.apply(image));
        }
    }

    #[test]
    fn linear_maps_are_exact() {
        let f = |[r, g, b]: [f32; 3]| [0.5 * r + 0.3 * g, 1.0 - b, 0.2 + 0.1 * r + 0.5 * b];
        let table = CubeTable::parse(&cube(5, f)).unwrap();
        for i in 0..1000 {
            let c = [i % 10, i / 10 % 10, i / 100].map(|v| v as f32 / 9.0);
            made::close(&table.at(c), &f(c), 1e-6);
        }
        // Along the diagonal tetrahedra follow gray where trilinear weights would not.
        let product = CubeTable::parse(&cube(2, |[r, g, b]| [r * g * b; 3])).unwrap();
        assert_eq!(product.at([0.5; 3]), [0.5; 3]);
    }

    #[test]
    fn curves_and_domains() {
        let table =
            CubeTable::parse("LUT_1D_SIZE 3\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 2 1 1\n0 0 0\n1 .25 1\n2e0 1 0\n")
                .unwrap();
        made::close(&table.at([0.5, 0.25, 0.75]), &[0.5, 0.125, 0.5], 1e-6);
        assert_eq!(table.at([9.0, f32::NAN, -1.0]), [2.0, 0.0, 0.0]);
        let ranged = CubeTable::parse("LUT_3D_INPUT_RANGE 0.0 2.0\n".to_string().as_str());
        assert!(matches!(ranged, Err(LutError::NoSize)));
        assert_eq!(Lut { table, strength: 1.0 }.apply(&made::picture(1, 2, 2)).channels, 3);
    }

    #[test]
    fn errors_name_the_line() {
        let cases = [
            ("LUT_3D_SIZE 1\n", "line 1: LUT_3D_SIZE must be a whole number from 2 to 256"),
            ("LUT_3D_SIZE 999999999\n", "line 1: LUT_3D_SIZE must be a whole number from 2 to 256"),
            ("0 0 0\n", "line 1: numbers before LUT_1D_SIZE or LUT_3D_SIZE"),
            ("LUT_1D_SIZE 2\n0 0 0\n\n0 0\n", "line 4: expected three numbers, got \"0 0\""),
            ("LUT_1D_SIZE 2\n0 0 nan\n", "line 2: expected three numbers, got \"0 0 nan\""),
            ("LUT_1D_SIZE 2\n0 0 0\n", "the table has 1 colours of 2; is the file cut off?"),
            ("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n1 1 1\n", "line 4: more than 2 colours"),
            ("hello\n", "line 1: \"hello\" is neither a keyword nor a number"),
            ("", "there is no line LUT_1D_SIZE or LUT_3D_SIZE; is this a .cube file?"),
        ];
        for (text, want) in cases {
            assert_eq!(CubeTable::parse(text).unwrap_err().to_string(), want);
        }
        assert!(matches!(Lut::from_values(&ParamValues::defaults(PARAMS)), Err(LutError::NoFile)));
    }
}
