//! Makes a snapshot: from a job's source to a commit, or to nothing.

use crate::config::{JobConfig, is_tag};
use crate::context::Context;
use crate::error::JobError;
use crate::error::run::RunError;
use crate::keys::Credentials;
use crate::load::{LoadedSource, load_source};
use crate::lock::find_usual_lock;
use crate::open::open_repository;
use crate::retention::is_safety;
use crate::wire::SessionDraft;
use holdfast_base::cancel::Reason;
use holdfast_base::error::{Describe, join_causes};
use holdfast_base::progress::Progress;
use holdfast_repository::format::root::Root;
use holdfast_repository::write::{Gauge, RunNote, SourceEnd};
use holdfast_repository::{ObjectError, Repository, SnapshotWriter, StoredError, WriteError};
use holdfast_sandbox::CallError;
use holdfast_sandbox::plugin::source::Previous;
use holdfast_sandbox::ports::DraftPort;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use toml::Spanned;

/// What a run is told beside its configuration.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// Tags of this snapshot alone.
    pub tags: Vec<String>,
    /// Counts what the backup has read and stored so far.
    pub gauge: Arc<Gauge>,
    /// Counts what the copies afterwards have moved so far.
    pub copying: Arc<Progress>,
}

/// Makes a snapshot, in a repository that is opened with these credentials.
pub(crate) fn make_snapshot(
    context: &Context,
    job: &str,
    options: &RunOptions,
    credentials: &Credentials,
) -> Result<Root, JobError> {
    let config = context.config.job(job)?;
    let source = load_source(context, job)?;
    let store = context.config.store_of(job)?;
    let repository = open_repository(context, store, credentials)?;
    // What could not be locked in the end is not begun.
    find_usual_lock(context, store, &repository)?;
    let host = repository.host_or(&context.places.host);
    let previous = find_previous(&repository, job, &host)?;
    log_start(job, &source, &repository, previous.as_ref());
    let note = RunNote {
        job: job.to_owned(),
        host,
        source: source.note.clone(),
        tags: join_tags(config, options)?,
        level: *config.compression_level.get_ref(),
        prove: context.config.store(store)?.prove,
        of: None,
    };
    let _timer = config
        .timeout_minutes
        .as_ref()
        .map(|minutes| start_timer(context, Duration::from_secs_f64(minutes.get_ref() * 60.0)));
    let gauge = Arc::clone(&options.gauge);
    let session = SnapshotWriter::begin(&repository, note, &context.cancel, gauge)?;
    let root = fill_session(&source, session, previous.as_ref())?;
    tell_source(&source, &root);
    Ok(root)
}

fn log_start(
    job: &str,
    source: &LoadedSource,
    repository: &Repository,
    previous: Option<&Previous>,
) {
    let (plugin, version) = (&source.note.plugin, &source.note.version);
    let place = repository.place();
    tracing::info!("{job}: plugin `{plugin}` {version} backs up to {place}");
    match previous {
        Some(previous) => tracing::info!("{job}: the snapshot before is {}", previous.snapshot),
        None => tracing::info!("{job}: there is no snapshot before this one"),
    }
}

/// Lets a source fill a session, and commits what it gave.
fn fill_session(
    source: &LoadedSource,
    session: SnapshotWriter,
    previous: Option<&Previous>,
) -> Result<Root, JobError> {
    let session = Arc::new(session);
    let draft: Arc<dyn DraftPort> = Arc::new(SessionDraft(Arc::clone(&session)));
    let called = source
        .plugin
        .source()?
        .backup(&source.call, &draft, previous);
    drop(draft);
    commit_session(session, called)
}

/// Keeps the source's values and tells it of the commit. Neither can undo the commit, and so neither can fail it.
fn tell_source(source: &LoadedSource, root: &Root) {
    if let Err(error) = source.state.commit() {
        tracing::error!(%error, "the snapshot is committed, but the source's values are not kept");
    }
    let plugin = source.plugin.source();
    let told = plugin.and_then(|plugin| plugin.committed(&source.call, &root.snapshot.to_string()));
    if let Err(error) = told {
        tracing::error!(%error, "the snapshot is committed, but the source could not be told");
    }
}

/// Ends the run when its time is over, unless the answer is dropped before.
fn start_timer(context: &Context, after: Duration) -> Sender<()> {
    let (to, from) = channel();
    let cancel = context.cancel.clone();
    std::thread::spawn(move || {
        if from.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
            cancel.raise(Reason::Deadline);
        }
    });
    to
}

/// Returns the tags of a run: its job's, and its own.
fn join_tags(config: &JobConfig, options: &RunOptions) -> Result<Vec<String>, RunError> {
    if let Some(tag) = options.tags.iter().find(|tag| !is_tag(tag)) {
        return Err(RunError::InvalidTag { tag: tag.clone() });
    }
    let all = config.tags.iter().map(Spanned::get_ref);
    Ok(all.chain(&options.tags).cloned().collect())
}

/// Commits what a source gave, if the source and the pipeline both say that it is complete.
fn commit_session(
    session: Arc<SnapshotWriter>,
    called: Result<(), CallError>,
) -> Result<Root, JobError> {
    let Some(session) = Arc::into_inner(session) else {
        return Err(WriteError::StreamLeftOpen.into());
    };
    if let Err(error) = called {
        // If the pipeline failed, the source only felt it.
        return Err(match session.abandon() {
            Some(WriteError::Stored(StoredError::Object(ObjectError::Cancelled))) | None => {
                error.into()
            }
            Some(cause) if !matches!(error, CallError::Failed { .. }) => {
                tracing::debug!(%cause, "the pipeline failed too");
                error.into()
            }
            Some(cause) => cause.into(),
        });
    }
    match session.settle() {
        Ok((0, _, _)) => {
            session.abandon();
            Err(RunError::Empty.into())
        }
        Ok(_) => Ok(session.commit(SourceEnd::seen())?),
        Err(error) => Err(session.abandon().unwrap_or(error).into()),
    }
}

/// Finds the newest snapshot that a host made of a job for its own sake.
fn find_previous(
    repository: &Repository,
    job: &str,
    host: &str,
) -> Result<Option<Previous>, JobError> {
    let (roots, failures) = repository.snapshots()?;
    for failure in failures {
        tracing::warn!(error = %join_causes(&failure), kind = ?failure.kind(), "a snapshot cannot be read");
    }
    let newest = roots
        .into_iter()
        .rev()
        .find(|root| root.job == job && root.host == host && !is_safety(root));
    Ok(newest.map(|root| Previous {
        snapshot: root.snapshot.to_string(),
        facts: root.facts,
    }))
}
