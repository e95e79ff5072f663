//! What the sandbox needs from whoever runs plugins. `jobs` implements these with the repository.
//!
//! - A draft that is dropped, or whose call failed, leaves nothing behind: only `jobs` commits.
//! - Implementations may block while what lies behind them is busy; a plugin call has a thread of
//!   its own.

use holdfast_base::added_tree::{AddedTree, LeftToAdd};
use holdfast_base::advice::Advice;
use holdfast_base::entry::{Entry, EntryPath, FileContent, RestoreTarget, Warning};
use std::io;

/// Puts advice into words for a guest whose request was denied.
///
/// Why not simply give the words here? Only whoever runs plugins knows how its commands are typed
/// and how its configuration is written.
pub type SpellAdvice = fn(&Advice) -> String;

/// Where the entries of the snapshot that is being made go.
pub trait DraftPort: Send + Sync {
    /// Starts an entry of bytes.
    ///
    /// # Errors
    /// The name is taken, or the run has failed.
    fn create_stream(
        &self,
        path: EntryPath,
        attributes: Vec<(String, String)>,
    ) -> io::Result<Box<dyn StreamSink>>;

    /// Adds an entry that was found in a tree, with its content if it has any. Entries of one
    /// tree come in the order of a walk.
    ///
    /// # Errors
    /// The run has failed.
    fn add(&self, entry: Entry, content: Option<Box<dyn FileContent>>) -> io::Result<()>;

    /// Takes the names of a tree whose entries are added next, and returns what is left to add of it.
    ///
    /// # Errors
    /// Some of them are taken.
    fn take_tree(&self, tree: AddedTree) -> io::Result<LeftToAdd>;

    /// Waits until all that was added is in the draft, and returns what it came to.
    ///
    /// # Errors
    /// The run has failed.
    fn settle(&self) -> io::Result<Totals>;

    /// Records a fact.
    ///
    /// # Errors
    /// The facts of the snapshot have grown too large.
    fn record_fact(&self, key: String, value: String) -> io::Result<()>;

    /// Names something that was left out.
    fn warn(&self, warning: Warning);

    /// Leaves out something that the system refused to give, and names it.
    ///
    /// # Errors
    /// The system is short of something, and would refuse whatever comes next: the run has failed.
    fn leave_out(&self, warning: Warning, answer: io::Error) -> io::Result<()>;

    /// Counts what the options of a walk left out, and what nobody misses.
    fn count_left_out(&self, excluded: u64, noted: u64);
}

/// What a draft holds so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Entries.
    pub entries: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Warnings that were given.
    pub warnings: u64,
}

/// Takes the bytes of one entry. Dropping it discards them.
pub trait StreamSink: Send {
    /// Takes bytes; waits while the pipeline is busy.
    ///
    /// # Errors
    /// The run has failed.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Commits the entry to the draft and returns its length.
    ///
    /// # Errors
    /// The run has failed.
    fn finish(self: Box<Self>) -> io::Result<u64>;
}

/// A committed snapshot, for restores and verifications.
pub trait ContentPort: Send + Sync {
    /// Lists the entries at and below a path, all if none is given, in order, with the length of
    /// their content.
    ///
    /// # Errors
    /// The snapshot cannot be read.
    fn list(&self, prefix: Option<&EntryPath>) -> io::Result<EntryIter>;

    /// Opens the content of an entry.
    ///
    /// # Errors
    /// There is no such entry, or it has no content.
    fn open(&self, path: &EntryPath) -> io::Result<Box<dyn io::Read + Send>>;

    /// Writes the entries below a path, all if none is given, into a target whose root stands for
    /// that path.
    ///
    /// # Errors
    /// The snapshot cannot be read, or the target refused; entries that failed are named in warnings.
    fn extract(&self, prefix: Option<&EntryPath>, target: &dyn RestoreTarget)
    -> io::Result<Totals>;

    /// Returns the facts that the source recorded.
    fn facts(&self) -> Vec<(String, String)>;
}

/// Entries with the length of their content, as they come.
pub type EntryIter = Box<dyn Iterator<Item = io::Result<(Entry, u64)>> + Send>;

/// The durable state of a job. What is written is kept only if the run commits.
pub trait StatePort: Send + Sync {
    /// Returns a value.
    ///
    /// # Errors
    /// The state cannot be read.
    fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>>;

    /// Sets a value, or removes it if none is given.
    ///
    /// # Errors
    /// The state has grown too large.
    fn set(&self, key: &str, value: Option<Vec<u8>>) -> io::Result<()>;

    /// Returns the keys, sorted.
    ///
    /// # Errors
    /// The state cannot be read.
    fn keys(&self) -> io::Result<Vec<String>>;
}

/// Resolves the secrets of a job.
pub trait SecretPort: Send + Sync {
    /// Returns the content of the secret that the job's settings name so.
    ///
    /// # Errors
    /// The reference cannot be resolved now.
    fn resolve(&self, name: &str) -> io::Result<Vec<u8>>;
}

/// Hears what a plugin says while it works.
pub trait Listener: Send + Sync {
    /// Hears how far the work is.
    fn progress(&self, done: u64, total: Option<u64>, label: &str);
}
