//! Shape inference: one set of rules, for numbers and for functions of the picture's size.

use crate::dim::{Extent, gcd};
use crate::{
    Attention, ChannelAttention, Dim, Net, NetError, Node, NodeId, Op, PadMode, Padding, Region,
    ResizeTarget, Scores, WeightId,
};

/// Largest padding, kernel, stride, dilation or resize factor: far more than any network has, small enough that no
/// sum of them overflows.
const MAX_STEP: usize = 1 << 16;

impl Net {
    /// Symbolic shape of every node, `[N, C, H, W]` with `N = 1`.
    ///
    /// # Errors
    /// [`NetError::Shape`] names the node that does not fit, [`NetError::Graph`] a broken list of nodes.
    pub fn infer_shapes(&self) -> Result<Vec<[Dim; 4]>, NetError> {
        infer(self, Dim::Fixed(1), Dim::HEIGHT, Dim::WIDTH)
    }

    /// Symbolic shape of the node at place `shapes.len()`, given those of all nodes before it: for nets under
    /// construction, which have no output yet.
    pub(crate) fn infer_next_shape(&self, shapes: &[[Dim; 4]]) -> Result<[Dim; 4], NetError> {
        infer_node(self, shapes, Dim::Fixed(1), Dim::HEIGHT, Dim::WIDTH)
    }

    /// Shape of every node for a batch of `n` pictures of `h` rows and `w` columns.
    ///
    /// # Errors
    /// [`NetError::Shape`] names the node that does not fit: a graph that is broken, or a picture too small for it.
    pub fn infer_sizes(&self, n: usize, h: usize, w: usize) -> Result<Vec<[usize; 4]>, NetError> {
        if n == 0 || h == 0 || w == 0 {
            return Err(NetError::Input {
                expected: "at least one pixel".into(),
                found: format!("{n} pictures of {w} x {h}"),
            });
        }
        infer(self, n, h, w)
    }

    /// Number both sides of a picture must be a multiple of for every division in the graph to be exact: what
    /// [`crate::SizeRule::multiple_of`] has to be at least.
    ///
    /// # Errors
    /// As [`Net::infer_shapes`].
    pub fn required_multiple(&self) -> Result<usize, NetError> {
        self.multiple(false)
    }

    /// Number that places in the picture must be a multiple of for a piece that starts there to be cut, shuffled and
    /// windowed as the whole is.
    pub(crate) fn required_alignment(&self) -> Result<usize, NetError> {
        self.multiple(true)
    }

    fn multiple(&self, padded: bool) -> Result<usize, NetError> {
        let all = self.multiple_for(padded, &self.exact_nodes(false))?;
        let placed = self.multiple_for(padded, &self.exact_nodes(true))?;
        if placed == all {
            return Ok(all);
        }
        // What is only pooled may be of any size its operations accept, if they agree on it.
        let works = |h: usize, w: usize| self.infer_sizes(1, h * placed, w * placed).is_ok();
        let step = all / placed;
        // Large enough that no value is one pixel high, which would agree with anything.
        let enough = (4..=MAX_STEP / all).map(|n| n * step).find(|&n| works(n, n));
        let any = enough.is_some_and(|n| step <= 64 && (n..n + step).all(|k| works(k, n) && works(n, k)));
        Ok(if any { placed } else { all })
    }

    /// Nodes whose size must be exactly what their shape says: all but those from which every way to the output leads
    /// through an operation that takes a value of any size there; divisions on the way to that are rounded down.
    fn exact_nodes(&self, pools_take_any: bool) -> Vec<bool> {
        let mut exact = vec![false; self.nodes.len()];
        let mut read = vec![false; self.nodes.len()];
        if let Some(output) = self.output {
            exact[output.0 as usize] = true;
        }
        for (index, node) in self.nodes.iter().enumerate().rev() {
            exact[index] |= !read[index];
            for (place, id) in node.inputs.iter().enumerate() {
                read[id.0 as usize] = true;
                let is_free = takes_any_size(&node.op, place, pools_take_any);
                exact[id.0 as usize] |= exact[index] && !is_free;
            }
        }
        exact
    }

