//! Chains of steps that only move elements, done at once.
//!
//! Exporters write the way from pixels to windows and heads as many reshapes, transposes and slices, and each transpose
//! or slice moves the whole tensor. Together they are one slice, one reshape, one transpose and one reshape more: the axes
//! of what the chain begins with are divided into factors, and all else is an order of these.

use super::array::MAX_RANK;
use super::{Kernel, Step, TensorProgram, ValueId, ValueInfo};
use std::collections::HashMap;

/// The program with such chains shortened; what it computes stays the same bit by bit.
pub(super) fn shortened(program: TensorProgram) -> TensorProgram {
    let TensorProgram { values, steps, input, output } = program;
    let mut writer = Writer { values, old: &steps, steps: vec![], views: HashMap::new() };
    for (index, step) in steps.iter().enumerate() {
        let is_move = match &step.kernel {
            Kernel::Reshape | Kernel::Transpose { .. } => true,
            Kernel::Slice { steps, .. } => steps.iter().all(|&by| by == 1),
            _ => false,
        };
        if is_move && writer.values[step.inputs[0].0 as usize].known.is_none() {
            writer.look(index);
        } else {
            step.inputs.iter().for_each(|&id| writer.make(id));
            writer.steps.push(step.clone());
        }
    }
    writer.make(output);
    let Writer { values, steps, .. } = writer;
    TensorProgram { values, steps, input, output }
}

struct Writer<'a> {
    values: Vec<ValueInfo>,
    old: &'a [Step],
    steps: Vec<Step>,
    /// Values that are not made yet: as what they are seen.
    views: HashMap<ValueId, View>,
}

/// A value as parts of another in another order.
#[derive(Debug, Clone)]
struct View {
    base: ValueId,
    /// For each axis of the base the part that is taken.
    parts: Vec<Part>,
    /// How large each factor is.
    factors: Vec<usize>,
    /// The factors that each axis of the value consists of, outermost first.
    axes: Vec<Vec<usize>>,
    /// The steps that it consists of in the program as it was.
    steps: Vec<usize>,
}

/// A range of an axis, and the factors that it consists of, outermost first.
#[derive(Debug, Clone)]
struct Part {
    start: usize,
    len: usize,
    factors: Vec<usize>,
}

impl Writer<'_> {
    /// Notes what a step that moves elements makes.
    fn look(&mut self, index: usize) {
        let step = &self.old[index];
        let from = step.inputs[0];
        let shape = self.values[step.output.0 as usize].shape.clone();
        let known = self.views.get(&from).and_then(|view| view.clone().then(&step.kernel, &shape));
        let view = known.or_else(|| {
            self.make(from);
            View::of(from, &self.values[from.0 as usize].shape).then(&step.kernel, &shape)
        });
        match view {
            Some(mut view) => {
                view.steps.push(index);
                self.views.insert(step.output, view);
            }
            // Of no elements, for instance.
            None => self.steps.push(step.clone()),
        }
    }

    /// Appends the steps that make a value, where that has not been done.
    fn make(&mut self, id: ValueId) {
        let Some(view) = self.views.remove(&id) else { return };
        let moves = |steps: &[Step]| steps.iter().filter(|step| step.kernel != Kernel::Reshape).count();
        let old: Vec<Step> = view.steps.iter().map(|&index| self.old[index].clone()).collect();
        if moves(&old) > 1 {
            let n_values = self.values.len();
            let new = view.written(&mut self.values, id, &old[old.len() - 1].node);
            if let Some(new) = new.filter(|new| moves(new) < moves(&old)) {
                self.steps.extend(new);
                return;
            }
            self.values.truncate(n_values);
        }
        for step in old {
            // What is between may be made already.
            if step.output == id || self.views.remove(&step.output).is_some() {
                self.steps.push(step);
            }
        }
    }
}

impl View {
    /// A value as itself.
    fn of(base: ValueId, shape: &[usize]) -> Self {
        let part = |(axis, &len): (usize, &usize)| Part { start: 0, len, factors: vec![axis] };
        Self {
            base,
            parts: shape.iter().enumerate().map(part).collect(),
            factors: shape.to_vec(),
            axes: (0..shape.len()).map(|axis| vec![axis]).collect(),
            steps: vec![],
        }
    }

