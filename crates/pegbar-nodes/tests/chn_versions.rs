//! Files of all ages: what later versions of chaiNNer changed is changed on the way in.

mod kit;

use kit::{graph_is_sound, import, remarks, same_nodes};
use pegbar_chain::Graph;
use pegbar_nodes::NODES;

/// The file becomes these nodes, and the report says this.
#[track_caller]
fn becomes(name: &str, nodes: &[&str], said: &[&str]) {
    let imported = import(name);
    same_nodes(&imported.chain, nodes);
    assert_eq!(remarks(&imported), said, "{name}");
    if imported.n_placeholders() == 0 {
        graph_is_sound(name, &imported.chain);
    }
}

#[test]
fn the_first_alphas_mixed_nodes_and_edges() {
    becomes(
        "alpha.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "model-load = model.load path=/m/2x.pth",
            "upscale = image.upscale image<image-load.image model<model-load.model",
            "brightness_contrast = image.brightness_contrast image<hue_saturation.image",
            "stack = image.stack orientation=vertical images<brightness_contrast.image+upscale.image",
            "combine_channels = image.merge_alpha image<stack.image alpha<image-load.image",
            "image-save = image.save directory=/out name=big format=jpg subsampling=4:2:2 existing=overwrite \
             image<combine_channels.image",
            "hue_saturation = image.hue_saturation lightness=20 image<upscale.image",
        ],
        &[
            "node combine_channels (image:merge_channels): it puts channels of two pictures together; they are \
             taken for colour and alpha",
        ],
    );
}

#[test]
fn names_and_overlays_of_before_0_5() {
    becomes(
        "before_05.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "image-load-2 = image.load path=/a/2.png",
            "resize = image.resize percent=50 filter=nearest image<image-load.image",
            "blend = image.blend opacity=30 position=centre crop=false base<image-load.image overlay<resize.image",
            "image-save = image.save directory=/out existing=overwrite image<blend-2.image name<image-load.name",
            "blend-2 = image.blend opacity=50 position=centre crop=false base<blend.image overlay<image-load-2.image",
        ],
        &[],
    );
}

#[test]
fn differences_turns_and_brightness_of_before_0_9() {
    becomes(
        "before_09.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "image-load-2 = image.load path=/a/2.png",
            "blend = image.blend mode=difference position=centre crop=false base<image-load.image \
             overlay<image-load-2.image",
            "rotate = image.rotate angle=-270 image<blend.image",
            "blend-2 = image.blend mode=overlay opacity=40 position=centre crop=false base<opacity.image \
             overlay<image-load-2.image",
            "adaptive_threshold = image.adaptive_threshold radius=3 image<blend-2.image",
            "colour_space = image.grayscale image<image-load.image",
            "brightness_contrast = image.brightness_contrast contrast=20 image<hue_saturation.image",
            "stack = image.stack images<adaptive_threshold.image+colour_space.image+brightness_contrast.image",
            "opacity = image.opacity opacity=60 image<rotate.image",
            "hue_saturation = image.hue_saturation lightness=10 image<image-load.image",
        ],
        &[],
    );
}

#[test]
fn videos_of_iterators() {
    becomes(
        "old_videos.chn",
        &[
            "video-load = video.load path=/films/a.mkv",
            "video-save = video.save path=/out/small.gif image<video-load.image",
            "video-save-2 = video.save path=/out/silent.mkv encode=h264 crf=18 preset=slow image<video-load.image",
            "video-load-2 = video.load path=/films/b.mkv disabled",
            "video-save-3 = video.save path=/out/b.mp4 encode=h264 image<video-load-2.image disabled",
        ],
        &[
            "nodes that were set to write no video are left out: 1",
            "node video-save-2 (image:save_video): the sound of the source goes along; here it was not connected",
        ],
    );
}

#[test]
fn seeds_gammas_and_plain_pictures() {
    becomes(
        "seeds.chn",
        &[
            "value-number = value.number value=7",
            "value-random = value.random min=1 max=6 seed<value-seed.seed",
            "image-load = image.load path=/a/1.png",
            "add_noise = image.add_noise amount=20 image<image-load.image seed<value-seed-2.seed",
            "gamma = image.gamma gamma=2.2 invert=true image<add_noise.image",
            "solid_colour = image.solid_colour colour=#ff0033 width=32 height=24",
            "solid_colour-2 = image.solid_colour width=8 height=8 colour<value-colour_from.colour",
            "colour_space = image.colour_space to=lch image<image-load.image",
            "stack = image.stack orientation=vertical \
             images<gamma.image+solid_colour.image+solid_colour-2.image+colour_space.image",
            "value-seed = value.seed seed=3 values<value-number.number",
            "value-seed-2 = value.seed values<value-random.number",
            "value-colour_from = value.colour_from red=0 blue=0 green<value-number.number alpha<value-math.result",
            "value-math = value.math operation=divide b=2.55 a<value-random.number",
        ],
        &[
            "node value-random (utility:random_number): the same seed gives another number than in chaiNNer",
            "node colour_space (image:change_colorspace): it makes no alpha channel; one that is there stays",
        ],
    );
}

