//! What the driver needs of a program: its children, its jobs, and what their lines mean.

use std::{future::Future, pin::Pin};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{Measure, Program, Vocabulary};

/// How a job is done.
pub enum Work<V: Vocabulary> {
    /// On the loop, so it must never block: what may block belongs in [`off_loop`].
    Here(Pin<Box<dyn Future<Output = V::Outcome>>>),
    /// By a process of its own.
    Errand(Errand),
}

/// A job done by a child process: what it needs is gone with it, memory and secrets too, and one that hangs can be killed.
///
/// It reads its order from standard input, writes each answer as one line to standard output, and says with exit code 0 that its last
/// answer was its outcome. What it writes to standard error is logged.
#[derive(Debug)]
pub struct Errand {
    /// The process; its output is read whatever [`Program::output`] says.
    pub program: Program,
    /// All of its standard input, at most 1 MiB; wiped when it is on its way.
    pub order: Zeroizing<Vec<u8>>,
    /// Under which name its standard error is logged.
    pub name: &'static str,
}

impl<V: Vocabulary> Work<V> {
    /// Work on the loop.
    pub fn here(work: impl Future<Output = V::Outcome> + 'static) -> Self {
        Self::Here(Box::pin(work))
    }
}

impl<V: Vocabulary> std::fmt::Debug for Work<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Errand(errand) => f.debug_tuple("Errand").field(&errand.name).finish(),
        }
    }
}

/// Lets a job tell something before it is done. It may be used from any thread; what an abandoned job tells is not heard.
pub type Tell<V> = Box<dyn Fn(<V as Vocabulary>::Outcome) + Send + Sync>;

/// Something that takes time.
#[derive(Debug)]
pub enum Doing<'a, V: Vocabulary> {
    /// A child lives.
    Child(V::Role),
    /// A job is done.
    Job(&'a V::Job),
    /// The program is being used.
    Use,
}

/// The impure half of a program: what its words mean in the world.
pub trait Effects<V: Vocabulary> {
    /// The child that plays this role.
    fn program(&mut self, role: V::Role) -> Program;

    /// How a job is done, begun.
    fn work(&mut self, job: V::Job, tell: Tell<V>) -> Work<V>;

    /// What an errand's answer means. `None` for what is not for the machine, or not understood.
    fn answered(&mut self, job: &V::Job, line: &str) -> Option<V::Outcome>;

    /// The outcome of a job that panicked, or whose errand ended without one; `how` is a part of a sentence.
    fn collapsed(&mut self, job: &V::Job, how: &str) -> V::Outcome;

    /// What a child's line means, if anything.
    fn watch(&mut self, role: V::Role, line: &str) -> Option<V::Note>;

    /// What it is called in the timeline; `None` for what nobody waits for.
    fn called(&self, _: Doing<'_, V>) -> Option<&'static str> {
        None
    }

    /// Whether this outcome says that its job failed.
    fn failed(&self, _: &V::Outcome) -> bool {
        false
    }

    /// What was measured since this was asked last.
    fn measured(&mut self) -> Vec<Measure> {
        vec![]
    }
}

/// Runs `work` on a thread of its own. `None` when it panicked; the panic itself is in the log.
///
/// Nobody ever waits for the thread: one that hangs in the kernel (a dead NFS mount) is left behind.
pub async fn off_loop<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = done.send(work());
    });
    match thread {
        Ok(_) => result.await.ok(),
        Err(_) => None,
    }
}
