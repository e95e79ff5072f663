//! Runs a job: from its source to a committed snapshot, or to nothing.

use crate::error::JobError;
use crate::history::{self, Run};
use crate::open::{Context, Credentials};
use crate::secrets::JobSecrets;
use crate::state::JobState;
use crate::wire::SessionDraft;
use holdfast_base::cancel::Reason;
use holdfast_base::error::Describe;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_repository::error::chain;
use holdfast_repository::format::root::{Root, SourceNote};
use holdfast_repository::write::{Gauge, RunNote, SourceEnd};
use holdfast_repository::{Repository, RepositoryError, Session};
use holdfast_sandbox::grant::effective;
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::source::Previous;
use holdfast_sandbox::plugin::{CallContext, Finding};
use holdfast_sandbox::ports::{DraftPort, Listener};
use holdfast_sandbox::{CallError, Plugin};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a run is told beside its configuration.
#[derive(Clone)]
pub struct RunOptions {
    /// Tags of this snapshot alone.
    pub tags: Vec<String>,
    /// Hears how far the work is.
    pub gauge: Arc<Gauge>,
    /// Hears what the plugin says.
    pub listener: Arc<dyn Listener>,
}

/// A source that is ready to be called.
pub(crate) struct Ready {
    pub(crate) plugin: Plugin,
    pub(crate) note: SourceNote,
    pub(crate) context: Arc<CallContext>,
    pub(crate) state: Arc<JobState>,
}

impl Context {
    /// Loads a job's source with what it may do in this job.
    pub(crate) fn ready(&self, job: &str, listener: Arc<dyn Listener>) -> Result<Ready, JobError> {
        let config = self.config.job(job)?;
        let (plugin, installed) = self.plugins.load(config.source.get_ref())?;
        if !installed.kinds.contains(&PluginKind::Source) {
            let message = format!("plugin `{}` is no source", installed.name);
            return Err(JobError::usage(message, None));
        }
        let manifest = &plugin.inspection().manifest;
        let settings = self
            .config
            .settings(&config.source, &config.with, manifest)?;
        let effective = effective(manifest, &installed.grant, &settings);
        let state = Arc::new(JobState::open(
            &self.places.state.join(format!("{job}.values")),
        )?);
        let note = SourceNote {
            plugin: installed.name.clone(),
            version: installed.version.clone(),
            digest: installed.sha256.clone(),
            grants: installed
                .grant
                .capabilities
                .iter()
                .map(|ask| ask.words())
                .collect(),
        };
        let context = Arc::new(CallContext {
            job: job.to_owned(),
            settings: serde_json::Value::Object(settings),
            effective,
            secrets: Arc::new(JobSecrets::new(&config.with, Arc::clone(&self.environment))),
            state: Arc::clone(&state) as _,
            listener,
            cancel: self.cancel.clone(),
            limits: CallLimits::default(),
        });
        Ok(Ready {
            plugin,
            note,
            context,
            state,
        })
    }

    /// Checks a job's settings against its source and its verifiers, which must be installed.
    ///
    /// # Errors
    /// Names what does not fit, with its place.
    pub fn check_settings(&self, job: &str) -> Result<(), JobError> {
        let config = self.config.job(job)?;
        self.config.store_of(job)?;
        let sources = [(&config.source, PluginKind::Source, Some(&config.with))];
        let verifiers = config.verify.iter().map(|name| {
            let given = config.verify_with.get(name.get_ref());
            (name, PluginKind::Verifier, given)
        });
        let nothing = Default::default();
        for (name, kind, given) in sources.into_iter().chain(verifiers) {
            let (plugin, installed) = self.plugins.load(name.get_ref())?;
            if !installed.kinds.contains(&kind) {
                let message = format!("plugin `{}` is no {}", installed.name, kind.word());
                return Err(JobError::usage(message, None));
            }
            let manifest = &plugin.inspection().manifest;
            self.config
                .settings(name, given.unwrap_or(&nothing), manifest)?;
        }
        Ok(())
    }

    /// Asks a job's source whether a backup would work now.
    ///
    /// # Errors
    /// The source failed to answer.
    pub fn check_job(&self, job: &str) -> Result<Vec<Finding>, JobError> {
        let ready = self.ready(job, Arc::new(crate::wire::Deaf))?;
        Ok(ready.plugin.source()?.check(&ready.context)?)
    }

