//! How ffmpeg is to open what it reads.

use std::path::Path;
use std::process::Command;

use crate::Sequence;
use crate::probe::file_url;

/// How ffmpeg is to open an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputOptions {
    /// Numbered images in place of a file.
    pub sequence: Option<Sequence>,
    /// ffmpeg's name of the hardware that decodes: [`crate::Tools::hwaccels`].
    pub hwaccel: Option<String>,
}

impl InputOptions {
    /// A file, decoded by the processor.
    pub const PLAIN: Self = Self { sequence: None, hwaccel: None };

    /// Adds the input to a command that decodes it.
    pub(crate) fn add_decoded(&self, command: &mut Command, path: &Path) {
        if let Some(name) = &self.hwaccel {
            command.args(["-hwaccel", name]);
        }
        self.add(command, path);
    }

    /// Adds the input to a command that copies from it or describes it.
    pub(crate) fn add(&self, command: &mut Command, path: &Path) {
        match &self.sequence {
            Some(sequence) => command.args(sequence.arguments()).arg("-i").arg(sequence.url()),
            None => command.arg("-i").arg(file_url(path)),
        };
    }
}
