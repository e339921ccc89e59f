//! How a picture is cut so that the working memory for a tile is within what is allowed.

use crate::tile::{Span, smallest_tile, spans};
use crate::{EngineError, TileChoice};
use pegbar_net::{ReceptiveField, SizeRule};

/// Overlap of tiles where a network looks at the whole picture and no overlap is exact.
const INEXACT_OVERLAP_PX: usize = 32;

/// What decides on tiles, but for the size of the picture.
#[derive(Debug)]
pub(crate) struct Cutter {
    pub(crate) choice: TileChoice,
    /// `None` where the network looks at the whole picture.
    pub(crate) receptive_field: Option<ReceptiveField>,
    pub(crate) size_rule: SizeRule,
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
}

impl Cut {
    /// Whether the picture is left whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.columns.len() == 1 && self.rows.len() == 1
    }

    /// Width and height of the largest tile that is read.
    pub(crate) fn largest_tile(&self) -> (usize, usize) {
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
        };
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
