//! Runs nodes for one frame: what is wanted is asked for, and only what it needs is computed.

use crate::check::{converted, drive};
use crate::{
    ChainError, Checked, Flow, FrameContext, GraphNode, Inputs, Node, NodeError, Prepare, Prepared, Role,
    Source, Value,
};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The results of a node, for each output.
pub(crate) type Outputs = Arc<Vec<Value>>;

/// Runs the nodes of a checked chain.
pub(crate) struct Evaluator<'a> {
    pub(crate) checked: &'a Checked,
    /// Of each node with one value for the whole run, once it has been asked for.
    constants: Vec<Mutex<Option<Result<Outputs, NodeFailure>>>>,
    meters: Vec<Meter>,
}

/// Which node failed and why.
#[derive(Debug, Clone)]
pub(crate) struct NodeFailure {
    pub(crate) node: usize,
    pub(crate) error: NodeError,
}

/// Values that are there already, by node.
pub(crate) trait Present {
    /// The results of a node, if they are there.
    fn get(&self, node: usize) -> Option<Outputs>;
    /// Keeps them.
    fn put(&mut self, node: usize, outputs: Outputs);
}

impl Present for Vec<Option<Outputs>> {
    fn get(&self, node: usize) -> Option<Outputs> {
        self[node].clone()
    }

    fn put(&mut self, node: usize, outputs: Outputs) {
        self[node] = Some(outputs);
    }
}

/// What a node has cost.
#[derive(Debug, Default)]
struct Meter {
    n_calls: AtomicU64,
    nanos: AtomicU64,
    most_bytes: AtomicU64,
}

/// What a node has cost.
#[derive(Debug, Clone, Serialize)]
pub struct NodeCost {
    /// Its id.
    pub node: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub node_type: &'static str,
    /// How often it ran.
    pub calls: u64,
    /// Time in it, all threads together, in seconds.
    pub seconds: f64,
    /// Memory that its largest results took, in bytes.
    pub result_bytes: u64,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(checked: &'a Checked) -> Self {
        let n = checked.graph.nodes.len();
        Self {
            checked,
            constants: (0..n).map(|_| Mutex::new(None)).collect(),
            meters: (0..n).map(|_| Meter::default()).collect(),
        }
    }

    /// Makes the results of a node known that no other way leads to: those of collectors when their stream has ended.
    pub(crate) fn set_constant(&self, node: usize, outputs: Vec<Value>) {
        *lock(&self.constants[node]) = Some(Ok(Arc::new(outputs)));
    }

    /// One output.
    pub(crate) fn value(
        &self,
        source: Source,
        present: &mut impl Present,
        frame: &FrameContext,
    ) -> Result<Value, NodeFailure> {
        let outputs = self.node(source.node, present, frame)?;
        outputs.get(source.output).cloned().ok_or_else(|| NodeFailure {
            node: source.node,
            error: NodeError::Failed("it gave fewer results than it declares".into()),
        })
    }

    /// All outputs of a node, computed if they are not there.
    pub(crate) fn node(
        &self,
        n: usize,
        present: &mut impl Present,
        frame: &FrameContext,
    ) -> Result<Outputs, NodeFailure> {
        if let Some(outputs) = present.get(n) {
            return Ok(outputs);
        }
        // A value that comes after a stream is set when the stream has ended, and then it is as good as constant.
        let is_constant = matches!(self.checked.flows[n], Flow::Constant | Flow::After(_));
        if is_constant {
            // Held while it is made, so that no two threads open the same model. Nodes wait for those before them only.
            let mut constant = lock(&self.constants[n]);
            if let Some(known) = &*constant {
                return known.clone();
            }
            let mut nothing: Vec<Option<Outputs>> = vec![None; self.constants.len()];
            let still = FrameContext { cancel: frame.cancel.clone(), ..FrameContext::still() };
            let made = self.compute(n, &mut nothing, &still);
            if matches!(made, Err(NodeFailure { error: NodeError::Cancelled, .. })) {
                return made;
            }
            return constant.insert(made).clone();
        }
        let outputs = self.compute(n, present, frame)?;
        present.put(n, outputs.clone());
        Ok(outputs)
    }

