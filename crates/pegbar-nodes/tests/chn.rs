//! Chains of chaiNNer, written by hand after its format, become chains of Pegbar.

mod kit;

use kit::{file, graph_is_sound, import, remarks, same_nodes};
use pegbar_chain::check;
use pegbar_nodes::{NODES, RemarkKind, import_chn};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_folder_is_upscaled() {
    let imported = import("upscale_folder.chn");
    same_nodes(
        &imported.chain,
        &[
            "folder-load = folder.load directory=/scans/in recursive=true limit=50 on-error=go-on",
            "My-model = model.load path=/models/2x_Clean.pth",
            "upscale = image.upscale tile=512 image<folder-load.image model<My-model.model",
            "image-save = image.save directory=/scans/out format=jpg quality=92 subsampling=4:2:2 existing=skip image<upscale.image \
             subdirectory<folder-load.subdirectory name<folder-load.name",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    assert_eq!(imported.chain.title, "upscale_folder");
    assert_eq!(imported.chain.notes.len(), 1);
    assert_eq!(imported.chain.notes[0].text, "Scans of 2019");
    assert_eq!(imported.chain.nodes["upscale"].at, Some([640.0, 80.5]));
    graph_is_sound("upscale_folder.chn", &imported.chain);
}

#[test]
fn old_iterators_are_taken_apart() {
    let imported = import("old_iterator.chn");
    same_nodes(
        &imported.chain,
        &[
            "folder-load = folder.load directory=/old/in recursive=true on-error=go-on",
            "resize = image.resize percent=50 filter=linear image<folder-load.image",
            "image-save = image.save directory=/old/out existing=overwrite image<resize.image name<folder-load.name",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    assert_eq!(imported.chain.nodes["resize"].at, Some([150.0, 260.0]), "places are those of the whole");
    graph_is_sound("old_iterator.chn", &imported.chain);
}

#[test]
fn videos_keep_path_and_encoder() {
    let imported = import("video.chn");
    same_nodes(
        &imported.chain,
        &[
            "video-load = video.load path=/films/tape.avi limit=100",
            "model-load = model.load path=/models/2x_Tape.pth",
            "upscale = image.upscale image<video-load.image model<model-load.model",
            "video-save = video.save path=/films/tape.mkv encode=h265 crf=16 preset=slow image<upscale.image",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    graph_is_sound("video.chn", &imported.chain);
}

#[test]
fn base64_is_unpacked() {
    let imported = import("base64.chn");
    same_nodes(
        &imported.chain,
        &["image-load = image.load path=/a/b.png", "view = structure.view image<image-load.image"],
    );
    assert_eq!(
        remarks(&imported),
        ["it shows pictures and saves none: put image.save behind one, so that a run has a result"]
    );
}

#[test]
fn models_are_mixed() {
    let imported = import("interpolate.chn");
    same_nodes(
        &imported.chain,
        &[
            "model-load = model.load path=/models/a.pth",
            "model-load-2 = model.load path=/models/b.pth",
            "model-interpolate = model.interpolate weight=30 a<model-load.model b<model-load-2.model",
            "image-load = image.load path=/scans/1.png",
            "upscale = image.upscale target=factor factor=3 image<image-load.image model<model-interpolate.model",
            "image-save = image.save directory=/scans name=1-2x depth=16 existing=overwrite image<upscale.image",
        ],
    );
    assert_eq!(remarks(&imported), ["its checksum is another: the file was edited by hand"]);
    graph_is_sound("interpolate.chn", &imported.chain);
}

#[test]
fn pictures_are_blended() {
    let imported = import("blend.chn");
    same_nodes(
        &imported.chain,
        &[
            "image-load = image.load path=/scans/1.png",
            "gaussian_blur = image.gaussian_blur sigma-x=2.5 sigma-y=2.5 image<image-load.image",
            "image-load-2 = image.load path=/scans/mask.png",
            "merge_alpha = image.merge_alpha image<gaussian_blur.image alpha<image-load-2.image",
            "blend = image.blend mode=soft-light position=pixels x=-4 y=8 base<image-load.image overlay<merge_alpha.image",
            "split_channels = image.split_channels image<blend.image",
            "combine_channels = image.combine_channels red<split_channels.blue green<split_channels.green \
             blue<split_channels.red",
            "stack = image.stack orientation=vertical images<image-load.image+combine_channels.image",
            "image-save = image.save directory=/scans name=mixed existing=overwrite image<stack.image",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    graph_is_sound("blend.chn", &imported.chain);
}

#[test]
fn names_are_made_of_patterns() {
    let imported = import("text_pattern.chn");
    same_nodes(
        &imported.chain,
        &[
            "folder-load = folder.load directory=/in",
            "text-pattern = text.pattern pattern={1}_{2} 2=clean 1<folder-load.name",
            "text-join-2 = value.text value=x",
            "text-join = text.join separator=- texts<text-pattern.text+text-join-2.text+value-math.result",
            "value-math = value.math operation=log b=10 a<folder-load.index",
            "image-save = image.save directory=/out existing=overwrite image<folder-load.image name<text-join.text",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    graph_is_sound("text_pattern.chn", &imported.chain);
}

#[test]
fn what_is_not_there_keeps_its_place() {
    let imported = import("unknown.chn");
    same_nodes(
        &imported.chain,
        &[
            "image-load = image.load path=/a.png",
            "Make-normals = structure.placeholder original=image:normal_generator \
             settings={\"1\":0,\"7\":\"none\"} in_0<image-load.image",
            "image-save = image.save directory=/out name=n existing=overwrite image<Make-normals.out_0",
        ],
    );
    assert_eq!(imported.n_placeholders(), 1);
    assert_eq!(imported.report[1].kind, RemarkKind::Placeholder);
    assert_eq!(
        remarks(&imported),
        [
            "an edge leads to a node that is not there",
            "node Make-normals (image:normal_generator): maps of normals are for surfaces of games; a placeholder with its \
             settings and edges stands for it",
        ]
    );
}

#[test]
fn sizes_and_levels() {
    let imported = import("resize_levels.chn");
    same_nodes(
        &imported.chain,
        &[
            "image-load = image.load path=/a.png",
            "crop = image.crop left=8 right=8 image<image-load.image",
            "resize = image.resize mode=exact width=960 height=720 filter=lanczos image<crop.image",
            "pad = image.pad amount=4 mode=border colour=#ffffff image<resize.image",
            "levels = image.levels in-black=0.0625 gamma=1.1 image<pad.image",
            "resize_to_side = image.resize_to_side target=2160 filter=mitchell condition=only-if-smaller image<levels.image",
            "caption = image.caption text=After size=42 position=top image<resize_to_side.image",
            "image-save = image.save directory=/out name=a format=tiff depth=16 existing=overwrite image<caption.image",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    graph_is_sound("resize_levels.chn", &imported.chain);
}

#[test]
fn nodes_that_are_off_stay_off() {
    let imported = import("disabled.chn");
    same_nodes(
        &imported.chain,
        &[
            "image-load = image.load path=/a.png",
            "sharpen = image.sharpen radius=3 image<image-load.image passes",
            "pass_through = structure.pass_through value<sharpen.image",
            "median_blur = image.median_blur radius=2 image<pass_through.value",
            "view = structure.view image<median_blur.image disabled",
            "image-save = image.save directory=/out name=a existing=overwrite image<median_blur.image",
        ],
    );
    assert_eq!(remarks(&imported), Vec::<String>::new());
    graph_is_sound("disabled.chn", &imported.chain);
}

/// Chains of nodes alone that need no file pass a whole check.
#[test]
fn a_chain_without_files_passes_a_check() {
    let text = r#"{"version": "0.24.0", "migration": 45, "content": {"edges": [
        {"source": "v", "target": "s", "sourceHandle": "v-0", "targetHandle": "s-0"}], "nodes": [
        {"id": "v", "type": "generator", "data": {"schemaId": "chainner:image:load_video", "inputData": {"0": "/a.mkv"}}},
        {"id": "s", "type": "collector", "data": {"schemaId": "chainner:image:save_video",
            "inputData": {"1": "/out", "2": "b", "16": 1, "3": "ffv1", "4": "mkv"}}}]}}"#;
    let imported = import_chn(text, Path::new("a.chn")).expect("a chain");
    same_nodes(
        &imported.chain,
        &[
            "video-load = video.load path=/a.mkv",
            "video-save = video.save path=/out/b.mkv encode=ffv1 image<video-load.image",
        ],
    );
    let checked = check(&imported.chain, &NODES, Path::new("."), &Arc::default(), &HashMap::new());
    assert!(checked.is_ok(), "{:?}", checked.err());
}

#[test]
fn a_chain_that_saves_nothing_is_told_so() {
    let said = |disabled: bool| {
        let text = format!(
            r#"{{"version": "0.24.0", "migration": 45, "content": {{"edges": [
            {{"source": "c", "target": "v", "sourceHandle": "c-0", "targetHandle": "v-0"}},
            {{"source": "c", "target": "s", "sourceHandle": "c-0", "targetHandle": "s-0"}}], "nodes": [
            {{"id": "c", "data": {{"schemaId": "chainner:image:create_color", "inputData": {{"1": 8, "2": 8}}}}}},
            {{"id": "v", "data": {{"schemaId": "chainner:image:view", "inputData": {{}}}}}},
            {{"id": "s", "data": {{"schemaId": "chainner:image:save", "inputData": {{"1": "/out"}},
                "isDisabled": {disabled}}}}}]}}}}"#
        );
        remarks(&import_chn(&text, Path::new("a.chn")).expect("a chain"))
    };
    assert_eq!(said(false), Vec::<String>::new());
    assert_eq!(said(true), ["what saves is disabled: enable image-save, so that a run has a result"]);
}

#[test]
fn damaged_files_are_errors_and_no_panics() {
    for name in ["blend.chn", "alpha.chn", "before_05.chn", "seeds.chn", "old_videos.chn", "onnx_file.chn"] {
        let text = std::fs::read_to_string(file(name)).expect("the fixture");
        for cut in (0..text.len()).step_by(37) {
            let _ = import_chn(&text[..cut], Path::new("cut.chn"));
        }
        // Every word another: ids, numbers, kinds.
        let words = [
            ("\"0\"", "\"99\""),
            ("-0\"", "-x\""),
            ("-1\"", "-0\""),
            ("chainner:", ""),
            ("2.5", "1e999"),
            ("[", "{"),
            ("\"migration\"", "\"m\""),
        ];
        for (from, to) in words {
            let _ = import_chn(&text.replace(from, to), Path::new("changed.chn"));
        }
    }
}
