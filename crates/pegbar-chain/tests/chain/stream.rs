//! The streaming executor: order, windows, segments, bounds.

use crate::kit::{N_COUNTED, SHOWN, checked, number_of, pixel};
use pegbar_chain::*;
use pegbar_frame::Rational;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// What a run gave: for each frame its number, time and result.
struct Ran {
    frames: Vec<(u64, i64, Result<f32, String>)>,
    tags: Vec<Option<u64>>,
    report: StreamReport,
}

impl Ran {
    fn values(&self) -> Vec<f32> {
        self.frames.iter().map(|(.., result)| result.clone().expect("a frame")).collect()
    }
}

/// Runs `n` frames with the values 0, 1, 2... through a chain; scenes and segments begin at the given frames.
fn run(nodes: &str, n: u64, scenes: &[u64], segments: &[u64], threads: usize) -> Result<Ran, ChainError> {
    run_from(nodes, 0..n, 0, scenes, segments, threads)
}

/// The same for a part of the frames, of which the first `n_lead` are only looked at, as a job does that goes on.
fn run_from(
    nodes: &str,
    frames_of_film: std::ops::Range<u64>,
    n_lead: u64,
    scenes: &[u64],
    segments: &[u64],
    threads: usize,
) -> Result<Ran, ChainError> {
    let checked = checked(nodes).expect("a good chain");
    let source = checked.graph.find("in").expect("a source");
    let (sender, arrivals) = crossbeam_channel::bounded(2);
    let (scenes, segments) = (scenes.to_vec(), segments.to_vec());
    let feeding = std::thread::spawn(move || {
        let first = frames_of_film.start;
        for i in frames_of_film {
            let arrival = Arrival {
                make: Box::new(move || Ok(vec![pixel(i as f32)])),
                index: i,
                pts: i as i64 * 10,
                starts_scene: i == first || scenes.contains(&i),
                starts_segment: i == first || segments.contains(&i),
                is_lead: i - first < n_lead,
                tag: i,
            };
            if sender.send(arrival).is_err() {
                break;
            }
        }
    });
    let options = StreamOptions { threads, time_base: Rational::new(1, 240), cancel: Cancel::default() };
    let (mut frames, mut tags) = (Vec::new(), Vec::new());
    let finish = |finished: Finished| Ok(number_of(&finished.sinks[0][0][0]));
    let report = run_stream(&checked, source, &arrivals, &options, &finish, &mut |delivery| {
        let result = delivery.result.map_err(|error| error.to_string());
        frames.push((delivery.index, delivery.pts, result));
        tags.push(delivery.tag);
        ControlFlow::Continue(())
    });
    drop(arrivals);
    feeding.join().expect("fed");
    Ok(Ran { frames, tags, report: report? })
}

const IN: &str = r#""in": {"type": "input"}, "#;

#[test]
fn frames_keep_their_order_and_stay_few() {
    let nodes = format!(
        r#"{IN} "a": {{"type": "add", "inputs": {{"image": "in"}}}},
        "b": {{"type": "add", "params": {{"by": 2}}, "inputs": {{"image": "a"}}}},
        "out": {{"type": "output", "inputs": {{"image": "b"}}}}"#
    );
    for threads in [1, 3, 8] {
        let ran = run(&nodes, 300, &[], &[], threads).expect("it runs");
        assert_eq!(ran.values(), (0..300).map(|i| i as f32 + 3.0).collect::<Vec<_>>());
        assert_eq!(ran.tags, (0..300).map(Some).collect::<Vec<_>>());
        assert!(ran.report.most_in_flight <= 2 * threads + 2, "{}", ran.report.most_in_flight);
        let calls: Vec<_> = ran.report.costs.iter().map(|cost| (cost.node.as_str(), cost.calls)).collect();
        assert!(calls.contains(&("a", 300)) && calls.contains(&("b", 300)), "{calls:?}");
    }
}

