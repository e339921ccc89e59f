//! Which filter graphs touch nothing but pictures.
//!
//! A chain may come from a stranger, and some of ffmpeg's filters read files, write them, load libraries or take commands from the
//! network. So a graph may hold only filters of a list, and of those with an option for a file only without it. The graph is read as
//! ffmpeg reads it: two levels of quotes and escapes, labels, chains.

/// Filters that neither read nor write anything but frames, sorted.
const PURE: &[&str] = &[
    "addroi",
    "allrgb",
    "allyuv",
    "alphaextract",
    "alphamerge",
    "amplify",
    "atadenoise",
    "avgblur",
    "backgroundkey",
    "bbox",
    "bilateral",
    "bitplanenoise",
    "blackdetect",
    "blackframe",
    "blend",
    "blockdetect",
    "blurdetect",
    "bm3d",
    "boxblur",
    "bwdif",
    "cas",
    "ccrepack",
    "chromahold",
    "chromakey",
    "chromanr",
    "chromashift",
    "ciescope",
    "codecview",
    "color",
    "colorbalance",
    "colorchannelmixer",
    "colorchart",
    "colorcontrast",
    "colorcorrect",
    "colorhold",
    "colorize",
    "colorkey",
    "colorlevels",
    "colormap",
    "colormatrix",
    "colorspace",
    "colorspectrum",
    "colortemperature",
    "convolution",
    "convolve",
    "copy",
    "corr",
    "crop",
    "cropdetect",
    "datascope",
    "dblur",
    "dctdnoiz",
    "deband",
    "deblock",
    "decimate",
    "deconvolve",
    "dedot",
    "deflate",
    "deflicker",
    "dejudder",
    "delogo",
    "despill",
    "detelecine",
    "dilation",
    "displace",
    "doubleweave",
    "drawbox",
    "drawgraph",
    "drawgrid",
    "edgedetect",
    "elbg",
    "entropy",
    "epx",
    "eq",
    "erosion",
    "estdif",
    "exposure",
    "extractplanes",
    "fade",
    "fftdnoiz",
    "fftfilt",
    "field",
    "fieldmatch",
    "fieldorder",
    "fillborders",
    "floodfill",
    "format",
    "fps",
    "framepack",
    "framerate",
    "framestep",
    "freezedetect",
    "freezeframes",
    "gblur",
    "geq",
    "gradfun",
    "gradients",
    "graphmonitor",
    "grayworld",
    "greyedge",
    "guided",
    "haldclut",
    "haldclutsrc",
    "hflip",
    "histeq",
    "histogram",
    "hqdn3d",
    "hqx",
    "hstack",
    "hsvhold",
    "hsvkey",
    "hue",
    "huesaturation",
    "hysteresis",
    "identity",
    "idet",
    "il",
    "inflate",
    "interlace",
    "kerndeint",
    "kirsch",
    "lagfun",
    "latency",
    "lenscorrection",
    "limitdiff",
    "limiter",
    "loop",
    "lumakey",
    "lut",
    "lut2",
    "lutrgb",
    "lutyuv",
    "mandelbrot",
    "maskedclamp",
    "maskedmax",
    "maskedmerge",
    "maskedmin",
    "maskedthreshold",
    "maskfun",
    "mcdeint",
    "median",
    "mergeplanes",
    "mestimate",
    "midequalizer",
    "minterpolate",
    "mix",
    "monochrome",
    "morpho",
    "mpdecimate",
    "mptestsrc",
    "msad",
    "multiply",
    "negate",
    "nlmeans",
    "noformat",
    "noise",
    "normalize",
    "null",
    "nullsrc",
    "oscilloscope",
    "overlay",
    "owdenoise",
    "pad",
    "pal100bars",
    "pal75bars",
    "palettegen",
    "perspective",
    "phase",
    "photosensitivity",
    "pixdesctest",
    "pixelize",
    "pixscope",
    "pp",
    "pp7",
    "premultiply",
    "prewitt",
    "pseudocolor",
    "pullup",
    "qp",
    "random",
    "readeia608",
    "readvitc",
    "remap",
    "removegrain",
    "repeatfields",
    "reverse",
    "rgbashift",
    "rgbtestsrc",
    "roberts",
    "rotate",
    "sab",
    "scale",
    "scale2ref",
    "scdet",
    "scharr",
    "scroll",
    "select",
    "selectivecolor",
    "separatefields",
    "setdar",
    "setfield",
    "setparams",
    "setpts",
    "setrange",
    "setsar",
    "settb",
    "shear",
    "showinfo",
    "showpalette",
    "shuffleframes",
    "shufflepixels",
    "shuffleplanes",
    "sidedata",
    "sierpinski",
    "signalstats",
    "siti",
    "smartblur",
    "smptebars",
    "smptehdbars",
    "sobel",
    "split",
    "spp",
    "stereo3d",
    "super2xsai",
    "swaprect",
    "swapuv",
    "tblend",
    "telecine",
    "testsrc",
    "testsrc2",
    "thistogram",
    "threshold",
    "thumbnail",
    "tile",
    "tiltandshift",
    "tinterlace",
    "tlut2",
    "tmedian",
    "tmidequalizer",
    "tmix",
    "tonemap",
    "tpad",
    "transpose",
    "trim",
    "unpremultiply",
    "unsharp",
    "untile",
    "uspp",
    "v360",
    "vaguedenoiser",
    "varblur",
    "vectorscope",
    "vflip",
    "vfrdet",
    "vibrance",
    "vif",
    "vignette",
    "vstack",
    "w3fdif",
    "waveform",
    "weave",
    "xbr",
    "xcorrelate",
    "xfade",
    "xmedian",
    "xstack",
    "yadif",
    "yaepblur",
    "yuvtestsrc",
    "zoneplate",
    "zoompan",
    "zscale",
];

