//! A table of bad inputs: each ends with a sentence and the right exit code, never with a panic, never with half a file
//! under the final name.

mod workbench;

use pegbar_formats::{StateDict, Tensor};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use workbench::{Ran, binary, compact, ffmpeg, has_ffmpeg, leftovers, noise, pegbar, picture, small_model};

/// A folder with a good model, a good picture and, where there is ffmpeg, a good clip.
struct Bench {
    folder: tempfile::TempDir,
    model: String,
    png: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let model = small_model(folder.path(), 2).display().to_string();
        let png = folder.path().join("good.png");
        picture(&png, 24, 16, 3);
        Self { png: png.display().to_string(), model, folder }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of these bytes.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path.display().to_string()
    }

    /// A weights file of this state dict.
    fn weights(&self, name: &str, dict: &StateDict) -> String {
        pegbar_formats::safetensors::write(&self.path(name), dict, &BTreeMap::new()).expect("written");
        self.at(name)
    }

    /// `upscale INPUT -m MODEL -o out.png`.
    fn upscale(&self, input: &str, model: &str, output: &str) -> Vec<String> {
        ["upscale", input, "-m", model, "-o", output].map(String::from).to_vec()
    }

    /// Upscaling the good picture with a bad model.
    fn with_model(&self, model: &str) -> Vec<String> {
        self.upscale(&self.png, model, &self.at("out.png"))
    }

    /// Upscaling a bad input with the good model.
    fn with_input(&self, input: &str, output: &str) -> Vec<String> {
        self.upscale(input, &self.model, &self.at(output))
    }

    /// A clip of ten 32x24 frames with a tone.
    fn clip(&self) -> String {
        let path = self.path("good.mp4");
        if !path.exists() {
            ffmpeg(
                "-f lavfi -i testsrc2=s=32x24:r=10:d=1 -f lavfi -i sine=d=1 -c:v libx264 -preset ultrafast -c:a aac @0",
                &[&path],
            );
        }
        path.display().to_string()
    }
}

/// What is wrong with the answer to a bad input; empty when nothing is.
fn complaints(bench: &Bench, ran: &Ran, code: i32, says: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    if ran.code != Some(code) {
        wrong.push(format!("exit code {:?} instead of {code}", ran.code));
    }
    for word in ["panicked", "stack backtrace"] {
        if ran.stderr.contains(word) {
            wrong.push(word.to_owned());
        }
    }
    for word in says {
        if !ran.stderr.to_lowercase().contains(&word.to_lowercase()) {
            wrong.push(format!("{word:?} is not said"));
        }
    }
    let left = leftovers(bench.folder.path());
    if !left.is_empty() {
        wrong.push(format!("unfinished files left: {left:?}"));
    }
    wrong
}

fn check(name: &str, bench: &Bench, ran: &Ran, code: i32, says: &[&str]) {
    let wrong = complaints(bench, ran, code, says);
    assert!(wrong.is_empty(), "{name}: {wrong:?} in {ran:?}");
}

