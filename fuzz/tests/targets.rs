//! Runs every target on mutated inputs: no panic, no memory out of proportion, no long thought.
//!
//! `PEGBAR_FUZZ_RUNS` sets the number of inputs for each target, `PEGBAR_FUZZ_SEED` where they begin,
//! `PEGBAR_FUZZ_TARGET` chooses one target. See README.md.

use pegbar_fuzz::{Mutator, TARGETS, Target};
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Memory a parser may take: this many times its input, and a little.
const MAX_FACTOR: usize = 16;
/// The same of ONNX: a graph may be nothing but nodes, whose names and ports take far more than their few bytes in the file.
const MAX_FACTOR_OF_ONNX: usize = 28;
const FLOOR_BYTES: usize = 1 << 20;
/// Which sizes of picture a graph of tensors takes is found by working out its shapes and constants for some of them, within a budget of
/// its own of 2^23 values, which a small graph may use up: 32 MiB of `f32`, twice that of `i64`, and what is made of them.
const FLOOR_BYTES_OF_GRAPHS: usize = 80 << 20;
/// Far beyond any honest parse of inputs this small, even on a busy machine.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Inputs for each target when nothing else is said.
const DEFAULT_RUNS: u64 = 100_000;

/// Counts what is allocated. The counters are of the whole process, so the tests take turns.
struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TURN: Mutex<()> = Mutex::new(());

fn add(bytes: usize) {
    let current = CURRENT.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(current, Ordering::Relaxed);
}

#[allow(
    unsafe_code,
    reason = "a global allocator cannot be written without it; it only counts and passes on"
)]
// SAFETY: every call is passed on to the system allocator unchanged, and so are its results.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are those that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both may exist for a moment.
        add(new_size);
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one input and holds it to the promises. `origin` says how to make it again.
/// Returns the share of its allowance that the parser took.
fn check(target: &Target, input: &[u8], origin: &dyn std::fmt::Display) -> f64 {
    let before = CURRENT.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let took = start.elapsed();
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    let floor = if target.name == "import-onnx" { FLOOR_BYTES_OF_GRAPHS } else { FLOOR_BYTES };
    let factor = if target.name.contains("onnx") { MAX_FACTOR_OF_ONNX } else { MAX_FACTOR };
    let limit = factor * input.len() + floor;
    let complaint = match outcome {
        Err(_) => "panicked".to_owned(),
        Ok(()) if peak > limit => format!("took {peak} bytes for {} (limit {limit})", input.len()),
        Ok(()) if took > MAX_TIME => format!("took {took:?} for {} bytes", input.len()),
        Ok(()) => return peak as f64 / limit as f64,
    };
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.input", target.name));
    let kept = std::fs::write(&path, input).is_ok();
    let kept = if kept { format!("; the input is kept as {}", path.display()) } else { String::new() };
    panic!("{} {complaint}: {origin}{kept}", target.name);
}

fn report(target: &Target, what: &str, worst: f64, start: Instant) {
    let percent = 100.0 * worst;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{}: {what} in {seconds:.1} s, at most {percent:.0} % of the allowed memory", target.name);
}

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")),
        Err(_) => default,
    }
}

fn chosen() -> impl Iterator<Item = &'static Target> {
    let name = std::env::var("PEGBAR_FUZZ_TARGET").ok();
    if let Some(name) = &name {
        assert!(TARGETS.iter().any(|target| target.name == name), "no target is called {name}");
    }
    TARGETS.iter().filter(move |target| name.as_deref().is_none_or(|name| target.name == name))
}

#[test]
fn mutated_inputs_never_panic_and_stay_in_proportion() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runs = number("PEGBAR_FUZZ_RUNS", DEFAULT_RUNS);
    let first_seed = number("PEGBAR_FUZZ_SEED", 0);
    for target in chosen() {
        let start = Instant::now();
        let corpus = (target.corpus)();
        let mut worst = 0f64;
        for (i, input) in corpus.iter().enumerate() {
            worst = worst.max(check(target, input, &format_args!("corpus {i}")));
        }
        // Each input has a seed of its own, so that one can be run again alone.
        for seed in first_seed..first_seed + runs {
            let input = Mutator::new(seed).input(&corpus, target.dictionary);
            worst = worst.max(check(target, &input, &format_args!("seed {seed}")));
        }
        report(target, &format!("{runs} mutations"), worst, start);
    }
}

/// Every cheap thing, a hundred thousand times: what mutation finds too rarely.
#[test]
fn repeated_pieces_stay_in_proportion() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    const REPEATED_BYTES: usize = 1 << 18;
    for target in chosen() {
        let start = Instant::now();
        let mut worst = 0f64;
        let corpus = (target.corpus)();
        let pieces = (0..=255u8).map(|b| vec![b]).chain(target.dictionary.iter().map(|word| word.to_vec()));
        for piece in pieces {
            let repeated = piece.repeat(REPEATED_BYTES / piece.len());
            worst = worst.max(check(target, &repeated, &format_args!("{piece:?} repeated")));
            // Within a valid input, at a place that depends on the piece.
            let base = &corpus[usize::from(piece[0]) % corpus.len()];
            for at in [2, base.len() / 3, base.len() / 2, base.len() - 1] {
                let at = at.min(base.len());
                let input = [&base[..at], &repeated, &base[at..]].concat();
                let origin = format_args!("{piece:?} repeated at {at} of a valid input");
                worst = worst.max(check(target, &input, &origin));
            }
        }
        report(target, "repetitions", worst, start);
    }
}

/// A corpus that the parsers refuse would test nothing but the refusal.
#[test]
fn the_corpus_is_valid() {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for target in TARGETS {
        let corpus = (target.corpus)();
        assert!(!corpus.is_empty(), "{}", target.name);
        for (i, input) in corpus.iter().enumerate() {
            let verdict = verdict(target.name, input);
            // One ONNX input names an external file, which bytes in memory do not have.
            assert!(verdict.is_ok() || (target.name, i) == ("onnx", 1), "{} {i}: {verdict:?}", target.name);
        }
    }
}

fn verdict(name: &str, input: &[u8]) -> Result<(), String> {
    use pegbar_formats::{ncnn, onnx, pth, safetensors};
    let explain = |error: pegbar_formats::FormatError| error.to_string();
    match name {
        "pth" => pth::read_bytes(input).map(drop).map_err(explain),
        "safetensors" => safetensors::read_bytes(input).map(drop).map_err(explain),
        "onnx" => onnx::read_bytes(input, None).map(drop).map_err(explain),
        "ncnn" | "import-ncnn" => {
            let end = input.iter().position(|&b| b == 0).ok_or("no zero byte")?;
            let text = std::str::from_utf8(&input[..end]).map_err(|error| error.to_string())?;
            let model = ncnn::read_bytes(text, &input[end + 1..]).map_err(explain)?;
            if name == "ncnn" {
                return Ok(());
            }
            pegbar_net::import_ncnn(&model).map(drop).map_err(|error| error.to_string())
        }
        "import-onnx" => {
            let model = onnx::read_bytes(input, None).map_err(explain)?;
            pegbar_net::import_onnx(&model).map(drop).map_err(|error| error.to_string())
        }
        "ffprobe" => pegbar_media::parse_probe(input).map(drop).map_err(|error| error.to_string()),
        "nut" => {
            let mut reader = pegbar_media::nut::NutReader::new(input).map_err(|error| error.to_string())?;
            let frame = reader.next_frame().map_err(|error| error.to_string())?;
            frame.map(drop).ok_or_else(|| "no frame".into())
        }
        // The same pickles are within the archives of "pth".
        _ => Ok(()),
    }
}
