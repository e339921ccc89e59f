//! What the engine decided, in words.

use crate::memory::Element;
use crate::program::Program;
use crate::step::{Kind, Step};

impl Program {
    /// One line for each step.
    pub(crate) fn explain(&self) -> Vec<String> {
        let line = |step: &Step| {
            let mut text = format!("{}: {}", step.name, step.kind.describe());
            if matches!(step.kind, Kind::Winograd(_) | Kind::Direct { .. } | Kind::Fourier { .. }) {
                text += &format!(", {}", self.settings.isa.name());
            }
            if let Some(activation) = step.kind.activation_name() {
                text += &format!(", + {activation}");
            }
            match step.residuals.len() {
                0 => {}
                1 => text += ", + residual",
                n => text += &format!(", + {n} residuals"),
            }
            if matches!(step.kind, Kind::Store { .. }) && step.inputs.len() > 1 {
                text += ", + enlarged to the nearest";
            }
            if !matches!(step.kind, Kind::Store { .. })
                && self.buffers[self.values[step.output].buffer].element == Element::F16
            {
                text += ", to f16";
            }
            if let Some(note) = step.note {
                text += &format!(" (in f32: {note})");
            }
            text
        };
        self.steps.iter().map(line).collect()
    }
}
