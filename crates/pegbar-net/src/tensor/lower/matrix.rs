//! Matrix products.

use super::super::attributes::Call;
use super::super::program::ValueId;
use super::super::{Array, Binary, ElementKind, Kernel, Reduction};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Float;

type Made = Result<Vec<ValueId>, OpError>;

pub(super) fn mat_mul(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    Ok(vec![product(l, call.input(0)?, call.input(1)?)?])
}

/// A product of values whose last two dimensions, or all before the last, change places, times a number.
pub(super) fn fused_mat_mul(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let mut operands = [call.input(0)?, call.input(1)?];
    for (operand, [batch, last]) in
        operands.iter_mut().zip([["transBatchA", "transA"], ["transBatchB", "transB"]])
    {
        let rank = l.rank(*operand);
        let mut order: Vec<usize> = (0..rank).collect();
        if rank >= 3 && call.flag(batch, false)? {
            order[..rank - 1].rotate_left(1);
        }
        if rank >= 2 && call.flag(last, false)? {
            order.swap(rank - 2, rank - 1);
        }
        *operand = l.transpose(*operand, &order)?;
    }
    let made = product(l, operands[0], operands[1])?;
    Ok(vec![scaled(l, made, call.float("alpha", 1.0)?)?])
}

/// NumPy's `matmul`.
fn product(l: &mut Lowering<'_>, mut a: ValueId, mut b: ValueId) -> Result<ValueId, OpError> {
    l.expect_kind(a, Float)?;
    l.expect_kind(b, Float)?;
    let (is_row, is_column) = (l.rank(a) == 1, l.rank(b) == 1);
    if is_row {
        let shape = vec![1, l.shape(a)[0]];
        a = l.reshape(a, shape)?;
    }
    if is_column {
        let shape = vec![l.shape(b)[0], 1];
        b = l.reshape(b, shape)?;
    }
    let (left, right) = (l.shape(a).to_vec(), l.shape(b).to_vec());
    let (&[ref outer_a @ .., m, k], &[ref outer_b @ .., k2, n]) = (&left[..], &right[..]) else {
        return Err(problem!("multiplies {left:?} by {right:?}"));
    };
    let outer = super::broadcast_shapes(outer_a, outer_b).filter(|_| k == k2);
    let mut shape = outer.ok_or_else(|| problem!("multiplies {left:?} by {right:?}"))?;
    shape.extend([m, n]);
    let mut kept = shape.clone();
    let mut made = l.emit(Kernel::MatMul, &[a, b], shape, Float)?;
    if is_column {
        kept.pop();
    }
    if is_row {
        kept.remove(kept.len() - if is_column { 1 } else { 2 });
    }
    if kept.len() != l.rank(made) {
        made = l.reshape(made, kept)?;
    }
    Ok(made)
}

fn scaled(l: &mut Lowering<'_>, x: ValueId, factor: f32) -> Result<ValueId, OpError> {
    if factor == 1.0 {
        return Ok(x);
    }
    let factor = l.constant(Array::floats(vec![], vec![factor]));
    l.binary(Binary::Mul, x, factor)
}

pub(super) fn gemm(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (mut a, mut b) = (call.input(0)?, call.input(1)?);
    if l.rank(a) != 2 || l.rank(b) != 2 {
        return Err(problem!("multiplies {:?} by {:?}; matrices are needed", l.shape(a), l.shape(b)));
    }
    if call.flag("transA", false)? {
        a = l.transpose(a, &[1, 0])?;
    }
    if call.flag("transB", false)? {
        b = l.transpose(b, &[1, 0])?;
    }
    let made = product(l, a, b)?;
    let mut made = scaled(l, made, call.float("alpha", 1.0)?)?;
    if let Some(c) = call.optional(2) {
        let shape = l.shape(made).to_vec();
        let c = scaled(l, c, call.float("beta", 1.0)?)?;
        made = l.binary(Binary::Add, made, c)?;
        if l.shape(made) != shape {
            return Err(problem!("adds {:?} to {shape:?}", l.shape(c)));
        }
    }
    Ok(vec![made])
}