    /// What a step makes of it; `None` where that is no order of factors.
    fn then(mut self, kernel: &Kernel, shape: &[usize]) -> Option<Self> {
        if shape.contains(&0) || self.factors.contains(&0) {
            return None;
        }
        match kernel {
            Kernel::Transpose { permutation } => {
                self.axes = permutation.iter().map(|&axis| self.axes[axis].clone()).collect();
            }
            Kernel::Reshape => self.reshape(shape)?,
            Kernel::Slice { starts, .. } => {
                for (axis, (&start, &len)) in starts.iter().zip(shape).enumerate() {
                    self.slice(axis, start, len)?;
                }
            }
            _ => return None,
        }
        Some(self)
    }

    /// Puts the factors into other axes; those that belong to two are divided.
    fn reshape(&mut self, shape: &[usize]) -> Option<()> {
        let mut left: Vec<usize> = self.axes.concat();
        left.retain(|&factor| self.factors[factor] > 1);
        left.reverse();
        let mut axes = vec![];
        for &wanted in shape {
            let (mut axis, mut len) = (vec![], 1);
            while len < wanted {
                let factor = left.pop()?;
                let n = self.factors[factor];
                if wanted.is_multiple_of(len * n) {
                    axis.push(factor);
                    len *= n;
                    continue;
                }
                let outer = wanted / len;
                if !wanted.is_multiple_of(len) || !n.is_multiple_of(outer) {
                    return None;
                }
                let inner = self.factors.len();
                self.factors[factor] = outer;
                self.factors.push(n / outer);
                for part in &mut self.parts {
                    if let Some(at) = part.factors.iter().position(|&f| f == factor) {
                        part.factors.insert(at + 1, inner);
                    }
                }
                axis.push(factor);
                left.push(inner);
                len = wanted;
            }
            axes.push(axis);
        }
        self.axes = axes;
        left.is_empty().then_some(())
    }

    /// Takes a range of an axis: of its first factor, or within one step of that.
    fn slice(&mut self, axis: usize, mut start: usize, len: usize) -> Option<()> {
        let mut whole: usize = self.axes[axis].iter().map(|&factor| self.factors[factor]).product();
        for factor in self.axes[axis].clone() {
            if len == whole {
                return Some(());
            }
            let inner = whole / self.factors[factor];
            let is_one = start / inner == (start + len - 1) / inner;
            let taken = if is_one { 1 } else { len / inner };
            if !is_one && (!start.is_multiple_of(inner) || !len.is_multiple_of(inner)) {
                return None;
            }
            self.slice_factor(factor, start / inner, taken)?;
            if !is_one {
                return Some(());
            }
            (start, whole) = (start % inner, inner);
        }
        Some(())
    }

    /// Takes a range of a factor, which must be the outermost of its axis of the base that is more than one.
    fn slice_factor(&mut self, factor: usize, start: usize, len: usize) -> Option<()> {
        let part = self.parts.iter_mut().find(|part| part.factors.contains(&factor))?;
        let at = part.factors.iter().position(|&f| f == factor)?;
        if self.factors[factor] == len {
            return Some(());
        }
        if part.factors[..at].iter().any(|&outer| self.factors[outer] > 1) {
            return None;
        }
        let inner: usize = part.factors[at + 1..].iter().map(|&f| self.factors[f]).product();
        part.start += start * inner;
        part.len = len * inner;
        self.factors[factor] = len;
        Some(())
    }