#[test]
fn a_window_ends_at_a_cut_and_other_branches_wait_for_it() {
    let nodes = format!(
        r#"{IN} "sum": {{"type": "sum", "params": {{"before": 2, "after": 1}}, "inputs": {{"image": "in"}}}},
        "plain": {{"type": "add", "params": {{"by": 0}}, "inputs": {{"image": "in"}}}},
        "join": {{"type": "join", "inputs": {{"image": "sum", "other": "plain"}}}},
        "out": {{"type": "output", "inputs": {{"image": "join"}}}}"#
    );
    let (n, cuts) = (40u64, [7u64, 8, 20]);
    let scene = |i: u64| cuts.iter().filter(|&&cut| cut <= i).count();
    let expected: Vec<f32> = (0..n)
        .map(|i| {
            let window = i.saturating_sub(2)..(i + 2).min(n);
            let sum: u64 = window.filter(|&j| scene(j) == scene(i)).sum();
            (sum * 1000 + i) as f32
        })
        .collect();
    for threads in [1, 4] {
        // Segments are no cuts, where no node runs over segments.
        let ran = run(&nodes, n, &cuts, &[13], threads).expect("it runs");
        assert_eq!(ran.values(), expected);
    }
}

#[test]
fn values_of_windows_are_told_over_cuts_and_when_a_job_goes_on() {
    let alone = format!(
        r#"{IN} "tell": {{"type": "tell", "params": {{"before": 2, "after": 1}}, "inputs": {{"image": "in"}}}},
        "add": {{"type": "add", "inputs": {{"image": "in", "by": "tell"}}}},
        "out": {{"type": "output", "inputs": {{"image": "add"}}}}"#
    );
    // Beside a node that runs over segments, and in front of one that looks at neighbours.
    let beside = format!(
        r#"{IN} "total": {{"type": "total", "params": {{"late": 3}}, "inputs": {{"image": "in"}}}},
        "tell": {{"type": "tell", "params": {{"before": 2, "after": 1}}, "inputs": {{"image": "in"}}}},
        "add": {{"type": "add", "inputs": {{"image": "total", "by": "tell"}}}},
        "sum": {{"type": "sum", "params": {{"before": 1, "after": 0}}, "inputs": {{"image": "add"}}}},
        "out": {{"type": "output", "inputs": {{"image": "sum"}}}}"#
    );
    let (n, cuts, segments) = (24u64, [7u64, 8, 20], [10u64, 17]);
    let told = |i: u64| (i.saturating_sub(2)..(i + 2).min(n)).sum::<u64>() as f32;
    let start = |i: u64| segments.iter().rev().copied().find(|s| *s <= i).unwrap_or(0);
    let added = |i: u64| (start(i)..=i).sum::<u64>() as f32 + told(i);
    let scene = |i: u64| cuts.iter().filter(|&&cut| cut <= i).count();
    let summed = |i: u64| {
        let has_before = i > start(i) && scene(i) == scene(i - 1);
        added(i) + if has_before { added(i - 1) } else { 0.0 }
    };
    let expected: [Vec<f32>; 2] =
        [(0..n).map(|i| i as f32 + told(i)).collect(), (0..n).map(summed).collect()];
    for (nodes, expected) in [&alone, &beside].into_iter().zip(&expected) {
        let info =
            stream_info(&checked(nodes).expect("a good chain"), 0, Rational::new(1, 24)).expect("a stream");
        assert!(info.looks_around && info.reach_before == 2, "{info:?}");
        for threads in [1, 4] {
            let ran = run(nodes, n, &cuts, &segments, threads).expect("it runs");
            assert_eq!(&ran.values(), expected);
            // The frame after those that are only looked at begins a segment, as it did before.
            let goes_on = run_from(nodes, 8..n, 2, &cuts, &segments, threads).expect("it goes on");
            assert_eq!(goes_on.values(), expected[10..]);
            assert_eq!(goes_on.frames[0].0, 10);
        }
    }
}

#[test]
fn no_window_sees_a_frame_that_has_failed() {
    let nodes = format!(
        r#"{IN} "u": {{"type": "unlucky", "inputs": {{"image": "in"}}}},
        "tell": {{"type": "tell", "params": {{"before": 1, "after": 0}}, "inputs": {{"image": "u"}}}},
        "add": {{"type": "add", "inputs": {{"image": "u", "by": "tell"}}}},
        "out": {{"type": "output", "inputs": {{"image": "add"}}}}"#
    );
    let ran = run(&nodes, 20, &[], &[], 2).expect("it runs");
    let of = |i: usize| ran.frames[i].2.clone();
    assert_eq!([of(12), of(14), of(15)], [Ok(35.0), Ok(28.0), Ok(44.0)]);
    assert!(of(13).is_err());
}

