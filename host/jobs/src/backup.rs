//! Runs a job: from its source to a committed snapshot, or to nothing.

use crate::config::{JobConfig, Settings, TAG_RULE, is_tag};
use crate::copy::tiers::Tier;
use crate::error::JobError;
use crate::history::{self, Run};
use crate::open::{Context, Credentials};
use crate::permit;
use crate::plugins::Installed;
use crate::retention::apply::JobRetained;
use crate::safety;
use crate::secrets::JobSecrets;
use crate::state::JobState;
use crate::wire::SessionDraft;
use holdfast_base::cancel::Reason;
use holdfast_base::error::Describe;
use holdfast_base::error::join_causes;
use holdfast_base::progress::Progress;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_repository::format::root::{Root, SourceNote};
use holdfast_repository::object_lock::Locked;
use holdfast_repository::write::{Gauge, RunNote, SourceEnd};
use holdfast_repository::{Repository, RepositoryError, Session};
use holdfast_sandbox::limits::CallLimits;
use holdfast_sandbox::manifest::PluginKind;
use holdfast_sandbox::plugin::source::Previous;
use holdfast_sandbox::plugin::{CallContext, Finding, Severity};
use holdfast_sandbox::ports::{DraftPort, Listener};
use holdfast_sandbox::{CallError, Plugin};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// What a run is told beside its configuration.
#[derive(Clone)]
pub struct RunOptions {
    /// Tags of this snapshot alone.
    pub tags: Vec<String>,
    /// Hears how far the work is.
    pub gauge: Arc<Gauge>,
    /// Hears how far the copies are that are made afterwards.
    pub copying: Arc<Progress>,
    /// Hears what the plugin says.
    pub listener: Arc<dyn Listener>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The snapshot that it committed.
    pub root: Root,
    /// What was locked of it, where the store's table says so.
    pub locked: Option<Result<Locked, JobError>>,
    /// What was copied to the job's other stores.
    pub tiers: Vec<Tier>,
    /// What was forgotten after it, where the job says what is kept.
    pub retained: Option<Result<JobRetained, JobError>>,
}

/// A source that is ready to be called.
pub(crate) struct Ready {
    pub(crate) plugin: Plugin,
    pub(crate) note: SourceNote,
    pub(crate) context: Arc<CallContext>,
    pub(crate) state: Arc<JobState>,
}

impl Context {
    /// Loads a plugin that the configuration names, and that must be of that kind.
    pub(crate) fn named(
        &self,
        name: &Spanned<String>,
        kind: PluginKind,
    ) -> Result<(Plugin, Installed), JobError> {
        let place = || Some(self.config.place(name.span())).filter(|_| !name.span().is_empty());
        let loaded = self.plugins.load(name.get_ref());
        let (plugin, installed) = loaded.map_err(|error| match error {
            JobError::NotInstalled { name, near, .. } => JobError::NotInstalled {
                place: place(),
                name,
                near,
            },
            other => other,
        })?;
        if installed.kinds.contains(&kind) {
            return Ok((plugin, installed));
        }
        let is = installed.kinds.iter().map(|kind| kind.as_str());
        let message = format!("plugin `{}` is no {}", installed.name, kind.as_str());
        let hint = format!("It is: {}", is.collect::<Vec<_>>().join(", "));
        Err(match place() {
            Some(_) => self.config.wrong(name.span(), message, Some(hint)).into(),
            None => JobError::usage(message, Some(&hint)),
        })
    }

    /// Returns the secrets that settings refer to.
    pub(crate) fn secrets(&self, given: &Settings) -> JobSecrets {
        JobSecrets::new(&self.config, given, Arc::clone(&self.environment))
    }