/// One row: name, exit code, words of the sentence, command line.
type Row = (&'static str, i32, &'static [&'static str], fn(&Bench) -> Vec<String>);

/// Models that are none.
const MODELS: &[Row] = &[
    ("missing model", 1, &["none.pth", "no such file"], |b| b.with_model(&b.at("none.pth"))),
    ("empty model", 1, &["empty"], |b| b.with_model(&b.file("empty.pth", b""))),
    ("folder as model", 1, &["folder.pth"], |b| {
        std::fs::create_dir(b.path("folder.pth")).expect("folder");
        b.with_model(&b.at("folder.pth"))
    }),
    ("text as model", 1, &["text"], |b| {
        b.with_model(&b.file("notes.pth", b"this is a shopping list\n".repeat(9).as_slice()))
    }),
    ("web page as model", 1, &["web page"], |b| {
        b.with_model(
            &b.file("page.safetensors", b"<!DOCTYPE html><html><head><title>404</title></head></html>"),
        )
    }),
    ("pointer instead of model", 1, &["LFS"], |b| {
        b.with_model(
            &b.file("lfs.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"),
        )
    }),
    ("picture as model", 1, &["picture"], |b| b.with_model(&b.png.clone())),
    ("truncated pth", 1, &["cut.pth"], |b| {
        pegbar_formats::pth::write(&b.path("whole.pth"), &compact(3, 8, 1, 2), None).expect("written");
        let bytes = std::fs::read(b.path("whole.pth")).expect("read");
        b.with_model(&b.file("cut.pth", &bytes[..bytes.len() / 2]))
    }),
    ("truncated safetensors", 1, &["cut.safetensors"], |b| {
        let bytes = std::fs::read(&b.model).expect("read");
        b.with_model(&b.file("cut.safetensors", &bytes[..bytes.len() - 7]))
    }),
    ("lying safetensors header", 1, &["lie.safetensors"], |b| {
        let mut bytes = std::fs::read(&b.model).expect("read");
        bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
        b.with_model(&b.file("lie.safetensors", &bytes))
    }),
    ("pickle that calls os.system", 1, &["system"], |b| {
        // protocol 2: GLOBAL 'posix system', a string, TUPLE1, REDUCE, STOP; the magic of the legacy format is not needed
        b.with_model(&b.file("evil.pth", b"\x80\x02cposix\nsystem\nX\x08\x00\x00\x00touch /x\x85R."))
    }),
    ("pickle in a zip that calls os.system", 1, &["system"], |b| {
        let zip = stored_zip("evil/data.pkl", b"\x80\x02cos\nsystem\nX\x08\x00\x00\x00touch /x\x85R.");
        b.with_model(&b.file("evil-zip.pth", &zip))
    }),
    ("NaN weights", 1, &["NaN"], |b| {
        let mut dict = compact(3, 8, 1, 2);
        dict.tensors
            .insert("body.2.bias".into(), Tensor::from_f32(vec![8], vec![f32::NAN; 8]).expect("sizes"));
        let path = b.weights("nan.safetensors", &dict);
        b.with_model(&path)
    }),
    ("weights of wrong sizes", 1, &["body.2.weight"], |b| {
        let mut dict = compact(3, 8, 1, 2);
        let tensor = Tensor::from_f32(vec![8, 9, 3, 3], noise(648, 3)).expect("sizes");
        dict.tensors.insert("body.2.weight".into(), tensor);
        let path = b.weights("sizes.safetensors", &dict);
        b.with_model(&path)
    }),
    ("unknown state dict", 1, &["no known architecture", "None of those Pegbar knows"], |b| {
        let mut dict = StateDict::default();
        dict.tensors.insert("encoder.w".into(), Tensor::from_f32(vec![2], vec![1.0, 2.0]).expect("sizes"));
        let path = b.weights("unknown.safetensors", &dict);
        b.with_model(&path)
    }),
    ("ncnn param without bin", 1, &["alone.bin"], |b| {
        b.with_model(&b.file("alone.param", b"7767517\n1 1\nInput data 0 1 data\n"))
    }),
    ("ncnn bin without param", 1, &[".param"], |b| b.with_model(&b.file("alone.bin", &[0; 64]))),
    ("ncnn bin cut short", 1, &["conv"], |b| {
        b.file("short.bin", &[0; 40]);
        b.with_model(&b.file(
            "short.param",
            b"7767517\n2 2\nInput data 0 1 data\nConvolution conv 1 1 data out 0=3 1=3 4=1 5=1 6=81\n",
        ))
    }),
    ("unknown ncnn layer", 1, &["FooBar", "mystery"], |b| {
        b.file("odd.bin", &[]);
        b.with_model(
            &b.file("odd.param", b"7767517\n2 2\nInput data 0 1 data\nFooBar mystery 1 1 data out 0=1\n"),
        )
    }),
    ("onnx cut short", 1, &["cut.onnx"], |b| {
        b.with_model(&b.file("cut.onnx", b"\x08\x08\x12\x07pytorch\x3a\xff\xff\x01\x0a"))
    }),
];

/// Inputs and options that do not go together.
const IMAGES_AND_OPTIONS: &[Row] = &[
    ("missing input", 1, &["none.png", "no such file"], |b| b.with_input(&b.at("none.png"), "out.png")),
    ("empty picture", 1, &["empty.png"], |b| b.with_input(&b.file("empty.png", b""), "out.png")),
    ("text as picture", 1, &["text.png"], |b| b.with_input(&b.file("text.png", b"hello"), "out.png")),
    ("truncated picture", 1, &["cut.png"], |b| {
        let bytes = std::fs::read(&b.png).expect("read");
        b.with_input(&b.file("cut.png", &bytes[..bytes.len() / 2]), "out.png")
    }),
    ("folder without pictures", 1, &["no image or video"], |b| {
        std::fs::create_dir(b.path("bare")).expect("folder");
        b.with_input(&b.at("bare"), "out")
    }),
    ("picture of 20000 x 20000 px", 1, &["20000x20000"], |b| {
        b.with_input(&b.file("huge.png", &blank_png(20_000, 20_000)), "out.png")
    }),
    ("picture larger than it is long", 1, &["lie.png"], |b| {
        let mut png = blank_png(16, 16);
        png[16..20].copy_from_slice(&2_000_000_000u32.to_be_bytes()); // breaks the checksum as well
        b.with_input(&b.file("lie.png", &png), "out.png")
    }),
    ("existing output", 1, &["exists", "--overwrite"], |b| {
        b.file("out.png", b"mine");
        b.with_input(&b.png, "out.png")
    }),
    ("unknown output format", 1, &["out.xyz"], |b| b.with_input(&b.png, "out.xyz")),
    ("folder below a file", 1, &["folder"], |b| b.with_input(&b.png, "good.png/out.png")),
    ("output is the input", 2, &["same file"], |b| b.with_input(&b.png, "good.png")),
    ("several inputs, one file", 2, &["folder"], |b| {
        let file = b.file("taken.png", b"x");
        ["upscale", &b.png, &b.png, "-m", &b.model, "-o", &file].map(String::from).to_vec()
    }),
    ("two inputs, one output", 2, &["both become"], |b| {
        picture(&b.path("good.bmp"), 8, 8, 3);
        ["upscale", &b.png, &b.at("good.bmp"), "-m", &b.model, "-o", &b.at("out/")].map(String::from).to_vec()
    }),
    ("no GPU", 1, &["GPU"], |b| [b.with_input(&b.png, "out.png"), vec!["--device=gpu".into()]].concat()),
    ("no threads", 2, &["--threads"], |b| {
        [b.with_input(&b.png, "out.png"), vec!["--threads=0".into()]].concat()
    }),
    ("tile below the overlap", 1, &["tile"], |b| {
        [b.with_input(&b.png, "out.png"), vec!["--tile=2".into()]].concat()
    }),
    ("no such option", 2, &["--quick"], |b| {
        [b.with_input(&b.png, "out.png"), vec!["--quick".into()]].concat()
    }),
    ("no such image format", 2, &["gif87"], |b| {
        [b.with_input(&b.png, "out/"), vec!["--format=gif87".into()]].concat()
    }),
    ("no model named", 2, &["--model"], |b| ["upscale", &b.png, "-o", "x.png"].map(String::from).to_vec()),
    ("golden without output", 1, &["`output`"], |b| {
        let mut dict = StateDict::default();
        dict.tensors
            .insert("input".into(), Tensor::from_f32(vec![1, 3, 2, 2], vec![0.5; 12]).expect("sizes"));
        let golden = b.weights("golden.safetensors", &dict);
        ["models", "verify", &b.model, "--golden", &golden].map(String::from).to_vec()
    }),
    ("golden of another shape", 1, &["stored output"], |b| {
        let mut dict = StateDict::default();
        for name in ["input", "output"] {
            dict.tensors
                .insert(name.into(), Tensor::from_f32(vec![1, 3, 2, 2], vec![0.5; 12]).expect("sizes"));
        }
        let golden = b.weights("golden.safetensors", &dict);
        ["models", "verify", &b.model, "--golden", &golden].map(String::from).to_vec()
    }),
    ("metrics of different sizes", 1, &["sizes differ"], |b| {
        picture(&b.path("small.png"), 12, 8, 3);
        ["metrics", &b.png, &b.at("small.png")].map(String::from).to_vec()
    }),
    ("bench of no size", 2, &["size"], |b| ["bench", &b.model, "--size", "0x7"].map(String::from).to_vec()),
];

/// Videos; all need ffmpeg.
const VIDEOS: &[Row] = &[
    ("text as video", 1, &["text.mp4"], |b| {
        b.with_input(&b.file("text.mp4", b"hello, I am a film\n"), "out.mp4")
    }),
    ("empty video", 1, &["empty.mp4", "empty"], |b| b.with_input(&b.file("empty.mp4", b""), "out.mp4")),
    ("video without index", 1, &["cut.mp4"], |b| {
        let bytes = std::fs::read(b.clip()).expect("read");
        b.with_input(&b.file("cut.mp4", &bytes[..bytes.len() / 3]), "out.mp4")
    }),
    ("sound only", 1, &["no video"], |b| {
        ffmpeg("-f lavfi -i sine=d=1 @0", &[&b.path("sound.wav")]);
        b.with_input(&b.at("sound.wav"), "out.mp4")
    }),
    ("codec that nothing decodes", 1, &["odd.avi"], |b| {
        ffmpeg("-i @0 -an -c:v mpeg4 @1", &[Path::new(&b.clip()), &b.path("plain.avi")]);
        let mut bytes = std::fs::read(b.path("plain.avi")).expect("read");
        for i in 0..bytes.len() - 4 {
            if &bytes[i..i + 4] == b"FMP4" {
                bytes[i..i + 4].copy_from_slice(b"ZZ0Z");
            }
        }
        b.with_input(&b.file("odd.avi", &bytes), "out.mp4")
    }),
    ("unknown encoder preset", 2, &["h266", "h264"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--encode=h266".into()]].concat()
    }),
    ("encoder that ffmpeg lacks", 1, &["libnosuch"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--encode=-c:v libnosuch".into()]].concat()
    }),
    ("crf out of range", 2, &["crf", "51"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--crf=99".into()]].concat()
    }),
    ("crf that is no number", 2, &["crf"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--crf=best".into()]].concat()
    }),
    ("pixel format that is none", 2, &["yuv42"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--pix-fmt=yuv42".into()]].concat()
    }),
    ("start beyond the end", 1, &["no frame"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--start=99".into()]].concat()
    }),
    ("start that is no time", 2, &["--start"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--start=soon".into()]].concat()
    }),
    ("video stream that is not there", 1, &["video stream"], |b| {
        [b.with_input(&b.clip(), "out.mp4"), vec!["--video-stream=3".into()]].concat()
    }),
    ("container that is none", 1, &["out.xyz"], |b| b.with_input(&b.clip(), "out.xyz")),
    ("existing video output", 1, &["exists"], |b| {
        b.file("out.mp4", b"mine");
        b.with_input(&b.clip(), "out.mp4")
    }),
    ("metrics of image and video", 2, &["image"], |b| {
        ["metrics", &b.png, &b.clip()].map(String::from).to_vec()
    }),
    ("metrics of different lengths", 1, &["fewer", "--shortest"], |b| {
        let short = b.path("short.mkv");
        ffmpeg("-i @0 -frames:v 4 -an -c:v ffv1 @1", &[Path::new(&b.clip()), &short]);
        ["metrics", &b.clip(), &b.at("short.mkv")].map(String::from).to_vec()
    }),
    ("probe of text", 1, &["text.mkv"], |b| {
        ["probe", &b.file("text.mkv", b"nothing here")].map(String::from).to_vec()
    }),
    ("probe of a folder", 1, &["directory"], |b| ["probe", &b.at("")].map(String::from).to_vec()),
];

/// Runs all rows and reports all that fail.
fn run_table(rows: &[Row]) {
    let mut failures = Vec::new();
    for (name, code, says, command) in rows {
        let bench = Bench::new();
        let args = command(&bench);
        let outputs = || ["out.png", "out.mp4"].map(|name| std::fs::read(bench.path(name)).ok());
        let before = outputs();
        let ran = pegbar(&args);
        let mut wrong = complaints(&bench, &ran, *code, says);
        if outputs() != before {
            wrong.push("the output was touched".into());
        }
        if !wrong.is_empty() {
            failures.push(format!("{name}: {}\n    {}", wrong.join("; "), ran.stderr.trim()));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn bad_models() {
    run_table(MODELS);
}

#[test]
fn bad_images_and_options() {
    run_table(IMAGES_AND_OPTIONS);
}

#[test]
fn bad_videos() {
    if has_ffmpeg("bad videos") {
        run_table(VIDEOS);
    }
}

#[test]
fn the_table_is_long_enough() {
    assert!(MODELS.len() + IMAGES_AND_OPTIONS.len() + VIDEOS.len() >= 40);
}

#[test]
fn zip_bomb() {
    // 64 MiB of zeros that deflate to 64 KiB, claimed to be the pickle.
    let bench = Bench::new();
    let mut zip = Vec::new();
    {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut zip));
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file("bomb/data.pkl", options).expect("entry");
        let zeros = vec![0u8; 1 << 20];
        for _ in 0..64 {
            writer.write_all(&zeros).expect("written");
        }
        writer.finish().expect("finished");
    }
    let ran = pegbar(bench.with_model(&bench.file("bomb.pth", &zip)));
    check("zip bomb", &bench, &ran, 1, &["bomb.pth"]);
}

#[test]
fn one_broken_picture_does_not_stop_the_rest() {
    let bench = Bench::new();
    let folder = bench.path("in");
    std::fs::create_dir_all(folder.join("sub")).expect("folders");
    picture(&folder.join("a.png"), 8, 6, 3);
    std::fs::write(folder.join("b.png"), b"broken").expect("written");
    picture(&folder.join("sub/c.jpg"), 8, 6, 1);
    let args =
        ["upscale", &bench.at("in"), "-m", &bench.model, "-o", &bench.at("out"), "--recursive", "--json"];
    let ran = pegbar(args);
    check("one of three broken", &bench, &ran, 3, &["b.png", "1 of 3 failed"]);
    let json = ran.json(3);
    assert_eq!(json["done"].as_array().expect("done").len(), 2);
    assert!(json["failed"][0]["input"].as_str().expect("input").ends_with("b.png"));
    assert!(bench.path("out/a.png").is_file() && bench.path("out/sub/c.png").is_file());
    assert!(!bench.path("out/b.png").exists());

    std::fs::remove_file(folder.join("b.png")).expect("removed");
    picture(&folder.join("d.png"), 8, 6, 3);
    let ran = pegbar(args);
    assert_eq!(ran.code, Some(3), "existing outputs are refused: {ran:?}");
    std::fs::remove_file(bench.path("out/d.png")).expect("made by the run before");
    let ran = pegbar(args.iter().chain(&["--skip-existing"]));
    let json = ran.json(0);
    assert_eq!(json["skipped"].as_array().expect("skipped").len(), 2);
    assert_eq!(json["done"].as_array().expect("done").len(), 1);
}

#[test]
fn odd_sizes_work() {
    for (width, height) in [(1, 1), (3, 7), (1, 64), (20_000, 3)] {
        let bench = Bench::new();
        picture(&bench.path("odd.png"), width, height, 3);
        let ran = pegbar([bench.with_input(&bench.at("odd.png"), "out.png"), vec!["--json".into()]].concat());
        let json = ran.json(0);
        assert_eq!(json["done"][0]["width"], width * 2, "{width}x{height}");
        assert_eq!(json["done"][0]["height"], height * 2, "{width}x{height}");
    }
}

#[test]
fn ffmpeg_missing_or_too_old() {
    let bench = Bench::new();
    let clip = bench.file("film.mp4", b"not looked at");
    let empty = bench.path("empty");
    std::fs::create_dir(&empty).expect("folder");
    let run = |path: &Path| {
        let args = bench.with_input(&clip, "out.mp4");
        Ran::of(binary().args(args).env("PATH", path).output().expect("the binary starts"))
    };
    check("no ffmpeg", &bench, &run(&empty), 1, &["ffmpeg", "install"]);
    let doctor = Ran::of(binary().arg("doctor").env("PATH", &empty).output().expect("the binary starts"));
    assert_eq!(doctor.code, Some(1), "{doctor:?}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let old = bench.path("old");
        std::fs::create_dir(&old).expect("folder");
        for tool in ["ffmpeg", "ffprobe"] {
            let script =
                format!("#!/bin/sh\necho '{tool} version 4.2.7-0ubuntu0.1 Copyright (c) 2000-2022'\n");
            std::fs::write(old.join(tool), script).expect("written");
            std::fs::set_permissions(old.join(tool), std::fs::Permissions::from_mode(0o755))
                .expect("executable");
        }
        check("old ffmpeg", &bench, &run(&old), 1, &["4.2.7", "5.0"]);
    }
}

/// What needs another user or a file system of its own, so root.
#[cfg(target_os = "linux")]
mod as_root {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn is_root(what: &str) -> bool {
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"));
        if !root {
            eprintln!("skipped: {what} (needs root)");
        }
        root
    }

    /// Runs the binary as a user without rights. The binary is copied to where that user can reach it.
    fn as_nobody(bench: &Bench, args: &[String]) -> Ran {
        let copy = bench.path("pegbar-copy");
        std::fs::copy(env!("CARGO_BIN_EXE_pegbar"), &copy).expect("copied");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::set_permissions(bench.folder.path(), std::fs::Permissions::from_mode(0o755))
            .expect("readable");
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copy)
            .args(args)
            .output()
            .expect("setpriv starts");
        Ran::of(output)
    }

    #[test]
    fn unreadable_and_read_only() {
        if !is_root("unreadable files and read-only folders") {
            return;
        }
        let bench = Bench::new();
        for file in [&bench.model, &bench.png] {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("readable");
        }
        let ran = as_nobody(&bench, &bench.with_input(&bench.png, "out.png"));
        check("read-only folder", &bench, &ran, 1, &["cannot be written"]);

        std::fs::set_permissions(&bench.png, std::fs::Permissions::from_mode(0o000)).expect("locked");
        let ran = as_nobody(&bench, &bench.with_input(&bench.png, "out.png"));
        check("unreadable picture", &bench, &ran, 1, &[]);

        let model = bench.file("locked.pth", b"x");
        std::fs::set_permissions(&model, std::fs::Permissions::from_mode(0o000)).expect("locked");
        let ran = as_nobody(&bench, &bench.with_model(&model));
        check("unreadable model", &bench, &ran, 1, &["locked.pth", "permission"]);
    }

    #[test]
    fn full_disk() {
        if !is_root("a full disk") {
            return;
        }
        let bench = Bench::new();
        let disk = bench.path("disk");
        std::fs::create_dir(&disk).expect("folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&disk).status();
        if !mounted.is_ok_and(|s| s.success()) {
            eprintln!("skipped: a full disk (tmpfs cannot be mounted here)");
            return;
        }
        let unmount = Unmount(disk.clone());
        let png = bench.path("noisy.png");
        let image = pegbar_frame::PlanarImage {
            width: 200,
            height: 200,
            channels: 3,
            data: noise(120_000, 5).iter().map(|v| v * 0.5 + 0.5).collect(),
        };
        let still = pegbar_media::still::StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
        let format = pegbar_media::still::Format::from_path(&png).expect("png");
        let options = pegbar_media::still::WriteOptions::new(format, 90);
        pegbar_media::still::write(&png, &still, &options).expect("written");
        let ran = pegbar(bench.with_input(&png.display().to_string(), "disk/out.png"));
        check("full disk, picture", &bench, &ran, 1, &["space"]);
        assert_eq!(leftovers(&disk), Vec::<PathBuf>::new());

        if has_ffmpeg("a full disk, video") {
            let clip = bench.path("long.mkv");
            ffmpeg("-f lavfi -i testsrc2=s=160x120:r=25:d=2 -c:v ffv1 @0", &[&clip]);
            let args =
                [bench.with_input(&clip.display().to_string(), "disk/out.mkv"), vec!["--encode=ffv1".into()]];
            let ran = pegbar(args.concat());
            check("full disk, video", &bench, &ran, 1, &["space"]);
            assert_eq!(std::fs::read_dir(&disk).expect("folder").count(), 0, "something was left");
        }
        drop(unmount);
    }

    struct Unmount(PathBuf);

    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
}

/// A zip with one stored entry.
fn stored_zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = Vec::new();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut zip));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file(name, options).expect("entry");
    writer.write_all(bytes).expect("written");
    writer.finish().expect("finished");
    zip
}

/// A gray PNG of zeros, whatever its size, without holding its pixels.
fn blank_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("header");
    let mut stream = writer.stream_writer().expect("stream");
    let row = vec![0u8; width as usize];
    for _ in 0..height {
        stream.write_all(&row).expect("row");
    }
    stream.finish().expect("finished");
    writer.finish().expect("finished");
    png
}
