//! Kinds of nodes of chaiNNer one by one: what each becomes, and that a chain of it passes a check.
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

use pegbar_chain::{ChainNode, FaultKind, check};
use pegbar_nodes::{Imported, NODES, RemarkKind, import_chn};
use serde_json::{Value as Json, json};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// A file of nodes (id, kind without its prefix, stored inputs) and edges (from, output, to, input).
fn file(nodes: &[(&str, &str, Json)], edges: &[(&str, u32, &str, u32)]) -> Imported {
    let nodes: Vec<Json> = nodes
        .iter()
        .map(|(id, kind, inputs)| {
            json!({"id": id, "type": "regularNode", "position": {"x": 0, "y": 0},
                   "data": {"schemaId": format!("chainner:{kind}"), "inputData": inputs}})
        })
        .collect();
    let edges: Vec<Json> = edges
        .iter()
        .map(|(from, output, to, input)| {
            json!({"source": from, "target": to, "sourceHandle": format!("{from}-{output}"),
                   "targetHandle": format!("{to}-{input}")})
        })
        .collect();
    let whole = json!({"version": "0.24.1", "migration": 45, "content": {"nodes": nodes, "edges": edges}});
    import_chn(&whole.to_string(), Path::new("a.chn")).unwrap()
}

/// A node as words: kind, parameters, edges.
fn words(node: &ChainNode) -> BTreeSet<String> {
    let mut words = BTreeSet::from([node.node_type.clone()]);
    words.extend(
        node.params.iter().map(|(param, value)| format!("{param}={}", value.to_string().replace(' ', "_"))),
    );
    words.extend(node.inputs.iter().map(|(port, sources)| {
        let from: Vec<String> = sources.all().iter().map(ToString::to_string).collect();
        format!("{port}<{}", from.join("+"))
    }));
    words
}

fn said(imported: &Imported) -> Vec<String> {
    imported.report.iter().map(ToString::to_string).collect()
}

/// Whatever is wrong but files that are not there.
fn faults(imported: &Imported) -> Vec<String> {
    let checked = check(&imported.chain, &NODES, Path::new("."), &Arc::default(), &HashMap::new());
    let faults = checked.err().unwrap_or_default();
    faults
        .into_iter()
        .filter(|fault| fault.kind != FaultKind::Resource)
        .map(|fault| fault.to_string())
        .collect()
}

/// A kind, its stored inputs, inputs that a picture (`p`), a number (`n`) or a text (`t`) is connected to; the node that it becomes;
/// words of its remarks, if there are any.
type Row = (&'static str, Json, &'static [(u32, char)], &'static str, &'static str);

