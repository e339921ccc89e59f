//! A model, ready to run on pictures of any size.

use crate::blend::{Canvas, Part};
use crate::channels::{self, Feed};
use crate::cut::{Cut, Cutter, Fading};
use crate::tile::Span;
use crate::{Device, EngineError, SessionOptions, TileChoice, available_memory_bytes, pad};
use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions};
use pegbar_frame::PlanarImage;
use pegbar_net::Model;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Working memory taken by default, at most.
const DEFAULT_MEMORY_BYTES: usize = 512 << 20;
/// Working memory taken by default, at least, however little the system says is free.
const LEAST_MEMORY_BYTES: usize = 64 << 20;

/// Who works on a picture. The result is the same to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crew {
    /// All threads of the session: the picture is done soonest. Callers take turns.
    Together,
    /// The caller's thread alone: as many callers as [`Session::workers`] says get the most pictures done. Each takes
    /// working memory of its own.
    Alone,
}

/// A compiled model. Runs pictures of any size, from any number of threads.
#[derive(Debug)]
pub struct Session {
    net: CpuNet,
    threads: usize,
    input_channels: usize,
    output_channels: usize,
    /// Output size is input size times `scale.0 / scale.1`.
    scale: (usize, usize),
    cutter: Cutter,
    /// The latest cut: finding one tries many sizes, and the pictures of a film have one.
    latest_cut: Mutex<Option<Arc<Cut>>>,
    /// Held by the caller that all threads work for.
    turn: Mutex<()>,
    /// Buffers for tiles that no run uses at present.
    spare: Mutex<Vec<Vec<f32>>>,
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
            cutter: Cutter {
                choice: options.tile,
                receptive_field: model.net.receptive_field(),
                size_rule: model.net.size_rule,
                is_tensors: model.net.tensors().is_some(),
                memory_bytes,
            },
            latest_cut: Mutex::new(None),
            turn: Mutex::new(()),
            spare: Mutex::new(Vec::new()),
        })
    }

    /// Threads in use.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Channels of the pictures that the model takes.
    pub fn input_channels(&self) -> usize {
        self.input_channels
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

    /// Memory that the work on one picture takes, all threads together, apart from the picture and its result.
    ///
    /// # Errors
    /// As [`Session::run`], for a size that cannot be run.
    pub fn working_memory_bytes(&self, width: usize, height: usize) -> Result<usize, EngineError> {
        let (padded_w, padded_h) = pad::padded_size(&self.cutter.size_rule, width, height);
        let (tile_w, tile_h) = self.cut(padded_w, padded_h)?.largest_tile();
        Ok(self.net.working_memory_bytes(1, tile_h, tile_w)?)
    }

    /// How many `width` x `height` pictures are best worked on side by side, each by a [`Crew::Alone`]. One stands for
    /// [`Crew::Together`]: there is one thread, or not enough memory to keep nearly all threads busy otherwise.
    ///
    /// Working memory stays within what the session may take, and the pictures within half of what is free.
    pub fn workers(&self, width: usize, height: usize) -> usize {
        // An error shows again when a picture of this size is run.
        let (padded_w, padded_h) = pad::padded_size(&self.cutter.size_rule, width, height);
        let Ok(cut) = self.cut(padded_w, padded_h) else { return 1 };
        if self.cutter.choice == TileChoice::Auto && !cut.is_whole() {
            return 1; // cut because memory is short
        }
        let (tile_w, tile_h) = cut.largest_tile();
        let Ok(bytes) = self.net.working_memory_alone_bytes(1, tile_h, tile_w) else { return 1 };
        let pictures = self.picture_memory_bytes(self.input_channels, width, height);
        let fitting =
            (self.cutter.memory_bytes / bytes.max(1)).min(available_memory_bytes() / 2 / pictures.max(1));
        let workers = fitting.min(self.threads);
        // Threads that share a picture lose some time in waiting for one another, but not a quarter.
        if workers * 4 >= self.threads * 3 { workers } else { 1 }
    }

    /// Whether a picture of `channels` channels can be fed to the model.
    ///
    /// # Errors
    /// [`EngineError::Channels`] when not.
    pub fn check_channels(&self, channels: usize) -> Result<(), EngineError> {
        channels::choose(channels, self.input_channels, self.output_channels).map(|_| ())
    }

    /// Runs the model on a picture of one (gray) or three (RGB) channels and returns as many; all threads share the
    /// work.
    ///
    /// # Errors
    /// As [`Session::upscale_into`].
    pub fn upscale(&self, image: &PlanarImage) -> Result<PlanarImage, EngineError> {
        let mut result = PlanarImage::default();
        self.upscale_into(Crew::Together, image, &mut result)?;
        Ok(result)
    }

    /// Runs the model on a picture of one (gray) or three (RGB) channels; `result` becomes a picture of as many, and
    /// keeps its memory from one picture to the next.
    ///
    /// # Errors
    /// [`EngineError::Channels`], [`EngineError::EmptyPicture`], [`EngineError::Memory`],
    /// [`EngineError::NotFinite`] when the result holds NaN or infinity.
    pub fn upscale_into(
        &self,
        crew: Crew,
        image: &PlanarImage,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
        match channels::choose(image.channels, self.input_channels, self.output_channels)? {
            Feed::Whole => self.run_into(crew, image, result),
            Feed::GrayAsRgb => {
                let mut rgb = PlanarImage::default();
                self.run_into(crew, &channels::gray_to_rgb(image), &mut rgb)?;
                *result = channels::mean_to_gray(&rgb);
                Ok(())
            }
            Feed::PlaneByPlane => {
                let run = |c| {
                    let mut plane = PlanarImage::default();
                    self.run_into(crew, &channels::single(image, c), &mut plane).map(|()| plane)
                };
                *result = channels::join((0..image.channels).map(run).collect::<Result<_, _>>()?);
                Ok(())
            }
        }
    }

    /// Runs the model on a picture of exactly its input channels, on all threads; the result is not clamped.
    ///
    /// # Errors
    /// As [`Session::upscale_into`].
    pub fn run(&self, image: &PlanarImage) -> Result<PlanarImage, EngineError> {
        let mut result = PlanarImage::default();
        self.run_into(Crew::Together, image, &mut result)?;
        Ok(result)
    }

    /// Runs the model on a picture of exactly its input channels; the result is not clamped. `result` keeps its memory
    /// from one picture to the next.
    ///
    /// # Errors
    /// As [`Session::upscale_into`].
    pub fn run_into(
        &self,
        crew: Crew,
        image: &PlanarImage,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
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
        let (padded_w, padded_h) = pad::padded_size(&self.cutter.size_rule, width, height);
        let cut = self.cut(padded_w, padded_h)?;
        let _turn = (crew == Crew::Together).then(|| lock(&self.turn));
        if (padded_w, padded_h) == (width, height) && cut.is_whole() {
            self.run_whole(crew, image, result)?;
        } else {
            let padded;
            let source = if (padded_w, padded_h) == (width, height) {
                image
            } else {
                padded = pad::pad(image, padded_w, padded_h, &self.cutter.size_rule);
                &padded
            };
            let mut output = lock(&self.spare).pop().unwrap_or_default();
            let (out_w, out_h) = self.output_size(width, height);
            result.reshape(self.output_channels, out_h, out_w);
            if let Some(fading) = &cut.fading {
                self.run_fading(crew, source, fading, &mut output, result)?;
            }
            for row in &cut.rows {
                for column in &cut.columns {
                    self.run_tile(crew, source, *row, *column, &mut output, result)?;
                }
            }
            lock(&self.spare).push(output);
        }
        match n_not_finite(&result.data) {
            0 => Ok(()),
            count => Err(EngineError::NotFinite { count }),
        }
    }

    /// Runs a picture that needs neither padding nor cutting: the network reads it and writes the result where they lie.
    fn run_whole(
        &self,
        crew: Crew,
        image: &PlanarImage,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
        let shape = [1, self.input_channels, image.height, image.width];
        let [_, channels, height, width] = self.compute(crew, shape, &image.data, &mut result.data)?;
        *result = PlanarImage { width, height, channels, data: std::mem::take(&mut result.data) };
        Ok(())
    }

    /// Runs one tile and copies what is kept of it into `result`.
    fn run_tile(
        &self,
        crew: Crew,
        source: &PlanarImage,
        row: Span,
        column: Span,
        output: &mut Vec<f32>,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
        let (w, h) = (column.read_end - column.read_start, row.read_end - row.read_start);
        let shape = [1, self.input_channels, h, w];
        let [_, channels, tile_h, tile_w] = if (w, h) == (source.width, source.height) {
            self.compute(crew, shape, &source.data, output)?
        } else {
            let mut input = Vec::with_capacity(self.input_channels * h * w);
            for c in 0..self.input_channels {
                let plane = source.plane(c);
                for y in row.read_start..row.read_end {
                    let start = y * source.width;
                    input.extend_from_slice(&plane[start + column.read_start..start + column.read_end]);
                }
            }
            self.compute(crew, shape, &input, output)?
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

    /// Runs tiles that fade into each other: first the tiles of a row into a band, then the bands into `result`.
    fn run_fading(
        &self,
        crew: Crew,
        source: &PlanarImage,
        fading: &Fading,
        output: &mut Vec<f32>,
        result: &mut PlanarImage,
    ) -> Result<(), EngineError> {
        let (tile_w, tile_h) = fading.tile;
        let at = |n: usize| n * self.scale.0 / self.scale.1;
        let (band_w, band_h) = (at(source.width), at(tile_h));
        let mut band =
            Canvas { width: band_w, height: band_h, data: vec![0.0; self.output_channels * band_w * band_h] };
        let (width, height) = (result.width, result.height);
        let mut canvas = Canvas { width, height, data: std::mem::take(&mut result.data) };
        let mut input = Vec::with_capacity(self.input_channels * tile_w * tile_h);
        for row in &fading.rows {
            for column in &fading.columns {
                input.clear();
                for c in 0..self.input_channels {
                    for line in source.plane(c).chunks_exact(source.width).skip(row.read_start).take(tile_h) {
                        input.extend_from_slice(&line[column.read_start..column.read_start + tile_w]);
                    }
                }
                let shape = [1, self.input_channels, tile_h, tile_w];
                let [_, _, made_h, made_w] = self.compute(crew, shape, &input, output)?;
                let part = Part {
                    data: output,
                    width: made_w,
                    height: made_h,
                    at: [at(column.keep_start - column.read_start), 0],
                    size: [at(column.keep_end - column.keep_start), made_h],
                };
                band.lay(part, [at(column.keep_start), 0], [at(column.fade), 0]);
            }
            // Padding beyond the picture is left out.
            let (y0, y1) = (at(row.keep_start), at(row.keep_end).min(height));
            if y0 >= y1 {
                break;
            }
            let part = Part {
                data: &band.data,
                width: band_w,
                height: band_h,
                at: [0, at(row.keep_start - row.read_start)],
                size: [band_w.min(width), y1 - y0],
            };
            canvas.lay(part, [0, y0], [0, at(row.fade)]);
        }
        result.data = canvas.data;
        Ok(())
    }

    /// The network itself.
    fn compute(
        &self,
        crew: Crew,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], EngineError> {
        Ok(match crew {
            Crew::Together => self.net.run(shape, input, output)?,
            Crew::Alone => self.net.run_alone(shape, input, output)?,
        })
    }

    /// Cuts a picture, padding included. The cut does not depend on the crew, and so the result does not either.
    fn cut(&self, width: usize, height: usize) -> Result<Arc<Cut>, EngineError> {
        let mut latest = lock(&self.latest_cut);
        if let Some(cut) = latest.as_ref().filter(|cut| cut.size == (width, height)) {
            return Ok(Arc::clone(cut));
        }
        let needed = |h, w| Ok(self.net.working_memory_bytes(1, h, w)?);
        let cut = Arc::new(self.cutter.cut(width, height, needed)?);
        *latest = Some(Arc::clone(&cut));
        Ok(cut)
    }
}

/// A panic elsewhere leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many values are NaN or infinite.
fn n_not_finite(values: &[f32]) -> usize {
    // Counted in 32 bits, as wide as the values, a block takes a fraction of the time.
    let in_block = |block: &[f32]| block.iter().map(|v| u32::from(!v.is_finite())).sum::<u32>();
    values.chunks(1 << 16).map(|block| in_block(block) as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_no_numbers_are_counted() {
        let mut values = vec![0.5f32; 100_000];
        assert_eq!(n_not_finite(&values), 0);
        values[3] = f32::NAN;
        values[70_000] = f32::INFINITY;
        values[99_999] = f32::NEG_INFINITY;
        assert_eq!(n_not_finite(&values), 3);
    }
}