    /// The steps that make the value `to` of the base: a slice, a reshape, a transpose, a reshape, those that are needed.
    /// `None` where it takes too many axes at once.
    fn written(&self, values: &mut Vec<ValueInfo>, to: ValueId, node: &str) -> Option<Vec<Step>> {
        let large = |list: Vec<usize>| -> Vec<usize> {
            list.into_iter().filter(|&factor| self.factors[factor] > 1).collect()
        };
        let from_order = large(self.parts.iter().flat_map(|part| part.factors.clone()).collect());
        let to_order = large(self.axes.concat());
        // Neighbours that stay neighbours are one.
        let mut groups: Vec<Vec<usize>> = vec![];
        for &factor in &to_order {
            let before = from_order.iter().position(|&f| f == factor).and_then(|at| at.checked_sub(1));
            match groups.last_mut() {
                Some(group) if before.is_some_and(|at| group.last() == Some(&from_order[at])) => {
                    group.push(factor);
                }
                _ => groups.push(vec![factor]),
            }
        }
        let place = |group: &[usize]| from_order.iter().position(|f| group.first() == Some(f));
        let mut sorted: Vec<usize> = (0..groups.len()).collect();
        sorted.sort_by_key(|&group| place(&groups[group]));
        if sorted.len() > MAX_RANK {
            return None;
        }
        let size = |group: usize| groups[group].iter().map(|&factor| self.factors[factor]).product::<usize>();
        let permutation: Vec<usize> =
            (0..groups.len()).filter_map(|group| sorted.iter().position(|&other| other == group)).collect();

        let (wanted, kind) = (values[to.0 as usize].shape.clone(), values[to.0 as usize].kind);
        let base_shape = values[self.base.0 as usize].shape.clone();
        let mut steps: Vec<Step> = vec![];
        let mut push = |kernel: Kernel, made: Vec<usize>| {
            let output = ValueId(values.len() as u32);
            values.push(ValueInfo { shape: made, kind, known: None });
            let inputs = vec![steps.last().map_or(self.base, |step: &Step| step.output)];
            steps.push(Step { node: node.to_owned(), kernel, inputs, output });
        };
        let lens: Vec<usize> = self.parts.iter().map(|part| part.len).collect();
        let starts: Vec<usize> = self.parts.iter().map(|part| part.start).collect();
        if lens != base_shape {
            push(Kernel::Slice { steps: vec![1; starts.len()], starts }, lens);
        }
        if permutation.iter().enumerate().any(|(i, &p)| i != p) {
            push(Kernel::Reshape, sorted.iter().map(|&group| size(group)).collect());
            push(Kernel::Transpose { permutation }, (0..groups.len()).map(size).collect());
        }
        push(Kernel::Reshape, wanted);
        // The last one makes no value of its own.
        values.pop();
        steps.last_mut()?.output = to;
        Some(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElementKind;
    use super::*;

    /// A chain of moves of `[1, 24, 8, 12]`, each with the shape that it makes.
    fn chain(moves: &[(Kernel, &[usize])]) -> TensorProgram {
        let info =
            |shape: &[usize]| ValueInfo { shape: shape.to_vec(), kind: ElementKind::Float, known: None };
        let mut values = vec![info(&[1, 24, 8, 12])];
        let mut steps = vec![];
        for (i, (kernel, shape)) in moves.iter().enumerate() {
            values.push(info(shape));
            steps.push(Step {
                node: String::new(),
                kernel: kernel.clone(),
                inputs: vec![ValueId(i as u32)],
                output: ValueId(i as u32 + 1),
            });
        }
        TensorProgram { input: ValueId(0), output: ValueId(moves.len() as u32), values, steps }
    }

    fn transpose(permutation: &[usize]) -> Kernel {
        Kernel::Transpose { permutation: permutation.to_vec() }
    }

    fn slice(starts: &[usize]) -> Kernel {
        Kernel::Slice { starts: starts.to_vec(), steps: vec![1; starts.len()] }
    }

    /// The kernels that are left, which must make the same.
    fn left(program: &TensorProgram) -> Vec<&'static str> {
        let picture: Vec<f32> = (0..24 * 96).map(|i| i as f32).collect();
        let short = shortened(program.clone());
        assert_eq!(short.value(short.output).shape, program.value(program.output).shape);
        let (a, b) = (program.run(picture.clone()).expect("runs"), short.run(picture).expect("runs"));
        assert!(a.as_floats() == b.as_floats() && a.shape() == b.shape(), "{short:?}");
        short.steps.iter().map(|step| step.kernel.name()).collect()
    }

    #[test]
    fn windows_of_planes_that_come_from_pixels_are_moved_once() {
        // To pixels, back to planes, to windows of 4 x 6, to heads of 8 channels.
        let program = chain(&[
            (Kernel::Reshape, &[1, 24, 96]),
            (transpose(&[0, 2, 1]), &[1, 96, 24]),
            (transpose(&[0, 2, 1]), &[1, 24, 96]),
            (Kernel::Reshape, &[1, 24, 2, 4, 2, 6]),
            (transpose(&[0, 2, 4, 3, 5, 1]), &[1, 2, 2, 4, 6, 24]),
            (Kernel::Reshape, &[4, 24, 3, 8]),
            (transpose(&[0, 2, 1, 3]), &[4, 3, 24, 8]),
        ]);
        assert_eq!(left(&program), ["Reshape", "Transpose", "Reshape"]);
    }

    #[test]
    fn slices_become_one_in_front() {
        // The middle third of the channels, its second half, in windows, of those the first row.
        let program = chain(&[
            (Kernel::Reshape, &[3, 8, 96]),
            (transpose(&[0, 2, 1]), &[3, 96, 8]),
            (slice(&[1, 0, 0]), &[1, 96, 8]),
            (Kernel::Reshape, &[96, 8]),
            (slice(&[0, 4]), &[96, 4]),
            (transpose(&[1, 0]), &[4, 96]),
            (Kernel::Reshape, &[4, 2, 4, 2, 6]),
            (transpose(&[1, 3, 2, 4, 0]), &[2, 2, 4, 6, 4]),
            (slice(&[0, 0, 0, 0, 0]), &[1, 2, 4, 6, 4]),
        ]);
        assert_eq!(left(&program), ["Slice", "Reshape", "Transpose", "Reshape"]);
    }

    #[test]
    fn what_is_no_order_of_factors_stays() {
        let program = chain(&[
            (transpose(&[0, 2, 3, 1]), &[1, 8, 12, 24]),
            // Rows of 9 begin anywhere.
            (Kernel::Reshape, &[256, 9]),
            (transpose(&[1, 0]), &[9, 256]),
            (slice(&[2, 3]), &[7, 250]),
        ]);
        assert_eq!(left(&program), ["Transpose", "Reshape", "Transpose", "Slice"]);
        // A single move keeps its steps, which others look for.
        let shuffle = chain(&[
            (Kernel::Reshape, &[1, 6, 2, 2, 8, 12]),
            (transpose(&[0, 1, 4, 2, 5, 3]), &[1, 6, 8, 2, 12, 2]),
            (Kernel::Reshape, &[1, 6, 16, 24]),
        ]);
        assert_eq!(shortened(shuffle.clone()), shuffle);
        // Nothing is left where everything comes back.
        let back = chain(&[
            (transpose(&[0, 2, 3, 1]), &[1, 8, 12, 24]),
            (transpose(&[0, 3, 1, 2]), &[1, 24, 8, 12]),
        ]);
        assert_eq!(left(&back), ["Reshape"]);
    }

    /// Chains of moves at random: a value that several read is looked at from several sides.
    #[test]
    fn any_chain_makes_the_same() {
        let mut state = 7u64;
        let mut below = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..300 {
            let mut shape = vec![1usize, 24, 8, 12];
            let mut moves: Vec<(Kernel, Vec<usize>)> = vec![];
            for _ in 0..2 + below(7) {
                let kernel = match below(3) {
                    0 => {
                        let mut permutation: Vec<usize> = (0..shape.len()).collect();
                        for i in (1..permutation.len()).rev() {
                            permutation.swap(i, below(i + 1));
                        }
                        shape = permutation.iter().map(|&axis| shape[axis]).collect();
                        Kernel::Transpose { permutation }
                    }
                    1 => {
                        let axis = below(shape.len());
                        if axis + 1 < shape.len() && below(2) == 0 {
                            shape[axis] *= shape.remove(axis + 1);
                        } else {
                            let n = shape[axis];
                            let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
                            let outer = divisors[below(divisors.len())];
                            shape[axis] = outer;
                            shape.insert(axis + 1, n / outer);
                        }
                        Kernel::Reshape
                    }
                    _ => {
                        let axis = below(shape.len());
                        let mut starts = vec![0; shape.len()];
                        let n = shape[axis];
                        let divisors: Vec<usize> = (1..=n).filter(|d| n.is_multiple_of(*d)).collect();
                        let len = divisors[below(divisors.len())];
                        starts[axis] = below(n / len) * len;
                        shape[axis] = len;
                        slice(&starts)
                    }
                };
                moves.push((kernel, shape.clone()));
            }
            let listed: Vec<(Kernel, &[usize])> =
                moves.iter().map(|(kernel, shape)| (kernel.clone(), &shape[..])).collect();
            left(&chain(&listed));
        }
    }
}