/// A filter that touches no file unless an option says so.
struct Careful {
    name: &'static str,
    /// Its options for files.
    files: &'static [&'static str],
    /// So many values without a name come before any of them.
    n_unnamed: usize,
}

const CAREFUL: &[Careful] = &[
    Careful { name: "curves", files: &["psfile", "plot"], n_unnamed: 1 },
    Careful { name: "deshake", files: &["filename"], n_unnamed: 10 },
    Careful { name: "drawtext", files: &["textfile", "fontfile"], n_unnamed: 0 },
    Careful { name: "metadata", files: &["file"], n_unnamed: 5 },
    Careful { name: "paletteuse", files: &["debug_kdtree"], n_unnamed: 1 },
    Careful { name: "psnr", files: &["stats_file", "f"], n_unnamed: 0 },
    Careful { name: "ssim", files: &["stats_file", "f"], n_unnamed: 0 },
    Careful { name: "vmafmotion", files: &["stats_file"], n_unnamed: 0 },
    Careful { name: "xpsnr", files: &["stats_file", "f"], n_unnamed: 0 },
];

/// What to use instead of filters that are refused.
const INSTEAD: &[(&str, &str)] = &[
    ("amovie", "load the file by a node of its own"),
    ("ass", "subtitles of a film are copied to the result; burn them in when all is done"),
    ("cover_rect", "use image.blend with a picture that image.load reads"),
    ("frei0r", "it loads libraries"),
    ("frei0r_src", "it loads libraries"),
    ("ladspa", "it loads libraries"),
    ("libvmaf", "use image.metrics"),
    ("lut1d", "use image.lut or ffmpeg.lut3d, which name their file"),
    ("lut3d", "use image.lut or ffmpeg.lut3d, which name their file"),
    ("movie", "load the file by video.load or image.load, and lay it over with image.blend"),
    ("nnedi", "use ffmpeg.deinterlace, or bwdif"),
    ("removelogo", "use delogo, or image.mask_blend with a mask that image.load reads"),
    ("sendcmd", "connect a number of a node to a parameter that is to change"),
    ("sr", "use image.upscale"),
    ("subtitles", "subtitles of a film are copied to the result; burn them in when all is done"),
    ("vidstabdetect", "use temporal.stabilise or ffmpeg.deshake"),
    ("vidstabtransform", "use temporal.stabilise or ffmpeg.deshake"),
    ("zmq", "connect a number of a node to a parameter that is to change"),
];

/// How whoever trusts a chain lets its graphs through.
const TRUST: &str = "--allow-ffmpeg-files lets it through, for a chain that you trust";

