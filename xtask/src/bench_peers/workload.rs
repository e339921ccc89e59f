//! What is compared: networks, frame sizes, and how far ahead Pegbar has to be.

/// One network at one frame size.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// A name that `make_models.py` knows.
    pub(super) model: &'static str,
    pub(super) size: (usize, usize),
    /// Whether engines are held to AVX2.
    pub(super) avx2: bool,
    /// The least ratio wanted of the fast arithmetic, against the fastest peer of any precision.
    pub(super) fast_minimum: f64,
    /// The least ratio wanted of the exact arithmetic, against the fastest f32 peer.
    pub(super) exact_minimum: f64,
}

/// In the order of the table.
pub(super) const WORKLOADS: [Workload; 9] = [
    Workload {
        name: "compact-x2",
        title: "Compact 64/16 x2, 720x480",
        model: "compact-x2",
        size: (720, 480),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 2.1,
    },
    Workload {
        name: "compact-x4",
        title: "Compact 64/16 x4, 720x480",
        model: "compact-x4",
        size: (720, 480),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 2.0,
    },
    Workload {
        name: "compact-x2-1080p",
        title: "Compact 64/16 x2, 1920x1080",
        model: "compact-x2",
        size: (1920, 1080),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 2.0,
    },
    Workload {
        name: "compact-x2-256",
        title: "Compact 64/16 x2, 256x256",
        model: "compact-x2",
        size: (256, 256),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 2.0,
    },
    Workload {
        name: "ultra-x2",
        title: "SuperUltraCompact 24/8 x2, 720x480",
        model: "ultra-x2",
        size: (720, 480),
        avx2: false,
        fast_minimum: 1.8,
        exact_minimum: 1.5,
    },
    Workload {
        name: "esrgan-6b",
        title: "ESRGAN 6 blocks x4, 256x256",
        model: "esrgan-6b-x4",
        size: (256, 256),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 1.8,
    },
    Workload {
        name: "esrgan-23b",
        title: "ESRGAN 23 blocks x4, 128x128",
        model: "esrgan-23b-x4",
        size: (128, 128),
        avx2: false,
        fast_minimum: 2.5,
        exact_minimum: 1.8,
    },
    Workload {
        name: "span-x2",
        title: "SPAN 48 x2, 720x480",
        model: "span-x2",
        size: (720, 480),
        avx2: false,
        fast_minimum: 2.0,
        exact_minimum: 1.6,
    },
    Workload {
        name: "compact-x2-avx2",
        title: "Compact 64/16 x2, 720x480, AVX2 only",
        model: "compact-x2",
        size: (720, 480),
        avx2: true,
        fast_minimum: 1.5,
        exact_minimum: 1.2,
    },
];

impl Workload {
    /// Whether all engines' memory fits beside each other; else they are started anew for each turn.
    pub(super) fn fits_side_by_side(size: (usize, usize)) -> bool {
        const MOST_PIXELS: usize = 1 << 20;
        size.0 * size.1 <= MOST_PIXELS
    }
}
