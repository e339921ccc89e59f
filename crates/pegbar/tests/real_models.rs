//! Models as people have them: published files, run by the built binary, compared with what other programs make of them.

mod workbench;

use pegbar_formats::{StateDict, Tensor, read_state_dict, safetensors};
use std::collections::BTreeMap;
use std::path::PathBuf;
use workbench::{Desk, RUN_NCNN, agrees, noise, pegbar, python, run_in_python};

/// The folder of published models, or `None` after saying that `what` is skipped.
fn models(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PEGBAR_MODELS").map(PathBuf::from).filter(|path| path.is_dir());
    if folder.is_none() {
        eprintln!("skipped: {what} (PEGBAR_MODELS is not set to a folder)");
    }
    folder
}

/// Smooth waves with a little noise, 96x80.
fn picture(desk: &Desk) -> PathBuf {
    let (width, height) = (96, 80);
    let rough = noise(3 * width * height, 21);
    let values = (0..3 * width * height).map(|i| {
        let (c, x, y) = (i / (width * height), i % width, i / width % height);
        let wave = ((x as f32 * 0.21 + c as f32).sin() + (y as f32 * 0.17).cos()) * 0.2;
        0.5 + wave + 0.03 * rough[i]
    });
    let input = Tensor::from_f32(vec![1, 3, height, width], values.collect()).expect("sizes");
    // The size of the output is all that is read of it.
    let path = desk.at("input.safetensors");
    write(&path, &input, &input);
    path
}

fn write(path: &std::path::Path, input: &Tensor, output: &Tensor) {
    let dict: StateDict =
        [("input".to_owned(), input.clone()), ("output".to_owned(), output.clone())].into_iter().collect();
    safetensors::write(path, &dict, &BTreeMap::new()).expect("written");
}

#[test]
fn published_ncnn_models_compute_what_ncnn_does() {
    let Some(models) = models("published ncnn models") else { return };
    let Some(python) = python("ncnn, numpy", "published ncnn models") else { return };
    let desk = Desk::new();
    let input = picture(&desk);
    let tensors = read_state_dict(&input).expect("readable").state_dict;
    let picture = tensors.get("input").expect("input");
    // Name, scale, and how many pixels the programs they come from add around the picture.
    for (name, scale, border) in [
        ("ClearReality4x", 4, 0),
        ("spanx2_ch52", 2, 0),
        ("WAIFU2X_ANIME_UP2X", 2, 7),
        ("WAIFU2X_CUNET_UP2X", 2, 18),
        ("WAIFU2X_CUNET_UP1X_DENOISE3X", 1, 28),
        ("REALCUGAN_SE_UP2X", 2, 18),
        ("REALCUGAN_PRO_UP3X", 3, 14),
        ("REALCUGAN_SE_UP4X", 4, 19),
    ] {
        let model = models.join(format!("{name}.param"));
        let inspected = pegbar(["models", "inspect", model.to_str().expect("UTF-8"), "--json"]).json(0);
        assert_eq!(inspected["scale"], scale, "{name}");
        let [_, channels, height, width] = picture.shape()[..] else { panic!("rank 4") };
        let output = Tensor::from_f32(
            vec![1, channels, scale * height, scale * width],
            vec![0.0; channels * scale * scale * height * width],
        )
        .expect("sizes");
        let golden = desk.at("golden.safetensors");
        write(&golden, picture, &output);
        let graph = pegbar_formats::ncnn::read(&model).expect("readable");
        let input = graph.layers.iter().find(|layer| layer.kind == "Input").expect("an input");
        let last = graph.layers.last().expect("layers");
        let script = RUN_NCNN
            .replace("'in0'", &format!("'{}'", input.outputs[0]))
            .replace("'out0'", &format!("'{}'", last.outputs[0]))
            .replace(
                "x[0]",
                &format!("numpy.pad(x[0], ((0, 0), ({border}, {border}), ({border}, {border})), 'edge')"),
            );
        let theirs = run_in_python(&python, &script, &model, &golden, desk.folder.path());
        agrees(&model, &theirs, "2e-3");
    }
}

/// What PyTorch makes of a picture with the published light DAT models, at every 97th value.
#[test]
fn published_dat_models_compute_what_pytorch_does() {
    let Some(models) = models("published DAT models") else { return };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dat-light.safetensors");
    let expected = read_state_dict(std::path::Path::new(fixture)).expect("readable").state_dict;
    let pixels = expected.get("input").expect("input");
    let [_, channels, height, width] = pixels.shape()[..] else { panic!("rank 4") };
    let values: Vec<f32> = pixels.to_f32().iter().map(|v| v / 255.0).collect();
    let image = pegbar_frame::PlanarImage { width, height, channels, data: values };
    for scale in [2, 3, 4] {
        let model =
            pegbar_net::Model::from_file(&models.join(format!("DAT_light_x{scale}.pth"))).expect("a model");
        assert_eq!((model.architecture, model.scale), ("DAT", scale));
        let options = pegbar_engine::SessionOptions {
            precision: pegbar_engine::Precision::Exact,
            ..pegbar_engine::SessionOptions::default()
        };
        let output =
            pegbar_engine::Session::open(&model, &options).expect("compiles").run(&image).expect("runs");
        let sample = expected.get(&format!("x{scale}")).expect("the scale").to_f32();
        let found = output.data.iter().step_by(97);
        let differences = found.zip(&sample).map(|(a, b)| (a - b).abs());
        assert_eq!(sample.len(), output.data.len().div_ceil(97));
        let most = differences.fold(0.0, f32::max);
        eprintln!("DAT_light_x{scale}: differs by {most:.1e}");
        assert!(most <= 1e-3, "DAT_light_x{scale} differs by {most}");
    }
}
