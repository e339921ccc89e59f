//! Files of before 0.7, when nodes had categories and names instead of ids.

use super::nodes;
use crate::chn::file::{ChnFile, ChnNode};
use serde_json::json;
use std::collections::HashSet;

/// Names of the time before the first alpha.
pub(super) fn alpha_names(file: &mut ChnFile) {
    nodes(file, &["ESRGAN::Load"]).for_each(|node| node.schema = AUTO_LOAD.into());
    nodes(file, &["ESRGAN::Run"]).for_each(|node| node.schema = "Image::Upscale".into());
}

/// Makes a model of what `Model::Read` read; later one node did both.
const AUTO_LOAD: &str = "Model::AutoLoad";

/// Kinds of nodes before 0.3, and category and name of 0.3.
const ALPHA_NAMES: &[(&str, &str)] = &[
    ("Adjust::Blur", "Image (Effect):Blur"),
    ("Adjust::Brightness", "Image (Effect):Brightness & Contrast"),
    ("Adjust::Contrast", "Image (Effect):Brightness & Contrast"),
    ("Adjust::Shift", "Image (Effect):Shift"),
    ("Border::Make", "Image (Utility):Create Border"),
    ("Color::Convert", "Image (Utility):Change Colorspace"),
    ("Concat::Horizontal", "Image (Utility):Stack Images"),
    ("Concat::Vertical", "Image (Utility):Stack Images"),
    ("Crop::Border", "Image (Utility):Crop (Border)"),
    ("Crop::Offsets", "Image (Utility):Crop (Offsets)"),
    ("Image::Read", "Image:Load Image"),
    ("Image::Show", "Image:Preview Image"),
    ("Image::Upscale", "PyTorch:Upscale Image"),
    ("Image::Write", "Image:Save Image"),
    ("Img::Channel::Merge", "Image (Utility):Merge Channels"),
    ("Img::Channel::Split", "Image (Utility):Split Channels"),
    (AUTO_LOAD, "PyTorch:Load Model"),
    ("Model::Interpolate", "PyTorch:Interpolate Models"),
    ("Model::Read", "PyTorch:Load Model"),
    ("Model::Save", "PyTorch:Save Model"),
    ("Resize::Factor", "Image (Utility):Resize (Factor)"),
    ("Resize::Resolution", "Image (Utility):Resize (Resolution)"),
    ("Threshold::Adaptive", "Image (Effect):Threshold (Adaptive)"),
    ("Threshold::Standard", "Image (Effect):Threshold"),
];

/// Two nodes of a model became one, two of brightness one, and all got categories.
pub(super) fn categories(file: &mut ChnFile) {
    auto_load(file);
    for node in &mut file.nodes {
        let ChnNode { schema, inputs, .. } = node;
        match schema.as_str() {
            // Their only number was counted with the picture, or without.
            "Adjust::Brightness" | "Adjust::Contrast" => {
                let to = if schema == "Adjust::Contrast" { 2 } else { 1 };
                let amount = inputs.remove(&1).or_else(|| inputs.remove(&0));
                inputs.extend(amount.map(|amount| (to, amount)));
            }
            "Concat::Horizontal" => *inputs = [(4, json!("horizontal"))].into(),
            "Concat::Vertical" => *inputs = [(4, json!("vertical"))].into(),
            _ => {}
        }
        if let Some((_, name)) = ALPHA_NAMES.iter().find(|(old, _)| old == schema) {
            *schema = (*name).to_owned();
        }
    }
}

/// What came out of a node that makes a model of a read one comes out of that one.
fn auto_load(file: &mut ChnFile) {
    let of_kind = |file: &ChnFile, kinds: &[&str]| -> HashSet<String> {
        let nodes = file.nodes.iter().filter(|node| kinds.contains(&node.schema.as_str()));
        nodes.map(|node| node.id.clone()).collect()
    };
    let makers = of_kind(file, &[AUTO_LOAD]);
    let read = of_kind(file, &["Model::Read", "Model::Interpolate"]);
    let pairs: Vec<(String, String)> = file
        .edges
        .iter()
        .filter(|edge| makers.contains(&edge.to.0) && read.contains(&edge.from.0))
        .map(|edge| (edge.to.0.clone(), edge.from.0.clone()))
        .collect();
    for (maker, read) in pairs {
        file.edges.retain(|edge| edge.to.0 != maker);
        for edge in file.edges.iter_mut().filter(|edge| edge.from.0 == maker) {
            edge.from = (read.clone(), 0);
        }
        file.nodes.retain(|node| node.id != maker);
    }
}

