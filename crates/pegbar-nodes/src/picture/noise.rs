//! Noise and grain, of its own for each frame of a film.

use crate::function::{Made, PICTURE, image_value, node};
use pegbar_chain::{Category, Info, NodeType, PrepareNode, Role, same_size};
use pegbar_filters::picture::add_noise::{self, AddNoise};
use pegbar_filters::picture::film_grain::{self, FilmGrain};
use pegbar_frame::PlanarImage;

const NOISE: NodeType = NodeType { category: Category::Noise, ..PICTURE };

/// Noise.
pub(crate) static ADD_NOISE: NodeType = NodeType {
    id: "image.add_noise",
    name: "Add Noise",
    doc: "Adds noise of a textbook kind: normal, even, salt and pepper, of counted light, speckle. Each frame of a \
          film gets its own; the same seed gives the same again.",
    params: add_noise::PARAMS,
    role: for_each_frame(|prepare| noisy(AddNoise::from_values(prepare.values), AddNoise::apply_to_frame)),
    example: &[("amount", "8")],
    ..NOISE
};

/// Grain.
pub(crate) static FILM_GRAIN: NodeType = NodeType {
    id: "image.film_grain",
    name: "Film Grain",
    doc: "Adds grain as of film: soft clumps, strongest in the middle tones. Each frame of a film gets its own; \
          the same seed gives the same again.",
    params: film_grain::PARAMS,
    role: for_each_frame(|prepare| noisy(FilmGrain::from_values(prepare.values), FilmGrain::apply_to_frame)),
    example: &[("strength", "14")],
    ..NOISE
};

/// A role whose results depend on the number of the frame, too.
const fn for_each_frame(prepare: PrepareNode) -> Role {
    Role::Function { prepare, varies: true, acts: false }
}

fn noisy<S: Send + Sync + 'static>(settings: S, apply: fn(&S, &PlanarImage, u64) -> PlanarImage) -> Made {
    node(
        |inputs| Ok(vec![Info::image(same_size(inputs))]),
        move |inputs, frame| Ok(vec![image_value(apply(&settings, inputs.image("image")?, frame.index))]),
    )
}
