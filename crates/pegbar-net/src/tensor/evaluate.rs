//! What kernels compute, in plain loops. Sums are accumulated in `f64` and rounded once.

mod elementwise;
mod index;
mod layout;
mod reduction;
mod spatial;

use super::{Array, ArrayData, Kernel};

/// Why a kernel cannot be computed: an index that leaves its axis, or inputs of the wrong kind. A sentence.
type Problem = String;

/// Computes a kernel. `shape` is that of the result.
///
/// # Errors
/// A sentence, when an index leaves its axis or inputs do not fit the kernel.
pub fn evaluate(kernel: &Kernel, inputs: &[&Array], shape: &[usize]) -> Result<Array, Problem> {
    let input = |index: usize| {
        inputs.get(index).copied().ok_or_else(|| format!("{} lacks its input {}", kernel.name(), index + 1))
    };
    let x = input(0)?;
    let floats = |array: &Array| -> Result<std::sync::Arc<Vec<f32>>, Problem> {
        match array.data() {
            ArrayData::Float(values) => Ok(values.clone()),
            _ => Err(format!("{} works on floating-point numbers", kernel.name())),
        }
    };
    let made = match kernel {
        Kernel::Reshape => return Ok(x.reshaped(shape.to_vec())),
        Kernel::Unary(op) => floats(x)?.iter().map(|&v| op.apply(v)).collect(),
        Kernel::NegInt
        | Kernel::AbsInt
        | Kernel::SignInt
        | Kernel::IsNan
        | Kernel::IsInf { .. }
        | Kernel::Not => {
            return elementwise::test(kernel, x);
        }
        Kernel::Binary(op) => return elementwise::binary(*op, x, input(1)?, shape),
        Kernel::Compare(op) => return elementwise::compare(*op, x, input(1)?, shape),
        Kernel::Where => return elementwise::where_(x, input(1)?, input(2)?, shape),
        Kernel::ToFloat => x.to_floats(),
        Kernel::ToInt { bits, signed } => return Ok(elementwise::to_int(x, *bits, *signed)),
        Kernel::ToBool => {
            return Ok(Array::bools(shape.to_vec(), x.to_floats().iter().map(|&v| v != 0.0).collect()));
        }
        Kernel::MatMul => {
            let bias = inputs.get(2).map(|bias| floats(bias)).transpose()?;
            let b = input(1)?;
            reduction::mat_mul(
                &floats(x)?,
                x.shape(),
                &floats(b)?,
                b.shape(),
                bias.as_ref().map(|b| &b[..]),
                shape,
            )
        }
        Kernel::Conv(window) | Kernel::ConvTranspose(window) => {
            let bias = inputs.get(2).map(|bias| floats(bias)).transpose()?;
            let taps = input(1)?;
            let (x_data, taps_data) = (floats(x)?, floats(taps)?);
            let bias = bias.as_ref().map(|b| &b[..]);
            if matches!(kernel, Kernel::Conv(_)) {
                spatial::conv((&x_data, x.shape()), (&taps_data, taps.shape()), bias, window, shape)
            } else {
                spatial::conv_transpose((&x_data, x.shape()), (&taps_data, taps.shape()), bias, window, shape)
            }
        }
        Kernel::Pool { function, size, window } => {
            spatial::pool(&floats(x)?, x.shape(), *function, size, window, shape)
        }
        Kernel::Softmax { axis, log } => reduction::softmax(&floats(x)?, shape, *axis, *log),
        Kernel::Normalize { axis, eps, center } => {
            let factors = inputs.get(1).map(|a| floats(a)).transpose()?;
            let summands = inputs.get(2).map(|a| floats(a)).transpose()?;
            let (factors, summands) = (factors.as_ref().map(|f| &f[..]), summands.as_ref().map(|s| &s[..]));
            reduction::normalize(&floats(x)?, shape, *axis, *eps, *center, factors, summands)
        }
        Kernel::Reduce { function, axes } => return reduction::reduce(*function, x, axes, shape),
        Kernel::ArgExtreme { axis, largest, last } => {
            return Ok(reduction::arg_extreme(&x.to_floats(), x.shape(), *axis, *largest, *last, shape));
        }
        Kernel::CumSum { axis, exclusive, reverse } => {
            return Ok(reduction::cum_sum(x, *axis, *exclusive, *reverse));
        }
        Kernel::TopK { axis, largest, places } => {
            return Ok(reduction::top_k(x, *axis, *largest, *places, shape));
        }
        Kernel::GridSample { order, beyond, align_corners } => {
            let at = input(1)?;
            spatial::grid_sample(&floats(x)?, x.shape(), &floats(at)?, *order, *beyond, *align_corners, shape)
        }
        Kernel::Resample { axis, taps } => spatial::resample(&floats(x)?, x.shape(), *axis, taps, shape),
        Kernel::Dft { axis, inverse } => spatial::dft(&floats(x)?, x.shape(), *axis, *inverse, shape),
        _ => return by_places(kernel, inputs, shape),
    };
    Ok(Array::floats(shape.to_vec(), made))
}

/// Kernels that only move elements, whatever these are.
fn by_places(kernel: &Kernel, inputs: &[&Array], shape: &[usize]) -> Result<Array, Problem> {
    let is_kind = |other: &&Array| other.kind() == inputs[0].kind();
    macro_rules! of_kind {
        ($as:ident, $make:ident) => {{
            let lists: Option<Vec<_>> = inputs.iter().take_while(|i| is_kind(i)).map(|i| i.$as()).collect();
            let lists = lists.unwrap_or_default();
            Ok(Array::$make(shape.to_vec(), layout::moved(kernel, inputs, &lists, shape)?))
        }};
    }
    if let Kernel::OneHot { axis } = kernel {
        let Some(values) = inputs.get(1) else { return Err("OneHot lacks its values".into()) };
        let places = inputs[0].as_ints().ok_or("OneHot needs integers")?;
        return Ok(match values.data() {
            ArrayData::Float(v) => Array::floats(shape.to_vec(), index::one_hot(places, *axis, v, shape)),
            ArrayData::Int(v) => Array::ints(shape.to_vec(), index::one_hot(places, *axis, v, shape)),
            ArrayData::Bool(v) => Array::bools(shape.to_vec(), index::one_hot(places, *axis, v, shape)),
        });
    }
    if matches!(kernel, Kernel::ScatterElements { .. } | Kernel::ScatterNd { .. }) {
        let [x, places, updates] = inputs else { return Err("a scatter needs three inputs".into()) };
        let places = (places.as_ints().ok_or("a scatter needs integers")?, places.shape());
        return match (x.data(), updates.data()) {
            (ArrayData::Float(x), ArrayData::Float(u)) => {
                Ok(Array::floats(shape.to_vec(), index::scatter(kernel, x, places, u, shape)?))
            }
            (ArrayData::Int(x), ArrayData::Int(u)) => {
                Ok(Array::ints(shape.to_vec(), index::scatter(kernel, x, places, u, shape)?))
            }
            (ArrayData::Bool(x), ArrayData::Bool(u)) => {
                Ok(Array::bools(shape.to_vec(), index::scatter(kernel, x, places, u, shape)?))
            }
            _ => Err("a scatter of another kind of elements".into()),
        };
    }
    match inputs[0].data() {
        ArrayData::Float(_) => of_kind!(as_floats, floats),
        ArrayData::Int(_) => of_kind!(as_ints, ints),
        ArrayData::Bool(_) => of_kind!(as_bools, bools),
    }
}
