//! Operations that exporters write as several: seen as one they take a fraction of the time.

use super::{Array, Binary, ElementKind, Kernel, Reduction, Step, TensorProgram, Unary, ValueId, ValueInfo};
use crate::UnaryOp;
use std::collections::HashMap;

/// The program with known patterns joined: GELU and SiLU that are written out, layer normalisation that is, biases of
/// matrix products.
pub(super) fn joined(program: TensorProgram) -> TensorProgram {
    let mut joiner = Joiner::new(program);
    // Normalisations first: they consist of what other patterns would take.
    for find in [Joiner::normalize, Joiner::gelu, Joiner::silu, Joiner::bias, Joiner::affine_norm] {
        for index in 0..joiner.program.steps.len() {
            if joiner.is_alive[index]
                && let Some(found) = find(&joiner, index)
            {
                joiner.replace(index, found);
            }
        }
    }
    joiner.finish()
}

/// What takes the place of the step that ends a pattern, and the steps that only the pattern needed.
struct Found {
    kernel: Kernel,
    inputs: Vec<ValueId>,
    inner: Vec<usize>,
    /// Known values to add, each as its place in the inputs and the value.
    known: Vec<(usize, Array)>,
}

struct Joiner {
    program: TensorProgram,
    /// The step that makes a value.
    makers: HashMap<ValueId, usize>,
    readers: HashMap<ValueId, Vec<usize>>,
    is_alive: Vec<bool>,
}

impl Joiner {
    fn new(program: TensorProgram) -> Self {
        let makers = program.steps.iter().enumerate().map(|(i, step)| (step.output, i)).collect();
        let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
        for (i, step) in program.steps.iter().enumerate() {
            for &id in &step.inputs {
                readers.entry(id).or_default().push(i);
            }
        }
        let is_alive = vec![true; program.steps.len()];
        Self { program, makers, readers, is_alive }
    }

    fn replace(&mut self, index: usize, found: Found) {
        let Found { kernel, mut inputs, inner, known } = found;
        for (place, array) in known {
            let id = ValueId(self.program.values.len() as u32);
            let info = ValueInfo { shape: array.shape().to_vec(), kind: array.kind(), known: Some(array) };
            self.program.values.push(info);
            inputs.insert(place, id);
        }
        for i in inner.iter().copied().chain([index]) {
            for id in self.program.steps[i].inputs.clone() {
                if let Some(list) = self.readers.get_mut(&id) {
                    list.retain(|&reader| reader != i);
                }
            }
        }
        for i in inner {
            self.is_alive[i] = false;
        }
        for &id in &inputs {
            self.readers.entry(id).or_default().push(index);
        }
        let step = &mut self.program.steps[index];
        (step.kernel, step.inputs) = (kernel, inputs);
    }

    fn finish(mut self) -> TensorProgram {
        let mut alive = self.is_alive.into_iter();
        self.program.steps.retain(|_| alive.next().unwrap_or(true));
        self.program
    }

    fn step(&self, index: usize) -> &Step {
        &self.program.steps[index]
    }

    fn shape(&self, id: ValueId) -> &[usize] {
        &self.program.value(id).shape
    }

    /// The step that makes a value which these steps alone read.
    fn inner(&self, id: ValueId, readers: usize) -> Option<usize> {
        let index = *self.makers.get(&id)?;
        let read = self.readers.get(&id).map_or(0, Vec::len);
        (read == readers && id != self.program.output && self.is_alive[index]).then_some(index)
    }

    /// The one number that a known value holds.
    fn number(&self, id: ValueId) -> Option<f32> {
        let array = self.program.value(id).known.as_ref()?.as_floats()?;
        if let &[value] = array { Some(value) } else { None }
    }

    /// The inputs of a step that is this function of two values.
    fn binary(&self, index: usize, op: Binary) -> Option<[ValueId; 2]> {
        let step = self.step(index);
        (step.kernel == Kernel::Binary(op)).then(|| [step.inputs[0], step.inputs[1]])
    }

    /// The value that a step multiplies by a number, or divides by one, and the factor.
    fn scaled(&self, index: usize) -> Option<(ValueId, f32)> {
        if let Some([a, b]) = self.binary(index, Binary::Mul) {
            return match (self.number(a), self.number(b)) {
                (_, Some(factor)) => Some((a, factor)),
                (Some(factor), None) => Some((b, factor)),
                _ => None,
            };
        }
        let [a, b] = self.binary(index, Binary::Div)?;
        Some((a, 1.0 / self.number(b)?))
    }