/// Refuses a graph that might touch files.
///
/// # Errors
/// A sentence that names the filter and says what to do.
pub(super) fn check(graph: &str) -> Result<(), String> {
    for filter in parse(graph)? {
        let name = filter.name.as_str();
        if let Some((key, _)) = filter.options.iter().find(|(key, _)| key.contains('/')) {
            return Err(format!(
                "{name} would read its option {} from a file; {TRUST}",
                key.trim_start_matches('/')
            ));
        }
        if PURE.binary_search(&name).is_ok() {
            continue;
        }
        let Some(careful) = CAREFUL.iter().find(|careful| careful.name == name) else {
            let instead = INSTEAD.iter().find(|(refused, _)| *refused == name);
            let instead = instead.map_or(String::new(), |(_, instead)| format!(": {instead}"));
            return Err(format!("{name} is no filter that is known to leave files alone{instead}; {TRUST}"));
        };
        if let Some((key, _)) = filter.options.iter().find(|(key, _)| careful.files.contains(&key.as_str())) {
            return Err(format!("{name} would touch a file by its option {key}; leave it out, or {TRUST}"));
        }
        let n_unnamed = filter.options.iter().filter(|(key, _)| key.is_empty()).count();
        if n_unnamed > careful.n_unnamed {
            return Err(format!(
                "values of {name} without names may be files; write their names: {name}=NAME=VALUE"
            ));
        }
    }
    Ok(())
}

/// Options of encoders that are a number or a word: each has a value, and none is the name of a file.
const ENCODER_OPTIONS: &[&str] = &[
    "-aq-mode",
    "-auto-alt-ref",
    "-b:v",
    "-bf",
    "-bufsize",
    "-bufsize:v",
    "-c:v",
    "-codec:v",
    "-coder",
    "-color_primaries",
    "-color_range",
    "-color_trc",
    "-colorspace",
    "-compression_level",
    "-context",
    "-cpu-used",
    "-crf",
    "-cq",
    "-deadline",
    "-g",
    "-keyint_min",
    "-lag-in-frames",
    "-level",
    "-level:v",
    "-lossless",
    "-maxrate",
    "-maxrate:v",
    "-minrate",
    "-pix_fmt",
    "-preset",
    "-preset:v",
    "-profile",
    "-profile:v",
    "-pred",
    "-q:v",
    "-qmax",
    "-qmin",
    "-qp",
    "-qscale:v",
    "-quality",
    "-rc",
    "-refs",
    "-row-mt",
    "-sc_threshold",
    "-slicecrc",
    "-slices",
    "-speed",
    "-static-thresh",
    "-tag:v",
    "-threads",
    "-tile-columns",
    "-tile-rows",
    "-tune",
    "-usage",
    "-vendor",
    "-vtag",
];

/// Refuses options of an encoder that might touch files: a chain of a stranger may hold such options, too.
///
/// # Errors
/// A sentence that names the option and says what to do.
pub fn check_encoder_options(options: &str) -> Result<(), String> {
    if options.contains(['\'', '"', '\\']) {
        return Err(format!("options of an encoder in a chain are words without quotes; {TRUST}"));
    }
    let mut words = options.split_whitespace();
    while let Some(option) = words.next() {
        if !ENCODER_OPTIONS.contains(&option) {
            return Err(format!(
                "{option} is no option of an encoder that a chain may set, as it might touch files; say --encode when it is run, \
                 or {TRUST}"
            ));
        }
        let value = words.next().ok_or_else(|| format!("{option} has no value"))?;
        if value.contains('/') {
            return Err(format!("{option} {value} looks like a path; {TRUST}"));
        }
    }
    Ok(())
}

/// A filter of a graph.
#[derive(Debug, PartialEq, Eq)]
struct GraphFilter {
    /// Without the name of the instance.
    name: String,
    /// Keys, empty where only a value is given, and values, both without quotes.
    options: Vec<(String, String)>,
}

