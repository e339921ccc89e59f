//! ffmpeg as a child process: its own process group, a place in the registry of all children, its last words kept,
//! killed and reaped when dropped.

use std::io::Read;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::MediaError;

/// How often an ending child is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Lines of standard error kept: so many from the start, where the cause usually is, and as many from the end.
const LINES_KEPT: usize = 30;

/// Bytes kept of one line.
const LINE_BYTES: usize = 400;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { closed: false, children: Vec::new() });

struct Registry {
    /// After [`kill_all_children`] nothing is started any more.
    closed: bool,
    children: Vec<Arc<Registered>>,
}

struct Registered {
    process: Mutex<Child>,
    killed: AtomicBool,
}

impl Registered {
    /// Kills and reaps. Once it returns, the process is gone.
    fn kill(&self) {
        let mut process = lock(&self.process);
        // An error means that it has ended by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Ends every ffmpeg and ffprobe this process has started, waits until they are gone, and lets no new one start: for
/// the thread that handles Ctrl-C. Decoders and encoders in use then return [`MediaError::Interrupted`].
pub fn kill_all_children() {
    let mut registry = lock(&REGISTRY);
    registry.closed = true;
    for child in registry.children.drain(..) {
        child.killed.store(true, Ordering::SeqCst);
        child.kill();
    }
}

/// A panic elsewhere must not keep a child alive.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What standard error held, bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// The first and last lines, cleaned.
    pub(crate) lines: Vec<String>,
    /// Lines left out between them.
    pub(crate) n_left_out: usize,
}

impl LastWords {
    /// What was said in all, in bytes.
    pub(crate) fn of(stderr: &[u8]) -> Self {
        collect(stderr)
    }

    /// The lines as one sentence fragment, or `otherwise` when nothing was said.
    pub(crate) fn reason(&self, otherwise: impl FnOnce() -> String) -> String {
        const SHOWN: usize = 6;
        if self.lines.is_empty() {
            return otherwise();
        }
        let from = self.lines.len().saturating_sub(SHOWN);
        self.lines[from..].join("; ")
    }

    /// The lines as a list, with a note on what was left out.
    pub(crate) fn into_list(self) -> Vec<String> {
        let mut list = self.lines;
        if self.n_left_out > 0 {
            list.insert(list.len().min(LINES_KEPT), format!("... and {} more lines", self.n_left_out));
        }
        list
    }
}

/// A running ffmpeg.
pub(crate) struct FfmpegChild {
    registered: Arc<Registered>,
    stderr: Option<JoinHandle<LastWords>>,
    words: LastWords,
}

impl FfmpegChild {
    /// Starts the command; pipes asked for are returned beside it.
    pub(crate) fn spawn(
        command: &mut Command,
    ) -> Result<(Self, Option<ChildStdin>, Option<ChildStdout>), MediaError> {
        command.stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let (registered, stdin, stdout, stderr) = start(command).map_err(|source| match source.kind() {
            std::io::ErrorKind::Interrupted => MediaError::Interrupted,
            _ => MediaError::Io { doing: format!("{program} could not be started"), source },
        })?;
        let stderr = stderr.map(|pipe| thread::spawn(move || collect(pipe)));
        Ok((Self { registered, stderr, words: LastWords::default() }, stdin, stdout))
    }

    /// Waits for the end. The caller has closed or drained the pipes.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus, MediaError> {
        let status = loop {
            // Held only for a moment each time, so that a killer gets through.
            let ended = lock(&self.registered.process)
                .try_wait()
                .map_err(MediaError::io("waiting for ffmpeg failed"))?;
            match ended {
                Some(status) => break status,
                None => thread::sleep(POLL),
            }
        };
        self.collect_words();
        if self.was_killed() { Err(MediaError::Interrupted) } else { Ok(status) }
    }

    /// Ends it at once, when no more of its output is wanted.
    pub(crate) fn stop(&mut self) {
        self.registered.kill();
        self.collect_words();
    }

    /// Ends it after a time, unless what is returned is dropped before.
    pub(crate) fn limit(&self, limit: Duration) -> TimeLimit {
        TimeLimit::set(&self.registered, limit)
    }

    fn collect_words(&mut self) {
        if let Some(thread) = self.stderr.take() {
            self.words = thread.join().unwrap_or_default();
        }
    }

    /// What it said on standard error; complete after [`Self::wait`].
    pub(crate) fn last_words(&self) -> &LastWords {
        &self.words
    }

    /// Whether [`kill_all_children`] ended it.
    pub(crate) fn was_killed(&self) -> bool {
        self.registered.killed.load(Ordering::SeqCst)
    }
}

impl Drop for FfmpegChild {
    fn drop(&mut self) {
        self.registered.kill();
        lock(&REGISTRY).children.retain(|c| !Arc::ptr_eq(c, &self.registered));
    }
}

/// Ends a child when its time is up; dropped before, it does nothing.
pub(crate) struct TimeLimit {
    _in_time: Sender<()>,
}

impl TimeLimit {
    fn set(child: &Arc<Registered>, limit: Duration) -> Self {
        let (in_time, wait) = mpsc::channel();
        let child = Arc::clone(child);
        thread::spawn(move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                child.kill();
            }
        });
        Self { _in_time: in_time }
    }
}

