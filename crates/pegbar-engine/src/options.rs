//! What a session is opened with.

use pegbar_cpu::CpuPrecision;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The fastest device of this build and machine.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A graphics processor.
    Gpu,
}

/// How exact the arithmetic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// The fastest arithmetic that stays above 70 dB against `Exact` on real frames.
    #[default]
    Fast,
    /// 32-bit floating point throughout.
    Exact,
}

impl From<Precision> for CpuPrecision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Fast => Self::Fast,
            Precision::Exact => Self::Exact,
        }
    }
}

/// How a picture is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TileChoice {
    /// Whole when the working memory allows, else the largest tiles that fit.
    #[default]
    Auto,
    /// Never cut.
    Off,
    /// Tiles of at most this many pixels a side, overlap included.
    Px(usize),
}

/// What a session is opened with.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Where to run.
    pub device: Device,
    /// How exact.
    pub precision: Precision,
    /// Threads; `None` takes all cores.
    pub threads: Option<usize>,
    /// How to cut.
    pub tile: TileChoice,
    /// Working memory that the engine may take, in bytes; `None` takes half of what is available, 512 MiB at most.
    pub memory_bytes: Option<usize>,
}
