//! ncnn pairs: the real one, and hand-made ones with what the real one lacks.

mod support;

use pegbar_formats::ncnn::{self, NcnnModel, NcnnParam};
use pegbar_formats::{DType, FormatError, ModelFile, read_model};

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn param(layers: &[&str]) -> String {
    format!("7767517\n{} {}\n{}\n", layers.len(), layers.len(), layers.join("\n"))
}

fn weights(model: &NcnnModel, layer: usize) -> Vec<Vec<f32>> {
    model.layers[layer].weights.iter().map(|blob| blob.tensor.to_f32()).collect()
}

#[test]
fn the_real_model_loads_whichever_file_is_named() {
    let Some(folder) = support::shared("models", "the ncnn model realesr-animevideov3") else { return };
    let base = folder.join("realesr-animevideov3-x4");
    for extension in ["param", "bin"] {
        let ModelFile::Ncnn(model) = read_model(&base.with_extension(extension)).unwrap() else {
            panic!("{extension}: not read as ncnn");
        };
        assert_eq!(model.layers.len(), 40);
        let count = |kind: &str| {
            model.layers.iter().filter(|l| l.kind == kind).map(|l| &l.weights).collect::<Vec<_>>()
        };
        let convolutions = count("Convolution");
        assert_eq!(convolutions.len(), 18);
        // A Compact model of 64 features and 16 inner convolutions.
        assert!(convolutions.iter().all(|w| w.len() == 2));
        assert_eq!(count("PReLU").len(), 17);
        let parameters: usize =
            model.layers.iter().flat_map(|l| &l.weights).map(|b| b.tensor.n_elements()).sum();
        assert_eq!(parameters, 621_424);
        assert_eq!(convolutions[0][0].tensor.dtype(), DType::F16);
        assert_eq!(convolutions[0][0].tensor.shape(), [1728]);
        assert_eq!(convolutions[0][1].tensor.dtype(), DType::F32);
        for blob in model.layers.iter().flat_map(|l| &l.weights) {
            assert!(blob.tensor.to_f32().iter().all(|v| v.abs() < 100.0));
        }
        let interp = model.layers.iter().find(|l| l.kind == "Interp").unwrap();
        assert_eq!(interp.params[&1], NcnnParam::Float(4.0));
    }
}

