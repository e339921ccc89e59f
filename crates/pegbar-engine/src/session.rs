//! A model, ready to run on pictures of any size.

use crate::channels::{self, Feed};
use crate::tile::{Span, smallest_tile, spans};
use crate::{EngineError, available_memory_bytes, pad};
use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_frame::PlanarImage;
use pegbar_net::{Model, ReceptiveField, SizeRule};
use std::sync::Mutex;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The fastest device of this build and machine.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A graphics processor.
    Gpu,
}

/// How exact the arithmetic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// The fastest arithmetic that stays above 70 dB against `Exact` on real frames.
    #[default]
    Fast,
    /// 32-bit floating point throughout.
    Exact,
}

impl From<Precision> for CpuPrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fast => Self::Fast,
            Precision::Exact => Self::Exact,
        }
    }
}

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TileChoice {
    /// Whole when the working memory allows, else the largest tiles that fit.
    #[default]
    Auto,
    /// Never cut.
    Off,
    /// Tiles of at most this many pixels a side, overlap included.
    Px(usize),
}

/// What a session is opened with.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Where to run.
    pub device: Device,
    /// How exact.
    pub precision: Precision,
    /// Threads; `None` takes all cores.
    pub threads: Option<usize>,
    /// How to cut.
    pub tile: TileChoice,
    /// Working memory that the engine may take, in bytes; `None` takes half of what is available, 512 MiB at most.
    pub memory_bytes: Option<usize>,
}

/// Working memory taken by default, at most.
const DEFAULT_MEMORY_BYTES: usize = 512 << 20;
/// Working memory taken by default, at least, however little the system says is free.
const LEAST_MEMORY_BYTES: usize = 64 << 20;
/// Overlap of tiles where a network looks at the whole picture and no overlap is exact.
const INEXACT_OVERLAP_PX: usize = 32;

/// A compiled model. Runs pictures of any size; one at a time.
#[derive(Debug)]
pub struct Session {
    net: CpuNet,
    threads: usize,
    input_channels: usize,
    output_channels: usize,
    /// Output size is input size times `scale.0 / scale.1`.
    scale: (usize, usize),
    size_rule: SizeRule,
    receptive_field: Option<ReceptiveField>,
    tile: TileChoice,
    memory_bytes: usize,
    output: Mutex<Vec<f32>>,
}

