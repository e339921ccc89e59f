//! The arithmetic limit of one core: how many operations a second each multiply-add instruction reaches when nothing else is done.
//!
//! `cargo run --release -p pegbar-cpu --example peak` prints one line for each instruction that this processor has: its name, a
//! tab, and 10^9 operations a second, where a multiplication and an addition are two operations.

fn main() {
    let peaks = measure();
    if peaks.is_empty() {
        eprintln!("nothing to measure: this program knows x86-64 processors with AVX2 only");
    }
    for (name, gops) in peaks {
        println!("{name}\t{gops:.1}");
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn measure() -> Vec<(&'static str, f64)> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
fn measure() -> Vec<(&'static str, f64)> {
    x86_64::measure()
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    #![allow(
        unsafe_code,
        reason = "the instructions are written out: a compiler would drop work whose result nobody reads"
    )]

    use std::arch::asm;
    use std::time::Instant;

    /// Enough independent sums to hide the latency of any of the instructions at two a cycle.
    const N_ACCUMULATORS: u64 = 10;

    /// A few milliseconds, so that some try falls between what else the machine does.
    const N_ITERATIONS: u64 = 1_000_000;

    /// The best of these counts: whatever else the machine does only ever slows it.
    const N_TRIES: usize = 50;

    /// The text of one multiply-add: one instruction, or a product into a register of its own and a sum.
    macro_rules! step {
        ([$fused:literal], $r:literal, $sum:literal, $product:literal) => {
            concat!($fused, " ", $r, $sum, ", ", $r, "0, ", $r, "1")
        };
        ([$multiply:literal, $add:literal], $r:literal, $sum:literal, $product:literal) => {
            concat!(
                $multiply, " ", $r, $product, ", ", $r, "0, ", $r, "1\n", $add, " ", $r, $sum, ", ", $r,
                $sum, ", ", $r, $product
            )
        };
    }

    /// 10^9 operations a second of a loop over ten sums; `$registers` is `zmm` or `ymm`, and one multiply-add is `$operations`.
    macro_rules! peak {
        ($operations:expr, $registers:literal, $instructions:tt) => {
            best_of(N_ITERATIONS * N_ACCUMULATORS * $operations, || {
                // SAFETY: the caller has checked that the processor has the instructions; every register that is written is
                // declared, and no memory is touched.
                unsafe {
                    asm!(
                        "vpxor xmm0, xmm0, xmm0",
                        "vpxor xmm1, xmm1, xmm1",
                        "2:",
                        step!($instructions, $registers, "4", "14"),
                        step!($instructions, $registers, "5", "15"),
                        step!($instructions, $registers, "6", "14"),
                        step!($instructions, $registers, "7", "15"),
                        step!($instructions, $registers, "8", "14"),
                        step!($instructions, $registers, "9", "15"),
                        step!($instructions, $registers, "10", "14"),
                        step!($instructions, $registers, "11", "15"),
                        step!($instructions, $registers, "12", "14"),
                        step!($instructions, $registers, "13", "15"),
                        "sub {n}, 1",
                        "jnz 2b",
                        "vzeroupper",
                        n = inout(reg) N_ITERATIONS => _,
                        out("zmm0") _, out("zmm1") _, out("zmm4") _, out("zmm5") _, out("zmm6") _, out("zmm7") _,
                        out("zmm8") _, out("zmm9") _, out("zmm10") _, out("zmm11") _, out("zmm12") _, out("zmm13") _,
                        out("zmm14") _, out("zmm15") _,
                        options(nostack, nomem),
                    );
                }
            })
        };
    }

    pub(super) fn measure() -> Vec<(&'static str, f64)> {
        let mut peaks = Vec::new();
        let mut add = |name, has_it: bool, run: fn() -> f64| {
            if has_it {
                peaks.push((name, run()));
            }
        };
        let zmm = is_x86_feature_detected!("avx512f");
        let vnni = zmm && is_x86_feature_detected!("avx512vnni");
        let vnni_ymm = vnni && is_x86_feature_detected!("avx512vl");
        let avx2 = is_x86_feature_detected!("avx2");
        add("f32 vfmadd231ps zmm", zmm, || peak!(32, "zmm", ["vfmadd231ps"]));
        add("f32 vfmadd231ps ymm", avx2 && is_x86_feature_detected!("fma"), || {
            peak!(16, "ymm", ["vfmadd231ps"])
        });
        add("int16 vpdpwssd zmm", vnni, || peak!(64, "zmm", ["vpdpwssd"]));
        add("int16 vpdpwssd ymm", vnni_ymm, || peak!(32, "ymm", ["vpdpwssd"]));
        add("int16 vpdpwssd ymm (AVX-VNNI)", is_x86_feature_detected!("avxvnni"), || {
            peak!(32, "ymm", ["{{vex}} vpdpwssd"])
        });
        add("int8 vpdpbusd zmm", vnni, || peak!(128, "zmm", ["vpdpbusd"]));
        add("int8 vpdpbusd ymm", vnni_ymm, || peak!(64, "ymm", ["vpdpbusd"]));
        add("bf16 vdpbf16ps zmm", zmm && is_x86_feature_detected!("avx512bf16"), || {
            peak!(64, "zmm", ["vdpbf16ps"])
        });
        add("int16 vpmaddwd+vpaddd zmm", is_x86_feature_detected!("avx512bw"), || {
            peak!(64, "zmm", ["vpmaddwd", "vpaddd"])
        });
        add("int16 vpmaddwd+vpaddd ymm", avx2, || peak!(32, "ymm", ["vpmaddwd", "vpaddd"]));
        peaks
    }

    /// 10^9 operations a second in the fastest of several runs of `n_operations`.
    fn best_of(n_operations: u64, run: impl Fn()) -> f64 {
        let mut best_secs = f64::INFINITY;
        for _ in 0..N_TRIES {
            let start = Instant::now();
            run();
            best_secs = best_secs.min(start.elapsed().as_secs_f64());
        }
        n_operations as f64 / best_secs / 1e9
    }
}
