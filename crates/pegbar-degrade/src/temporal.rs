//! Defects that change from frame to frame: dust, scratches, flicker, weave, dot crawl.

pub mod combing;
pub mod composite;
pub mod dust;
pub mod flicker;
pub mod gaussian_noise;
pub mod ghost;
pub mod grain;
mod random;
pub mod repeats;
pub mod scratches;
pub mod weave;

use pegbar_frame::PlanarImage;
use pegbar_params::Param;

/// A defect of a clip.
pub trait TemporalDefect: Send + Sync {
    /// Makes the spoilt frame at `index` of a clip, of the same size and channels; alpha is left as it is.
    ///
    /// The result depends on the clip, the index, the settings and the seed alone: frames may be made in any order.
    ///
    /// # Panics
    /// When the clip has no frame at `index`.
    fn frame(&self, clip: &[PlanarImage], index: usize) -> PlanarImage;

    /// Spoils a whole clip.
    fn clip(&self, clip: &[PlanarImage]) -> Vec<PlanarImage> {
        (0..clip.len()).map(|index| self.frame(clip, index)).collect()
    }
}

/// The table of each defect of this room, by its file's name.
pub const TABLES: &[(&str, &[Param])] = &[
    ("combing", combing::PARAMS),
    ("composite", composite::PARAMS),
    ("dust", dust::PARAMS),
    ("flicker", flicker::PARAMS),
    ("gaussian_noise", gaussian_noise::PARAMS),
    ("ghost", ghost::PARAMS),
    ("grain", grain::PARAMS),
    ("repeats", repeats::PARAMS),
    ("scratches", scratches::PARAMS),
    ("weave", weave::PARAMS),
];

/// The seed that every table has.
const SEED: Param = Param::int("seed", "Another number gives another pattern.", "", (0, 0xffff_ffff), 1);

/// Channels of colour or gray, without alpha.
fn colour_channels(image: &PlanarImage) -> usize {
    if image.channels >= 3 { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_params::{ParamValues, check_table};

    fn all() -> Vec<(&'static str, Box<dyn TemporalDefect>)> {
        fn defaults(params: &'static [Param]) -> ParamValues {
            ParamValues::defaults(params)
        }
        vec![
            ("combing", Box::new(combing::Combing::from_values(&defaults(combing::PARAMS)))),
            ("composite", Box::new(composite::Composite::from_values(&defaults(composite::PARAMS)))),
            ("dust", Box::new(dust::Dust::from_values(&defaults(dust::PARAMS)))),
            ("flicker", Box::new(flicker::Flicker::from_values(&defaults(flicker::PARAMS)))),
            (
                "gaussian_noise",
                Box::new(gaussian_noise::GaussianNoise::from_values(&defaults(gaussian_noise::PARAMS))),
            ),
            ("ghost", Box::new(ghost::Ghost::from_values(&defaults(ghost::PARAMS)))),
            ("grain", Box::new(grain::FilmGrain::from_values(&defaults(grain::PARAMS)))),
            ("repeats", Box::new(repeats::Repeats::from_values(&defaults(repeats::PARAMS)))),
            ("scratches", Box::new(scratches::Scratches::from_values(&defaults(scratches::PARAMS)))),
            ("weave", Box::new(weave::Weave::from_values(&defaults(weave::PARAMS)))),
        ]
    }

    fn clip(channels: usize, height: usize, width: usize) -> Vec<PlanarImage> {
        let frame = |t: usize| {
            let n = channels * height * width;
            let data = (0..n).map(|i| ((i * 31 + t * 17) % 97) as f32 / 96.0).collect();
            PlanarImage { width, height, channels, data }
        };
        (0..6).map(frame).collect()
    }

    #[test]
    fn tables_are_sound_and_complete() {
        let names: Vec<_> = all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, TABLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, table) in TABLES {
            assert_eq!(check_table(table), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_defect_spoils_the_same_way_each_time_and_leaves_alpha() {
        let clean = clip(4, 48, 64);
        for (name, defect) in all() {
            let spoilt = defect.clip(&clean);
            assert!(spoilt != clean, "{name} changes nothing");
            assert_eq!(defect.frame(&clean, 3), spoilt[3], "{name}");
            for (a, b) in spoilt.iter().zip(&clean) {
                assert_eq!((a.width, a.height, a.channels), (b.width, b.height, b.channels), "{name}");
                assert!(a.data.iter().all(|v| v.is_finite()), "{name}");
                if !["repeats", "combing"].contains(&name) {
                    assert_eq!(a.plane(3), b.plane(3), "{name}");
                }
            }
        }
    }

    #[test]
    fn every_defect_takes_any_size() {
        for (height, width) in [(1, 1), (2, 3), (5, 1), (7, 17)] {
            for channels in [1, 3, 4] {
                for (_, defect) in all() {
                    defect.clip(&clip(channels, height, width));
                }
            }
        }
    }
}
