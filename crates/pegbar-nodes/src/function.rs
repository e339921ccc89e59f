//! Nodes made of functions.

use pegbar_chain::{
    Category, FrameContext, ImageInfo, Info, Input, Inputs, Node, NodeError, NodeType, Output, Role, Value,
    same_size,
};
use pegbar_frame::PlanarImage;
use std::sync::Arc;

/// What [`Role::Function`] is prepared to.
pub(crate) type Made = Result<Box<dyn Node>, NodeError>;

/// What the nodes of a table have in common, to be completed: nothing goes in, nothing comes out.
pub(crate) const BASE: NodeType = NodeType {
    id: "",
    former_ids: &[],
    name: "",
    category: Category::Structure,
    doc: "",
    inputs: &[],
    outputs: &[],
    params: &[],
    role: Role::Placeholder,
    example: &[],
};

/// The input of a node that takes a picture.
pub(crate) const IMAGE_IN: &[Input] = &[Input::image("image", "The picture.")];
/// The output of a node that makes a picture.
pub(crate) const IMAGE_OUT: &[Output] = &[Output::image("image", "The result.")];

/// The same for nodes that make a picture of a picture.
pub(crate) const PICTURE: NodeType = NodeType { inputs: IMAGE_IN, outputs: IMAGE_OUT, ..BASE };

/// A role that depends on inputs and parameters alone.
pub(crate) const fn function(prepare: pegbar_chain::PrepareNode) -> Role {
    Role::Function { prepare, varies: false, acts: false }
}

/// A node of two closures: what is known of results, and the results.
struct Closures<I, R> {
    infer: I,
    run: R,
}

impl<I, R> Node for Closures<I, R>
where
    I: Fn(&[Vec<Info>]) -> Result<Vec<Info>, NodeError> + Send + Sync,
    R: Fn(&Inputs<'_>, &FrameContext) -> Result<Vec<Value>, NodeError> + Send + Sync,
{
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        (self.infer)(inputs)
    }

    fn run(&self, inputs: &Inputs<'_>, frame: &FrameContext) -> Result<Vec<Value>, NodeError> {
        (self.run)(inputs, frame)
    }
}

/// A node of what is known of its results, and the results.
pub(crate) fn node<I, R>(infer: I, run: R) -> Made
where
    I: Fn(&[Vec<Info>]) -> Result<Vec<Info>, NodeError> + Send + Sync + 'static,
    R: Fn(&Inputs<'_>, &FrameContext) -> Result<Vec<Value>, NodeError> + Send + Sync + 'static,
{
    Ok(Box::new(Closures { infer, run }))
}

/// A picture from the input `image`, of the same size and channels.
pub(crate) fn filter(apply: impl Fn(&PlanarImage) -> PlanarImage + Send + Sync + 'static) -> Made {
    resized(|image| image, apply)
}

/// The same by a method of its settings: `by(GaussianBlur::from_values(values), GaussianBlur::apply)`.
pub(crate) fn by<S: Send + Sync + 'static>(settings: S, apply: fn(&S, &PlanarImage) -> PlanarImage) -> Made {
    filter(move |image| apply(&settings, image))
}

/// A picture from the input `image`; `size` says what becomes of what is known of it.
pub(crate) fn resized(
    size: impl Fn(ImageInfo) -> ImageInfo + Send + Sync + 'static,
    apply: impl Fn(&PlanarImage) -> PlanarImage + Send + Sync + 'static,
) -> Made {
    try_resized(move |info| Ok(size(info)), move |image| Ok(apply(image)))
}

/// The same for what can fail.
pub(crate) fn try_resized(
    size: impl Fn(ImageInfo) -> Result<ImageInfo, NodeError> + Send + Sync + 'static,
    apply: impl Fn(&PlanarImage) -> Result<PlanarImage, NodeError> + Send + Sync + 'static,
) -> Made {
    node(
        move |inputs| Ok(vec![Info::image(size(same_size(inputs))?)]),
        move |inputs, _| Ok(vec![image_value(apply(inputs.image("image")?)?)]),
    )
}

/// A picture as a value.
pub(crate) fn image_value(image: PlanarImage) -> Value {
    Value::Image(Arc::new(image))
}

/// What is known of the first value of an input.
pub(crate) fn first_image(inputs: &[Vec<Info>], port: usize) -> ImageInfo {
    inputs.get(port).and_then(|infos| infos.first()).map_or(ImageInfo::UNKNOWN, Info::as_image)
}

/// Refuses pictures that certainly have different sizes.
pub(crate) fn same_sizes(inputs: &[Vec<Info>], names: &[&str]) -> Result<(), NodeError> {
    let first = first_image(inputs, 0);
    for (port, infos) in inputs.iter().enumerate() {
        for info in infos.iter().filter_map(|info| info.image.as_ref()) {
            if first.size_differs(info) {
                let name = names.get(port).copied().unwrap_or("image");
                return Err(NodeError::input(
                    name,
                    format!("a picture of {info} meets one of {first}; resize one of them before"),
                ));
            }
        }
    }
    Ok(())
}
