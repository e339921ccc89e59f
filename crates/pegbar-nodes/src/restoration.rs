//! Restoration of single frames.

use crate::function::{PICTURE, by, function};
use pegbar_chain::{Category, NodeType};
use pegbar_filters::spatial::{
    AntiAlias, BorderFix, ChromaBleed, ChromaShift, Deband, Deblock, Dehalo, Denoise, Dering, Descratch,
    Despeckle, EdgeClean, FineDehalo, LineDarken, LineThin, anti_alias, border_fix, chroma_bleed,
    chroma_shift, deband, deblock, dehalo, denoise, dering, descratch, despeckle, edge_clean, fine_dehalo,
    line_darken, line_thin,
};

const RESTORATION: NodeType = NodeType { category: Category::Restoration, ..PICTURE };

/// See [`AntiAlias`].
pub(crate) static ANTI_ALIAS: NodeType = NodeType {
    id: "restore.anti_alias",
    name: "Anti-Alias",
    doc: "Smooths jagged lines: rows and columns that are copies, or that jag, are made anew between their \
          neighbours, along edges. For pictures that lost a field or were doubled without a filter.",
    params: anti_alias::PARAMS,
    role: function(|prepare| by(AntiAlias::from_values(prepare.values), AntiAlias::apply)),
    example: &[("mode", "all")],
    ..RESTORATION
};

/// See [`BorderFix`].
pub(crate) static BORDER_FIX: NodeType = NodeType {
    id: "restore.border_fix",
    name: "Fix Borders",
    doc: "Mends dirty borders: outer rows and columns that are too dark or too light are scaled to match what lies \
          inside, or replaced.",
    params: border_fix::PARAMS,
    role: function(|prepare| by(BorderFix::from_values(prepare.values), BorderFix::apply)),
    ..RESTORATION
};

/// See [`ChromaBleed`].
pub(crate) static CHROMA_BLEED: NodeType = NodeType {
    id: "restore.chroma_bleed",
    name: "Chroma Bleed",
    doc: "Brings colour that ran over its edges, as on tape, back within the lines: edges of luma become the edges \
          of colour again.",
    params: chroma_bleed::PARAMS,
    role: function(|prepare| by(ChromaBleed::from_values(prepare.values), ChromaBleed::apply)),
    ..RESTORATION
};

/// See [`ChromaShift`].
pub(crate) static CHROMA_SHIFT: NodeType = NodeType {
    id: "restore.chroma_shift",
    name: "Chroma Shift",
    doc: "Moves colour back onto its lines, by parts of a pixel. How far is given, or estimated for each picture.",
    params: chroma_shift::PARAMS,
    role: function(|prepare| by(ChromaShift::from_values(prepare.values), ChromaShift::apply)),
    example: &[("estimate", "false"), ("x", "-4"), ("y", "-2")],
    ..RESTORATION
};

/// See [`Deband`].
pub(crate) static DEBAND: NodeType = NodeType {
    id: "restore.deband",
    name: "Deband",
    doc: "Takes away banding: gentle gradients that became stairs are made smooth again and dithered, detail is kept.",
    params: deband::PARAMS,
    role: function(|prepare| by(Deband::from_values(prepare.values), Deband::apply)),
    example: &[("threshold", "12")],
    ..RESTORATION
};

/// See [`Deblock`].
pub(crate) static DEBLOCK: NodeType = NodeType {
    id: "restore.deblock",
    name: "Deblock",
    doc: "Takes away the blocks that JPEG, MPEG-2 and their kin leave. Their grid and their strength are found \
          from the picture; where there are none, nothing is done.",
    params: deblock::PARAMS,
    role: function(|prepare| by(Deblock::from_values(prepare.values), Deblock::apply)),
    ..RESTORATION
};

