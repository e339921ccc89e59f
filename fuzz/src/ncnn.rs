//! ncnn pairs: the text up to the first zero byte, then the numbers.

use crate::read_out;
use pegbar_formats::ncnn;

pub(crate) const DICTIONARY: &[&[u8]] = &[
    b"Convolution c 1 1 a b 0=1 5=1 6=4\n",
    b"DeconvolutionDepthWise d 1 1 a b 0=1 6=4\n",
    b"InnerProduct i 1 1 a b 0=1 1=1 2=4\n",
    b"PReLU p 1 1 a b 0=4\n",
    b"BatchNorm n 1 1 a b 0=2\n",
    b"Scale s 1 1 a b 0=-233\n",
    b"MemoryData m 0 1 a 0=2 1=2 2=2 11=2\n",
    b"MemoryData m 0 1 a 0=2 21=0\n",
    b"GroupNorm g 1 1 a b 1=2\n",
    b"LSTM l 1 1 a b\n",
    b"Mystery m 1 1 a b\n",
    b" -23300=3,1,2,3",
    b" -23306=2,1e38,-1.5",
    b" 0=nan",
    b" 0=1.0",
    b"7767517\n",
    b"x y 0 0\n",
    b"\x47\x6b\x30\x01",
    b"\x38\x4b\x0d\x00",
    b"\0",
    b"=",
    b"\n",
    b" ",
];

pub(crate) fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (param, bin) = bytes.split_at(end);
    let Ok(param) = std::str::from_utf8(param) else { return };
    if let Ok(model) = ncnn::read_bytes(param, bin.get(1..).unwrap_or_default()) {
        for blob in model.layers.iter().flat_map(|layer| &layer.weights) {
            read_out(&blob.tensor);
        }
    }
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let halves = [&b"\x47\x6b\x30\x01"[..], &[0, 0x3c, 0, 0x3c, 0, 0x3c, 0, 0]].concat();
    let singles = |n: usize| [0, 0, 0x80, 0x3f].repeat(n);
    let pair = |layers: &[&str], bin: &[Vec<u8>]| {
        let text = format!("7767517\n{} {}\n{}\n\0", layers.len(), layers.len(), layers.join("\n"));
        [text.into_bytes(), bin.concat()].concat()
    };
    vec![
        pair(
            &[
                "Input            data  0 1 data",
                "Convolution      c0    1 1 data b 0=3 1=1 5=1 6=3 9=2 -23310=1,2.0e-1",
                "PReLU            p0    1 1 b c 0=3",
                "PixelShuffle     s0    1 1 c out 0=1",
            ],
            &[halves, singles(3), singles(3)],
        ),
        pair(
            &[
                "MemoryData m 0 1 a 0=2 1=2",
                "BatchNorm n 1 1 a b 0=2",
                "Scale s 1 1 b c 0=2 1=1",
                "InnerProduct i 1 1 c d 0=2 1=1 2=4",
                "GroupNorm g 1 1 d e 0=1 1=2",
                "Deconvolution d 1 1 e f 0=1 5=0 6=2",
                "BinaryOp o 2 1 f a out 0=2 1=1 2=5.0e-01",
            ],
            &[singles(4 + 8 + 4), vec![0; 4], singles(4 + 2 + 4), vec![0; 4], singles(2)],
        ),
    ]
}
