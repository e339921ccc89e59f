//! Nodes that read and write, and models.

use super::Place::{Nothing, Param, Port, Read};
use super::{Place, Rule, picture, rule};
use crate::chn::convert::Convert::{Bool, Number, Path, Text, Whole};
use crate::chn::sequence::{LIMIT, SKIP, STEP};
use crate::chn::special;

const MODEL_FILE: &[(u32, &str)] = &[(0, "model"), (2, "directory"), (1, "name")];
const MODEL_FILES: &[(u32, &str)] =
    &[(0, "model"), (1, "directory"), (2, "subdirectory"), (3, "name"), (4, "index")];

const UPSCALE: &[(u32, Place)] =
    &[(1, Port("image")), (0, Port("model")), (2, Read), (3, Read), (4, Nothing)];

const CONVERT: &[(u32, Place)] = &[(0, Port("value")), (1, Nothing), (2, Nothing), (3, Nothing)];

const INTERPOLATE: &[(u32, Place)] = &[(0, Port("a")), (1, Port("b")), (2, Param("weight", Number))];

const LOAD_MODELS: &[(u32, Place)] = &[
    (0, Param("directory", Path)),
    (1, Nothing),
    (2, Nothing),
    (3, Nothing),
    (SKIP, Param("skip", Whole)),
    (LIMIT, Param("limit", Whole)),
    (STEP, Param("step", Whole)),
];

/// The rules.
pub(super) static RULES: &[Rule] = &[
    // Input and output.
    rule(
        "image:load",
        "image.load",
        &[(0, Param("path", Path))],
        &[(0, "image"), (1, "directory"), (2, "name")],
    ),
    Rule {
        special: Some(special::save_image),
        ..rule(
            "image:save",
            "image.save",
            &[
                (0, Port("image")),
                (1, Param("directory", Path)),
                (2, Param("subdirectory", Text)),
                (3, Param("name", Text)),
                (4, Read),
                (5, Param("quality", Whole)),
                // Of DDS.
                (6, Nothing),
                (7, Nothing),
                (8, Nothing),
                (9, Nothing),
                (10, Nothing),
                (13, Nothing),
                (11, Read),
                (12, Read),
                (14, Read),
                (15, Read),
                (16, Read),
                // Of AVIF and JPEG XL.
                (17, Nothing),
                (18, Nothing),
                (1000, Read),
            ],
            &[],
        )
    },
    Rule {
        special: Some(special::load_images),
        ..rule(
            "image:load_images",
            "folder.load",
            &[
                (0, Param("directory", Path)),
                (1, Read),
                (2, Param("recursive", Bool)),
                (3, Read),
                (4, Read),
                (5, Read),
                (6, Read),
                (SKIP, Param("skip", Whole)),
                (LIMIT, Read),
                (STEP, Param("step", Whole)),
            ],
            &[(0, "image"), (1, "directory"), (2, "subdirectory"), (3, "name"), (4, "index")],
        )
    },
    Rule {
        special: Some(special::load_video),
        ..rule(
            "image:load_video",
            "video.load",
            &[
                (0, Param("path", Path)),
                (1, Read),
                (2, Read),
                (SKIP, Param("skip", Whole)),
                (LIMIT, Read),
                (STEP, Param("step", Whole)),
            ],
            &[(0, "image"), (1, "index"), (2, "directory"), (3, "name")],
        )
    },
    Rule {
        special: Some(special::save_video),
        ..rule(
            "image:save_video",
            "video.save",
            &[
                (0, Port("image")),
                (1, Read),
                (2, Read),
                (3, Read),
                (4, Read),
                (8, Read),
                (9, Read),
                (10, Nothing),
                (12, Read),
                (13, Read),
                (14, Read),
                (15, Nothing),
                (16, Read),
                (17, Read),
                (18, Read),
            ],
            &[],
        )
    },
    rule("image:view", "structure.view", &[(0, Port("image"))], &[]),
    rule("image:view_external", "structure.view", &[(0, Port("image"))], &[]),
    // Models.
    rule("pytorch:load_model", "model.load", &[(0, Param("path", Path))], MODEL_FILE),
    rule("ncnn:load_model", "model.load", &[(0, Param("path", Path)), (1, Nothing)], MODEL_FILE),
    rule("onnx:load_model", "model.load", &[(0, Param("path", Path))], MODEL_FILE),
    rule("pytorch:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    rule("ncnn:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    rule("onnx:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    Rule {
        special: Some(special::upscale_pytorch),
        ..picture(
            "pytorch:upscale_image",
            "image.upscale",
            &[
                (1, Port("image")),
                (0, Port("model")),
                (2, Read),
                (3, Nothing),
                (4, Read),
                (5, Read),
                (6, Read),
                (7, Nothing),
            ],
        )
    },
    Rule { special: Some(special::upscale), ..picture("ncnn:upscale_image", "image.upscale", UPSCALE) },
    Rule { special: Some(special::upscale), ..picture("onnx:upscale_image", "image.upscale", UPSCALE) },
    Rule { special: Some(special::upscale), ..picture("tensorrt:upscale_image", "image.upscale", UPSCALE) },
    // A model is what it is, whatever program is to run it.
    rule("pytorch:convert_to_onnx", "structure.pass_through", CONVERT, &[(0, "value")]),
    rule("pytorch:convert_to_ncnn", "structure.pass_through", CONVERT, &[(0, "value")]),
    rule("onnx:convert_to_ncnn", "structure.pass_through", CONVERT, &[(0, "value")]),
    rule("onnx:optimize_model", "structure.pass_through", CONVERT, &[(0, "value")]),
    rule("pytorch:model_dim", "model.info", &[(0, Port("model"))], &[(0, "scale"), (1, "architecture")]),
    rule("pytorch:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
    rule("ncnn:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
    rule("onnx:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
];
