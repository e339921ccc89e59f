//! What can go wrong while a model runs.

use thiserror::Error;

/// Why a session could not be opened or a picture not be processed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The device asked for is not part of this build or this machine.
    #[error("no GPU can be used: this build of Pegbar runs on the CPU only; use --device cpu or auto")]
    NoGpu,
    /// The network cannot be compiled or run.
    #[error(transparent)]
    Cpu(#[from] pegbar_cpu::CpuError),
    /// The graph is inconsistent.
    #[error(transparent)]
    Net(#[from] pegbar_net::NetError),
    /// The picture has channels that the model does not take.
    #[error("{}", channels_problem(*expected, *produced, *got))]
    Channels {
        /// Input channels of the model.
        expected: usize,
        /// Output channels of the model.
        produced: usize,
        /// Channels of the picture.
        got: usize,
    },
    /// A picture without pixels.
    #[error("the picture is empty ({width}x{height})")]
    EmptyPicture {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The output holds NaN or infinity; it would show as black or white blotches.
    #[error(
        "the model produced {count} values that are no numbers (NaN or infinite) on this picture; \
         its weights are probably damaged"
    )]
    NotFinite {
        /// How many values.
        count: usize,
    },
    /// Even the smallest tile needs more memory than allowed.
    #[error(
        "a {tile_px} px tile needs {needed_mib} MiB of working memory, more than the {allowed_mib} MiB that may be used"
    )]
    Memory {
        /// Side of the tile.
        tile_px: usize,
        /// What it takes.
        needed_mib: usize,
        /// What is allowed.
        allowed_mib: usize,
    },
    /// The network must see the whole picture, which does not fit.
    #[error(
        "this network looks at the whole picture at once and needs {needed_mib} MiB for {width}x{height}, more than the \
         {allowed_mib} MiB that may be used; give it a smaller picture, or --tile to accept seams"
    )]
    Untileable {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// What it takes.
        needed_mib: usize,
        /// What is allowed.
        allowed_mib: usize,
    },
    /// A tile side that the network cannot work with.
    #[error("--tile {got}: the network needs tiles of at least {minimum} px")]
    TileTooSmall {
        /// What was asked.
        got: usize,
        /// What is needed.
        minimum: usize,
    },
}

fn channels_problem(expected: usize, produced: usize, got: usize) -> String {
    if produced != expected {
        return format!(
            "the model makes {produced} channel(s) out of {expected}; pictures go only through models that make as many as \
             they take, 1 (gray) or 3 (RGB)"
        );
    }
    let mut problem = format!("the model takes {expected} channel(s), and the picture has {got}");
    if expected != 1 && expected != 3 {
        problem.push_str(
            "; pictures go only through models of 1 (gray) or 3 channels (RGB), and their alpha by itself",
        );
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_do_not_fit_are_told_without_contradiction() {
        let text = |expected, produced, got| EngineError::Channels { expected, produced, got }.to_string();
        assert!(text(1, 3, 1).starts_with("the model makes 3 channel(s) out of 1;"), "{}", text(1, 3, 1));
        let four = text(4, 4, 3);
        assert!(four.starts_with("the model takes 4 channel(s), and the picture has 3;"), "{four}");
        assert!(four.contains("1 (gray) or 3 channels (RGB)"), "{four}");
        assert_eq!(text(3, 3, 4), "the model takes 3 channel(s), and the picture has 4");
    }
}