/// Runs a short command to its end, collecting what it prints; registered like the long ones.
pub(crate) fn output(command: &mut Command) -> std::io::Result<Output> {
    output_until(command, None)
}

/// [`output`], ended when it takes longer; what it printed until then counts.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> std::io::Result<Output> {
    output_until(command, Some(limit))
}

fn output_until(command: &mut Command, limit: Option<Duration>) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let (registered, _, stdout, stderr) = start(command)?;
    let mut child = FfmpegChild { registered, stderr: None, words: LastWords::default() };
    let _limit = limit.map(|limit| child.limit(limit));
    let stderr = thread::spawn(move || read_all(stderr));
    let stdout = read_all(stdout)?;
    let stderr = stderr.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    let status = child.wait().map_err(|_| std::io::Error::from(std::io::ErrorKind::Interrupted))?;
    Ok(Output { status, stdout, stderr })
}

/// A pipe of 64 KiB makes ffmpeg and us wait for each other dozens of times a frame.
#[cfg(target_os = "linux")]
pub(crate) fn enlarge_pipe(pipe: &impl AsFd) {
    // It is only speed: an unprivileged user may be at the limit.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn enlarge_pipe<P>(_pipe: &P) {}

fn read_all(pipe: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

type Started = (Arc<Registered>, Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

fn start(command: &mut Command) -> std::io::Result<Started> {
    own_group(command);
    // Started under the lock: between start and registration no kill_all_children can miss it.
    let mut registry = lock(&REGISTRY);
    if registry.closed {
        return Err(std::io::ErrorKind::Interrupted.into());
    }
    tracing::debug!(?command, "starting");
    let mut child = command.spawn()?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let registered = Arc::new(Registered { process: Mutex::new(child), killed: AtomicBool::new(false) });
    registry.children.push(Arc::clone(&registered));
    Ok((registered, pipes.0, pipes.1, pipes.2))
}

/// A terminal sends Ctrl-C to a whole process group: the children must not get it, as we end them in order.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(windows)]
fn own_group(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

#[cfg(not(any(unix, windows)))]
fn own_group(_command: &mut Command) {}

/// Reads lines until the pipe closes, keeping the first and the last ones.
fn collect(mut pipe: impl Read) -> LastWords {
    let mut first = Vec::new();
    let mut last = std::collections::VecDeque::new();
    let mut n_left_out = 0;
    let mut line: Vec<u8> = Vec::new();
    let mut end_line = |line: &mut Vec<u8>| {
        let text = clean(line);
        line.clear();
        if text.is_empty() {
        } else if first.len() < LINES_KEPT {
            first.push(text);
        } else {
            last.push_back(text);
            if last.len() > LINES_KEPT {
                last.pop_front();
                n_left_out += 1;
            }
        }
    };
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                for &byte in &buffer[..n] {
                    if matches!(byte, b'\n' | b'\r') {
                        end_line(&mut line);
                    } else if line.len() < LINE_BYTES {
                        line.push(byte);
                    }
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    end_line(&mut line);
    first.extend(last);
    LastWords { lines: first, n_left_out }
}

/// A line without the addresses that ffmpeg prints after the names of its parts, which differ from run to run.
fn clean(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut text = text.trim().to_owned();
    while let Some(at) = text.find(" @ 0x") {
        let digits = text[at + 5..].find(|c: char| !c.is_ascii_hexdigit());
        let end = digits.map_or(text.len(), |n| at + 5 + n);
        text.replace_range(at..end, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go() {
        assert_eq!(clean(b"[h264 @ 0x55d0] bad slice "), "[h264] bad slice");
        assert_eq!(clean(b"[mov,mp4 @ 0x1] [x] y"), "[mov,mp4] [x] y");
        assert_eq!(clean(b"[vist#0:0/h264] [dec:h264 @ 0x5b40] Error"), "[vist#0:0/h264] [dec:h264] Error");
        assert_eq!(clean(b"[open @ 0x1"), "[open");
        assert_eq!(clean(b"a @ b"), "a @ b");
        assert_eq!(clean(b""), "");
    }

    #[test]
    fn a_flood_of_messages_is_bounded() {
        let text: String = (0..10_000).map(|i| format!("line {i} {}\n", "x".repeat(1000))).collect();
        let words = collect(text.as_bytes());
        assert_eq!(words.lines.len(), 2 * LINES_KEPT);
        assert!(words.lines[0].starts_with("line 0 "));
        assert!(words.lines[2 * LINES_KEPT - 1].starts_with("line 9999 "));
        assert!(words.lines.iter().all(|l| l.len() <= LINE_BYTES));
        assert_eq!(words.n_left_out, 10_000 - 2 * LINES_KEPT);
        let list = words.into_list();
        assert!(list[LINES_KEPT].contains("more lines"));
    }

    #[test]
    fn no_message_gives_the_other_reason() {
        assert_eq!(collect(&b"\n\r\n"[..]).reason(|| "nothing".into()), "nothing");
        assert_eq!(collect(&b"a\nb"[..]).reason(|| "nothing".into()), "a; b");
    }
}
