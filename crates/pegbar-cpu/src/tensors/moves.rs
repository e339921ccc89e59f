//! Copies that change the order of elements.
#![allow(unsafe_code, reason = "reads and writes at computed addresses")]

/// A copy to a row-major tensor from one that is walked by strides; dimensions that can be are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    /// First element read.
    start: usize,
    dims: Vec<usize>,
    strides: Vec<usize>,
    /// One past the last element read.
    reach: usize,
    /// The dimension whose elements are neighbours in the source, where it is not the last one.
    neighbours: Option<usize>,
}

impl Move {
    pub(crate) fn new(start: usize, shape: &[usize], strides: &[usize]) -> Self {
        let (mut dims, mut joined): (Vec<usize>, Vec<usize>) = (vec![], vec![]);
        for (&n, &stride) in shape.iter().zip(strides) {
            if n == 1 {
                continue;
            }
            match (dims.last_mut(), joined.last_mut()) {
                (Some(dim), Some(last)) if *last == stride * n => {
                    *dim *= n;
                    *last = stride;
                }
                _ => {
                    dims.push(n);
                    joined.push(stride);
                }
            }
        }
        if dims.is_empty() {
            (dims, joined) = (vec![1], vec![1]);
        }
        let reach = if dims.contains(&0) {
            start
        } else {
            start + 1 + dims.iter().zip(&joined).map(|(n, stride)| (n - 1) * stride).sum::<usize>()
        };
        let last = dims.len() - 1;
        let neighbours =
            if joined[last] == 1 { None } else { (0..last).find(|&d| joined[d] == 1 && dims[d] >= 4) };
        Self { start, dims, strides: joined, reach, neighbours }
    }

    /// Whether nothing changes its place.
    pub(crate) fn is_plain(&self) -> bool {
        self.dims.len() == 1 && self.strides[0] == 1 && self.start == 0
    }

    /// Copies; `to` has exactly as many elements as are moved.
    pub(crate) fn run(&self, from: &[f32], to: &mut [f32]) {
        assert!(self.reach <= from.len() && to.len() == self.dims.iter().product::<usize>());
        if to.is_empty() {
            return;
        }
        match self.neighbours {
            Some(axis) => self.transpose(axis, from, to),
            None => self.runs(from, to),
        }
    }

    /// Row by row of the last dimension.
    fn runs(&self, from: &[f32], to: &mut [f32]) {
        let last = self.dims.len() - 1;
        let (n, stride) = (self.dims[last], self.strides[last]);
        // The two innermost loops are written out.
        let (rows, row_stride) =
            if last > 0 { (self.dims[last - 1], self.strides[last - 1]) } else { (1, 0) };
        let outer = last.saturating_sub(1);
        let mut to = to.chunks_exact_mut(n);
        walk(&self.dims[..outer], &self.strides[..outer], self.start, |at| {
            for row in 0..rows {
                let Some(to) = to.next() else { return };
                let at = at + row * row_stride;
                match stride {
                    1 => copy(&from[at..at + n], to),
                    0 => to.fill(from[at]),
                    _ => {
                        for (i, to) in to.iter_mut().enumerate() {
                            *to = from[at + i * stride];
                        }
                    }
                }
            }
        });
    }

    /// Blocks of the last dimension and the one whose elements are neighbours in the source, so that lines are read and
    /// written whole.
    fn transpose(&self, axis: usize, from: &[f32], to: &mut [f32]) {
        const BLOCK: usize = 16;
        let last = self.dims.len() - 1;
        let (rows, columns, stride) = (self.dims[axis], self.dims[last], self.strides[last]);
        let to_stride: usize = self.dims[axis + 1..].iter().product();
        // All other dimensions, with where they go.
        let others: Vec<usize> = (0..last).filter(|&d| d != axis).collect();
        let dims: Vec<usize> = others.iter().map(|&d| self.dims[d]).collect();
        let strides: Vec<usize> = others.iter().map(|&d| self.strides[d]).collect();
        let to_strides: Vec<usize> = others.iter().map(|&d| self.dims[d + 1..].iter().product()).collect();
        let mut targets = vec![];
        walk(&dims, &to_strides, 0, |at| targets.push(at));
        let mut targets = targets.into_iter();
        let mut buffer = [0.0f32; BLOCK * BLOCK];
        walk(&dims, &strides, self.start, |at| {
            let Some(target) = targets.next() else { return };
            for column in (0..columns).step_by(BLOCK) {
                let wide = BLOCK.min(columns - column);
                for row in (0..rows).step_by(BLOCK) {
                    let high = BLOCK.min(rows - row);
                    for c in 0..wide {
                        let from = &from[at + (column + c) * stride + row..][..high];
                        for (r, &v) in from.iter().enumerate() {
                            buffer[r * BLOCK + c] = v;
                        }
                    }
                    for r in 0..high {
                        let to = &mut to[target + (row + r) * to_stride + column..][..wide];
                        to.copy_from_slice(&buffer[r * BLOCK..r * BLOCK + wide]);
                    }
                }
            }
        });
    }
}

/// Short runs are most of the moves of attention, and a call for each would take longer than the copy.
#[inline(always)]
pub(super) fn copy(from: &[f32], to: &mut [f32]) {
    if to.len() >= 64 {
        to.copy_from_slice(from);
    } else {
        for (to, &v) in to.iter_mut().zip(from) {
            *to = v;
        }
    }
}

/// Calls `visit` with the offset of each place of some dimensions, the last fastest.
pub(crate) fn walk(dims: &[usize], strides: &[usize], start: usize, mut visit: impl FnMut(usize)) {
    if dims.contains(&0) {
        return;
    }
    let mut index = vec![0usize; dims.len()];
    let mut at = start;
    loop {
        visit(at);
        let mut axis = dims.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            at -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_net::tensor::row_major_strides;

    #[test]
    fn moves_are_permutations() {
        for (shape, permutation) in [
            (vec![2, 8, 9, 5], vec![0, 2, 1, 3]),
            (vec![33, 70], vec![1, 0]),
            (vec![2, 3, 4, 5, 6], vec![2, 0, 3, 1, 4]),
            (vec![1, 60, 17, 9], vec![0, 2, 3, 1]),
            (vec![4, 19, 21], vec![1, 2, 0]),
            (vec![1, 1, 3], vec![2, 1, 0]),
        ] {
            let n: usize = shape.iter().product();
            let from: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let own = row_major_strides(&shape);
            let to_shape: Vec<usize> = permutation.iter().map(|&p| shape[p]).collect();
            let strides: Vec<usize> = permutation.iter().map(|&p| own[p]).collect();
            let mut to = vec![-1.0; n];
            Move::new(0, &to_shape, &strides).run(&from, &mut to);
            let mut expected = vec![];
            walk(&to_shape, &strides, 0, |at| expected.push(at as f32));
            assert_eq!(to, expected, "{shape:?} by {permutation:?}");
        }
    }
}
