//! Which vector instructions are used.

use crate::CpuError;
use std::fmt;

/// A set of vector instructions. The order is that of speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CpuLevel {
    /// Plain Rust, the twin every other level is tested against.
    Scalar,
    /// 128-bit vectors of 64-bit ARM.
    Neon,
    /// 256-bit vectors with fused multiply-add and half floats; dot products of integers (AVX-VNNI) are used where the
    /// processor has them.
    Avx2,
    /// 512-bit vectors (F, BW, DQ, VL); dot products of integers (VNNI) are used where the processor has them.
    Avx512,
}

impl CpuLevel {
    /// The best level this processor has, lowered by the environment variable `PEGBAR_CPU` where that is set
    /// (`scalar`, `avx2`, `avx512`, `neon`). The variable can only lower: a level the processor lacks leaves the
    /// best one below it.
    ///
    /// # Errors
    /// [`CpuError::UnknownLevel`] for any other word in `PEGBAR_CPU`.
    pub fn from_env() -> Result<Self, CpuError> {
        match std::env::var_os("PEGBAR_CPU") {
            None => Ok(Self::best()),
            Some(text) => Self::lowered(&text.to_string_lossy()),
        }
    }

    /// As [`CpuLevel::from_env`], with a warning in the log in place of the error.
    pub fn detect() -> Self {
        Self::from_env().unwrap_or_else(|error| {
            tracing::warn!("{error}; it is ignored");
            Self::best()
        })
    }

    /// The best level this processor has, whatever the environment says.
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Scalar)
    }

    /// The levels this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512]
            .into_iter()
            .filter(|level| level.is_available())
            .collect()
    }

    /// Whether this processor has the level.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[allow(unreachable_patterns, reason = "every level is listed on no architecture")]
            _ => false,
        }
    }

    /// The name `PEGBAR_CPU` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    fn lowered(word: &str) -> Result<Self, CpuError> {
        let limit = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(word.trim()))
            .ok_or_else(|| CpuError::UnknownLevel { text: word.to_owned() })?;
        Ok(Self::available().into_iter().rfind(|&level| level <= limit).unwrap_or(Self::Scalar))
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_can_only_lower() {
        assert_eq!(CpuLevel::lowered("scalar"), Ok(CpuLevel::Scalar));
        for level in CpuLevel::available() {
            assert_eq!(CpuLevel::lowered(level.name()), Ok(level));
        }
        assert!(CpuLevel::lowered("AVX512").is_ok_and(|level| level <= CpuLevel::best()));
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_it() {
        let error = CpuLevel::lowered("avx9000").expect_err("no such level");
        assert!(error.to_string().contains("avx9000"), "{error}");
    }
}
