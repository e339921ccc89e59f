//! Networks of the Python reference, at every level the machine has: `PEGBAR_SHARED` names the folder that holds
//! `golden/`.

use pegbar_cpu::{CpuLevel, CpuNet, CpuOptions, CpuPrecision};
use pegbar_net::{Model, Value, interpret};
use std::path::PathBuf;

/// What the engine may differ from the scalar reference by; results have a standard deviation of 0.2 to 0.55.
const TOLERANCE: f32 = 4e-5;

const CASES: &[&str] = &[
    "compact_x4_nf24_nc4.pth",
    "compact_x2_nf16_nc3.pth",
    "compact_x3_nf12_nc5_legacy.pth",
    "compact_x1_nf16_nc2.safetensors",
    "compact_x2_gray.ckpt",
    "compact_x4_half.pth",
    "compact_x2_both.pth",
    "esrgan_x4_old.pth",
    "esrgan_x4_real.pth",
    "esrgan_x4_bsrgan.pth",
    "esrgan_x2_unshuffle.safetensors",
    "esrgan_plus_x4.pth",
    "esrgan_x2_old.pth",
    "esrgan_x1_old.safetensors",
    "esrgan_x4_lite.pth",
    "span_x4_norm_stale.pth",
    "span_x2_no_norm.safetensors",
    "span_x1_no_norm.pth",
    "span_x2_norm.pth",
    "scunet.pth",
    "drunet.pth",
    "dncnn.pth",
    "fdncnn_gray.pth",
    "nafnet.pth",
    "uformer.pth",
    "retinexformer.pth",
    "hvicidnet.pth",
    "mixdehazenet.pth",
    "fftformer.pth",
    "kbnet_s.pth",
    "mmrealsr_x4.pth",
    "restormer.pth",
    "mprnet.pth",
    "mirnet2.pth",
    "m3snet.pth",
    "dat_x2.pth",
    "dat_light_x2.safetensors",
    "swinir_x2_classical.pth",
    "swinir_x3_lightweight.pth",
    "swinir_x4_real.pth",
    "hat_x2.pth",
    "rgt_x2.pth",
    "drct_x2.pth",
    "atd_x2_light.pth",
    "atd_x2.pth",
    "swin2sr_x2.pth",
    "swin2sr_x2_ps.pth",
    "grl_x2.pth",
    "craft_x2.pth",
    "srformer_x2.pth",
    "omnisr_x2.pth",
    "plksr_x4_ccm.pth",
    "plksr_x2_dccm_sparse.pth",
    "realplksr_x2.pth",
    "realplksr_x4_dysample.safetensors",
    "realplksr_x4_layernorm.pth",
    "mosr_x4_ps.pth",
    "mosr_x2_dys.safetensors",
    "mosr_x2_gps.pth",
    "rcan_x2.pth",
    "rcan_x4_unshuffle_off.pth",
    "realcugan_x2.pth",
    "realcugan_x4_pro.pth",
    "swiftsrgan_x4.pth",
    "safmn_x4.pth",
    "safmnbcie_uf2.pth",
    "ditn_x2.pth",
    "dctlsa_x2.pth",
    "moesr_x4.safetensors",
    "moesr_x2_dysample.safetensors",
    "fdat_x2_transpose.safetensors",
    "fdat_x4_ps.safetensors",
    "fdat_x3_nearest.safetensors",
    "seemore_tiny_x2.pth",
];

fn golden_folder(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PEGBAR_SHARED").map(|shared| PathBuf::from(shared).join("golden"));
    match folder.filter(|folder| folder.is_dir()) {
        None => {
            eprintln!("skipped: {what} (PEGBAR_SHARED is not set)");
            None
        }
        some => some,
    }
}

fn tensor(file: &pegbar_formats::WeightsFile, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = file.state_dict.get(name).expect("golden files hold input and output");
    (tensor.shape().to_vec(), tensor.to_f32())
}

/// Fast arithmetic on these networks of random weights, whose pictures are noise: the hardest there is.
const MIN_FAST_PSNR: f64 = 55.0;

#[test]
fn golden_networks_agree_with_the_references() {
    let Some(folder) = golden_folder("golden networks on the CPU engine") else { return };
    let mut failures = vec![];
    for case in CASES {
        let stem = case.split('.').next().unwrap_or(case);
        let model = Model::from_file(&folder.join(case)).unwrap_or_else(|error| panic!("{case}: {error}"));
        let golden = pegbar_formats::read_state_dict(&folder.join(format!("{stem}.golden.safetensors")))
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        let (shape, input) = tensor(&golden, "input");
        let (out_shape, output) = tensor(&golden, "output");
        let shape = <[usize; 4]>::try_from(shape).expect("rank 4");
        // Padding to the size rule is not this crate's business: where it is needed, the scalar reference decides.
        let rule = model.net.size_rule;
        let side = |size: usize| match size / rule.multiple_of * rule.multiple_of {
            fitting if fitting >= rule.minimum && fitting > 0 && !rule.square => fitting,
            _ => rule.minimum.next_multiple_of(rule.multiple_of),
        };
        let fitted = [shape[0], shape[1], side(shape[2]), side(shape[3])];
        let input = fit(&input, shape, fitted);
        let reference = interpret(&model.net, &Value { shape: fitted, data: input.clone() })
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        for level in CpuLevel::available() {
            let compiled = CpuNet::compile(
                &model.net,
                &CpuOptions { threads: 2, level, precision: CpuPrecision::Exact },
            )
            .unwrap_or_else(|error| panic!("{case}: {error}"));
            let mut result = vec![];
            let result_shape =
                compiled.run(fitted, &input, &mut result).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(result_shape, reference.shape, "{case}");
            let error = largest_difference(&result, &reference.data);
            println!("{case}: {level} {error:e}");
            if error.is_nan() || error > TOLERANCE {
                failures.push(format!("{case} on {level}: {error:e} from the scalar reference"));
            }
            let fast =
                CpuNet::compile(&model.net, &CpuOptions { threads: 2, level, precision: CpuPrecision::Fast })
                    .unwrap_or_else(|error| panic!("{case}: {error}"));
            let mut approximate = vec![];
            fast.run(fitted, &input, &mut approximate).unwrap_or_else(|e| panic!("{case}: {e}"));
            let psnr = psnr(&approximate, &reference.data);
            println!("{case}: {level} fast, PSNR {psnr:.1} dB");
            if psnr.is_nan() || psnr < MIN_FAST_PSNR {
                failures.push(format!("{case} on {level}: fast is {psnr:.1} dB from the scalar reference"));
            }
            if fitted == shape {
                assert_eq!(result_shape.as_slice(), out_shape, "{case}");
                let error = largest_difference(&result, &output);
                if error.is_nan() || error > 1e-4 {
                    failures.push(format!("{case} on {level}: {error:e} from the Python reference"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Cut, or continued with itself, on the right and at the bottom.
fn fit(data: &[f32], from: [usize; 4], to: [usize; 4]) -> Vec<f32> {
    let mut fitted = Vec::with_capacity(to.iter().product());
    for plane in data.chunks_exact(from[2] * from[3]) {
        for y in 0..to[2] {
            let row = &plane[y % from[2] * from[3]..][..from[3]];
            fitted.extend((0..to[3]).map(|x| row[x % from[3]]));
        }
    }
    fitted
}

/// Of values that span one, in dB.
fn psnr(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (squares / a.len() as f64).log10()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // A NaN anywhere makes the maximum NaN.
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |m, d| if d.is_nan() || d > m { d } else { m })
}