/// The filters of a graph, in order.
fn parse(graph: &str) -> Result<Vec<GraphFilter>, String> {
    let mut rest = Reader(graph);
    if rest.0.trim_start().starts_with("sws_flags=") {
        let Some(end) = rest.0.find(';') else { return Err("there is no filter after sws_flags".into()) };
        rest = Reader(&rest.0[end + 1..]);
    }
    let mut filters = Vec::new();
    loop {
        rest.labels()?;
        let name = rest.token("=,;[");
        if name.is_empty() {
            return Err(format!("a filter is missing before {:?}", shortened(rest.0)));
        }
        let arguments = if rest.take('=') { rest.token("[],;") } else { String::new() };
        rest.labels()?;
        filters.push(GraphFilter {
            name: name.split('@').next().unwrap_or_default().to_owned(),
            options: options(&arguments),
        });
        rest.skip_blanks();
        if !(rest.take(',') || rest.take(';')) {
            break;
        }
    }
    if rest.0.is_empty() { Ok(filters) } else { Err(format!("it goes wrong at {:?}", shortened(rest.0))) }
}

fn shortened(text: &str) -> String {
    text.chars().take(24).collect()
}

/// Options of a filter, separated by colons.
fn options(arguments: &str) -> Vec<(String, String)> {
    let mut rest = Reader(arguments);
    let mut options = Vec::new();
    while !rest.0.is_empty() {
        rest.skip_blanks();
        let key_end =
            rest.0.find(|c: char| !(c.is_ascii_alphanumeric() || "_-/.".contains(c))).unwrap_or(rest.0.len());
        let behind = rest.0[key_end..].trim_start_matches(BLANKS);
        let key = match behind.strip_prefix('=') {
            Some(value) if key_end > 0 => {
                let key = rest.0[..key_end].to_owned();
                rest = Reader(value);
                key
            }
            _ => String::new(),
        };
        options.push((key, rest.token(":")));
        rest.take(':');
    }
    options
}

/// What ffmpeg takes for blanks.
const BLANKS: [char; 4] = [' ', '\n', '\t', '\r'];

