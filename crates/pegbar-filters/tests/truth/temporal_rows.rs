//! The rows of the temporal filters.

use pegbar_degrade::temporal::TemporalDefect;
use pegbar_degrade::temporal::combing::Combing;
use pegbar_degrade::temporal::composite::{Composite, Decoder};
use pegbar_degrade::temporal::dust::Dust;
use pegbar_degrade::temporal::flicker::Flicker;
use pegbar_degrade::temporal::gaussian_noise::GaussianNoise;
use pegbar_degrade::temporal::ghost::Ghost;
use pegbar_degrade::temporal::grain::FilmGrain;
use pegbar_degrade::temporal::weave::Weave;
use pegbar_filters::temporal::decomb::{self, Decomb};
use pegbar_filters::temporal::deflicker::{self, Deflicker};
use pegbar_filters::temporal::deghost::{self, Deghost};
use pegbar_filters::temporal::degrain::{self, Degrain};
use pegbar_filters::temporal::denoise::{self, Denoise};
use pegbar_filters::temporal::derainbow::{self, Derainbow};
use pegbar_filters::temporal::despot::{self, Despot};
use pegbar_filters::temporal::dot_crawl::{self, DotCrawl};
use pegbar_filters::temporal::scene_change::scene_starts;
use pegbar_filters::temporal::stabilise::{self, Stabilise};
use pegbar_filters::temporal::{TemporalFilter, filter_scene};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::Row;

/// Each temporal defect with the filter against it.
pub const ROWS: &[Row] = &[
    Row {
        clips: &[],
        defect: "moving noise",
        filter: "denoise",
        spoil: |frames| GaussianNoise { sigma_codes: 8.0, colour: 1.0, seed: 1 }.clip(frames),
        restore: |frames| scenes(&Denoise::from_values(&defaults(denoise::PARAMS)), frames),
        ffmpeg: &[
            "hqdn3d=6:5:9:7",
            "atadenoise=0a=0.1:0b=0.2:1a=0.1:1b=0.2:2a=0.1:2b=0.2:s=9",
            "vaguedenoiser=threshold=5",
            "nlmeans=s=5:p=5:r=9",
            "bm3d=sigma=5:block=4:bstep=2:group=1",
        ],
    },
    Row {
        clips: &[],
        defect: "grain",
        filter: "degrain",
        spoil: |frames| FilmGrain { strength_codes: 10.0, size_px: 0.8, colour: 0.5, seed: 1 }.clip(frames),
        restore: |frames| scenes(&Degrain::from_values(&defaults(degrain::PARAMS)), frames),
        ffmpeg: &[
            "hqdn3d=6:5:9:7",
            "atadenoise=0a=0.1:0b=0.2:1a=0.1:1b=0.2:2a=0.1:2b=0.2:s=9",
            "vaguedenoiser=threshold=6",
            "nlmeans=s=6:p=5:r=9",
            "bm3d=sigma=7:block=4:bstep=2:group=1",
        ],
    },
    Row {
        clips: &[],
        defect: "dot crawl",
        filter: "dot_crawl",
        spoil: composite,
        restore: |frames| scenes(&DotCrawl::from_values(&defaults(dot_crawl::PARAMS)), frames),
        ffmpeg: &["dedot=m=dotcrawl", "dedot=m=dotcrawl:lt=0.15:tl=0.15"],
    },
    Row {
        clips: &[],
        defect: "rainbow",
        filter: "derainbow",
        spoil: composite,
        restore: |frames| scenes(&Derainbow::from_values(&defaults(derainbow::PARAMS)), frames),
        ffmpeg: &["dedot=m=rainbows", "dedot=m=rainbows:tc=0.15:ct=0.06"],
    },
    Row {
        clips: &[],
        defect: "composite",
        filter: "dot_crawl, derainbow",
        spoil: composite,
        restore: |frames| {
            let frames = scenes(&DotCrawl::from_values(&defaults(dot_crawl::PARAMS)), frames);
            scenes(&Derainbow::from_values(&defaults(derainbow::PARAMS)), &frames)
        },
        ffmpeg: &["dedot", "dedot=lt=0.15:tl=0.15:tc=0.15:ct=0.06"],
    },
    Row {
        clips: &[],
        defect: "dust",
        filter: "despot",
        spoil: |frames| {
            Dust { spots: 8.0, hairs: 0.5, size: 10.0, bright: 0.3, opacity: 0.85, seed: 1 }.clip(frames)
        },
        restore: |frames| scenes(&Despot::from_values(&defaults(despot::PARAMS)), frames),
        ffmpeg: &[
            "tmedian=radius=1",
            "removegrain=m0=2:m1=2:m2=2",
            "atadenoise=0a=0.1:0b=0.2:1a=0.1:1b=0.2:2a=0.1:2b=0.2:s=5",
            "median=radius=2",
        ],
    },
    Row {
        clips: &[],
        defect: "flicker",
        filter: "deflicker",
        spoil: |frames| {
            Flicker { gain_percent: 5.0, offset_codes: 2.0, colour: 0.2, local_percent: 2.0, seed: 1 }
                .clip(frames)
        },
        restore: |frames| scenes(&Deflicker::from_values(&defaults(deflicker::PARAMS)), frames),
        ffmpeg: &[
            "deflicker=size=5",
            "deflicker=size=15:mode=am",
            "deflicker=size=25:mode=median",
            "tmidequalizer=radius=5",
        ],
    },
    Row {
        clips: &[],
        defect: "weave",
        filter: "stabilise",
        spoil: |frames| Weave { across_px: 1.2, down_px: 0.8, seed: 1 }.clip(frames),
        restore: |frames| scenes(&Stabilise::from_values(&defaults(stabilise::PARAMS)), frames),
        ffmpeg: &["deshake=edge=mirror", "deshake=edge=mirror:rx=16:ry=16"],
    },
    Row {
        clips: &[],
        defect: "ghost",
        filter: "deghost",
        spoil: |frames| Ghost { offset_px: 9.0, opacity: 0.15 }.clip(frames),
        restore: |frames| scenes(&Deghost::from_values(&defaults(deghost::PARAMS)), frames),
        ffmpeg: &[],
    },
    Row {
        clips: &[],
        defect: "combing",
        filter: "decomb",
        spoil: |frames| Combing { combed: 2, group: 5 }.clip(frames),
        restore: |frames| scenes(&Decomb::from_values(&defaults(decomb::PARAMS)), frames),
        ffmpeg: &["yadif", "bwdif", "estdif", "kerndeint", "pp=lb"],
    },
];

fn composite(frames: &[PlanarImage]) -> Vec<PlanarImage> {
    Composite { cycles: 190.9, decoder: Decoder::Notch }.clip(frames)
}

fn defaults(params: &'static [Param]) -> ParamValues {
    ParamValues::defaults(params)
}

/// Filters each scene by itself, as a chain does it.
fn scenes(filter: &dyn TemporalFilter, frames: &[PlanarImage]) -> Vec<PlanarImage> {
    let mut starts = scene_starts(frames);
    starts.push(frames.len());
    starts.windows(2).flat_map(|span| filter_scene(filter, &frames[span[0]..span[1]])).collect()
}