#[test]
fn windows_behind_windows() {
    let nodes = format!(
        r#"{IN} "one": {{"type": "sum", "inputs": {{"image": "in"}}}},
        "two": {{"type": "sum", "params": {{"before": 0, "after": 9}}, "inputs": {{"image": "one"}}}},
        "join": {{"type": "join", "inputs": {{"image": "two", "other": "one"}}}},
        "out": {{"type": "output", "inputs": {{"image": "join"}}}}"#
    );
    let n = 50;
    let one: Vec<u64> = (0..n).map(|i: u64| (i.saturating_sub(1)..(i + 2).min(n)).sum()).collect();
    let expected: Vec<f32> = (0..n as usize)
        .map(|i| (one[i..(i + 10).min(n as usize)].iter().sum::<u64>() * 1000 + one[i]) as f32)
        .collect();
    let ran = run(&nodes, n, &[], &[], 3).expect("it runs");
    assert_eq!(ran.values(), expected);
    assert!(ran.report.most_in_flight <= 2 * 3 + 2 + 2 + 10, "{}", ran.report.most_in_flight);
}

#[test]
fn a_segment_is_by_itself() {
    let nodes = format!(
        r#"{IN} "total": {{"type": "total", "params": {{"late": 30}}, "inputs": {{"image": "in"}}}},
        "join": {{"type": "join", "inputs": {{"image": "total", "other": "in"}}}},
        "sum": {{"type": "sum", "params": {{"before": 1, "after": 0}}, "inputs": {{"image": "join"}}}},
        "out": {{"type": "output", "inputs": {{"image": "sum"}}}}"#
    );
    let segments = [0u64, 40, 41, 60];
    let start = |i: u64| *segments.iter().rev().find(|&&s| s <= i).expect("a segment");
    let joined = |i: u64| ((start(i)..=i).sum::<u64>() * 1000 + i) as f32;
    let expected: Vec<f32> =
        (0..90).map(|i| joined(i) + if i > start(i) { joined(i - 1) } else { 0.0 }).collect();
    let ran = run(&nodes, 90, &[], &segments[1..], 2).expect("it runs");
    assert_eq!(ran.values(), expected);
}

#[test]
fn a_node_may_change_the_number_of_frames() {
    let nodes = format!(
        r#"{IN} "third": {{"type": "total", "params": {{"every": 3, "late": 2}}, "inputs": {{"image": "in"}}}},
        "add": {{"type": "add", "params": {{"by": 0}}, "inputs": {{"image": "third"}}}},
        "out": {{"type": "output", "inputs": {{"image": "add"}}}}"#
    );
    let ran = run(&nodes, 20, &[], &[10], 2).expect("it runs");
    let of = |from: u64, i: u64| (from..=i).sum::<u64>() as f32;
    assert_eq!(
        ran.values(),
        [of(0, 0), of(0, 3), of(0, 6), of(0, 9), of(10, 10), of(10, 13), of(10, 16), of(10, 19)]
    );
    let times: Vec<i64> = ran.frames.iter().map(|(_, pts, _)| *pts).collect();
    assert_eq!(times, [0, 30, 60, 90, 100, 130, 160, 190]);
    assert_eq!(ran.tags, [Some(0), None, None, None, Some(10), None, None, None]);
    let checked = checked(&nodes).expect("a good chain");
    let info = stream_info(&checked, 0, Rational::new(1, 24)).expect("a stream");
    assert!(!info.keeps_frames && info.by_segments);
}

#[test]
fn long_chains_fit_the_stack() {
    let mut nodes = r#""in": {"type": "input"}"#.to_owned();
    for i in 0..950 {
        let before = if i == 0 { "in".to_owned() } else { format!("a{}", i - 1) };
        nodes += &format!(
            r#", "a{i}": {{"type": "add", "params": {{"by": 1}}, "inputs": {{"image": "{before}"}}}}"#
        );
    }
    nodes += r#", "out": {"type": "output", "inputs": {"image": "a949"}}"#;
    let ran = run(&nodes, 3, &[], &[], 2).unwrap();
    assert_eq!(ran.values().len(), 3);
}