impl Session {
    /// Compiles a model.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] when a GPU is demanded; errors of the compiler.
    pub fn open(model: &Model, options: &SessionOptions) -> Result<Self, EngineError> {
        if options.device == Device::Gpu {
            return Err(EngineError::NoGpu);
        }
        let threads = options
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
            .max(1);
        let level = CpuLevel::from_env()?;
        let net =
            CpuNet::compile(&model.net, &CpuOptions { threads, level, precision: options.precision.into() })?;
        let memory_bytes = options.memory_bytes.unwrap_or_else(|| {
            (available_memory_bytes() / 2).clamp(LEAST_MEMORY_BYTES, DEFAULT_MEMORY_BYTES)
        });
        Ok(Self {
            net,
            threads,
            input_channels: model.input_channels,
            output_channels: model.output_channels,
            scale: (model.scale, 1),
            size_rule: model.net.size_rule,
            receptive_field: model.net.receptive_field(),
            tile: options.tile,
            memory_bytes,
            output: Mutex::new(Vec::new()),
        })
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// One line for each step of the compiled network.
    pub fn explain(&self) -> Vec<String> {
        self.net.explain()
    }

    /// Size of the result for a `width` x `height` picture.
    pub fn output_size(&self, width: usize, height: usize) -> (usize, usize) {
        (width * self.scale.0 / self.scale.1, height * self.scale.0 / self.scale.1)
    }

    /// Memory that a picture of `channels` channels and its result take, apart from the engine's working memory.
    pub fn picture_memory_bytes(&self, channels: usize, width: usize, height: usize) -> usize {
        let (out_w, out_h) = self.output_size(width, height);
        // The picture as read and as fed, the result as made and as written.
        let fed = width.saturating_mul(height).saturating_mul(channels + self.input_channels);
        let made = out_w.saturating_mul(out_h).saturating_mul(channels + self.output_channels);
        fed.saturating_add(made).saturating_mul(size_of::<f32>())
    }

    /// Whether a picture of `channels` channels can be fed to the model.
    ///
    /// # Errors
    /// [`EngineError::Channels`] when not.
    pub fn check_channels(&self, channels: usize) -> Result<(), EngineError> {
        channels::choose(channels, self.input_channels, self.output_channels).map(|_| ())
    }

    /// Runs the model on a picture of one (gray) or three (RGB) channels and returns as many.
    ///
    /// # Errors
    /// [`EngineError::Channels`], [`EngineError::EmptyPicture`], [`EngineError::Memory`],
    /// [`EngineError::NotFinite`] when the result holds NaN or infinity.
    pub fn upscale(&self, image: &PlanarImage) -> Result<PlanarImage, EngineError> {
        match channels::choose(image.channels, self.input_channels, self.output_channels)? {
            Feed::Whole => self.run(image),
            Feed::GrayAsRgb => {
                self.run(&channels::gray_to_rgb(image)).map(|rgb| channels::mean_to_gray(&rgb))
            }
            Feed::PlaneByPlane => (0..image.channels)
                .map(|c| self.run(&channels::single(image, c)))
                .collect::<Result<Vec<_>, _>>()
                .map(channels::join),
        }
    }

    /// Runs the model on a picture of exactly its input channels; the result is not clamped.
    ///
    /// # Errors
    /// As [`Session::upscale`].
    pub fn run(&self, image: &PlanarImage) -> Result<PlanarImage, EngineError> {
        let (width, height) = (image.width, image.height);
        if width == 0 || height == 0 {
            return Err(EngineError::EmptyPicture { width, height });
        }
        if image.channels != self.input_channels {
            return Err(EngineError::Channels {
                expected: self.input_channels,
                produced: self.output_channels,
                got: image.channels,
            });
        }
        let (padded_w, padded_h) = pad::padded_size(&self.size_rule, width, height);
        let padded;
        let source = if (padded_w, padded_h) == (width, height) {
            image
        } else {
            padded = pad::pad(image, padded_w, padded_h);
            &padded
        };
        let (columns, rows) = self.cut(padded_w, padded_h)?;
        let (out_w, out_h) = self.output_size(width, height);
        let mut result = PlanarImage::zeros(self.output_channels, out_h, out_w);
        let mut output = self.output.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for row in &rows {
            for column in &columns {
                self.run_tile(source, *row, *column, &mut output, &mut result)?;
            }
        }
        let count = result.data.iter().filter(|v| !v.is_finite()).count();
        if count > 0 { Err(EngineError::NotFinite { count }) } else { Ok(result) }
    }

    /// Runs one tile and copies what is kept of it into `result`.
    fn run_tile(
        &self,
        source: &PlanarImage,
        row: Span,
        column: Span,
        output: &mut Vec<f32>,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
        let (w, h) = (column.read_end - column.read_start, row.read_end - row.read_start);
        let shape = [1, self.input_channels, h, w];
        let [_, channels, tile_h, tile_w] = if (w, h) == (source.width, source.height) {
            self.net.run(shape, &source.data, output)?
        } else {
            let mut input = Vec::with_capacity(self.input_channels * h * w);
            for c in 0..self.input_channels {
                let plane = source.plane(c);
                for y in row.read_start..row.read_end {
                    let start = y * source.width;
                    input.extend_from_slice(&plane[start + column.read_start..start + column.read_end]);
                }
            }
            self.net.run(shape, &input, output)?
        };
        let at = |n: usize| n * self.scale.0 / self.scale.1;
        let (x0, y0) = (at(column.keep_start), at(row.keep_start));
        let (x1, y1) = (at(column.keep_end).min(result.width), at(row.keep_end).min(result.height));
        let (from_x, from_y) = (x0 - at(column.read_start), y0 - at(row.read_start));
        if x0 >= x1 || y0 >= y1 {
            return Ok(()); // nothing but padding
        }
        for c in 0..channels {
            let tile = &output[c * tile_h * tile_w..(c + 1) * tile_h * tile_w];
            let width = result.width;
            let plane = result.plane_mut(c);
            for y in y0..y1 {
                let from = (y - y0 + from_y) * tile_w + from_x;
                plane[y * width + x0..y * width + x1].copy_from_slice(&tile[from..from + (x1 - x0)]);
            }
        }
        Ok(())
    }

    /// Chooses tiles: columns and rows.
    fn cut(&self, width: usize, height: usize) -> Result<(Vec<Span>, Vec<Span>), EngineError> {
        let field = self.receptive_field.unwrap_or(ReceptiveField {
            top: INEXACT_OVERLAP_PX,
            left: INEXACT_OVERLAP_PX,
            bottom: INEXACT_OVERLAP_PX,
            right: INEXACT_OVERLAP_PX,
            alignment: 1,
        });
        let align = lcm(field.alignment.max(1), self.size_rule.multiple_of.max(1));
        let cut_to = |tile_w: usize, tile_h: usize| {
            (
                spans(width, tile_w, field.left, field.right, align),
                spans(height, tile_h, field.top, field.bottom, align),
            )
        };
        let least = smallest_tile(field.left, field.right, align)
            .max(smallest_tile(field.top, field.bottom, align))
            .max(self.size_rule.minimum);
        let needed = |w: usize, h: usize| self.net.working_memory_bytes(1, h.min(height), w.min(width));
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        match self.tile {
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