    /// The multiple that makes the divisions of these nodes exact.
    fn multiple_for(&self, padded: bool, nodes: &[bool]) -> Result<usize, NetError> {
        let mut multiple = 1usize;
        let shapes = self.infer_shapes()?;
        let windows = self.nodes.iter().zip(nodes).filter(|(_, counts)| **counts).flat_map(|(node, _)| {
            let sides = side_multiples(&node.op, padded);
            let side = |axis: usize| match node.inputs.first().map(|id| shapes[id.0 as usize][2 + axis]) {
                Some(Dim::Scaled { num, den, .. }) if sides[axis] > 1 => {
                    den * (sides[axis] / gcd(sides[axis], num))
                }
                _ => 1,
            };
            [side(0), side(1)]
        });
        let divided = shapes.iter().zip(nodes).filter(|&(_, &counts)| counts).flat_map(|(shape, _)| shape);
        for divisor in divided.map(|dim| dim.divisor()).chain(windows) {
            multiple = multiple
                .checked_mul(divisor / gcd(multiple, divisor))
                .filter(|&m| m <= MAX_STEP)
                .ok_or_else(|| NetError::Graph { problem: "its sizes are divided without end".into() })?;
        }
        Ok(multiple)
    }

    /// Smallest side, a multiple of [`Net::required_multiple`], that every operation accepts: what
    /// [`crate::SizeRule::minimum`] has to be at least. `None` when pictures of 65,536 pixels do not suffice.
    ///
    /// # Errors
    /// As [`Net::infer_shapes`].
    pub fn required_minimum(&self) -> Result<Option<usize>, NetError> {
        let step = self.required_multiple()?;
        let accepts = |k: usize| self.infer_sizes(1, k * step, k * step).is_ok();
        let Some(mut high) = (0..=16).map(|e| 1usize << e).find(|&k| k * step <= MAX_STEP && accepts(k))
        else {
            return Ok(None);
        };
        let mut low = high / 2;
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if accepts(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(Some(high * step))
    }
}

fn infer<E: Extent>(net: &Net, n: E, h: E, w: E) -> Result<Vec<[E; 4]>, NetError> {
    let mut shapes: Vec<[E; 4]> = Vec::with_capacity(net.nodes.len());
    for _ in &net.nodes {
        let shape = infer_node(net, &shapes, n, h, w)?;
        shapes.push(shape);
    }
    match net.output {
        _ if shapes.is_empty() => Err(NetError::Graph { problem: "it has no nodes".into() }),
        None => Err(NetError::Graph { problem: "it has no output".into() }),
        Some(output) if output.0 as usize >= shapes.len() => {
            Err(NetError::Graph { problem: format!("its output, value {}, does not exist", output.0) })
        }
        Some(_) => Ok(shapes),
    }
}

/// Shape of the node at place `shapes.len()`, given those of all nodes before it.
fn infer_node<E: Extent>(net: &Net, shapes: &[[E; 4]], n: E, h: E, w: E) -> Result<[E; 4], NetError> {
    let index = shapes.len();
    let node = &net.nodes[index];
    if (index == 0) != matches!(node.op, Op::Input { .. }) {
        return Err(NetError::Graph {
            problem: format!("node {:?} stands at place {index}; the one input stands first", node.name),
        });
    }
    if let Some(input) = node.inputs.iter().find(|input| input.0 as usize >= index) {
        return Err(NetError::Graph {
            problem: format!("node {:?} reads value {} that is not made before it", node.name, input.0),
        });
    }
    let rules = Rules { net, node, shapes };
    let shape = rules.apply(n, h, w)?;
    if shape.iter().any(|dim| dim.as_fixed() == Some(0)) {
        return Err(rules.error("a result that is not empty", show(&shape)));
    }
    let elements = shape.iter().try_fold(1usize, |all, dim| all.checked_mul(dim.as_fixed().unwrap_or(1)));
    if elements.is_none_or(|e| e > isize::MAX as usize / size_of::<f64>()) {
        return Err(NetError::TooLarge {
            node: node.name.clone(),
            op: node.op.name(),
            found: show(&shape),
            limit: "the address space".into(),
        });
    }
    Ok(shape)
}

/// Whether an operation takes a value of any size at this place of its inputs: keys and values of attention over the whole
/// picture, what is brought to a size that comes from elsewhere, and, if `pools` count, what is pooled as a whole.
fn takes_any_size(op: &Op, place: usize, pools: bool) -> bool {
    match op {
        Op::Attention(Attention { region: Region::Picture, .. }) => place > 0,
        Op::Crop { .. } | Op::Resize { target: ResizeTarget::Like, .. } => place == 0,
        Op::GlobalPool { .. } => pools,
        _ => false,
    }
}

/// What the sides `[H, W]` of the node's first input must be multiples of; `padded` counts what zeros are added to as
/// well.
pub(crate) fn side_multiples(op: &Op, padded: bool) -> [usize; 2] {
    match op {
        Op::Attention(Attention { pad_to: Some(to), .. }) if padded => *to,
        Op::Attention(Attention { pad_to: Some(_), .. }) => [1, 1],
        Op::Attention(attention) => attention.block(),
        Op::ChannelAttention(ChannelAttention { region, .. })
        | Op::ChannelMix(ChannelAttention { region, .. }) => match region {
            Region::Picture => [1, 1],
            Region::Blocks(b) | Region::Grid(b) | Region::Apart(b) => *b,
        },
        Op::PadToMultiple { multiple, .. } => *multiple,
        _ => [1, 1],
    }
}

fn show<E: Extent>(shape: &[E]) -> String {
    let dims: Vec<String> = shape.iter().map(E::to_string).collect();
    format!("[{}]", dims.join(", "))
}

/// First and one past the last element a slice keeps, both counted from the start.
/// `None` when the range leaves the axis or its place depends on the size in a way no [`Dim`] can express.
pub(crate) fn slice_bounds<E: Extent>(size: E, start: i64, end: i64) -> Option<(E, E)> {
    let from_start = |at: i64| match at {
        i64::MAX => Some(size),
        0.. => usize::try_from(at).ok().map(E::from_usize),
        _ => size.plus(at),
    };
    Some((from_start(start)?, from_start(end)?))
}

struct Rules<'a, E> {
    net: &'a Net,
    node: &'a Node,
    shapes: &'a [[E; 4]],
}