    /// Loads a job's source with what it may do in this job.
    pub(crate) fn ready(&self, job: &str, listener: Arc<dyn Listener>) -> Result<Ready, JobError> {
        let config = self.config.job(job)?;
        let (plugin, installed) = self.named(&config.source, PluginKind::Source)?;
        let permit = permit::source(&self.config, job, (&plugin, &installed))?;
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
                .map(|ask| ask.describe())
                .collect(),
        };
        let context = Arc::new(CallContext {
            job: job.to_owned(),
            settings: serde_json::Value::Object(permit.settings),
            effective: permit.effective,
            secrets: Arc::new(self.secrets(&config.with)),
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
        let sources = [(&config.source, PluginKind::Source)];
        // A verifier that only `--with` names has settings too.
        let verifiers = config.verify.iter().chain(config.verify_with.keys());
        let verifiers = verifiers.map(|name| (name, PluginKind::Verifier));
        for (name, kind) in sources.into_iter().chain(verifiers) {
            let (plugin, installed) = self.named(name, kind)?;
            let of = (&plugin, &installed);
            match kind {
                PluginKind::Verifier => permit::verifier(&self.config, job, of)?,
                _ => permit::source(&self.config, job, of)?,
            };
        }
        Ok(())
    }

    /// Asks a job's source whether a backup would work now, and its other stores whether copies would.
    ///
    /// # Errors
    /// The source failed to answer.
    pub fn check_job(&self, job: &str) -> Result<Vec<Finding>, JobError> {
        let ready = self.ready(job, Arc::new(crate::wire::Deaf))?;
        let missing = self.secrets(&self.config.job(job)?.with).missing();
        let missing = missing.into_iter().map(|(setting, error)| Finding {
            severity: Severity::Error,
            subject: setting,
            message: error.to_string(),
            hint: None,
        });
        let found = ready.plugin.source()?.check(&ready.context)?;
        Ok(missing.chain(found).chain(self.check_tiers(job)).collect())
    }

    /// Runs a job. Once the new snapshot is committed, it is copied to the job's other stores, and what no rule
    /// keeps any more is forgotten in all of them.
    ///
    /// # Errors
    /// Nothing was committed, or the store does not say whether it was: then nothing is forgotten either.
    pub fn run(&self, job: &str, options: &RunOptions) -> Result<Ran, JobError> {
        let root = self.run_alone(job, options)?;
        let locked = self.lock_run(job, &root);
        let tiers = self.fill_tiers(job, &options.copying);
        // What is forgotten here could no longer be copied.
        let is_copied = tiers.iter().all(|tier| tier.failure.is_none());
        let retained = match self.config.store_of(job) {
            Ok(store) if is_copied => self.retain_after(job, store),
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        };
        Ok(Ran {
            root,
            locked,
            tiers,
            retained,
        })
    }

    /// Makes a backup, and nothing else of the same job meanwhile.
    fn run_alone(&self, job: &str, options: &RunOptions) -> Result<Root, JobError> {
        let started = SystemClock.now();
        self.config.job(job)?;
        let _lock = self.lock(job)?;
        // What ends this run ends no other.
        let alone = Self {
            cancel: self.cancel.child(),
            ..self.clone()
        };
        let result = alone
            .backup(job, options, &Credentials::default())
            .map_err(|error| alone.ended(job, error));
        let error = result.as_ref().err().map(|error| join_causes(error));
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

    /// Says that the time was over, where that is why a run failed.
    fn ended(&self, job: &str, error: JobError) -> JobError {
        let timeout = self
            .config
            .job(job)
            .ok()
            .and_then(|job| job.timeout_minutes.as_ref());
        match (self.cancel.reason(), timeout) {
            (Some(Reason::Deadline), Some(timeout)) => JobError::TooLong {
                place: self.config.place(timeout.span()),
            },
            _ => error,
        }
    }

    /// Holds a job, so that no second run of it begins.
    pub(crate) fn lock(&self, job: &str) -> Result<File, JobError> {
        let busy = || JobError::Busy {
            job: job.to_owned(),
        };
        self.lock_named(job, busy)
    }

    /// Holds a file of that name, which ends with the process at the latest.
    pub(crate) fn lock_named(
        &self,
        name: &str,
        busy: impl FnOnce() -> JobError,
    ) -> Result<File, JobError> {
        let path: PathBuf = self.places.state.join(format!("{name}.lock"));
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
            Err(rustix::io::Errno::WOULDBLOCK) => Err(busy()),
            Err(error) => Err(JobError::io(format!("lock `{}`", path.display()))(
                error.into(),
            )),
        }
    }

    /// Makes a backup, in a repository that is opened with these credentials.
    pub(crate) fn backup(
        &self,
        job: &str,
        options: &RunOptions,
        credentials: &Credentials,
    ) -> Result<Root, JobError> {
        let config = self.config.job(job)?;
        let ready = self.ready(job, Arc::clone(&options.listener))?;
        let store = self.config.store_of(job)?;
        let repository = self.open(store, credentials)?;
        // What could not be locked in the end is not begun.
        self.usual_lock(store, &repository)?;
        let host = repository.host_or(&self.places.host);
        let previous = previous(&repository, job, &host)?;
        let (plugin, version) = (&ready.note.plugin, &ready.note.version);
        tracing::info!(
            "{job}: plugin `{plugin}` {version} backs up to {}",
            repository.place()
        );
        match &previous {
            Some(previous) => tracing::info!("{job}: the snapshot before is {}", previous.snapshot),
            None => tracing::info!("{job}: there is no snapshot before this one"),
        }
        let note = RunNote {
            job: job.to_owned(),
            host,
            source: ready.note.clone(),
            tags: tags(config, options)?,
            level: *config.compression_level.get_ref(),
            prove: self.config.store(store)?.prove,
            of: None,
        };
        let _timer = config
            .timeout_minutes
            .as_ref()
            .map(|minutes| self.timer(Duration::from_secs_f64(minutes.get_ref() * 60.0)));
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

/// Returns the tags of a run: its job's, and its own.
fn tags(config: &JobConfig, options: &RunOptions) -> Result<Vec<String>, JobError> {
    if let Some(tag) = options.tags.iter().find(|tag| !is_tag(tag)) {
        let message = format!("`{}` is no tag: {TAG_RULE}", tag.escape_default());
        return Err(JobError::usage(message, None));
    }
    let all = config.tags.iter().map(Spanned::get_ref);
    Ok(all.chain(&options.tags).cloned().collect())
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
        tracing::warn!(error = %join_causes(&failure), kind = ?failure.kind(), "a snapshot cannot be read");
    }
    let newest = roots
        .into_iter()
        .rev()
        .find(|root| root.job == job && root.host == host && !safety::is_safety(root));
    Ok(newest.map(|root| Previous {
        snapshot: root.snapshot.to_string(),
        facts: root.facts,
    }))
}