/// The rest of a text.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_start_matches(BLANKS);
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// A word up to one of some letters that is neither quoted nor escaped; its quotes and escapes are taken off.
    fn token(&mut self, ends: &str) -> String {
        self.skip_blanks();
        let mut word = String::new();
        // Blanks at the end are no part of it, but where they were quoted.
        let mut n_kept = 0;
        let mut letters = self.0.char_indices();
        let mut end = self.0.len();
        while let Some((at, c)) = letters.next() {
            match c {
                c if ends.contains(c) => {
                    end = at;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, escaped)) => {
                        word.push(escaped);
                        n_kept = word.len();
                    }
                    None => word.push('\\'),
                },
                '\'' => {
                    for (_, quoted) in letters.by_ref() {
                        if quoted == '\'' {
                            break;
                        }
                        word.push(quoted);
                    }
                    n_kept = word.len();
                }
                c => word.push(c),
            }
        }
        self.0 = &self.0[end..];
        let n_trimmed = word.trim_end_matches(BLANKS).len();
        word.truncate(n_trimmed.max(n_kept));
        word
    }

    /// Labels in brackets, if there are any.
    fn labels(&mut self) -> Result<(), String> {
        self.skip_blanks();
        while self.take('[') {
            self.token("]");
            if !self.take(']') {
                return Err("a label has no end: ] is missing".into());
            }
            self.skip_blanks();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_and_apart() {
        assert!(PURE.is_sorted() && PURE.windows(2).all(|w| w[0] != w[1]));
        assert!(CAREFUL.iter().all(|careful| !PURE.contains(&careful.name)));
        assert!(INSTEAD.iter().all(|(name, _)| !PURE.contains(name)));
    }

    #[test]
    fn graphs_are_read_as_ffmpeg_reads_them() {
        let of = |graph: &str| -> String {
            let filters = parse(graph).unwrap_or_else(|error| panic!("{graph}: {error}"));
            let shown = |f: GraphFilter| {
                let options: Vec<String> = f.options.into_iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("{}({})", f.name, options.join("|"))
            };
            filters.into_iter().map(shown).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("hqdn3d=4:3:6:4,unsharp"), "hqdn3d(=4|=3|=6|=4) unsharp()");
        assert_eq!(
            of(" [in] split [a][b]; [a] gblur@soft = sigma=2 : steps = 1 [c];[b][c]blend=all_mode=average"),
            "split() gblur(sigma=2|steps=1) blend(all_mode=average)"
        );
        assert_eq!(of("sws_flags=lanczos;scale=2*iw:-1"), "scale(=2*iw|=-1)");
        // Once for the graph, once for the options.
        assert_eq!(of(r"drawtext=text='a\:b, c':x=1"), "drawtext(text=a:b, c|x=1)");
        assert_eq!(of(r"drawtext=text=a\\:b\,c"), "drawtext(text=a:b,c)");
        assert_eq!(of(r"geq='lum=clip(X,0,1)'"), "geq(lum=clip(X,0,1))");
        // Names and keys may be quoted, too.
        assert_eq!(of(r"m'ov'ie=x"), "movie(=x)");
        assert_eq!(of(r"metadata=print:'fil'\e=/tmp/x"), "metadata(=print|file=/tmp/x)");
        for wrong in ["", " ", ",", "hflip,", "[a", "hflip=1]", "sws_flags=1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn encoders_without_files() {
        for good in [
            "-c:v libvpx-vp9 -crf 24 -b:v 0",
            "-c:v libx264 -preset slow -tune animation -pix_fmt yuv444p",
            "-c:v ffv1",
        ] {
            assert_eq!(check_encoder_options(good), Ok(()), "{good}");
        }
        for (bad, says) in [
            ("-c:v libx264 out.mkv", "out.mkv is no option"),
            ("-c:v libx264 -vf movie=x", "-vf is no option"),
            ("-c:v libx264 -x264-params qpfile=x", "-x264-params"),
            ("-c:v libx264 -passlogfile x", "-passlogfile"),
            ("-c:v libx264 -preset /etc/passwd", "looks like a path"),
            ("-c:v libx264 -preset", "has no value"),
            ("-c:v 'libx264' -f null", "without quotes"),
        ] {
            let error = check_encoder_options(bad).expect_err(bad);
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn pictures_only() {
        for graph in [
            "hqdn3d=4:3:6:4,unsharp",
            "split[a][b];[a]gblur=2[c];[b][c]overlay",
            "curves=vintage",
            "curves=r='0/0 1/1'",
            "drawtext=text=hello:x=1",
            "deshake=-1:-1:-1:-1:8:8",
            "metadata=print:key=lavfi.scene",
            "psnr=shortest=1",
        ] {
            assert_eq!(check(graph), Ok(()), "{graph}");
        }
        for (graph, says) in [
            (
                "movie=/etc/passwd",
                "movie is no filter that is known to leave files alone: load the file by video.load",
            ),
            ("hflip,m\\ovie=x[a];[a]null", "movie is no filter"),
            ("hflip;[in]amovie=x", "amovie"),
            ("metadata=mode=print:file=/tmp/x", "by its option file"),
            ("metadata=print:a:b:same_str:1:/tmp/x", "write their names"),
            ("metadata=print:'fil'e=/tmp/x", "by its option file"),
            ("zmq", "zmq"),
            ("sendcmd=c='1 drawtext reinit textfile=x'", "connect a number"),
            ("drawtext=textfile=/etc/passwd", "by its option textfile"),
            ("drawtext=/usr/share/font.ttf", "write their names"),
            ("drawtext=/text=/etc/passwd", "would read its option text from a file"),
            ("gblur=/sigma=/etc/passwd", "would read its option sigma from a file"),
            ("lut3d=file=x.cube", "image.lut"),
            ("subtitles=x.srt", "subtitles"),
            ("ass=x", "burn them in"),
            ("vidstabdetect", "temporal.stabilise"),
            ("vidstabtransform=input=x", "temporal.stabilise"),
            ("libvmaf=log_path=x", "image.metrics"),
            ("ssim=stats_file=x", "by its option stats_file"),
            ("psnr=x.log", "write their names"),
            ("frei0r=x", "it loads libraries"),
            ("ladspa=x", "it loads libraries"),
            ("openclsrc=source=x", "openclsrc"),
            ("dnn_processing=model=x", "dnn_processing"),
            ("ocr=datapath=x", "ocr"),
            ("signature=filename=x", "signature"),
            ("removelogo=x", "delogo"),
            ("curves=psfile=x", "by its option psfile"),
            ("paletteuse=debug_kdtree=x", "by its option debug_kdtree"),
            ("cellauto=x", "cellauto"),
            ("fieldhint=x", "fieldhint"),
            ("hflip=1]", "it goes wrong at"),
        ] {
            let error = check(graph).expect_err(graph);
            assert!(error.contains(says), "{graph}: {error}");
        }
    }
}
