//! What the engine decided, in words.

use crate::CpuLevel;
use crate::program::Program;

impl Program {
    /// One line for each step.
    pub(crate) fn explain(&self, level: CpuLevel) -> Vec<String> {
        let line = |step: &crate::step::Step| {
            let mut text = format!("{}: {}", step.name, step.kind.describe());
            if matches!(step.kind, crate::step::Kind::Winograd(_) | crate::step::Kind::Direct { .. }) {
                text += &format!(", {level}");
            }
            if let Some(activation) = step.kind.activation_name() {
                text += &format!(", + {activation}");
            }
            match step.residuals.len() {
                0 => {}
                1 => text += ", + residual",
                n => text += &format!(", + {n} residuals"),
            }
            text
        };
        self.steps.iter().map(line).collect()
    }
}
