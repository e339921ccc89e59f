//! How a picture is cut so that the working memory for a tile is within what is allowed.

use crate::blend::{self, FadingSpan};
use crate::tile::{Span, smallest_tile, spans};
use crate::{EngineError, TileChoice};
use pegbar_net::{ReceptiveField, SizeRule};

/// Overlap of tiles where a network looks at the whole picture and no overlap is exact.
const INEXACT_OVERLAP_PX: usize = 32;

/// Overlap of tiles of one size: this part of their side, and at least so many pixels.
const FADING_PART: usize = 8;
const LEAST_FADING_PX: usize = 16;
/// Side that a network of tensors is looked at to guess how much memory it takes.
const PROBED_PX: usize = 64;

/// What decides on tiles, but for the size of the picture.
#[derive(Debug)]
pub(crate) struct Cutter {
    pub(crate) choice: TileChoice,
    /// `None` where the network looks at the whole picture.
    pub(crate) receptive_field: Option<ReceptiveField>,
    pub(crate) size_rule: SizeRule,
    /// Whether it is a network of tensors, whose memory grows with the picture.
    pub(crate) is_tensors: bool,
    /// Working memory allowed.
    pub(crate) memory_bytes: usize,
}

/// A picture in tiles: every row of them has the same columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Width and height of the picture.
    pub(crate) size: (usize, usize),
    pub(crate) columns: Vec<Span>,
    pub(crate) rows: Vec<Span>,
    /// Instead of those, where tiles fade into each other.
    pub(crate) fading: Option<Fading>,
}

/// Tiles of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fading {
    /// Width and height of a tile.
    pub(crate) tile: (usize, usize),
    pub(crate) columns: Vec<FadingSpan>,
    pub(crate) rows: Vec<FadingSpan>,
}

impl Cut {
    /// Whether the picture is left whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.fading.is_none() && self.columns.len() == 1 && self.rows.len() == 1
    }

    /// Width and height of the largest tile that is read.
    pub(crate) fn largest_tile(&self) -> (usize, usize) {
        if let Some(fading) = &self.fading {
            return fading.tile;
        }
        let longest = |spans: &[Span]| spans.iter().map(|s| s.read_end - s.read_start).max().unwrap_or(0);
        (longest(&self.columns), longest(&self.rows))
    }
}

impl Cutter {
    /// Cuts a `width` x `height` picture, padding included. `needed` tells the working memory for a tile of a height
    /// and a width.
    ///
    /// # Errors
    /// [`EngineError::TileTooSmall`], [`EngineError::Untileable`], [`EngineError::Memory`], and those of `needed`.
    pub(crate) fn cut(
        &self,
        width: usize,
        height: usize,
        needed: impl Fn(usize, usize) -> Result<usize, EngineError>,
    ) -> Result<Cut, EngineError> {
        let field = self.receptive_field.unwrap_or(ReceptiveField {
            top: INEXACT_OVERLAP_PX,
            left: INEXACT_OVERLAP_PX,
            bottom: INEXACT_OVERLAP_PX,
            right: INEXACT_OVERLAP_PX,
            alignment: 1,
        });
        let align = lcm(field.alignment.max(1), self.size_rule.multiple_of.max(1));
        let cut_to = |tile_w: usize, tile_h: usize| Cut {
            size: (width, height),
            columns: spans(width, tile_w, field.left, field.right, align),
            rows: spans(height, tile_h, field.top, field.bottom, align),
            fading: None,
        };
        if let Some([tile_w, tile_h]) = self.size_rule.exactly {
            return Ok(fading((width, height), (tile_w, tile_h), 1));
        }
        if self.is_tensors {
            return self.cut_tensors(width, height, align, needed);
        }
        let least = smallest_tile(field.left, field.right, align)
            .max(smallest_tile(field.top, field.bottom, align))
            .max(self.size_rule.minimum);
        let needed = |w: usize, h: usize| needed(h.min(height), w.min(width));
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        match self.choice {
            TileChoice::Off => Ok(cut_to(width, height)),
            TileChoice::Px(px) if px < least && (px < width || px < height) => {
                Err(EngineError::TileTooSmall { got: px, minimum: least })
            }
            TileChoice::Px(px) => Ok(cut_to(px, px)),
            TileChoice::Auto => {
                let whole = needed(width, height)?;
                if whole <= self.memory_bytes {
                    return Ok(cut_to(width, height));
                }
                if self.receptive_field.is_none() {
                    let (needed_mib, allowed_mib) = (mib(whole), mib(self.memory_bytes));
                    return Err(EngineError::Untileable { width, height, needed_mib, allowed_mib });
                }
                // Full-width bands first: no overlap at the sides, and long rows for the kernels.
                if let Some(h) =
                    largest(least, height, align, |h| Ok(needed(width, h)? <= self.memory_bytes))?
                    && h >= 4 * least
                {
                    return Ok(cut_to(width, h));
                }
                let side =
                    largest(least, width.max(height), align, |s| Ok(needed(s, s)? <= self.memory_bytes))?;
                match side {
                    Some(side) => Ok(cut_to(side, side)),
                    None => Err(EngineError::Memory {
                        tile_px: least,
                        needed_mib: mib(needed(least, least)?),
                        allowed_mib: mib(self.memory_bytes),
                    }),
                }
            }
        }
    }
}

