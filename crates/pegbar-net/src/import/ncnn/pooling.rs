//! Pooling and Reduction.

use super::layer::Parameters;
use super::{Blob, Importer};
use crate::import::channels::sum_channels;
use crate::import::error::{OpError, problem};
use crate::import::window::{Border, ceil_tail, explicit_padding};
use crate::{Op, Padding, PoolKind};
use pegbar_formats::ncnn::NcnnLayer;

impl<'a> Importer<'a> {
    pub(super) fn pooling(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let x = self.picture(layer, 0)?;
        let count_pad = layer.integer(6, 0)? != 0;
        let kind = match layer.integer(0, 0)? {
            0 => PoolKind::Max,
            1 => PoolKind::Average { count_pad },
            other => return Err(problem!("its pooling type {other} is unknown")),
        };
        let whole = Op::GlobalPool {
            kind: if kind == PoolKind::Max { kind } else { PoolKind::Average { count_pad: false } },
        };
        if layer.integer(4, 0)? != 0 {
            return self.builder.push(&layer.name, whole, &[x]).map(Blob::Vector);
        }
        if layer.integer(7, 0)? != 0 {
            let width = layer.integer(8, 0)?;
            return match (layer.integer(18, width)?, width) {
                (1, 1) => self.builder.push(&layer.name, whole, &[x]).map(Blob::Picture),
                (h, w) => Err(problem!("pools any picture to {w}x{h}; only 1x1 is supported")),
            };
        }
        let pair = |w: i32, h: i32, default, what: &str| -> Result<[usize; 2], OpError> {
            let width = layer.at_least_one(w, default, what)?;
            Ok([layer.at_least_one(h, width, what)?, width])
        };
        let kernel = pair(1, 11, 0, "kernel size")?;
        let stride = pair(2, 12, 1, "stride")?;
        let left = layer.size(3, 0)?;
        let top = layer.size(13, left)?;
        let given = Padding { top, left, right: layer.size(14, left)?, bottom: layer.size(15, top)? };
        let pad_mode = layer.integer(5, 0)?;
        // The padding of modes 2 and 3 is always part of the mean.
        let kind = match (kind, pad_mode) {
            (PoolKind::Average { .. }, 2 | 3) => PoolKind::Average { count_pad: true },
            (kind, _) => kind,
        };
        let padding = match pad_mode {
            0 => {
                let [bottom, right] = ceil_tail(&mut self.builder, x, given, kernel, stride)?;
                if [bottom, right] != [0, 0] && kind == (PoolKind::Average { count_pad: true }) {
                    return Err(problem!("counts padding and rounds its size up, which do not go together"));
                }
                Padding { bottom: given.bottom + bottom, right: given.right + right, ..given }
            }
            1 => given,
            2 => explicit_padding(&mut self.builder, x, Border::SameUpper, kernel, stride)?,
            3 => explicit_padding(&mut self.builder, x, Border::SameLower, kernel, stride)?,
            other => return Err(problem!("its padding mode {other} is unknown")),
        };
        self.builder.push(&layer.name, Op::Pool { kind, kernel, stride, padding }, &[x]).map(Blob::Picture)
    }

    pub(super) fn reduction(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        const SUM: i64 = 0;
        const MEAN: i64 = 3;
        const MAX: i64 = 4;
        let x = self.picture(layer, 0)?;
        let operation = layer.integer(0, 0)?;
        let coefficient = layer.number(2, 1.0)?;
        let mut axes: Vec<i64> =
            layer.integers(3)?.into_iter().map(|axis| if axis < 0 { axis + 3 } else { axis }).collect();
        axes.sort_unstable();
        if layer.integer(1, 1)? != 0 {
            axes = vec![0, 1, 2];
        }
        let keep = layer.integer(4, 0)? != 0;
        let result = match (operation, &axes[..]) {
            (MEAN, [1, 2]) => Op::GlobalPool { kind: PoolKind::Average { count_pad: false } },
            (MAX, [1, 2]) if coefficient == 1.0 => Op::GlobalPool { kind: PoolKind::Max },
            (MEAN | SUM, [0]) if keep => {
                let n = if operation == MEAN { self.builder.channels(x)?.max(1) } else { 1 };
                return sum_channels(&mut self.builder, &layer.name, x, coefficient / n as f32)
                    .map(Blob::Picture);
            }
            _ => {
                return Err(problem!(
                    "reduces axes {axes:?} with operation {operation}, which is not supported"
                ));
            }
        };
        let pooled = self.builder.push(&layer.name, result, &[x])?;
        let scaled = self.builder.scale_shift(&layer.name, pooled, coefficient, 0.0)?;
        Ok(if keep { Blob::Picture(scaled) } else { Blob::Vector(scaled) })
    }
}