#[test]
fn each_kind_takes_its_own_runs() {
    let text = param(&[
        "Input in 0 1 a",
        // Odd number of halves: padded to four bytes.
        "Convolution c 1 1 a b 0=3 1=1 5=1 6=3",
        "PReLU p 1 1 b c 0=3",
        "BatchNorm n 1 1 c d 0=2",
        "Scale s 1 1 d e 0=2 1=1",
        "Scale s2 2 1 e e2 f 0=-233",
        "InnerProduct i 1 1 f g 0=2 1=0 2=4",
        "MemoryData m 0 1 h 0=2 1=1 2=2",
        "GroupNorm gn 1 1 h i 0=1 1=2 3=1",
        "InstanceNorm in2 1 1 i j 0=2 2=0",
        "Deconvolution d 1 1 j k 0=1 5=1 6=2",
        "Mystery y 1 1 k l",
    ]);
    let mut bin = Vec::new();
    bin.extend_from_slice(&0x0130_6b47u32.to_le_bytes());
    bin.extend_from_slice(&[0x00, 0x3c, 0x00, 0x40, 0x00, 0xc0, 0xee, 0xee]);
    bin.extend(f32_bytes(&[0.5, 0.25, 0.125]));
    bin.extend(f32_bytes(&[1., 2., 3.]));
    bin.extend(f32_bytes(&[1., 2., 3., 4., 5., 6., 7., 8.]));
    bin.extend(f32_bytes(&[9., 10., 11., 12.]));
    bin.extend_from_slice(&0u32.to_le_bytes());
    bin.extend(f32_bytes(&[13., 14., 15., 16.]));
    bin.extend(f32_bytes(&[17., 18., 19., 20.]));
    bin.extend(f32_bytes(&[21., 22., 23., 24.]));
    bin.extend_from_slice(&0u32.to_le_bytes());
    bin.extend(f32_bytes(&[25., 26., 27.]));

    let model = ncnn::read_bytes(&text, &bin).unwrap();
    assert_eq!(weights(&model, 1), [vec![1., 2., -2.], vec![0.5, 0.25, 0.125]]);
    assert_eq!(weights(&model, 2), [[1., 2., 3.]]);
    assert_eq!(weights(&model, 3), [[1., 2.], [3., 4.], [5., 6.], [7., 8.]]);
    assert_eq!(weights(&model, 4), [[9., 10.], [11., 12.]]);
    assert!(weights(&model, 5).is_empty());
    assert_eq!(weights(&model, 6), [[13., 14., 15., 16.]]);
    assert_eq!(weights(&model, 7), [[17., 18., 19., 20.]]);
    assert_eq!(weights(&model, 8), [[21., 22.], [23., 24.]]);
    assert!(weights(&model, 9).is_empty());
    assert_eq!(weights(&model, 10), [vec![25., 26.], vec![27.]]);

    let error = ncnn::read_bytes(&text, &bin[..bin.len() - 1]).unwrap_err();
    assert!(matches!(error, FormatError::Truncated { .. }), "{error}");
    bin.extend_from_slice(&[0; 4]);
    let error = ncnn::read_bytes(&text, &bin).unwrap_err().to_string();
    assert!(error.contains("Mystery"), "{error}");
    let known = text.replace("Mystery", "ReLU");
    let error = ncnn::read_bytes(&known, &bin).unwrap_err().to_string();
    assert!(error.contains("4 bytes"), "{error}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let convolution = param(&["Convolution conv1 0 1 a 0=1 6=4"]);
    let int8 = [&0x000d_4b38u32.to_le_bytes()[..], &[1, 2, 3, 4]].concat();
    let table = [&[1, 0, 0, 0][..], &[0; 1024 + 4]].concat();
    for (text, bin, part) in [
        (&convolution, &int8[..], "int8"),
        (&convolution, &table, "quantisation table"),
        (&param(&["Convolution conv1 0 1 a 0=1 6=4 8=2"]), &[], "int8"),
        (&param(&["LSTM l 0 1 a 0=1"]), &[], "LSTM"),
        (&param(&["Gemm g 0 1 a 4=1"]), &[], "Gemm"),
        (&param(&["PReLU p 0 1 a 0=-1"]), &[], "negative"),
        (&param(&["PReLU p 0 1 a 0=9223372036854775807"]), &[], "cut short"),
        (&param(&["MemoryData p 0 1 a 0=4294967295 1=4294967295 2=4294967295"]), &[], "impossibly large"),
    ] {
        let error = ncnn::read_bytes(text, bin).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// What lies behind an unknown layer's weights is read at the wrong place, and is not the cause.
#[test]
fn an_unknown_kind_is_blamed_and_not_the_layer_behind_it() {
    let text = param(&["FooLayer odd 1 1 in a 0=1 6=4", "Convolution conv1 1 1 a b 0=1 6=4"]);
    let bin = [f32_bytes(&[0.5; 4]), vec![0; 4], f32_bytes(&[0.25; 4])].concat();
    let error = ncnn::read_bytes(&text, &bin).unwrap_err().to_string();
    assert!(error.contains("FooLayer") && !error.contains("conv1"), "{error}");
}

#[test]
fn a_missing_other_half_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("m.param");
    std::fs::write(&text, param(&["PReLU p 0 1 a 0=1"])).unwrap();
    let error = read_model(&text).unwrap_err().to_string();
    assert!(error.contains("m.bin") && error.contains("no such file"), "{error}");

    // A graph without weights has an empty file.
    std::fs::write(&text, param(&["Input p 0 1 a"])).unwrap();
    std::fs::write(dir.path().join("m.bin"), "").unwrap();
    assert!(read_model(&text).is_ok());

    let alone = dir.path().join("alone.bin");
    std::fs::write(&alone, [1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let error = read_model(&alone).unwrap_err().to_string();
    assert!(error.contains(".param"), "{error}");

    let binary = dir.path().join("m.param.bin");
    std::fs::write(&binary, [&7_767_517u32.to_le_bytes()[..], &[1, 0, 0, 0]].concat()).unwrap();
    let error = read_model(&binary).unwrap_err().to_string();
    assert!(error.contains("binary ncnn graph"), "{error}");
}