#[test]
fn methods_of_colour_transfer() {
    becomes(
        "colour_transfer.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "image-load-2 = image.load path=/a/2.png",
            "colour_transfer = image.colour_transfer method=principal image<image-load.image \
             reference<image-load-2.image",
            "colour_transfer-2 = image.colour_transfer method=linear-histogram space=rgb overflow=scale \
             reciprocal=false image<colour_transfer.image reference<image-load-2.image",
            "colour_transfer-3 = image.colour_transfer image<colour_transfer-2.image reference<image-load-2.image",
        ],
        &[],
    );
}

#[test]
fn switches_between_one_picture_and_many() {
    let imported = import("switch.chn");
    same_nodes(
        &imported.chain,
        &[
            "image-load = image.load path=/nowhere/1.png",
            "folder-load = folder.load directory=/scans recursive=true on-error=go-on",
            "text_as_image = structure.placeholder original=image:text_as_image settings={\"0\":\"x\"}",
            "value-switch = value.switch index=2 values<image-load.image+text_as_image.out_0+folder-load.image",
            "value-switch-2 = value.switch index=1 values<image-load.name+folder-load.name",
            "image-save = image.save directory=/out existing=overwrite image<value-switch.value \
             name<value-switch-2.value",
        ],
    );
    assert_eq!(imported.n_placeholders(), 1);
    // Neither the picture that is not there nor the placeholder is in the way of what is chosen.
    let graph = Graph::build(&imported.chain, &NODES).expect("a good chain");
    let mut ids: Vec<&str> = graph.order.iter().map(|&n| graph.nodes[n].id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["folder-load", "image-save", "value-switch", "value-switch-2"]);
}

#[test]
fn sizes_by_name() {
    becomes(
        "resolutions.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "value-number = value.number value=1280",
            "value-number-2 = value.number value=99.5",
            "value-round = value.round number=640 operation=down",
            "resize = image.resize mode=exact separate-alpha=true image<image-load.image width<value-number.number \
             height<value-number-3.number",
            "resize-2 = image.resize mode=exact filter=nearest separate-alpha=true image<resize.image \
             width<value-round.result height<value-round-2.result",
            "value-number-3 = value.number value=720",
            "value-round-2 = value.round operation=down number<value-number-2.number",
        ],
        &[],
    );
}

#[test]
fn models_that_were_written_on_the_way() {
    becomes(
        "onnx_file.chn",
        &[
            "model-load = model.load path=/m/2x.pth",
            "pass_through = structure.pass_through value<model-load.model",
            "image-load = image.load path=/a/1.png",
            "upscale = image.upscale image<image-load.image model<pass_through.value",
            "text-join-1 = value.text value=up",
            "text-join = text.join separator=- texts<text-join-1.text+value-text.text",
            "image-save = image.save directory=/out existing=overwrite image<upscale.image name<text-join.text",
            "onnx-save_model = structure.placeholder original=onnx:save_model settings={\"1\":\"/out\",\"2\":\"mine\"} \
             in_0<pass_through.value",
            "value-text = value.text value=mine",
        ],
        &[
            "node onnx-save_model (onnx:save_model): models are written by \"pegbar models convert\"; a placeholder with \
             its settings and edges stands for it",
        ],
    );
}

#[test]
fn settings_that_are_not_stored_are_those_of_chainner() {
    becomes(
        "defaults.chn",
        &[
            "image-load = image.load path=/a/1.png",
            "image-load-2 = image.load path=/a/2.png",
            "blend = image.blend position=centre crop=false base<image-load.image overlay<image-load-2.image",
            "caption = image.caption text=before size=42 image<blend.image",
            "crop = image.crop mode=border image<caption.image",
            "resize_to_side = image.resize_to_side target=2160 side=width image<crop.image",
            "rotate = image.rotate angle=0 image<resize_to_side.image",
            "add_noise = image.add_noise colour=rgb amount=50 image<rotate.image",
            "resize = image.resize mode=exact width=640 height=1 image<add_noise.image",
            "colour_space = image.split_alpha image<resize.image",
        ],
        &[],
    );
}