    /// `x * (1 + erf(x / sqrt 2)) / 2` in any order of its factors.
    fn gelu(&self, index: usize) -> Option<Found> {
        // The gate, `1 + erf(x / sqrt 2)`, as the steps that make it and x.
        let gate = |id: ValueId| {
            let add = self.inner(id, 1)?;
            let [a, b] = self.binary(add, Binary::Add)?;
            let erf = match (self.number(a), self.number(b)) {
                (_, Some(1.0)) => a,
                (Some(1.0), _) => b,
                _ => return None,
            };
            let erf = self.inner(erf, 1)?;
            if self.step(erf).kernel != Kernel::Unary(Unary::Erf) {
                return None;
            }
            let divided = self.inner(self.step(erf).inputs[0], 1)?;
            let (x, factor) = self.scaled(divided)?;
            let is_root = (factor - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-5;
            is_root.then(|| (x, vec![add, erf, divided]))
        };
        let half = |id: ValueId| {
            let index = self.inner(id, 1)?;
            let (x, factor) = self.scaled(index)?;
            (factor == 0.5).then_some((x, index))
        };
        let found = |x: ValueId, inner: Vec<usize>| {
            let same = self.shape(x) == self.shape(self.step(index).output);
            let kernel = Kernel::Unary(Unary::Shared(UnaryOp::Gelu));
            same.then(|| Found { kernel, inputs: vec![x], inner, known: vec![] })
        };
        // (x * gate) / 2
        if let Some((product, 0.5)) = self.scaled(index) {
            let product = self.inner(product, 1)?;
            let [a, b] = self.binary(product, Binary::Mul)?;
            for [x, other] in [[a, b], [b, a]] {
                if let Some((from, mut inner)) = gate(other)
                    && from == x
                {
                    inner.push(product);
                    return found(x, inner);
                }
            }
            return None;
        }
        let [a, b] = self.binary(index, Binary::Mul)?;
        for [x, other] in [[a, b], [b, a]] {
            // (x / 2) * gate
            if let (Some((from, mut inner)), Some((half_of, halved))) = (gate(other), half(x))
                && from == half_of
            {
                inner.push(halved);
                return found(from, inner);
            }
            // x * (gate / 2)
            if let Some((gated, halved)) = half(other)
                && let Some((from, mut inner)) = gate(gated)
                && from == x
            {
                inner.push(halved);
                return found(x, inner);
            }
        }
        None
    }

    /// `x * sigmoid(x)`.
    fn silu(&self, index: usize) -> Option<Found> {
        let [a, b] = self.binary(index, Binary::Mul)?;
        for [x, other] in [[a, b], [b, a]] {
            if let Some(sigmoid) = self.inner(other, 1)
                && self.step(sigmoid).kernel == Kernel::Unary(Unary::Shared(UnaryOp::Sigmoid))
                && self.step(sigmoid).inputs[0] == x
            {
                let kernel = Kernel::Unary(Unary::Shared(UnaryOp::Silu));
                return Some(Found { kernel, inputs: vec![x], inner: vec![sigmoid], known: vec![] });
            }
        }
        None
    }

    /// `(x - mean) / sqrt(variance + eps)` over the last dimensions.
    fn normalize(&self, index: usize) -> Option<Found> {
        let [moved, deviation] = self.binary(index, Binary::Div)?;
        let root = self.inner(deviation, 1)?;
        if self.step(root).kernel != Kernel::Unary(Unary::Shared(UnaryOp::Sqrt)) {
            return None;
        }
        let add = self.inner(self.step(root).inputs[0], 1)?;
        let [a, b] = self.binary(add, Binary::Add)?;
        let (variance, eps) = match (self.number(a), self.number(b)) {
            (_, Some(eps)) => (a, eps),
            (Some(eps), _) => (b, eps),
            _ => return None,
        };
        let mean_of = |index: usize| match &self.step(index).kernel {
            Kernel::Reduce { function: Reduction::Mean, axes } => Some(axes.clone()),
            _ => None,
        };
        let averaged = self.inner(variance, 1)?;
        let axes = mean_of(averaged)?;
        let squared = self.inner(self.step(averaged).inputs[0], 1)?;
        let is_square = self.step(squared).kernel == Kernel::Unary(Unary::Shared(UnaryOp::Square));
        if !is_square || self.step(squared).inputs[0] != moved {
            return None;
        }
        let subtract = self.inner(moved, 2)?;
        let [x, mean] = self.binary(subtract, Binary::Sub)?;
        let mean = self.inner(mean, 1)?;
        let shape = self.shape(x);
        let first = *axes.first()?;
        let is_last = axes.iter().copied().eq(first..shape.len());
        if mean_of(mean)? != axes || self.step(mean).inputs[0] != x || !is_last {
            return None;
        }
        let kernel = Kernel::Normalize { axis: first, eps, center: true };
        let inner = vec![root, add, averaged, squared, subtract, mean];
        Some(Found { kernel, inputs: vec![x], inner, known: vec![] })
    }

    /// The known value of the last dimensions `shape`, if it is one.
    fn of_last(&self, id: ValueId, shape: &[usize]) -> Option<Array> {
        let array = self.program.value(id).known.as_ref()?;
        let own = array.shape();
        let (outer, last) = own.split_at(own.len().checked_sub(shape.len())?);
        let fits = last == shape && outer.iter().all(|&n| n == 1) && array.kind() == ElementKind::Float;
        fits.then(|| array.reshaped(shape.to_vec()))
    }

    /// Factors and summands behind a normalisation that has none.
    fn affine_norm(&self, index: usize) -> Option<Found> {
        let is_mul = self.step(index).kernel == Kernel::Binary(Binary::Mul);
        let op = if is_mul { Binary::Mul } else { Binary::Add };
        let [a, b] = self.binary(index, op)?;
        for [normal, other] in [[a, b], [b, a]] {
            let Some(norm) = self.inner(normal, 1) else { continue };
            let Kernel::Normalize { axis, .. } = self.step(norm).kernel else { continue };
            // Summands come behind factors.
            if self.step(norm).inputs.len() != if is_mul { 1 } else { 2 } {
                continue;
            }
            let Some(array) = self.of_last(other, &self.shape(normal)[axis..]) else { continue };
            let step = self.step(norm);
            let known = vec![(step.inputs.len(), array)];
            return Some(Found {
                kernel: step.kernel.clone(),
                inputs: step.inputs.clone(),
                inner: vec![norm],
                known,
            });
        }
        None
    }

    /// A bias behind a matrix product.
    fn bias(&self, index: usize) -> Option<Found> {
        let [a, b] = self.binary(index, Binary::Add)?;
        for [product, other] in [[a, b], [b, a]] {
            let Some(maker) = self.inner(product, 1) else { continue };
            let step = self.step(maker);
            if step.kernel != Kernel::MatMul || step.inputs.len() != 2 {
                continue;
            }
            let Some(n) = self.shape(product).last() else { continue };
            if self.shape(product) != self.shape(self.step(index).output) {
                continue;
            }
            let Some(array) = self.of_last(other, &[*n]) else { continue };
            let (kernel, inputs) = (step.kernel.clone(), step.inputs.clone());
            return Some(Found { kernel, inputs, inner: vec![maker], known: vec![(2, array)] });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of steps on one picture of `[1, 2, 4, 4]`.
    fn program(steps: &[(Kernel, &[u32])], known: Vec<Array>) -> TensorProgram {
        let picture = vec![1, 2, 4, 4];
        let made = ValueInfo { shape: picture.clone(), kind: ElementKind::Float, known: None };
        let mut values = vec![made.clone()];
        values.extend(known.into_iter().map(|array| ValueInfo {
            shape: array.shape().to_vec(),
            kind: array.kind(),
            known: Some(array),
        }));
        let mut list = vec![];
        for (kernel, inputs) in steps {
            let output = ValueId(values.len() as u32);
            let mut info = made.clone();
            if let Kernel::Reduce { axes, .. } = kernel {
                axes.iter().for_each(|&axis| info.shape[axis] = 1);
            } else if inputs.iter().all(|&i| values[i as usize].shape[..] != picture) {
                info.shape = values[inputs[0] as usize].shape.clone();
            }
            values.push(info);
            let inputs = inputs.iter().map(|&i| ValueId(i)).collect();
            list.push(Step { node: String::new(), kernel: kernel.clone(), inputs, output });
        }
        let output = list.last().expect("a step").output;
        TensorProgram { values, steps: list, input: ValueId(0), output }
    }

    /// Joins a program and checks that it still computes the same.
    fn kernels(program: &TensorProgram) -> Vec<&'static str> {
        let picture: Vec<f32> = (0..32).map(|i| (i * 7 % 32) as f32 / 8.0 - 2.0).collect();
        let joined = joined(program.clone());
        let (a, b) = (program.run(picture.clone()).expect("runs"), joined.run(picture).expect("runs"));
        let (a, b) = (a.as_floats().expect("floats"), b.as_floats().expect("floats"));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
        joined.steps.iter().map(|step| step.kernel.name()).collect()
    }

    fn number(v: f32) -> Array {
        Array::floats(vec![], vec![v])
    }

    #[test]
    fn gelu_is_seen_in_every_order() {
        let binary = Kernel::Binary;
        let erf = Kernel::Unary(Unary::Erf);
        let known = || vec![number(2f32.sqrt()), number(1.0), number(0.5)];
        let orders: [[(Kernel, &[u32]); 5]; 3] = [
            [
                (binary(Binary::Div), &[0, 1]),
                (erf.clone(), &[4]),
                (binary(Binary::Add), &[5, 2]),
                (binary(Binary::Mul), &[0, 6]),
                (binary(Binary::Mul), &[7, 3]),
            ],
            [
                (binary(Binary::Mul), &[0, 3]),
                (binary(Binary::Div), &[0, 1]),
                (erf.clone(), &[5]),
                (binary(Binary::Add), &[6, 2]),
                (binary(Binary::Mul), &[4, 7]),
            ],
            [
                (binary(Binary::Div), &[0, 1]),
                (erf, &[4]),
                (binary(Binary::Add), &[2, 5]),
                (binary(Binary::Mul), &[6, 3]),
                (binary(Binary::Mul), &[0, 7]),
            ],
        ];
        for steps in orders {
            assert_eq!(kernels(&program(&steps, known())), ["Gelu"]);
        }
        // What something else reads as well stays.
        let steps: [(Kernel, &[u32]); 6] = [
            (binary(Binary::Div), &[0, 1]),
            (Kernel::Unary(Unary::Erf), &[4]),
            (binary(Binary::Add), &[5, 2]),
            (binary(Binary::Mul), &[0, 6]),
            (binary(Binary::Mul), &[7, 3]),
            (binary(Binary::Add), &[8, 5]),
        ];
        assert_eq!(kernels(&program(&steps, known())).len(), 6);
    }

    #[test]
    fn normalisation_is_seen_with_factors_and_summands() {
        let mean = Kernel::Reduce { function: Reduction::Mean, axes: vec![3] };
        let known = vec![
            number(1e-5),
            Array::floats(vec![4], vec![1.0, 2.0, -1.0, 0.5]),
            Array::floats(vec![1, 4], vec![0.1, 0.2, 0.3, 0.4]),
        ];
        let steps: [(Kernel, &[u32]); 9] = [
            (mean.clone(), &[0]),
            (Kernel::Binary(Binary::Sub), &[0, 4]),
            (Kernel::Unary(Unary::Shared(UnaryOp::Square)), &[5]),
            (mean, &[6]),
            (Kernel::Binary(Binary::Add), &[7, 1]),
            (Kernel::Unary(Unary::Shared(UnaryOp::Sqrt)), &[8]),
            (Kernel::Binary(Binary::Div), &[5, 9]),
            (Kernel::Binary(Binary::Mul), &[10, 2]),
            (Kernel::Binary(Binary::Add), &[11, 3]),
        ];
        assert_eq!(kernels(&program(&steps, known)), ["Normalize"]);
    }

    #[test]
    fn biases_become_part_of_products() {
        let known = vec![
            Array::floats(vec![4, 4], (0..16).map(|i| i as f32 / 8.0).collect()),
            Array::floats(vec![4], vec![1.0, 2.0, 3.0, 4.0]),
        ];
        let steps: [(Kernel, &[u32]); 2] =
            [(Kernel::MatMul, &[0, 1]), (Kernel::Binary(Binary::Add), &[2, 3])];
        assert_eq!(kernels(&program(&steps, known)), ["MatMul"]);
        let sigmoid = Kernel::Unary(Unary::Shared(UnaryOp::Sigmoid));
        let steps: [(Kernel, &[u32]); 2] = [(sigmoid, &[0]), (Kernel::Binary(Binary::Mul), &[0, 1])];
        assert_eq!(kernels(&program(&steps, vec![])), ["Silu"]);
    }
}
