//! The engines that take turns, each in the precisions it has.

use std::process::Command;

use super::workload::Workload;
use crate::machine;
use crate::peers::{Environment, Peers};
use crate::turns::{Entry, Precision};

/// A peer. A new one is an entry here, its pinned package in `benches/peers/requirements.txt` and a script beside it.
pub(super) struct Peer {
    pub(super) name: &'static str,
    script: &'static str,
    environment: Environment,
    /// Most promising first: a slow variant is noticed sooner when a fast one has run.
    pub(super) precisions: &'static [Precision],
    /// What holds it to AVX2; none where it has no switch.
    avx2: Option<&'static [(&'static str, &'static str)]>,
    /// Precisions that it only emulates without AVX-512.
    slow_with_avx2: &'static [Precision],
}

pub(super) const PEERS: [Peer; 4] = [
    Peer {
        name: "OpenVINO",
        script: "openvino_peer.py",
        environment: Environment::Main,
        precisions: &[Precision::Bf16, Precision::F32],
        // Its own kernels and oneDNN's each have a switch, and it refuses to start when they differ.
        avx2: Some(&[("OV_CPU_MAX_ISA", "AVX2"), ("ONEDNN_MAX_CPU_ISA", "AVX2")]),
        slow_with_avx2: &[],
    },
    Peer {
        name: "ncnn",
        script: "ncnn_peer.py",
        environment: Environment::Main,
        precisions: &[Precision::F32, Precision::Bf16],
        avx2: None,
        slow_with_avx2: &[],
    },
    Peer {
        name: "PyTorch",
        script: "pytorch_peer.py",
        environment: Environment::PyTorch,
        precisions: &[Precision::Bf16, Precision::F32],
        avx2: Some(&[("ATEN_CPU_CAPABILITY", "avx2"), ("ONEDNN_MAX_CPU_ISA", "AVX2")]),
        slow_with_avx2: &[Precision::Bf16],
    },
    Peer {
        name: "ONNX Runtime",
        script: "onnxruntime_peer.py",
        environment: Environment::Main,
        precisions: &[Precision::F32],
        avx2: None,
        slow_with_avx2: &[],
    },
];

/// An engine in one precision, on one workload.
pub(super) struct Variant {
    /// None is Pegbar itself.
    pub(super) peer: Option<&'static Peer>,
    pub(super) precision: Precision,
}

impl Variant {
    /// All that take part; `wanted` names engines, all when empty.
    pub(super) fn all(peers: &Peers, wanted: &[String]) -> Vec<Variant> {
        let own = [Precision::Exact, Precision::Fast].map(|precision| Variant { peer: None, precision });
        let others =
            PEERS.iter().filter(|peer| is_wanted(peer.name, wanted) && peers.has(peer.environment)).flat_map(
                |peer| peer.precisions.iter().map(move |&precision| Variant { peer: Some(peer), precision }),
            );
        own.into_iter().chain(others).collect()
    }

    fn engine(&self) -> &'static str {
        self.peer.map_or("Pegbar", |peer| peer.name)
    }

    /// Why it is not even started.
    fn left_out(&self, workload: &Workload) -> Option<&'static str> {
        let peer = self.peer?;
        (workload.avx2 && peer.slow_with_avx2.contains(&self.precision))
            .then_some("left out: without AVX-512 it emulates bf16, dozens of times slower")
    }

    /// Why its time is shown, but is no measure for this workload.
    fn not_counted(&self, workload: &Workload) -> Option<&'static str> {
        let peer = self.peer?;
        (workload.avx2 && peer.avx2.is_none()).then_some(
            "not counted: it has no switch that holds it to AVX2, so it used all that the processor has",
        )
    }

    /// It in a contest on these cores.
    pub(super) fn entry<'a>(
        self,
        bench: &'a super::Bench<'_>,
        workload: &'a Workload,
        size: &'a str,
        cores: &'a [usize],
    ) -> Entry<'a> {
        Entry {
            engine: self.engine().to_owned(),
            precision: self.precision,
            left_out: self.left_out(workload).map(str::to_owned),
            not_counted: self.not_counted(workload).map(str::to_owned),
            command: Box::new(move || self.command(bench, workload, size, cores)),
        }
    }

    /// The command that serves frames on these cores.
    fn command(&self, bench: &super::Bench<'_>, workload: &Workload, size: &str, cores: &[usize]) -> Command {
        let peers: &Peers = bench.peers;
        let mut command = match self.peer {
            None => {
                let mut command = machine::pinned(cores, bench.pegbar);
                command.arg("bench").arg(peers.weights(workload.model)).arg("--serve");
                if workload.avx2 {
                    command.env("PEGBAR_CPU", "avx2");
                }
                command
            }
            Some(peer) => {
                let mut command = peers.script(peer.environment, peer.script, cores);
                command.arg(peers.stem(workload.model));
                if workload.avx2 {
                    command.envs(peer.avx2.unwrap_or_default().iter().copied());
                }
                command
            }
        };
        command.args(["--size", size, "--threads", &cores.len().to_string()]);
        command.args(["--precision", self.precision.name()]).arg("--frame").arg(peers.frame(size));
        command
    }
}

/// Whether a name is among the wanted ones, however it is written.
fn is_wanted(name: &str, wanted: &[String]) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace([' ', '-'], "");
    wanted.is_empty() || wanted.iter().any(|one| plain(one) == plain(name))
}

/// Names that `--engines` takes.
pub(super) fn check_names(wanted: &[String]) -> anyhow::Result<()> {
    for name in wanted {
        if !PEERS.iter().any(|peer| is_wanted(peer.name, std::slice::from_ref(name))) {
            let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
            anyhow::bail!("no engine is called {name:?}; there are {}", known.join(", "));
        }
    }
    Ok(())
}

/// Whether PyTorch takes part, whose environment is large.
pub(super) fn wants_pytorch(wanted: &[String]) -> bool {
    PEERS.iter().any(|peer| peer.environment == Environment::PyTorch && is_wanted(peer.name, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_found_however_they_are_written() {
        assert!(is_wanted("ONNX Runtime", &["onnxruntime".to_owned()]));
        assert!(is_wanted("ncnn", &[]));
        assert!(!is_wanted("ncnn", &["OpenVINO".to_owned()]));
        assert!(check_names(&["tflite".to_owned()]).is_err());
    }
}