#[test]
fn every_kind_becomes_its_node() {
    const P: &[(u32, char)] = &[(0, 'p')];
    let rows: Vec<Row> = vec![
        (
            "image:save",
            json!({"1": "/o", "3": "a", "4": "jpg", "5": 80, "11": 0x22_1111, "12": 1}),
            P,
            "image.save directory=/o name=a format=jpg quality=80 subsampling=4:2:0 progressive=true existing=overwrite image<p.image",
            "",
        ),
        (
            "image:save",
            json!({"1": "/o", "3": "a", "4": "jpg"}),
            P,
            "image.save directory=/o name=a format=jpg subsampling=4:2:2 existing=overwrite image<p.image",
            "",
        ),
        (
            "image:save",
            json!({"1": "/o", "3": "a", "4": "webp", "5": 70, "14": 0}),
            P,
            "image.save directory=/o name=a format=webp quality=70 lossless=false existing=overwrite image<p.image",
            "",
        ),
        (
            "image:save",
            json!({"1": "/o", "3": "a", "4": "webp", "5": 70, "14": 1}),
            P,
            "image.save directory=/o name=a format=webp existing=overwrite image<p.image",
            "",
        ),
        (
            "image:rotate",
            json!({"1": 90, "2": 3, "3": 1, "4": -1}),
            P,
            "image.rotate angle=-90 image<p.image",
            "",
        ),
        (
            "image:rotate",
            json!({"1": 10.5, "2": 0, "3": 0, "4": 1}),
            P,
            "image.rotate angle=-10.5 filter=nearest size=keep colour=#00000000 image<p.image",
            "",
        ),
        (
            "image:rotate",
            json!({"2": 3, "3": 1, "4": 0}),
            &[(0, 'p'), (1, 'n')],
            "image.rotate image<p.image angle<n.number",
            "turns clockwise",
        ),
        (
            "image:shift",
            json!({"1": -3, "2": 4, "3": 2, "4": 1}),
            P,
            "image.shift x=-3 y=4 image<p.image",
            "",
        ),
        (
            "image:shift",
            json!({"1": 3, "2": 4, "3": -1}),
            P,
            "image.shift x=3 y=4 fill=colour image<p.image",
            "",
        ),
        (
            "image:shift",
            json!({"4": 0, "5": 10, "6": 20, "3": 1}),
            P,
            "image.shift fill=transparent image<p.image",
            "by pixels",
        ),
        (
            "image:tile_fill",
            json!({"1": 64, "2": 32, "3": 1}),
            P,
            "image.tile_fill width=64 height=32 mode=mirror image<p.image",
            "",
        ),
        (
            "image:threshold",
            json!({"1": 40, "2": 80, "3": 3, "4": 0}),
            P,
            "image.threshold level=40 white=80 kind=to-zero image<p.image",
            "",
        ),
        (
            "image:threshold",
            json!({"2": 100, "3": 1, "4": 1}),
            &[(0, 'p'), (1, 'n')],
            "image.threshold kind=binary-inverse image<p.image level<n.number",
            "not smoothed",
        ),
        (
            "image:threshold_adaptive",
            json!({"1": 100, "2": 0, "3": 1, "4": 3, "5": 1.5}),
            P,
            "image.adaptive_threshold method=mean invert=true radius=3 offset=1.5 image<p.image",
            "",
        ),
        ("image:generate_threshold", json!({"1": 0}), P, "measure.threshold image<p.image", ""),
        (
            "image:generate_threshold",
            json!({"1": 1}),
            P,
            "measure.threshold image<p.image",
            "keeps its default",
        ),
        (
            "image:change_colorspace",
            json!({"1": 1000, "2": 10, "3": 0}),
            P,
            "image.colour_space to=lab image<p.image",
            "",
        ),
        (
            "image:change_colorspace",
            json!({"1": 1001, "2": 1, "3": 0}),
            P,
            "image.colour_space from=yuv to=rgb image<p.image",
            "",
        ),
        ("image:change_colorspace", json!({"1": 1000, "2": 0}), P, "image.grayscale image<p.image", ""),
        (
            "image:change_colorspace",
            json!({"1": 1003, "2": 0}),
            P,
            "image.colour_space from=hsl to=rgb image<p.image",
            "Grayscale",
        ),
        (
            "image:stretch_contrast",
            json!({"1": 0, "2": 1}),
            P,
            "image.normalize low=0 high=0 image<p.image",
            "",
        ),
        (
            "image:stretch_contrast",
            json!({"1": 1, "2": 0, "3": 2}),
            P,
            "image.normalize low=2 high=2 channels=each image<p.image",
            "",
        ),
        (
            "image:stretch_contrast",
            json!({"1": 2, "4": 51, "5": 204}),
            P,
            "image.levels in-black=0.2 in-white=0.8 image<p.image",
            "",
        ),
        ("image:add", json!({"1": 20}), P, "image.arithmetic red=0.2 green=0.2 blue=0.2 image<p.image", ""),
        (
            "image:multiply",
            json!({"1": 1.5}),
            P,
            "image.arithmetic operation=multiply red=1.5 green=1.5 blue=1.5 image<p.image",
            "",
        ),
        (
            "image:divide",
            json!({}),
            &[(0, 'p'), (1, 'n')],
            "image.arithmetic operation=divide image<p.image red<n.number green<n.number blue<n.number",
            "",
        ),
        (
            "image:premultiplied_alpha",
            json!({"1": "Premultiplied -> Straight"}),
            P,
            "image.premultiply direction=unpremultiply image<p.image",
            "",
        ),
        ("image:clamp", json!({"1": 0.1, "2": 0.9}), P, "image.clamp low=0.1 high=0.9 image<p.image", ""),
        (
            "image:fill_alpha",
            json!({"1": 1}),
            P,
            "image.fill_alpha method=smooth threshold=5 iterations=1000 image<p.image",
            "",
        ),
        (
            "image:fill_alpha",
            json!({"1": 2}),
            P,
            "image.fill_alpha threshold=5 iterations=1000 image<p.image",
            "",
        ),
        (
            "image:chroma_key",
            json!({"1": "{\"kind\":\"rgb\",\"values\":[0,0,1]}", "2": 1, "3": 4}),
            P,
            "image.colour_key colour=#0000ff output=alpha tolerance=4 softness=0 image<p.image",
            "Oklab",
        ),
        (
            "image:lens_blur",
            json!({"1": 4, "2": 5, "3": 5}),
            P,
            "image.lens_blur radius=4 image<p.image",
            "highlights",
        ),
        (
            "image:high_pass",
            json!({"1": 5, "2": 1.5}),
            P,
            "image.high_pass radius=5 contrast=1.5 image<p.image",
            "",
        ),
        (
            "image:sharpen_hbf",
            json!({"1": 1, "2": 3, "3": 1, "4": 2.5}),
            P,
            "image.high_boost kernel=strong amount=3 contrast-adaptive=true bias=2.5 image<p.image",
            "",
        ),
        (
            "image:edge_detection",
            json!({"1": 2, "2": 9, "3": 1, "4": 1.5, "5": 3}),
            P,
            "image.edge_detect amount=2 method=difference-of-gaussians radius-1=1.5 radius-2=3 image<p.image",
            "",
        ),
        (
            "image:distance_transform",
            json!({"1": 20, "2": 1}),
            P,
            "image.distance_transform spread=20 image<p.image",
            "",
        ),
        (
            "image:dither",
            json!({"1": 4, "2": "Ordered", "3": "B4", "4": "FS", "5": 16}),
            P,
            "image.dither levels=4 method=bayer-4 image<p.image",
            "",
        ),
        (
            "image:dither",
            json!({"1": 8, "2": "Diffusion", "3": "B4", "4": "S2", "5": 16}),
            P,
            "image.dither method=two-row-sierra image<p.image",
            "",
        ),
        (
            "image:palette_dither",
            json!({"2": "Riemersma", "4": 8}),
            &[(0, 'p'), (1, 'p')],
            "image.dither method=riemersma history=8 image<p.image palette<p.image",
            "",
        ),
        (
            "image:create_checkerboard",
            json!({"0": 64, "1": 32, "2": "{\"kind\":\"rgb\",\"values\":[1,0,0]}", "4": 8}),
            &[],
            "image.checkerboard width=64 height=32 colour-1=#ff0000 colour-2=#595959 cell=8",
            "",
        ),
        (
            "image:create_gradient",
            json!({"0": 64, "1": 32, "2": 1, "3": "Vertical"}),
            &[],
            "image.gradient width=64 height=32 colours=#ffffff_#000000 angle=90",
            "",
        ),
        (
            "image:create_gradient",
            json!({"0": 64, "1": 32, "3": "Conic", "8": 30}),
            &[],
            "image.gradient width=64 height=32 kind=conic angle=30",
            "",
        ),
        (
            "utility:logic_operation",
            json!({"0": "xor", "1": 1, "2": 0}),
            &[],
            "value.logic operation=xor a=true",
            "",
        ),
        (
            "utility:math_round",
            json!({"0": 3.7, "1": "Round up", "2": "Multiple of...", "3": 8, "4": 2}),
            &[],
            "value.round number=3.7 operation=up step=8",
            "",
        ),
        (
            "utility:math_round",
            json!({"0": 3.7, "1": "Round", "2": "Power of...", "3": 1, "4": 2}),
            &[],
            "value.round number=3.7 to=power step=2",
            "",
        ),
        (
            "utility:random_number",
            json!({"0": 1, "1": 6, "2": 42}),
            &[],
            "value.random min=1 max=6 seed=42",
            "another number",
        ),
        (
            "utility:derive_seed",
            json!({"0": 7}),
            &[(1, 'n'), (2, 't')],
            "value.seed seed=7 values<n.number+t.text",
            "",
        ),
        (
            "utility:text_slice",
            json!({"0": "abcdef", "1": 1, "2": -4, "3": 2}),
            &[],
            "text.slice text=abcdef start=-4 length=2",
            "",
        ),
        (
            "utility:text_slice",
            json!({"0": "abcdef", "1": 2, "2": 3, "4": 2, "5": "end"}),
            &[],
            "text.slice text=abcdef length=2 keep=end",
            "",
        ),
        (
            "utility:text_padding",
            json!({"1": 6, "2": "-", "3": "center"}),
            &[(0, 't')],
            "text.pad width=6 fill=- side=both text<t.text",
            "",
        ),
        (
            "utility:regex_find",
            json!({"0": "x12", "1": "\\d+", "2": 0, "3": "Found {0}"}),
            &[],
            "text.regex_find text=x12 regex=\\d+ missing=empty",
            "",
        ),
        (
            "utility:regex_find",
            json!({"0": "x12", "1": "(\\d)", "2": 1, "3": "{1}"}),
            &[],
            "text.regex_find text=x12 regex=(\\d) missing=empty output={1}",
            "",
        ),
        (
            "utility:regex_replace",
            json!({"0": "x12", "1": "\\d", "2": "{0}.", "3": 1}),
            &[],
            "text.regex_replace text=x12 regex=\\d replacement={0}. count=first",
            "",
        ),
        (
            "utility:text_append_sequence",
            json!({"1": ","}),
            &[(0, 't')],
            "text.collect separator=, text<t.text",
            "",
        ),
        (
            "utility:color_from_channels",
            json!({"0": 0, "1": 64, "2": 1, "3": 2, "4": 3, "5": 50}),
            &[],
            "value.colour_from red=64 green=64 blue=64",
            "",
        ),
        (
            "utility:color_from_channels",
            json!({"0": 2, "2": 1, "3": 2, "4": 3, "5": 50}),
            &[],
            "value.colour_from red=1 green=2 blue=3 alpha=50",
            "",
        ),
        (
            "utility:separate_color",
            json!({"0": "{\"kind\":\"rgb\",\"values\":[1,0,0]}", "1": 1}),
            &[],
            "value.colour_parts colour=#ff0000 unit=percent",
            "",
        ),
        ("utility:directory_to_text", json!({}), &[(0, 't')], "structure.pass_through value<t.text", ""),
        ("utility:multithread_sequence", json!({"1": 4}), P, "structure.pass_through value<p.image", ""),
    ];
    for (kind, stored, connected, expected, remark) in rows {
        let mut nodes = vec![(format!("x-{kind}"), kind, stored)];
        let mut edges = Vec::new();
        for (input, what) in connected {
            let (id, source, values) = match what {
                'p' => (
                    "p",
                    "image:create_color",
                    json!({"0": "{\"kind\":\"rgb\",\"values\":[1,0.5,0]}", "1": 64, "2": 48}),
                ),
                'n' => ("n", "utility:number", json!({"0": 1})),
                _ => ("t", "utility:text", json!({"0": "ab"})),
            };
            if !nodes.iter().any(|(other, ..)| other == id) {
                nodes.push((id.to_owned(), source, values));
            }
            edges.push((id, 0, format!("x-{kind}"), *input));
        }
        let nodes: Vec<(&str, &str, Json)> =
            nodes.iter().map(|(id, kind, stored)| (id.as_str(), *kind, stored.clone())).collect();
        let edges: Vec<(&str, u32, &str, u32)> =
            edges.iter().map(|(from, output, to, input)| (*from, *output, to.as_str(), *input)).collect();
        let imported = file(&nodes, &edges);
        let node = &imported.chain.nodes[0];
        let names = [("solid_colour", "p"), ("value-number", "n"), ("value-text", "t")];
        let got: BTreeSet<String> = words(node)
            .into_iter()
            .map(|word| {
                names
                    .iter()
                    .fold(word, |word, (id, short)| word.replace(&format!("{id}."), &format!("{short}.")))
            })
            .collect();
        let wanted: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(got, wanted, "{kind}");
        let said = said(&imported).join("; ");
        assert!(said.contains(remark) && said.is_empty() == remark.is_empty(), "{kind}: {said:?}");
        assert_eq!(faults(&imported), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn what_cuts_a_sequence_short_is_said_to_its_source() {
    // A folder of which the first five are skipped, ten are taken, and of those every third from the second on, upscaled before.
    let imported = file(
        &[
            ("load", "image:load_images", json!({"0": "/in", "4": 1, "5": 100, "6": 1})),
            ("skip", "utility:skip_sequence", json!({"1": 5})),
            ("blur", "image:gaussian_blur", json!({"1": 2, "2": 2})),
            ("limit", "utility:limit_sequence", json!({"1": 10})),
            ("slice", "utility:slice_sequence", json!({"1": 1, "2": 8, "3": 3})),
            ("save", "image:save", json!({"1": "/out"})),
        ],
        &[
            ("load", 0, "skip", 0),
            ("skip", 0, "blur", 0),
            ("blur", 0, "limit", 0),
            ("limit", 0, "slice", 0),
            ("slice", 0, "save", 0),
            ("load", 3, "save", 3),
        ],
    );
    let load = words(&imported.chain.nodes["folder-load"]);
    assert_eq!(
        load,
        ["folder.load", "directory=/in", "limit=3", "skip=6", "step=3"].map(str::to_owned).into()
    );
    assert_eq!(said(&imported), Vec::<String>::new(), "the names meet the pictures again");
    assert_eq!(imported.n_placeholders(), 0);
    assert_eq!(faults(&imported), Vec::<String>::new());

    // A video with a limit of its own, and one behind it; another branch takes all of it.
    let imported = file(
        &[
            ("load", "image:load_video", json!({"0": "/a.mkv", "1": 1, "2": 500})),
            ("limit", "utility:limit_sequence", json!({"1": 48})),
            ("save", "image:save_video", json!({"1": "/out", "2": "b", "16": 1, "3": "ffv1", "4": "mkv"})),
            ("view", "image:view", json!({})),
        ],
        &[("load", 0, "limit", 0), ("limit", 0, "save", 0), ("load", 5, "save", 15), ("load", 0, "view", 0)],
    );
    assert_eq!(
        words(&imported.chain.nodes["video-load"]),
        ["video.load", "path=/a.mkv", "limit=48"].map(str::to_owned).into()
    );
    let said = said(&imported);
    assert!(said.len() == 1 && said[0].contains("left out everywhere"), "{said:?}");
    assert_eq!(faults(&imported), Vec::<String>::new());

    // Numbers are a source, too: 0 to 9 without the first three, two of them.
    let imported = file(
        &[
            ("range", "utility:range", json!({"0": 0, "1": 1, "2": 10, "3": 0})),
            ("slice", "utility:slice_sequence", json!({"1": 3, "2": 7, "3": 2})),
            ("text", "utility:text_append_sequence", json!({"1": ","})),
        ],
        &[("range", 0, "slice", 0), ("slice", 0, "text", 0)],
    );
    assert_eq!(
        words(&imported.chain.nodes["sequence-range"]),
        ["sequence.range", "start=3", "stop=7", "step=2"].map(str::to_owned).into()
    );

    // What is not known before the chain runs stays a placeholder.
    let imported = file(
        &[
            ("load", "image:load_images", json!({"0": "/in"})),
            ("number", "utility:number", json!({"0": 3})),
            ("limit", "utility:limit_sequence", json!({})),
        ],
        &[("load", 0, "limit", 0), ("number", 0, "limit", 1)],
    );
    assert_eq!(imported.n_placeholders(), 1);
    assert!(
        self::said(&imported)[0].contains("see skip, limit and step of sources"),
        "{:?}",
        self::said(&imported)
    );
}

#[test]
fn what_has_no_counterpart_is_told_with_its_reason() {
    for (kind, why) in [
        ("utility:copy_to_clipboard", "without a desktop"),
        ("external_stable_diffusion:txt2img", "pictures of words"),
        ("image:change_colorspace", "CMYK"),
        ("pytorch:save_model", "pegbar models convert"),
        ("utility:reverse_sequence", "in their order"),
        ("image:nobody_knows", "Pegbar has no such node"),
    ] {
        let imported = file(&[("x", kind, json!({"1": 1000, "2": 6}))], &[]);
        let remark = &imported.report[0];
        assert_eq!(remark.kind, RemarkKind::Placeholder, "{kind}");
        assert!(
            remark.message.contains(why) && remark.message.contains("a placeholder"),
            "{kind}: {}",
            remark.message
        );
        assert_eq!(imported.chain.nodes[0].node_type, "structure.placeholder");
    }
}
