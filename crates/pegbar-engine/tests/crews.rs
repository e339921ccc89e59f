//! Pictures side by side, each by one thread, are those that all threads make together.

use pegbar_engine::{Crew, Session, SessionOptions, TileChoice};
use pegbar_formats::{StateDict, Tensor};
use pegbar_frame::PlanarImage;
use pegbar_net::Model;

/// Numbers in -1..1 that look random.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A 2x Compact network of 8 features.
fn model(channels: usize) -> Model {
    let mut dict = StateDict::default();
    let mut put = |name: String, shape: Vec<usize>, gain: f32| {
        let data = noise(shape.iter().product(), name.len() as u64).iter().map(|v| v * gain).collect();
        dict.tensors.insert(name, Tensor::from_f32(shape, data).expect("sizes agree"));
    };
    for (layer, input, output) in [(0, channels, 8), (2, 8, 8), (4, 8, channels * 4)] {
        put(format!("body.{layer}.weight"), vec![output, input, 3, 3], 0.2);
        put(format!("body.{layer}.bias"), vec![output], 0.01);
        if layer < 4 {
            put(format!("body.{}.weight", layer + 1), vec![8], 0.2);
        }
    }
    Model::from_state_dict(&dict).expect("a Compact network")
}

fn picture(channels: usize, height: usize, width: usize, seed: u64) -> PlanarImage {
    let data = noise(channels * height * width, seed).iter().map(|v| v * 0.5 + 0.5).collect();
    PlanarImage { width, height, channels, data }
}

fn open(channels: usize, threads: usize, tile: TileChoice) -> Session {
    let options = SessionOptions { threads: Some(threads), tile, ..SessionOptions::default() };
    Session::open(&model(channels), &options).expect("a session")
}

#[test]
fn side_by_side_makes_the_same_bits() {
    // Whole, cut, planes one by one, gray as RGB.
    for (model_channels, channels, tile) in [
        (3, 3, TileChoice::Auto),
        (3, 3, TileChoice::Px(40)),
        (1, 3, TileChoice::Auto),
        (3, 1, TileChoice::Auto),
    ] {
        let pictures: Vec<_> = (0..8).map(|seed| picture(channels, 61, 83, seed)).collect();
        let alone = open(model_channels, 1, tile);
        let expected: Vec<_> = pictures.iter().map(|p| alone.upscale(p).expect("runs")).collect();
        for threads in [2, 3] {
            let session = open(model_channels, threads, tile);
            for crew in [Crew::Alone, Crew::Together] {
                std::thread::scope(|scope| {
                    for (caller, (pictures, expected)) in
                        pictures.chunks(2).zip(expected.chunks(2)).enumerate()
                    {
                        let session = &session;
                        scope.spawn(move || {
                            // What an earlier picture of another size left must not show.
                            let mut result = PlanarImage::zeros(3, 500, 7);
                            result.data.fill(f32::NAN);
                            for (picture, expected) in pictures.iter().zip(expected) {
                                session.upscale_into(crew, picture, &mut result).expect("runs");
                                assert!(result == *expected, "caller {caller}, {threads} threads, {crew:?}");
                            }
                        });
                    }
                });
            }
        }
    }
}

#[test]
fn as_many_workers_as_threads_and_memory_allow() {
    let session = open(3, 2, TileChoice::Auto);
    assert_eq!(session.workers(64, 48), 2);
    assert_eq!(open(3, 1, TileChoice::Auto).workers(64, 48), 1);
    assert_eq!(open(3, 2, TileChoice::Px(32)).workers(64, 48), 2);
    // A picture of no size and a tile that is too small are for the run to refuse.
    assert_eq!(open(3, 2, TileChoice::Px(1)).workers(64, 48), 1);

    let with_memory = |threads: usize, memory_bytes: usize| {
        let memory_bytes = Some(memory_bytes);
        let options = SessionOptions { threads: Some(threads), memory_bytes, ..SessionOptions::default() };
        Session::open(&model(3), &options).expect("a session").workers(2000, 48)
    };
    // Somewhere between nothing and plenty a second worker fits, and there are never more than memory grows for.
    let budgets: Vec<usize> = (0..12).map(|k| (64 << 10) << k).collect();
    let workers: Vec<usize> = budgets.iter().map(|&bytes| with_memory(2, bytes)).collect();
    assert!(workers.is_sorted() && workers[0] == 1 && workers[11] == 2, "{workers:?}");
    // Where memory is for a few of many threads only, all share each picture.
    let workers: Vec<usize> = budgets.iter().map(|&bytes| with_memory(16, bytes)).collect();
    assert!(workers.iter().all(|&n| n == 1 || n >= 12), "{workers:?}");
    assert_eq!(workers[11], 16);
}

#[test]
fn a_picture_cut_for_want_of_memory_is_shared() {
    let options =
        SessionOptions { threads: Some(2), memory_bytes: Some(400 << 10), ..SessionOptions::default() };
    let session = Session::open(&model(3), &options).expect("a session");
    assert_eq!(session.workers(4000, 300), 1);
    let picture = picture(3, 100, 4000, 1);
    let cut = session.upscale(&picture).expect("runs");
    let whole = open(3, 2, TileChoice::Off).upscale(&picture).expect("runs");
    let worst = cut.data.iter().zip(&whole.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4, "tiles differ by {worst}");
    let mut again = PlanarImage::default();
    session.upscale_into(Crew::Alone, &picture, &mut again).expect("runs");
    assert!(again == cut, "the cut does not depend on the crew");
}