    /// Runs a job.
    ///
    /// # Errors
    /// Nothing was committed, or the store does not say whether it was.
    pub fn run(&self, job: &str, options: &RunOptions) -> Result<Root, JobError> {
        let started = SystemClock.now();
        self.config.job(job)?;
        let _lock = self.lock(job)?;
        let result = self.backup(job, options);
        let error = result.as_ref().err().map(|error| chain(error));
        let outcome = match &result {
            Ok(root) if root.counts.warnings > 0 => "warnings",
            Ok(_) => "done",
            Err(_) => "failed",
        };
        history::add(
            &self.places,
            &Run {
                job: job.to_owned(),
                action: "backup".to_owned(),
                started,
                finished: SystemClock.now(),
                outcome: outcome.to_owned(),
                snapshot: result.as_ref().ok().map(|root| root.snapshot.to_string()),
                error,
            },
        );
        result.map_err(|error| match error {
            // What is wrong with the configuration is no failed backup.
            JobError::Config(_) | JobError::Usage { .. } => error,
            // Nobody may say that nothing was committed when the store does not say so.
            JobError::Repository(RepositoryError::Unanswered { .. }) => error,
            other => JobError::Backup {
                job: job.to_owned(),
                source: Box::new(other),
            },
        })
    }

    /// Holds a job, so that no second run of it begins.
    pub(crate) fn lock(&self, job: &str) -> Result<File, JobError> {
        let path: PathBuf = self.places.state.join(format!("{job}.lock"));
        let open = || {
            std::fs::create_dir_all(&self.places.state)?;
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
        };
        let file = open().map_err(JobError::io(format!("open `{}`", path.display())))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(JobError::Busy {
                job: job.to_owned(),
            }),
            Err(error) => Err(JobError::io(format!("lock `{}`", path.display()))(
                error.into(),
            )),
        }
    }

    fn backup(&self, job: &str, options: &RunOptions) -> Result<Root, JobError> {
        let config = self.config.job(job)?;
        let ready = self.ready(job, Arc::clone(&options.listener))?;
        let store = self.config.store_of(job)?;
        let repository = self.open(store, &Credentials::default())?;
        let previous = previous(&repository, job, &self.places.host)?;
        let note = RunNote {
            job: job.to_owned(),
            host: self.places.host.clone(),
            source: ready.note.clone(),
            tags: config.tags.iter().chain(&options.tags).cloned().collect(),
            level: *config.compression_level.get_ref(),
        };
        let _timer = config
            .timeout_minutes
            .map(|minutes| self.timer(Duration::from_secs(minutes * 60)));
        let gauge = Arc::clone(&options.gauge);
        let session = Arc::new(Session::begin(&repository, note, &self.cancel, gauge)?);
        let draft: Arc<dyn DraftPort> = Arc::new(SessionDraft(Arc::clone(&session)));
        let called = ready
            .plugin
            .source()?
            .backup(&ready.context, &draft, previous.as_ref());
        drop(draft);
        let root = finish(session, called)?;
        if let Err(error) = ready.state.commit() {
            tracing::error!(%error, "the snapshot is committed, but the source's values are not kept");
        }
        let committed = ready
            .plugin
            .source()?
            .committed(&ready.context, &root.snapshot.to_string());
        if let Err(error) = committed {
            tracing::error!(%error, "the snapshot is committed, but the source could not be told");
        }
        Ok(root)
    }

    /// Ends the run when its time is over.
    fn timer(&self, after: Duration) -> std::sync::mpsc::Sender<()> {
        let (to, from) = std::sync::mpsc::channel();
        let cancel = self.cancel.clone();
        std::thread::spawn(move || {
            if from.recv_timeout(after) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                cancel.raise(Reason::Deadline);
            }
        });
        to
    }
}

/// Commits what a source gave, if it says that it gave all, and that is so.
fn finish(session: Arc<Session>, called: Result<(), CallError>) -> Result<Root, JobError> {
    let Some(session) = Arc::into_inner(session) else {
        let what = "the source left a transfer behind".to_owned();
        return Err(RepositoryError::Failed(what).into());
    };
    if let Err(error) = called {
        // Where the pipeline failed, the source only felt it.
        return Err(match session.abandon() {
            Some(RepositoryError::Cancelled) | None => error.into(),
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
            Err(JobError::Empty)
        }
        Ok(_) => Ok(session.commit(SourceEnd::seen())?),
        Err(error) => Err(session.abandon().unwrap_or(error).into()),
    }
}

fn previous(repository: &Repository, job: &str, host: &str) -> Result<Option<Previous>, JobError> {
    let (roots, failures) = repository.snapshots()?;
    for failure in failures {
        tracing::warn!(error = %chain(&failure), kind = ?failure.kind(), "a snapshot cannot be read");
    }
    let newest = roots
        .into_iter()
        .rev()
        .find(|root| root.job == job && root.host == host);
    Ok(newest.map(|root| Previous {
        snapshot: root.snapshot.to_string(),
        facts: root.facts,
    }))
}