/// See [`Dehalo`].
pub(crate) static DEHALO: NodeType = NodeType {
    id: "restore.dehalo",
    name: "Dehalo",
    doc: "Takes away halos: the bright and dark rims that sharpening leaves along edges. What is high is drawing \
          and stays.",
    params: dehalo::PARAMS,
    role: function(|prepare| by(Dehalo::from_values(prepare.values), Dehalo::apply)),
    ..RESTORATION
};

/// See [`Denoise`].
pub(crate) static DENOISE: NodeType = NodeType {
    id: "restore.denoise",
    name: "Denoise (Single Frame)",
    doc: "Takes noise out of a single picture: overlapping blocks are transformed, and what noise explains is \
          taken off. The noise is measured or given. For films, Denoise over Time keeps more detail.",
    params: denoise::PARAMS,
    role: function(|prepare| by(Denoise::from_values(prepare.values), Denoise::apply)),
    ..RESTORATION
};

/// See [`Dering`].
pub(crate) static DERING: NodeType = NodeType {
    id: "restore.dering",
    name: "Dering",
    doc: "Takes away ringing, the echoes that a sharp cut-off leaves beside edges. The edges stay.",
    params: dering::PARAMS,
    role: function(|prepare| by(Dering::from_values(prepare.values), Dering::apply)),
    ..RESTORATION
};

/// See [`Descratch`].
pub(crate) static DESCRATCH: NodeType = NodeType {
    id: "restore.descratch",
    name: "Descratch",
    doc: "Takes away vertical scratches of film: thin, nearly upright lines over most of the height. Lines that \
          were drawn are shorter or not as even, and stay.",
    params: descratch::PARAMS,
    role: function(|prepare| by(Descratch::from_values(prepare.values), Descratch::apply)),
    ..RESTORATION
};

/// See [`Despeckle`].
pub(crate) static DESPECKLE: NodeType = NodeType {
    id: "restore.despeckle",
    name: "Despeckle",
    doc: "Takes away single specks: samples that stick out from nearly all of their neighbours.",
    params: despeckle::PARAMS,
    role: function(|prepare| by(Despeckle::from_values(prepare.values), Despeckle::apply)),
    ..RESTORATION
};

/// See [`EdgeClean`].
pub(crate) static EDGE_CLEAN: NodeType = NodeType {
    id: "restore.edge_clean",
    name: "Clean Edges",
    doc: "Cleans lines: dirt and jags along them, as compression leaves, are smoothed along the line and never \
          across it.",
    params: edge_clean::PARAMS,
    role: function(|prepare| by(EdgeClean::from_values(prepare.values), EdgeClean::apply)),
    example: &[("strength", "1")],
    ..RESTORATION
};

/// See [`FineDehalo`].
pub(crate) static FINE_DEHALO: NodeType = NodeType {
    id: "restore.fine_dehalo",
    name: "Fine Dehalo",
    doc: "Takes away halos around strong edges only, and spares places where drawing is fine and dense.",
    params: fine_dehalo::PARAMS,
    role: function(|prepare| by(FineDehalo::from_values(prepare.values), FineDehalo::apply)),
    ..RESTORATION
};

/// See [`LineDarken`].
pub(crate) static LINE_DARKEN: NodeType = NodeType {
    id: "restore.line_darken",
    name: "Darken Lines",
    doc: "Gives faded lines their black back: thin dark lines become darker, down to the level of ink.",
    params: line_darken::PARAMS,
    role: function(|prepare| by(LineDarken::from_values(prepare.values), LineDarken::apply)),
    example: &[("strength", "3")],
    ..RESTORATION
};

/// See [`LineThin`].
pub(crate) static LINE_THIN: NodeType = NodeType {
    id: "restore.line_thin",
    name: "Thin Lines",
    doc: "Makes thick, soft lines thin again: what is bright spreads over them, then all is sharpened. Sharp lines stay.",
    params: line_thin::PARAMS,
    role: function(|prepare| by(LineThin::from_values(prepare.values), LineThin::apply)),
    example: &[("amount", "0.8"), ("sharp", "1")],
    ..RESTORATION
};
