//! Restoration that looks at neighbouring frames. At an end of the film or beside a cut there are fewer of them; a picture by
//! itself has none.

use crate::function::PICTURE;
use pegbar_chain::{Category, NodeType, Role};
use pegbar_filters::temporal::decomb::{self, Decomb};
use pegbar_filters::temporal::deflicker::{self, Deflicker};
use pegbar_filters::temporal::deghost::{self, Deghost};
use pegbar_filters::temporal::degrain::{self, Degrain};
use pegbar_filters::temporal::denoise::{self, Denoise};
use pegbar_filters::temporal::derainbow::{self, Derainbow};
use pegbar_filters::temporal::despot::{self, Despot};
use pegbar_filters::temporal::dot_crawl::{self, DotCrawl};
use pegbar_filters::temporal::stabilise::{self, Stabilise};
use std::sync::Arc;

const TEMPORAL: NodeType = NodeType { category: Category::Temporal, ..PICTURE };

/// See [`Decomb`].
pub(crate) static DECOMB: NodeType = NodeType {
    id: "temporal.decomb",
    name: "Decomb",
    doc: "Mends combing: where the two fields of a frame show different times, one is kept. The other one is looked for \
          in the frames before and after, place by place, and made anew along edges where none of them fits. Frames \
          without combing stay as they are.",
    params: decomb::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Decomb::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Deflicker`].
pub(crate) static DEFLICKER: NodeType = NodeType {
    id: "temporal.deflicker",
    name: "Deflicker",
    doc: "Takes out flicker: brightness and contrast that jump from frame to frame, all over or in places, are \
          brought to the level of the neighbourhood.",
    params: deflicker::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Deflicker::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Deghost`].
pub(crate) static DEGHOST: NodeType = NodeType {
    id: "temporal.deghost",
    name: "Deghost",
    doc: "Takes out the ghost of an analog signal: the same picture again, fainter and to the right. Where it \
          stands and how strong it is are measured over the frames, or given.",
    params: deghost::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Deghost::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Degrain`].
pub(crate) static DEGRAIN: NodeType = NodeType {
    id: "temporal.degrain",
    name: "Degrain",
    doc: "Takes out the grain of film, which clumps and depends on the tone, with the help of neighbouring frames, \
          followed where they move. A part of it can be left.",
    params: degrain::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Degrain::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Denoise`].
pub(crate) static DENOISE: NodeType = NodeType {
    id: "temporal.denoise",
    name: "Denoise over Time",
    doc: "Takes out the noise of cameras, tapes and encoders with the help of neighbouring frames, followed where \
          they move. How strong it is is measured or given.",
    params: denoise::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Denoise::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Derainbow`].
pub(crate) static DERAINBOW: NodeType = NodeType {
    id: "temporal.derainbow",
    name: "Derainbow",
    doc: "Takes out rainbows: fine detail that a composite decoder took for colour, flickering from frame to frame.",
    params: derainbow::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Derainbow::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Despot`].
pub(crate) static DESPOT: NodeType = NodeType {
    id: "temporal.despot",
    name: "Despot",
    doc: "Takes out dirt and dust: spots and hairs that lie on the film for a single frame, filled from the frames \
          before and after.",
    params: despot::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Despot::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`DotCrawl`].
pub(crate) static DOT_CRAWL: NodeType = NodeType {
    id: "temporal.dot_crawl",
    name: "Dot Crawl",
    doc: "Takes out dot crawl: remains of the colour subcarrier that crawl along the edges of colours.",
    params: dot_crawl::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(DotCrawl::from_values(prepare.values))) },
    ..TEMPORAL
};

/// See [`Stabilise`].
pub(crate) static STABILISE: NodeType = NodeType {
    id: "temporal.stabilise",
    name: "Stabilise",
    doc: "Takes out gate weave: a picture that does not stand still because the film did not. Moves of the camera \
          stay.",
    params: stabilise::PARAMS,
    role: Role::Temporal { prepare: |prepare| Ok(Arc::new(Stabilise::from_values(prepare.values))) },
    ..TEMPORAL
};