#[test]
fn a_branch_that_is_not_taken_is_not_computed() {
    let nodes = format!(
        r#"{IN} "dear": {{"type": "counted", "inputs": {{"image": "in"}}}},
        "number": {{"type": "number", "params": {{"value": 0}}}},
        "value": {{"type": "value_of", "inputs": {{"image": "in"}}}},
        "added": {{"type": "add", "inputs": {{"image": "in", "by": "value"}}}},
        "choose": {{"type": "choose", "params": {{"condition": false}}, "inputs": {{"then": "dear", "else": "added"}}}},
        "out": {{"type": "output", "inputs": {{"image": "choose"}}}}"#
    );
    let before = N_COUNTED.load(Ordering::SeqCst);
    let ran = run(&nodes, 20, &[], &[], 2).expect("it runs");
    // The parameter is connected to what changes with each frame.
    assert_eq!(ran.values(), (0..20).map(|i| 2.0 * i as f32).collect::<Vec<_>>());
    assert_eq!(N_COUNTED.load(Ordering::SeqCst), before);
}

#[test]
fn what_fails_fails_alone_and_says_where() {
    let nodes = format!(
        r#"{IN} "u": {{"type": "unlucky", "inputs": {{"image": "in"}}}},
        "sum": {{"type": "sum", "inputs": {{"image": "u"}}}},
        "out": {{"type": "output", "inputs": {{"image": "sum"}}}}"#
    );
    let ran = run(&nodes, 20, &[], &[], 2).expect("it runs");
    let failed: Vec<_> =
        ran.frames.iter().filter_map(|(i, _, r)| r.as_ref().err().map(|e| (*i, e.clone()))).collect();
    assert_eq!(failed, [(13, "node u: 13".to_owned())]);
    assert_eq!(ran.frames[12].2, Ok(11.0 + 12.0));

    let nodes = format!(
        r#"{IN} "d": {{"type": "defect", "inputs": {{"image": "in"}}}}, "out": {{"type": "output", "inputs": {{"image": "d"}}}}"#
    );
    let ran = run(&nodes, 2, &[], &[], 2).expect("it runs");
    assert!(
        ran.frames[0].2.as_ref().is_err_and(|e| e.contains("a defect in Pegbar: oops")),
        "{:?}",
        ran.frames[0]
    );
}

#[test]
fn what_is_collected_comes_after() {
    let nodes = format!(
        r#"{IN} "mean": {{"type": "mean", "inputs": {{"image": "in"}}}},
        "show": {{"type": "show", "inputs": {{"text": "mean"}}}},
        "out": {{"type": "output", "inputs": {{"image": "in"}}}}"#
    );
    let ran = run(&nodes, 5, &[], &[], 2).expect("it runs");
    assert_eq!(ran.frames.len(), 5);
    assert_eq!(*SHOWN.lock().expect("no panic"), ["2"]);
}

#[test]
fn it_ends_when_told_to() {
    let checked = checked(&format!(
        r#"{IN} "total": {{"type": "total", "inputs": {{"image": "in"}}}}, "out": {{"type": "output", "inputs": {{"image": "total"}}}}"#
    ))
    .expect("a good chain");
    let (sender, arrivals) = crossbeam_channel::bounded(2);
    std::thread::spawn(move || {
        for i in 0.. {
            let arrival = Arrival {
                make: Box::new(move || Ok(vec![pixel(0.0)])),
                index: i,
                pts: i as i64,
                starts_scene: false,
                starts_segment: false,
                is_lead: false,
                tag: (),
            };
            if sender.send(arrival).is_err() {
                break;
            }
        }
    });
    let cancel = Cancel::default();
    let options = StreamOptions { threads: 2, time_base: Rational::new(1, 24), cancel: cancel.clone() };
    let mut n = 0;
    let ended = run_stream(&checked, 0, &arrivals, &options, &|_| Ok(()), &mut |_| {
        n += 1;
        if n == 10 {
            cancel.cancel();
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(ended, Err(ChainError::Cancelled)), "{ended:?}");
    let options = StreamOptions { cancel: Cancel::default(), ..options };
    let ended = run_stream(&checked, 0, &arrivals, &options, &|_| Ok(()), &mut |_| ControlFlow::Break(()));
    assert!(matches!(ended, Err(ChainError::Cancelled)), "{ended:?}");
}
