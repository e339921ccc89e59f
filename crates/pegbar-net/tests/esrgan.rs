//! ESRGAN: every scale, and what tells 3x from 2x.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_formats::{StateDict, Tensor};
use pegbar_net::{Model, ModelOptions, interpret};
use support::Numbers;

/// A complete ESRGAN of one block with old keys and this many up-convolutions.
fn old_esrgan(n_ups: usize) -> StateDict {
    const F: usize = 4;
    const G: usize = 2;
    let mut weights = StateDict::default();
    let mut numbers = Numbers(5);
    let mut conv = |key: String, out: usize, input: usize| {
        let mut tensor = |shape: Vec<usize>| {
            let data = (0..shape.iter().product()).map(|_| numbers.signed() * 0.2).collect();
            Tensor::from_f32(shape, data).unwrap()
        };
        weights.insert(format!("{key}.weight"), tensor(vec![out, input, 3, 3]));
        weights.insert(format!("{key}.bias"), tensor(vec![out]));
    };
    conv("model.0".into(), F, 3);
    for rdb in 1..=3 {
        for k in 1..=5 {
            conv(format!("model.1.sub.0.RDB{rdb}.conv{k}.0"), if k == 5 { F } else { G }, F + (k - 1) * G);
        }
    }
    conv("model.1.sub.1".into(), F, F);
    for up in 1..=n_ups {
        conv(format!("model.{}", 3 * up), F, F);
    }
    conv(format!("model.{}", 3 * n_ups + 2), F, F);
    conv(format!("model.{}", 3 * n_ups + 4), 3, F);
    weights
}

#[test]
fn esrgan_of_every_scale() {
    let scale = |n_ups: usize, name: Option<&str>, stated: Option<usize>| {
        let options = ModelOptions { scale: stated, file_name: name.map(str::to_string) };
        let model = Model::from_state_dict_with(&old_esrgan(n_ups), &options).unwrap();
        let found = model.scale;
        let input = Numbers(1).value([1, 3, 5, 4]);
        assert_eq!(interpret(&model.net, &input).unwrap().shape, [1, 3, 5 * found, 4 * found]);
        found
    };
    for n_ups in 0..=4 {
        assert_eq!(scale(n_ups, None, None), 1 << n_ups);
    }
    let unnamed = Model::from_state_dict(&old_esrgan(1)).unwrap();
    assert!(unnamed.notes.len() == 1 && unnamed.notes[0].contains("3x"), "{:?}", unnamed.notes);
    // One up-convolution is 2x unless something says 3x; several never are.
    assert_eq!(scale(1, Some("3x_Photo.pth"), None), 3);
    assert_eq!(scale(1, Some("Photo_x3.safetensors"), None), 3);
    assert_eq!(scale(1, Some("2x_Photo.pth"), None), 2);
    assert_eq!(scale(1, Some("3x_Photo.pth"), Some(2)), 2);
    assert_eq!(scale(1, None, Some(3)), 3);
    assert_eq!(scale(2, Some("3x_Photo.pth"), None), 4);
}

#[test]
fn esrgan_with_impossible_sizes() {
    let mut weights = old_esrgan(1);
    weights.insert(
        "model.1.sub.0.RDB1.conv3.0.weight",
        Tensor::from_f32(vec![2, 9, 3, 3], vec![0.0; 162]).unwrap(),
    );
    let text = Model::from_state_dict(&weights).unwrap_err().to_string();
    assert!(text.contains("model.1.sub.0.RDB1.conv3.0.weight") && text.contains("[2, 8, 3, 3]"), "{text}");
    let mut weights = old_esrgan(1);
    weights.insert("model.3000000.weight", Tensor::from_f32(vec![3, 4, 3, 3], vec![0.0; 108]).unwrap());
    let text = Model::from_state_dict(&weights).unwrap_err().to_string();
    assert!(text.contains("\"model.2999998.weight\" is missing"), "{text}");
}