impl<E: Extent> Rules<'_, E> {
    fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> NetError {
        NetError::Shape {
            node: self.node.name.clone(),
            op: self.node.op.name(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn overflow(&self) -> NetError {
        self.error("sizes that can be calculated", "sizes that overflow")
    }

    fn inputs<const K: usize>(&self) -> Result<[[E; 4]; K], NetError> {
        let ids = <[NodeId; K]>::try_from(self.node.inputs.as_slice())
            .map_err(|_| self.error(format!("{K} inputs"), format!("{}", self.node.inputs.len())))?;
        Ok(ids.map(|id| self.shapes[id.0 as usize]))
    }

    fn input(&self) -> Result<[E; 4], NetError> {
        self.inputs::<1>().map(|[shape]| shape)
    }

    fn weight_shape(&self, id: WeightId) -> Result<&[usize], NetError> {
        let Some(weight) = self.net.weights.get(id.0 as usize) else {
            return Err(self.error(format!("weight {}", id.0), format!("{} weights", self.net.weights.len())));
        };
        let product = weight.shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        if product != Some(weight.data.len()) {
            return Err(self.error(
                format!("{:?} values in weight {:?}", weight.shape, weight.name),
                format!("{}", weight.data.len()),
            ));
        }
        Ok(&weight.shape)
    }

    fn rank<const R: usize>(&self, id: WeightId) -> Result<[usize; R], NetError> {
        let shape = self.weight_shape(id)?;
        <[usize; R]>::try_from(shape).map_err(|_| {
            self.error(
                format!("a weight with {R} dimensions"),
                format!("{:?} in {:?}", shape, self.net.weight(id).name),
            )
        })
    }

    fn vector(&self, id: WeightId, len: usize) -> Result<(), NetError> {
        let [found] = self.rank(id)?;
        if found == len {
            return Ok(());
        }
        Err(self.error(format!("{len} values in {:?}", self.net.weight(id).name), format!("{found}")))
    }

    /// Steps, kernels, dilations and factors: at least 1, not absurd.
    fn steps(&self, what: &str, values: &[usize]) -> Result<(), NetError> {
        match values.iter().find(|&&v| v == 0 || v > MAX_STEP) {
            Some(bad) => Err(self.error(format!("{what} of 1 to {MAX_STEP}"), format!("{bad}"))),
            None => Ok(()),
        }
    }

    fn padding(&self, p: Padding) -> Result<(), NetError> {
        match [p.top, p.left, p.bottom, p.right].into_iter().find(|&v| v > MAX_STEP) {
            Some(bad) => Err(self.error(format!("padding up to {MAX_STEP}"), format!("{bad}"))),
            None => Ok(()),
        }
    }

    /// Places a window of `extent` elements has along an axis.
    fn windows(&self, size: E, pad: usize, extent: usize, stride: usize) -> Result<E, NetError> {
        let room = size.plus(pad as i64 - extent as i64).ok_or_else(|| {
            self.error(format!("at least {} rows and columns", extent.saturating_sub(pad)), size.to_string())
        })?;
        room.div_floor(stride).and_then(|n| n.plus(1)).ok_or_else(|| self.overflow())
    }

    fn channels(&self, shape: &[E; 4]) -> Result<usize, NetError> {
        shape[1].as_fixed().ok_or_else(|| self.error("a fixed number of channels", show(shape)))
    }

    fn apply(&self, n: E, h: E, w: E) -> Result<[E; 4], NetError> {
        match &self.node.op {
            Op::Input { channels } => {
                self.inputs::<0>()?;
                self.steps("channels", &[*channels])?;
                Ok([n, E::from_usize(*channels), h, w])
            }
            Op::Constant(weight) => {
                self.inputs::<0>()?;
                let shape = self.weight_shape(*weight)?;
                if shape.len() > 4 {
                    return Err(self.error("a constant with at most 4 dimensions", format!("{shape:?}")));
                }
                let mut full = [E::from_usize(1); 4];
                for (to, &from) in full[4 - shape.len()..].iter_mut().zip(shape) {
                    *to = E::from_usize(from);
                }
                Ok(full)
            }
            Op::Conv2d { .. } => self.conv(),
            Op::ConvTranspose2d { .. } => self.conv_transpose(),
            Op::PRelu { slope } => {
                let shape = self.input()?;
                let [slopes] = self.rank(*slope)?;
                let channels = self.channels(&shape)?;
                if slopes != 1 && slopes != channels {
                    return Err(self.error(format!("1 or {channels} slopes"), format!("{slopes}")));
                }
                Ok(shape)
            }
            Op::ChannelAffine { scale, shift } => {
                let shape = self.input()?;
                let channels = self.channels(&shape)?;
                self.vector(*scale, channels)?;
                self.vector(*shift, channels)?;
                Ok(shape)
            }
            Op::Unary(_) => self.input(),
            Op::Binary(_) => {
                let [a, b] = self.inputs()?;
                self.broadcast(a, b)
            }
            Op::Concat { axis } => self.concat(*axis),
            Op::Slice { axis, start, end } => {
                let mut shape = self.input()?;
                self.axis(*axis)?;
                shape[*axis] = self.slice(shape[*axis], *start, *end)?;
                Ok(shape)
            }
            Op::Part { axis, index, count } => {
                let mut shape = self.input()?;
                self.steps("a number of parts", &[*count])?;
                if !(2..=3).contains(axis) || index >= count {
                    return Err(self.error("a part of rows or columns", format!("{:?}", self.node.op)));
                }
                shape[*axis] = shape[*axis].divide_exactly(*count).ok_or_else(|| {
                    self.error(format!("height and width in multiples of {count}"), show(&shape))
                })?;
                Ok(shape)
            }
            Op::Pad { padding, mode } => self.pad(*padding, *mode),
            Op::PadToMultiple { padding, multiple, mode } => self.pad_to_multiple(*padding, *multiple, *mode),
            Op::Crop { factor } => self.crop(*factor),
            Op::GridSample { groups, beyond, .. } => self.grid_sample(*groups, *beyond),
            Op::Resize { target, .. } => self.resize(*target),
            Op::PixelShuffle { factor } => {
                let [n, c, h, w] = self.input()?;
                self.steps("a factor", &[*factor])?;
                let out = c.divide_exactly(factor * factor).ok_or_else(|| {
                    self.error(format!("a multiple of {} channels", factor * factor), c.to_string())
                })?;
                let grow = |d: E| d.times(*factor).ok_or_else(|| self.overflow());
                Ok([n, out, grow(h)?, grow(w)?])
            }
            Op::PixelUnshuffle { factor } => {
                let [n, c, h, w] = self.input()?;
                self.steps("a factor", &[*factor])?;
                let shrink = |d: E| {
                    d.divide_exactly(*factor).ok_or_else(|| {
                        self.error(format!("height and width in multiples of {factor}"), show(&[h, w]))
                    })
                };
                Ok([n, c.times(factor * factor).ok_or_else(|| self.overflow())?, shrink(h)?, shrink(w)?])
            }
            Op::Pool { kernel, stride, padding, .. } => {
                let [n, c, h, w] = self.input()?;
                self.steps("a kernel", kernel)?;
                self.steps("a stride", stride)?;
                // A window made of padding alone has no mean and no largest value.
                if padding.top.max(padding.bottom) >= kernel[0]
                    || padding.left.max(padding.right) >= kernel[1]
                {
                    return Err(self
                        .error(format!("padding less than the kernel {kernel:?}"), format!("{padding:?}")));
                }
                Ok([
                    n,
                    c,
                    self.windows(h, padding.top + padding.bottom, kernel[0], stride[0])?,
                    self.windows(w, padding.left + padding.right, kernel[1], stride[1])?,
                ])
            }
            Op::AdaptivePool { divisor, .. } => {
                let [n, c, h, w] = self.input()?;
                self.steps("a divisor", divisor)?;
                let side = |size: E, divisor: usize| {
                    let shrunk = size.div_floor(divisor).ok_or_else(|| self.overflow())?;
                    Ok(if shrunk.as_fixed() == Some(0) { E::from_usize(1) } else { shrunk })
                };
                Ok([n, c, side(h, divisor[0])?, side(w, divisor[1])?])
            }
            Op::GlobalPool { .. } => {
                let [n, c, _, _] = self.input()?;
                Ok([n, c, E::from_usize(1), E::from_usize(1)])
            }
            Op::Linear { weight, bias } => self.linear(*weight, *bias),
            Op::Softmax { axis } => {
                self.axis(*axis)?;
                self.input()
            }
            Op::LayerNorm { weight, bias, .. } => self.norm(*weight, *bias, 1),
            Op::GroupNorm { groups, weight, bias, .. } => self.norm(*weight, *bias, *groups),
            Op::Attention(attention) => self.attention(attention),
            Op::ChannelAttention(attention) | Op::ChannelMix(attention) => self.channel_attention(attention),
            Op::Tensors(graph) => {
                let [_, channels, ..] = self.input()?;
                if channels.as_fixed() != Some(graph.input_channels()) || self.net.nodes.len() != 2 {
                    return Err(
                        self.error("a picture of its channels, and no other operation", "something else")
                    );
                }
                // What is known of sizes that are numbers; programs tell the rest.
                if let (Some(height), Some(width)) = (h.as_fixed(), w.as_fixed())
                    && !graph.accepts(height, width)
                {
                    return Err(
                        self.error(format!("{:?}", graph.fixed_size()), format!("[{height}, {width}]"))
                    );
                }
                let enlarged = |side: E| side.times(graph.scale()).ok_or_else(|| self.overflow());
                Ok([n, E::from_usize(graph.output_channels()), enlarged(h)?, enlarged(w)?])
            }
            Op::SortedAttention(attention) => {
                let [q, k, v, categories] = self.inputs()?;
                self.per_head(&q, attention.heads)?;
                self.per_head(&v, attention.heads)?;
                self.steps("a group", &[attention.group])?;
                self.channels(&categories)?;
                let same_size = |shape: &[E; 4]| shape[0] == q[0] && shape[2..] == q[2..];
                if q != k || !same_size(&v) || !same_size(&categories) {
                    return Err(self.error(
                        format!("keys of {}, and values and categories of its size", show(&q)),
                        format!("{}, {} and {}", show(&k), show(&v), show(&categories)),
                    ));
                }
                Ok(v)
            }
        }
    }

    fn axis(&self, axis: usize) -> Result<(), NetError> {
        match axis {
            1..=3 => Ok(()),
            _ => Err(self.error("axis 1, 2 or 3 (the batch is never cut or joined)", format!("{axis}"))),
        }
    }

    fn conv(&self) -> Result<[E; 4], NetError> {
        let Op::Conv2d { weight, bias, stride, padding, dilation, groups } = &self.node.op else {
            return Err(self.overflow());
        };
        let input = self.input()?;
        let [out, per_group, kh, kw] = self.rank(*weight)?;
        self.steps("a kernel", &[kh, kw])?;
        self.steps("a stride", stride)?;
        self.steps("a dilation", dilation)?;
        self.padding(*padding)?;
        let channels = self.channels(&input)?;
        if *groups == 0 || per_group.checked_mul(*groups) != Some(channels) || !out.is_multiple_of(*groups) {
            return Err(self.error(
                format!(
                    "{per_group} x {groups} groups input channels for weight {:?}",
                    self.net.weight(*weight).shape
                ),
                format!("{channels}"),
            ));
        }
        if let Some(bias) = bias {
            self.vector(*bias, out)?;
        }
        let extent = |k: usize, d: usize| (k - 1) * d + 1;
        Ok([
            input[0],
            E::from_usize(out),
            self.windows(input[2], padding.top + padding.bottom, extent(kh, dilation[0]), stride[0])?,
            self.windows(input[3], padding.left + padding.right, extent(kw, dilation[1]), stride[1])?,
        ])
    }

    fn conv_transpose(&self) -> Result<[E; 4], NetError> {
        let Op::ConvTranspose2d { weight, bias, stride, padding, output_padding, dilation, groups } =
            &self.node.op
        else {
            return Err(self.overflow());
        };
        let input = self.input()?;
        let [channels_in, per_group, kh, kw] = self.rank(*weight)?;
        self.steps("a kernel", &[kh, kw])?;
        self.steps("a stride", stride)?;
        self.steps("a dilation", dilation)?;
        self.steps("groups", &[*groups])?;
        self.padding(*padding)?;
        self.padding(Padding { bottom: output_padding[0], right: output_padding[1], ..Padding::all(0) })?;
        let channels = self.channels(&input)?;
        if channels != channels_in || !channels.is_multiple_of(*groups) {
            return Err(self.error(
                format!("{channels_in} input channels, a multiple of {groups} groups"),
                format!("{channels}"),
            ));
        }
        let out = per_group.checked_mul(*groups).ok_or_else(|| self.overflow())?;
        if let Some(bias) = bias {
            self.vector(*bias, out)?;
        }
        let side = |size: E, i: usize, k: usize, cut: usize| {
            let grow = (dilation[i] * (k - 1) + 1 + output_padding[i]) as i64 - cut as i64;
            size.plus(-1).and_then(|s| s.times(stride[i])).and_then(|s| s.plus(grow)).ok_or_else(|| {
                self.error(format!("more than {cut} rows and columns before the cut"), size.to_string())
            })
        };
        Ok([
            input[0],
            E::from_usize(out),
            side(input[2], 0, kh, padding.top + padding.bottom)?,
            side(input[3], 1, kw, padding.left + padding.right)?,
        ])
    }

    fn broadcast(&self, a: [E; 4], b: [E; 4]) -> Result<[E; 4], NetError> {
        let mut shape = a;
        for (to, other) in shape.iter_mut().zip(b) {
            *to = match (to.as_fixed(), other.as_fixed()) {
                _ if *to == other => other,
                (_, Some(1)) => *to,
                (Some(1), _) => other,
                _ => {
                    return Err(self.error(
                        "two inputs of one size, or of size 1",
                        format!("{} and {}", show(&a), show(&b)),
                    ));
                }
            };
        }
        Ok(shape)
    }

    fn concat(&self, axis: usize) -> Result<[E; 4], NetError> {
        self.axis(axis)?;
        let mut shapes = self.node.inputs.iter().map(|id| self.shapes[id.0 as usize]);
        let Some(mut shape) = shapes.next() else {
            return Err(self.error("at least one input", "none"));
        };
        for other in shapes {
            if (0..4).any(|i| i != axis && shape[i] != other[i]) {
                return Err(self.error(
                    format!("inputs equal but for axis {axis}"),
                    format!("{} and {}", show(&shape), show(&other)),
                ));
            }
            shape[axis] = shape[axis].sum(other[axis]).ok_or_else(|| self.overflow())?;
        }
        Ok(shape)
    }

    fn slice(&self, size: E, start: i64, end: i64) -> Result<E, NetError> {
        let bad = || self.error(format!("a range within 0..{size}"), format!("{start}..{end}"));
        let (first, last) = slice_bounds(size, start, end).ok_or_else(bad)?;
        let fits = |at: E| match (at.as_fixed(), size.as_fixed()) {
            (Some(at), Some(size)) => at <= size,
            _ => true,
        };
        if !fits(first) || !fits(last) {
            return Err(bad());
        }
        match (first.as_fixed(), last.as_fixed()) {
            (Some(a), Some(b)) if a < b => Ok(E::from_usize(b - a)),
            (Some(a), None) => last.plus(-(a as i64)).ok_or_else(bad),
            // Both counted from the end of a size that is not known: only the distance is.
            (None, None) => {
                let kept = if end == i64::MAX { 0 } else { end }.checked_sub(start).filter(|&kept| kept > 0);
                kept.and_then(|kept| usize::try_from(kept).ok()).map(E::from_usize).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }

    fn pad(&self, p: Padding, mode: PadMode) -> Result<[E; 4], NetError> {
        self.pad_to_multiple(p, [1, 1], mode)
    }

    fn pad_to_multiple(&self, p: Padding, multiple: [usize; 2], mode: PadMode) -> Result<[E; 4], NetError> {
        let [n, c, h, w] = self.input()?;
        self.padding(p)?;
        self.steps("a multiple", &multiple)?;
        let side = |size: E, multiple: usize, before: usize, after: usize| {
            let whole = size.round_up(multiple).ok_or_else(|| self.overflow())?;
            if let (PadMode::Reflect, Some(size), Some(whole)) = (mode, size.as_fixed(), whole.as_fixed()) {
                let most = before.max(after + (whole - size));
                if most >= size {
                    return Err(
                        self.error(format!("more than {most} rows and columns to mirror"), show(&[h, w]))
                    );
                }
            }
            whole.plus((before + after) as i64).ok_or_else(|| self.overflow())
        };
        Ok([n, c, side(h, multiple[0], p.top, p.bottom)?, side(w, multiple[1], p.left, p.right)?])
    }

    fn crop(&self, factor: usize) -> Result<[E; 4], NetError> {
        let [[n, c, h, w], like] = self.inputs()?;
        self.steps("a factor", &[factor])?;
        let side = |from: E, like: E| {
            let kept = like.times(factor).ok_or_else(|| self.overflow())?;
            match (from.as_fixed(), kept.as_fixed()) {
                (Some(size), Some(kept)) if size < kept => {
                    Err(self.error(format!("at least {kept} rows and columns"), format!("{size}")))
                }
                _ => Ok(kept),
            }
        };
        Ok([n, c, side(h, like[2])?, side(w, like[3])?])
    }

    fn grid_sample(&self, groups: usize, beyond: PadMode) -> Result<[E; 4], NetError> {
        if beyond == PadMode::Reflect {
            return Err(self.error("the edge or a constant beyond the picture", "a mirrored picture"));
        }
        let [picture, places] = self.inputs()?;
        let channels = self.channels(&picture)?;
        let n_places = self.channels(&places)?;
        if groups == 0
            || !channels.is_multiple_of(groups)
            || groups.checked_mul(2) != Some(n_places)
            || picture[0] != places[0]
        {
            return Err(self.error(
                format!("channels for {groups} groups, and two for the place of each"),
                format!("{} and {}", show(&picture), show(&places)),
            ));
        }
        Ok([picture[0], picture[1], places[2], places[3]])
    }

    fn resize(&self, target: ResizeTarget) -> Result<[E; 4], NetError> {
        if target == ResizeTarget::Like {
            let [[n, c, _, _], like] = self.inputs()?;
            return Ok([n, c, like[2], like[3]]);
        }
        let [n, c, h, w] = self.input()?;
        match target {
            ResizeTarget::Like => Err(self.overflow()),
            ResizeTarget::Scale { height, width } => {
                self.steps("a factor", &height)?;
                self.steps("a factor", &width)?;
                let side = |size: E, [num, den]: [usize; 2]| {
                    size.times(num).and_then(|s| s.div_floor(den)).ok_or_else(|| self.overflow())
                };
                Ok([n, c, side(h, height)?, side(w, width)?])
            }
            ResizeTarget::Size { height, width } => {
                self.steps("a size", &[height, width])?;
                Ok([n, c, E::from_usize(height), E::from_usize(width)])
            }
        }
    }

    fn norm(&self, weight: WeightId, bias: Option<WeightId>, groups: usize) -> Result<[E; 4], NetError> {
        let shape = self.input()?;
        let channels = self.channels(&shape)?;
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(self.error(format!("a multiple of {groups} groups"), format!("{channels} channels")));
        }
        self.vector(weight, channels)?;
        bias.map_or(Ok(()), |bias| self.vector(bias, channels))?;
        Ok(shape)
    }

    /// Channels of a head.
    fn per_head(&self, shape: &[E; 4], heads: usize) -> Result<usize, NetError> {
        let channels = self.channels(shape)?;
        if heads == 0 || !channels.is_multiple_of(heads) {
            return Err(self.error(format!("channels for {heads} heads"), format!("{channels}")));
        }
        Ok(channels / heads)
    }

    fn scores(&self, scores: Scores, heads: usize) -> Result<(), NetError> {
        scores.weight().map_or(Ok(()), |weight| self.vector(weight, heads))
    }

    /// Sides are multiples of a block.
    fn sides(&self, shape: &[E; 4], block: [usize; 2]) -> Result<(), NetError> {
        self.steps("a window", &block)?;
        for (axis, block) in block.into_iter().enumerate() {
            if shape[2 + axis].divide_exactly(block).is_none() {
                return Err(
                    self.error(format!("height and width in multiples of {block}"), show(&shape[2..]))
                );
            }
        }
        Ok(())
    }

    fn attention(&self, a: &Attention) -> Result<[E; 4], NetError> {
        let [q, k, v] = self.inputs()?;
        let per_head = self.per_head(&q, a.heads)?;
        self.per_head(&v, a.heads)?;
        self.scores(a.scores, a.heads)?;
        if self.per_head(&k, a.heads)? != per_head || k[0] != q[0] || v[0] != q[0] || k[2..] != v[2..] {
            return Err(self.error(
                format!("keys of {} channels, and values of their size", show(&q[1..2])),
                format!("{} and {}", show(&k), show(&v)),
            ));
        }
        let in_blocks = matches!(a.region, Region::Blocks(_));
        let even = a.key_margin == [0, 0] && a.key_factor == 1 && a.pad_to.is_none();
        let plain = even && a.shift == [0, 0] && a.query_factor == 1;
        if !in_blocks && !plain {
            return Err(self.error("shift, margin, factor and padding only with blocks", format!("{a:?}")));
        }
        if let Region::Apart(_) = a.region {
            return Err(self.error("a region of a fixed number of pixels, or the picture", format!("{a:?}")));
        }
        if a.region == Region::Picture {
            if a.bias.is_some() {
                return Err(self.error("no bias where a region has no fixed size", "one"));
            }
            return Ok([q[0], v[1], q[2], q[3]]);
        }
        let block = a.block();
        self.steps("a window", &block)?;
        self.steps("a factor of keys or queries", &[a.key_factor, a.query_factor])?;
        if a.query_factor > 1 && !even {
            return Err(self.error("smaller queries without margin, factor and padding", format!("{a:?}")));
        }
        for (axis, block) in block.into_iter().enumerate() {
            let (shift, margin) = (a.shift[axis], a.key_margin[axis]);
            if shift >= block || margin > MAX_STEP || (margin > 0 && shift > 0) {
                return Err(self.error(
                    "a shift smaller than the window, and a margin only without a shift",
                    format!("window {block}, shift {shift}, margin {margin}"),
                ));
            }
            let [key_block, key_shift] = a.of_keys(axis);
            if !block.is_multiple_of(a.key_factor)
                || key_shift >= key_block
                || (margin > 0 && a.key_factor > 1)
            {
                return Err(self.error(
                    format!("a window in multiples of {}, shifted by less, and no margin", a.key_factor),
                    format!("window {block}, shift {shift}, margin {margin}"),
                ));
            }
            if a.pad_to
                .is_some_and(|to| to[axis] == 0 || to[axis] > MAX_STEP || !to[axis].is_multiple_of(block))
            {
                return Err(self.error(format!("padding to multiples of {block}"), format!("{:?}", a.pad_to)));
            }
            if k[2 + axis].times(a.key_factor) != q[2 + axis].times(a.query_factor) {
                let expected = match a.query_factor {
                    1 => format!("queries {} times as large as keys", a.key_factor),
                    factor => format!("keys {factor} times as large as queries"),
                };
                return Err(self.error(expected, format!("{} and {}", show(&q), show(&k))));
            }
        }
        if a.pad_to.is_none() {
            self.sides(&q, block)?;
        }
        if let Some(bias) = a.bias {
            let [queries, keys] = a.tokens();
            let found = self.rank::<3>(bias)?;
            if found != [a.heads, queries, keys] {
                return Err(
                    self.error(format!("a bias of {:?}", [a.heads, queries, keys]), format!("{found:?}"))
                );
            }
        }
        Ok([q[0], v[1], q[2], q[3]])
    }

    fn channel_attention(&self, a: &ChannelAttention) -> Result<[E; 4], NetError> {
        let [q, k, v] = self.inputs()?;
        self.per_head(&q, a.heads)?;
        self.scores(a.scores, a.heads)?;
        if q != k || q != v {
            return Err(self.error(
                "queries, keys and values of one shape",
                format!("{}, {} and {}", show(&q), show(&k), show(&v)),
            ));
        }
        if let Region::Blocks(block) | Region::Grid(block) | Region::Apart(block) = a.region {
            self.sides(&q, block)?;
        }
        Ok(v)
    }

    fn linear(&self, weight: WeightId, bias: Option<WeightId>) -> Result<[E; 4], NetError> {
        let shape = self.input()?;
        let [out, flat] = self.rank(weight)?;
        let found = shape[1..].iter().try_fold(1usize, |all, d| all.checked_mul(d.as_fixed()?));
        if found != Some(flat) {
            return Err(self
                .error(format!("{flat} values, of a size that does not follow the picture"), show(&shape)));
        }
        if let Some(bias) = bias {
            self.vector(bias, out)?;
        }
        Ok([shape[0], E::from_usize(out), E::from_usize(1), E::from_usize(1)])
    }
}
