//! One file for each command, or for a few that belong together.

mod check;
pub(crate) mod compile;
mod copy;
mod doctor;
mod entries;
mod forget;
mod gc;
mod history;
mod hold;
mod init;
mod key;
mod lock;
mod operators;
mod plugin;
mod repair;
mod restore;
mod run;
mod sheet;
mod snapshots;

use crate::args::{Arguments, Command, Keys, Passphrase, Unlock};
use crate::environment::context;
use crate::exit::Outcome;
use crate::passphrase;
use crate::view::View;
use clap::CommandFactory;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_repository::Repository;
use holdfast_sandbox::plugin::{Finding, Severity};
use std::sync::Arc;

/// Does what was typed.
pub(crate) fn run(arguments: Arguments, view: &View) -> Result<Outcome, JobError> {
    let global = arguments.global;
    match arguments.command {
        Command::Completions { shell } => {
            // Not straight to standard output: nobody may read it to its end.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "holdfast", &mut script);
            view.bytes(&script);
            Ok(Outcome::Done)
        }
        Command::Plugin(command) => plugin::run(&global, command, view),
        Command::History { job, last } => history::run(&global, job.as_deref(), last, view),
        Command::Init(init) => init::run(&context(&global)?, &init, view),
        Command::Key(key) => key::run(&context(&global)?, &key, view),
        Command::Rotate(rotate) => operators::rotate(&context(&global)?, &rotate, view),
        Command::Run(run) => run::run(&context(&global)?, &run, view),
        Command::Doctor => doctor::doctor(&context(&global)?, view),
        Command::Config(_) => doctor::config(&context(&global)?, view),
        Command::Check(check) if check.repair => repair::run(&context(&global)?, &check, view),
        Command::Check(check) => {
            let (unlock, store) = (check.unlock, check.store);
            let keys = Keys { unlock, store };
            check::run(&context(&global)?, &keys, check.data, view)
        }
        Command::Copy(copy) => copy::run(&context(&global)?, &copy, view),
        Command::Gc(gc) => gc::run(&context(&global)?, &gc, view),
        Command::Verify {
            snapshot,
            with,
            keys,
        } => check::verify(&context(&global)?, &snapshot, &with, &keys, view),
        Command::List {
            job,
            forgotten,
            keys,
        } => snapshots::list(&context(&global)?, job.as_deref(), forgotten, &keys, view),
        Command::Forget(forget) => forget::run(&context(&global)?, &forget, view),
        Command::Lock(lock) => lock::run(&context(&global)?, &lock, view),
        Command::Hold(hold) => hold::hold(&context(&global)?, &hold, view),
        Command::Release { snapshot, keys } => {
            hold::release(&context(&global)?, &snapshot, &keys, view)
        }
        Command::Undelete { snapshot, keys } => {
            hold::undelete(&context(&global)?, &snapshot, &keys, view)
        }
        Command::Show { snapshot, keys } => {
            snapshots::show(&context(&global)?, &snapshot, &keys, view)
        }
        Command::Diff { from, to, keys } => {
            snapshots::diff(&context(&global)?, &from, &to, &keys, view)
        }
        Command::Ls {
            snapshot,
            paths,
            keys,
        } => entries::ls(&context(&global)?, &snapshot, &paths, &keys, view),
        Command::Cat {
            snapshot,
            path,
            keys,
        } => entries::cat(&context(&global)?, &snapshot, &path, &keys, view),
        Command::Find { pattern, job, keys } => {
            entries::find(&context(&global)?, &pattern, job.as_deref(), &keys, view)
        }
        Command::Restore(restore) => restore::run(&context(&global)?, &restore, view),
    }
}

/// Finds the store that is meant: named, a job's, or the only one.
pub(crate) fn store<'a>(
    context: &'a Context,
    keys: &'a Keys,
    snapshot: Option<&str>,
) -> Result<&'a str, JobError> {
    if let Some(store) = &keys.store {
        context.config.store(store)?;
        return Ok(store);
    }
    let job = snapshot.map(|snapshot| snapshot.split('@').next().unwrap_or(snapshot));
    if let Some(job) = job
        && context.config.job(job).is_ok()
    {
        return Ok(context.config.store_of(job)?);
    }
    Ok(context.config.only_store()?)
}

/// Opens the repository that is meant.
pub(crate) fn open(
    context: &Context,
    keys: &Keys,
    snapshot: Option<&str>,
) -> Result<Arc<Repository>, JobError> {
    let store = store(context, keys, snapshot)?;
    context.open(store, &credentials(context, &keys.unlock)?)
}

/// Gathers what opens a repository; asks for a passphrase where that is wanted.
pub(crate) fn credentials(context: &Context, unlock: &Unlock) -> Result<Credentials, JobError> {
    let Unlock { operator, key } = unlock;
    let passphrase = match &operator.passphrase {
        Passphrase {
            from: Some(from), ..
        } => Some(passphrase::referred(from, context.environment.as_ref())?),
        Passphrase { ask: true, .. } => Some(passphrase::asked(&context.cancel)?),
        Passphrase { .. } => None,
    };
    Ok(Credentials {
        key: key.clone(),
        identities: operator.identity.clone(),
        passphrase,
    })
}

/// Returns what a plugin found as scripts read it.
pub(crate) fn findings(findings: &[Finding]) -> serde_json::Value {
    let one = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        serde_json::json!({
            "severity": severity, "subject": finding.subject, "message": finding.message, "hint": finding.hint,
        })
    };
    findings.iter().map(one).collect()
}
