//! A real ncnn model, and the same weights as a state dict.

mod support;

use pegbar_formats::{StateDict, Tensor, ncnn};
use pegbar_net::{Model, interpret};
use support::{Numbers, max_abs_err, shared};

/// The weights of an ncnn graph of alternating convolutions and PReLUs under the keys of Compact.
fn compact_state_dict(model: &ncnn::NcnnModel) -> StateDict {
    let mut dict = StateDict::new();
    let mut insert = |name: String, shape: Vec<usize>, tensor: &Tensor| {
        let tensor = Tensor::from_f32(shape, tensor.to_f32()).expect("sizes of the layer");
        dict.insert(name, tensor);
    };
    let layers = model.layers.iter().filter(|layer| matches!(layer.kind.as_str(), "Convolution" | "PReLU"));
    for (index, layer) in layers.enumerate() {
        let weight = &layer.weights[0].tensor;
        if layer.kind == "PReLU" {
            insert(format!("body.{index}.weight"), vec![weight.n_elements()], weight);
            continue;
        }
        let out = layer.weights[1].tensor.n_elements();
        insert(format!("body.{index}.weight"), vec![out, weight.n_elements() / out / 9, 3, 3], weight);
        insert(format!("body.{index}.bias"), vec![out], &layer.weights[1].tensor);
    }
    dict
}

#[test]
fn an_ncnn_file_and_its_weights_as_safetensors_are_one_network() {
    let Some(folder) = shared("comparison of ncnn and safetensors", "models") else { return };
    let path = folder.join("realesr-animevideov3-x4.param");
    let imported = Model::from_file(&path).expect("the ncnn model");
    assert_eq!((imported.architecture, imported.scale), ("ncnn", 4));
    assert_eq!((imported.input_channels, imported.output_channels), (3, 3));
    assert_eq!(imported.net.parameters(), 621_424);

    // The .bin finds its .param.
    let by_bin = Model::from_file(&path.with_extension("bin")).expect("the ncnn model by its weights");
    assert_eq!(by_bin.net, imported.net);

    let dict = compact_state_dict(&ncnn::read(&path).expect("the ncnn graph"));
    let file = tempfile::Builder::new().suffix(".safetensors").tempfile().expect("temporary file");
    pegbar_formats::safetensors::write(file.path(), &dict, &Default::default()).expect("writing");
    let built = Model::from_file(file.path()).expect("the state dict");
    assert_eq!((built.architecture, built.scale), ("Compact", 4));

    let input = Numbers(7).value([1, 3, 13, 10]);
    let a = interpret(&imported.net, &input).expect("the imported net runs");
    let b = interpret(&built.net, &input).expect("the built net runs");
    assert_eq!(a.shape, [1, 3, 52, 40]);
    let error = max_abs_err(&a, &b);
    assert!(error <= 1e-6, "differs by {error}");
}
