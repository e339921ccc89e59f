//! Walking over several tensors at once.

/// Elements from one index of each dimension to the next, of a tensor without gaps.
pub fn row_major_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// Strides that walk a tensor along the shape it is broadcast to: zero where it repeats.
///
/// # Panics
/// When the shape has more dimensions than what it is broadcast to.
pub fn broadcast_strides(shape: &[usize], to: &[usize]) -> Vec<usize> {
    let missing = to.len() - shape.len();
    let own = row_major_strides(shape);
    (0..to.len()).map(|i| if i < missing || shape[i - missing] == 1 { 0 } else { own[i - missing] }).collect()
}

/// Calls `visit` with the offset of each run of the last dimension, one for each list of strides. A scalar is one run.
pub(crate) fn for_each_run<const N: usize>(
    shape: &[usize],
    strides: [&[usize]; N],
    mut visit: impl FnMut([usize; N]),
) {
    if shape.contains(&0) {
        return;
    }
    let outer = shape.len().saturating_sub(1);
    let mut index = vec![0usize; outer];
    let mut offsets = [0usize; N];
    loop {
        visit(offsets);
        let mut axis = outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for (offset, strides) in offsets.iter_mut().zip(strides) {
                *offset += strides[axis];
            }
            if index[axis] < shape[axis] {
                break;
            }
            for (offset, strides) in offsets.iter_mut().zip(strides) {
                *offset -= strides[axis] * shape[axis];
            }
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_follow_the_strides() {
        let mut seen = vec![];
        for_each_run(&[2, 3, 4], [&[12, 4, 1], &[0, 1, 0]], |offsets| seen.push(offsets));
        assert_eq!(seen, [[0, 0], [4, 1], [8, 2], [12, 0], [16, 1], [20, 2]]);
        let mut n = 0;
        for_each_run(&[], [&[]], |_| n += 1);
        for_each_run(&[3, 0], [&[1, 1]], |_| n += 1);
        assert_eq!(n, 1);
        assert_eq!(broadcast_strides(&[3, 1], &[2, 3, 4]), [0, 1, 0]);
    }
}