/// Loading got a directory before the name, saving a path within the directory.
pub(super) fn relative_paths(file: &mut ChnFile) {
    for i in 0..file.nodes.len() {
        let id = file.nodes[i].id.clone();
        match file.nodes[i].schema.as_str() {
            "Image:Load Image" | "Image:Read Image" | "Image:Load Image (Iterator)" => {
                let name = if file.nodes[i].schema.ends_with("(Iterator)") { 3 } else { 2 };
                file.edges.iter_mut().filter(|edge| edge.is_of(&id, 1)).for_each(|edge| edge.from.1 = name);
            }
            "Image:Save Image" => {
                let inputs = &mut file.nodes[i].inputs;
                let (name, format) = (inputs.remove(&2), inputs.remove(&3));
                inputs.extend(name.map(|name| (3, name)));
                inputs.extend(format.map(|format| (4, format)));
                file.edges.iter_mut().filter(|edge| edge.is_into(&id, 2)).for_each(|edge| edge.to.1 = 3);
            }
            _ => {}
        }
    }
}

/// Kinds of nodes before 0.7: category and name.
const NAMES: &[(&str, &str)] = &[
    ("Image:Load Image", "image:load"),
    ("Image:Read Image", "image:load"),
    ("Image:Save Image", "image:save"),
    ("Image:Preview Image", "image:view"),
    ("Image:Image File Iterator", "image:file_iterator"),
    ("Image:Load Image (Iterator)", "image:file_iterator_load"),
    ("Image:Video Frame Iterator", "image:video_frame_iterator"),
    ("Image (Utility):Add Caption", "image:caption"),
    ("Image (Utility):Add Normals", "image:add_normals"),
    ("Image (Utility):Average Color Fix", "image:average_color_fix"),
    ("Image (Utility):Change Colorspace", "image:change_colorspace"),
    ("Image (Utility):Color Transfer", "image:color_transfer"),
    ("Image (Utility):Create Border", "image:create_border"),
    ("Image (Utility):Fill Alpha", "image:fill_alpha"),
    ("Image (Utility):Normalize", "image:normalize_normal_map"),
    ("Image (Utility):Overlay Images", "image:overlay"),
    ("Image (Utility):Stack Images", "image:stack"),
    ("Image (Utility):Crop (Border)", "image:crop_border"),
    ("Image (Utility):Crop (Edges)", "image:crop_edges"),
    ("Image (Utility):Crop (Offsets)", "image:crop_offsets"),
    ("Image (Utility):Resize (Factor)", "image:resize_factor"),
    ("Image (Utility):Resize (Resolution)", "image:resize_resolution"),
    ("Image (Utility):Merge Channels", "image:merge_channels"),
    ("Image (Utility):Merge Transparency", "image:merge_transparency"),
    ("Image (Utility):Split Transparency", "image:split_transparency"),
    ("Image (Utility):Split Channels", "image:split_channels"),
    ("Image (Effect):Blur", "image:blur"),
    ("Image (Effect):Brightness & Contrast", "image:brightness_and_contrast"),
    ("Image (Effect):Gaussian Blur", "image:gaussian_blur"),
    ("Image (Effect):Hue & Saturation", "image:hue_and_saturation"),
    ("Image (Effect):Sharpen", "image:sharpen"),
    ("Image (Effect):Shift", "image:shift"),
    ("Image (Effect):Threshold", "image:threshold"),
    ("Image (Effect):Threshold (Adaptive)", "image:threshold_adaptive"),
    ("PyTorch:Load Model", "pytorch:load_model"),
    ("PyTorch:Save Model", "pytorch:save_model"),
    ("PyTorch:Upscale Image", "pytorch:upscale_image"),
    ("PyTorch:Interpolate Models", "pytorch:interpolate_models"),
    ("PyTorch:Convert To ONNX", "pytorch:convert_to_onnx"),
    ("NCNN:Load Model", "ncnn:load_model"),
    ("NCNN:Save Model", "ncnn:save_model"),
    ("NCNN:Upscale Image", "ncnn:upscale_image"),
    ("NCNN:Interpolate Models", "ncnn:interpolate_models"),
    ("Utility:Note", "utility:note"),
    ("Utility:Text Append", "utility:text_append"),
];

pub(super) fn schema_ids(file: &mut ChnFile) {
    for node in &mut file.nodes {
        if let Some((_, schema)) = NAMES.iter().find(|(old, _)| *old == node.schema) {
            node.schema = (*schema).to_owned();
        }
    }
}