    fn compute(
        &self,
        n: usize,
        present: &mut impl Present,
        frame: &FrameContext,
    ) -> Result<Outputs, NodeFailure> {
        let node = &self.checked.graph.nodes[n];
        let fail = |error| NodeFailure { node: n, error };
        frame.cancel.check().map_err(fail)?;
        let values = self.driven_values(n, present, frame)?;
        if let Role::Choice { choose } = node.kind.role {
            let lengths: Vec<usize> = node.inputs.iter().map(Vec::len).collect();
            let (port, i) = choose(&values, &lengths).map_err(fail)?;
            let source = node.inputs.get(port).and_then(|sources| sources.get(i)).copied();
            let port_id = node.kind.inputs.get(port).map_or("", |input| input.id);
            let source = source.ok_or_else(|| fail(NodeError::input(port_id, "nothing is connected")))?;
            return Ok(Arc::new(vec![self.value(source, present, frame)?]));
        }
        let came = self.inputs(n, present, frame)?;
        let function: Arc<dyn Node> = match (&self.checked.prepared[n], node.kind.role) {
            (Prepared::Function(function), _) => function.clone(),
            (Prepared::EachFrame, Role::Function { prepare, .. }) => {
                let how =
                    Prepare { values: &values, folder: &self.checked.folder, shared: &self.checked.shared };
                prepare(&how).map_err(fail)?.into()
            }
            _ => {
                return Err(fail(NodeError::Failed(
                    "it gives nothing here: it is the beginning or the end of a stream".into(),
                )));
            }
        };
        let started = Instant::now();
        let outputs = function.run(&Inputs::new(node.kind, &came), frame).map_err(fail)?;
        self.count(n, started, &outputs);
        Ok(Arc::new(outputs))
    }

    /// The values of a node's inputs, as it takes them.
    pub(crate) fn inputs(
        &self,
        n: usize,
        present: &mut impl Present,
        frame: &FrameContext,
    ) -> Result<Vec<Vec<Value>>, NodeFailure> {
        let node: &GraphNode = &self.checked.graph.nodes[n];
        let mut came = Vec::with_capacity(node.inputs.len());
        for sources in &node.inputs {
            let values = sources.iter().map(|source| self.value(*source, present, frame));
            came.push(values.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(converted(node, came))
    }

    /// The parameters of a node, connected ones included.
    fn driven_values(
        &self,
        n: usize,
        present: &mut impl Present,
        frame: &FrameContext,
    ) -> Result<pegbar_params::ParamValues, NodeFailure> {
        let node = &self.checked.graph.nodes[n];
        let mut values = node.values.clone();
        for driven in &node.driven {
            let value = self.value(driven.from, present, frame)?;
            drive(&mut values, driven.param, &value).map_err(|error| NodeFailure { node: n, error })?;
        }
        Ok(values)
    }

    /// Notes what a call has cost.
    pub(crate) fn count(&self, n: usize, started: Instant, outputs: &[Value]) {
        let meter = &self.meters[n];
        let bytes = outputs.iter().map(|value| value.memory_bytes() as u64).sum();
        meter.n_calls.fetch_add(1, Ordering::Relaxed);
        meter.nanos.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        meter.most_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// What each node that ran has cost, the dearest first.
    pub(crate) fn costs(&self) -> Vec<NodeCost> {
        let of = |(meter, node): (&Meter, &GraphNode)| NodeCost {
            node: node.id.clone(),
            node_type: node.kind.id,
            calls: meter.n_calls.load(Ordering::Relaxed),
            seconds: meter.nanos.load(Ordering::Relaxed) as f64 / 1e9,
            result_bytes: meter.most_bytes.load(Ordering::Relaxed),
        };
        let mut costs: Vec<NodeCost> =
            self.meters.iter().zip(&self.checked.graph.nodes).map(of).filter(|cost| cost.calls > 0).collect();
        costs.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        costs
    }

    /// A failure with the node's name.
    pub(crate) fn error(&self, failure: NodeFailure) -> ChainError {
        match failure.error {
            NodeError::Cancelled => ChainError::Cancelled,
            error => ChainError::Node { node: self.checked.graph.nodes[failure.node].id.clone(), error },
        }
    }
}

/// A lock that a panic elsewhere does not spoil: what it guards is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