impl Cutter {
    /// Cuts a picture for a network of tensors: no overlap is exact, so tiles are as large as the memory allows.
    fn cut_tensors(
        &self,
        width: usize,
        height: usize,
        align: usize,
        needed: impl Fn(usize, usize) -> Result<usize, EngineError>,
    ) -> Result<Cut, EngineError> {
        let whole = Cut {
            size: (width, height),
            columns: spans(width, width, 0, 0, 1),
            rows: spans(height, height, 0, 0, 1),
            fading: None,
        };
        let least = (2 * LEAST_FADING_PX).max(self.size_rule.minimum).next_multiple_of(align);
        let tiles = |side: usize| {
            // Along a short side all of it.
            let [tile_w, tile_h] =
                if self.size_rule.square { [side; 2] } else { [side.min(width), side.min(height)] };
            fading((width, height), (tile_w, tile_h), align)
        };
        match self.choice {
            TileChoice::Off => return Ok(whole),
            TileChoice::Px(px) if px >= width && px >= height => return Ok(whole),
            TileChoice::Px(px) if px < least => {
                return Err(EngineError::TileTooSmall { got: px, minimum: least });
            }
            TileChoice::Px(px) => return Ok(tiles(px / align * align)),
            TileChoice::Auto => {}
        }
        let probed = PROBED_PX.max(least).next_multiple_of(align);
        if width <= probed && height <= probed {
            return Ok(whole);
        }
        let at_probe = needed(probed, probed)?;
        let per_pixel = at_probe as f64 / (probed * probed) as f64;
        // A guess saves writing a program that is far too large.
        if per_pixel * (width as f64) * (height as f64) <= 2.0 * self.memory_bytes as f64
            && needed(height, width).is_ok_and(|bytes| bytes <= self.memory_bytes)
        {
            return Ok(whole);
        }
        let mut side = (self.memory_bytes as f64 / per_pixel).sqrt() as usize / align * align;
        while side > least {
            let (tile_w, tile_h) = tiles(side).largest_tile();
            if needed(tile_h, tile_w).is_ok_and(|bytes| bytes <= self.memory_bytes) {
                return Ok(tiles(side));
            }
            side = (side * 3 / 4 / align * align).max(least);
        }
        match needed(least, least)? {
            bytes if bytes <= self.memory_bytes => Ok(tiles(least)),
            bytes => Err(EngineError::Memory {
                tile_px: least,
                needed_mib: bytes.div_ceil(1 << 20),
                allowed_mib: self.memory_bytes.div_ceil(1 << 20),
            }),
        }
    }
}

/// Cuts a picture into tiles of one size that fade into each other.
fn fading(size: (usize, usize), tile: (usize, usize), align: usize) -> Cut {
    let axis =
        |len: usize, tile: usize| blend::spans(len, tile, (tile / FADING_PART).max(LEAST_FADING_PX), align);
    let fading = Fading { tile, columns: axis(size.0, tile.0), rows: axis(size.1, tile.1) };
    Cut { size, columns: vec![], rows: vec![], fading: Some(fading) }
}

/// The largest `least + k * step <= most` for which `fits` holds, by bisection; `None` when even `least` does not fit.
fn largest(
    least: usize,
    most: usize,
    step: usize,
    mut fits: impl FnMut(usize) -> Result<bool, EngineError>,
) -> Result<Option<usize>, EngineError> {
    if !fits(least)? {
        return Ok(None);
    }
    let (mut low, mut high) = (0, most.saturating_sub(least) / step + 1);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(least + middle * step)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Some(least + low * step))
}

fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bisection_finds_the_edge() {
        for edge in 10..40 {
            let found = largest(10, 39, 1, |n| Ok(n <= edge)).expect("no error");
            assert_eq!(found, Some(edge.min(39)));
        }
        assert_eq!(largest(10, 39, 1, |_| Ok(false)).expect("no error"), None);
        assert_eq!(lcm(4, 6), 12);
    }
}