/// One operand after the other is multiplied into the result; an index that nothing behind needs is summed over.
pub(super) fn einsum(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let equation: String = call.string("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let operands = call.all_inputs()?;
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs.to_owned(), output.to_owned()),
        None => {
            // What is there once, in order of the alphabet.
            let letters: Vec<char> = equation.chars().filter(|c| c.is_ascii_alphabetic()).collect();
            let mut once: Vec<char> =
                letters.iter().copied().filter(|c| letters.iter().filter(|o| *o == c).count() == 1).collect();
            once.sort_unstable();
            (equation.clone(), once.into_iter().collect())
        }
    };
    let terms: Vec<Vec<char>> = inputs.split(',').map(|term| term.chars().collect()).collect();
    let output: Vec<char> = output.chars().collect();
    let repeats = |term: &Vec<char>| (1..term.len()).any(|i| term[..i].contains(&term[i]));
    if terms.len() != operands.len() || terms.iter().chain([&output]).any(repeats) || equation.contains('.') {
        return Err(problem!(
            "its equation {equation:?} has an ellipsis or a diagonal, or does not fit its inputs"
        ));
    }
    let mut size = std::collections::HashMap::new();
    for (term, &id) in terms.iter().zip(&operands) {
        if term.len() != l.rank(id) {
            return Err(problem!(
                "its equation {equation:?} does not fit a value of shape {:?}",
                l.shape(id)
            ));
        }
        for (&letter, &n) in term.iter().zip(l.shape(id)) {
            if *size.entry(letter).or_insert(n) != n {
                return Err(problem!("its index {letter} is both {} and {n} long", size[&letter]));
            }
        }
    }
    let mut done = (operands[0], terms[0].clone());
    for i in 1..operands.len() {
        let wanted: Vec<char> = terms[i + 1..].iter().flatten().chain(&output).copied().collect();
        let next =
            sum_out(l, (operands[i], terms[i].clone()), |c| wanted.contains(&c) || done.1.contains(&c))?;
        done = sum_out(l, done, |c| wanted.contains(&c) || next.1.contains(&c))?;
        done = multiply(l, done, next, &wanted, &size)?;
    }
    let (id, term) = sum_out(l, done, |c| output.contains(&c))?;
    let places: Option<Vec<usize>> =
        output.iter().map(|c| term.iter().position(|other| other == c)).collect();
    let places = places.ok_or_else(|| problem!("its equation {equation:?} makes an index of nothing"))?;
    Ok(vec![l.transpose(id, &places)?])
}

type Term = (ValueId, Vec<char>);

/// Sums over the indices that are not kept.
fn sum_out(l: &mut Lowering<'_>, (id, term): Term, keep: impl Fn(char) -> bool) -> Result<Term, OpError> {
    let axes: Vec<usize> = (0..term.len()).filter(|&i| !keep(term[i])).collect();
    if axes.is_empty() {
        return Ok((id, term));
    }
    let kept: Vec<usize> = (0..term.len()).filter(|i| !axes.contains(i)).collect();
    let shape: Vec<usize> = kept.iter().map(|&i| l.shape(id)[i]).collect();
    let summed = super::reduction::reduce(l, id, Reduction::Sum, axes)?;
    Ok((l.reshape(summed, shape)?, kept.into_iter().map(|i| term[i]).collect()))
}

/// The product over indices that only both have.
fn multiply(
    l: &mut Lowering<'_>,
    (a, left): Term,
    (b, right): Term,
    wanted: &[char],
    size: &std::collections::HashMap<char, usize>,
) -> Result<Term, OpError> {
    let both = |c: &char| left.contains(c) && right.contains(c);
    let batch: Vec<char> = left.iter().copied().filter(|c| both(c) && wanted.contains(c)).collect();
    let inner: Vec<char> = left.iter().copied().filter(|c| both(c) && !wanted.contains(c)).collect();
    let rows: Vec<char> = left.iter().copied().filter(|c| !both(c)).collect();
    let columns: Vec<char> = right.iter().copied().filter(|c| !both(c)).collect();
    let n = |letters: &[char]| letters.iter().map(|c| size[c]).product::<usize>();
    let arranged = |l: &mut Lowering<'_>, id, term: &[char], order: [&[char]; 3]| {
        let places: Vec<usize> =
            order.concat().iter().filter_map(|c| term.iter().position(|other| other == c)).collect();
        let moved = l.transpose(id, &places)?;
        l.reshape(moved, order.iter().map(|part| n(part)).collect())
    };
    let a = arranged(l, a, &left, [&batch, &rows, &inner])?;
    let b = arranged(l, b, &right, [&batch, &inner, &columns])?;
    let made = product(l, a, b)?;
    let term = [batch, rows, columns].concat();
    let shape = term.iter().map(|c| size[c]).collect();
    Ok((l.reshape(made, shape)?, term))
}
