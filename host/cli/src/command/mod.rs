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
use crate::environment::open_context;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::passphrase;
use crate::view::View;
use clap::CommandFactory;
use holdfast_jobs::context::Context;
use holdfast_jobs::keys::Credentials;
use holdfast_jobs::model::{Finding, Secret, Severity};
use holdfast_jobs::open::Access;
use holdfast_jobs::secrets::resolve_passphrase;

/// Does what was typed.
pub(crate) fn run_command(arguments: Arguments, view: &View) -> Result<Outcome, Failure> {
    let global = arguments.global;
    match arguments.command {
        Command::Completions { shell } => {
            // Not straight to standard output: nobody may read it to its end.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "holdfast", &mut script);
            view.write_bytes(&script);
            Ok(Outcome::Done)
        }
        Command::Plugin(command) => plugin::run_plugin(&global, command, view),
        Command::History { job, last } => {
            history::show_history(&global, job.as_deref(), last, view)
        }
        other => run_with_context(other, &open_context(&global)?, view),
    }
}

/// Does what was typed with the configuration.
fn run_with_context(command: Command, context: &Context, view: &View) -> Result<Outcome, Failure> {
    match command {
        Command::Init(init) => init::create(context, &init, view),
        Command::Key(key) => key::run_key(context, &key, view),
        Command::Rotate(rotate) => operators::rotate(context, &rotate, view),
        Command::Run(run) => run::run_jobs(context, &run, view),
        Command::Doctor => doctor::examine_all(context, view),
        Command::Config(_) => doctor::check_configuration(context, view),
        Command::Check(check) if check.repair => repair::repair(context, &check, view),
        Command::Check(check) => check::check(context, check, view),
        Command::Copy(copy) => copy::copy_snapshots(context, &copy, view),
        Command::Gc(gc) => gc::collect(context, gc, view),
        Command::Forget(forget) => forget::forget(context, &forget, view),
        Command::Lock(lock) => lock::lock_snapshots(context, &lock, view),
        Command::Hold(hold) => hold::hold(context, &hold, view),
        Command::Restore(restore) => restore::restore(context, &restore, view),
        other => run_on_snapshots(other, context, view),
    }
}

/// Does what was typed about snapshots that a store holds, or about their entries.
fn run_on_snapshots(command: Command, context: &Context, view: &View) -> Result<Outcome, Failure> {
    match command {
        Command::List {
            job,
            forgotten,
            keys,
        } => {
            let job = job.as_deref();
            let access = find_access(context, &keys, job)?;
            match forgotten {
                true => hold::list_forgotten(context, &access, job, view),
                false => snapshots::list(context, &access, job, view),
            }
        }
        Command::Verify {
            snapshot,
            with,
            keys,
        } => check::verify(context, &snapshot, &with, &keys, view),
        Command::Release { snapshot, keys } => hold::release(context, &snapshot, &keys, view),
        Command::Undelete { snapshot, keys } => hold::undelete(context, &snapshot, &keys, view),
        Command::Show { snapshot, keys } => snapshots::show(context, &snapshot, &keys, view),
        Command::Diff { from, to, keys } => snapshots::compare(context, &from, &to, &keys, view),
        Command::Ls {
            snapshot,
            paths,
            keys,
        } => entries::list(context, &snapshot, &paths, &keys, view),
        Command::Cat {
            snapshot,
            path,
            keys,
        } => entries::print_content(context, &snapshot, &path, &keys, view),
        Command::Find { pattern, job, keys } => {
            entries::search(context, &pattern, job.as_deref(), &keys, view)
        }
        _ => unreachable!("every other command is done by a function above"),
    }
}

/// Finds the store that is meant: named, a job's, or the only one.
fn find_store<'a>(
    context: &'a Context,
    keys: &'a Keys,
    snapshot: Option<&str>,
) -> Result<&'a str, Failure> {
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

/// Finds the store that is meant, and gathers what opens it.
fn find_access(context: &Context, keys: &Keys, snapshot: Option<&str>) -> Result<Access, Failure> {
    Ok(Access {
        store: find_store(context, keys, snapshot)?.to_owned(),
        credentials: gather_credentials(context, &keys.unlock)?,
    })
}

/// Gathers what opens a repository; asks for a passphrase if that is wanted.
fn gather_credentials(context: &Context, unlock: &Unlock) -> Result<Credentials, Failure> {
    let Unlock { operator, key } = unlock;
    let passphrase = match &operator.passphrase {
        Passphrase {
            from: Some(from), ..
        } => Some(resolve_passphrase(from, context.environment.as_ref())?),
        Passphrase { ask: true, .. } => Some(passphrase::ask_once(&context.cancel)?),
        Passphrase { .. } => None,
    };
    Ok(Credentials {
        key: key.clone(),
        identities: operator.identity.clone(),
        passphrase,
    })
}

/// Takes a new passphrase from a reference, or asks for it if that is wanted.
fn take_new_passphrase(
    context: &Context,
    from: Option<&str>,
    ask: bool,
) -> Result<Option<Secret>, Failure> {
    Ok(match from {
        Some(from) => Some(resolve_passphrase(from, context.environment.as_ref())?),
        None if ask => Some(passphrase::ask_twice(&context.cancel)?),
        None => None,
    })
}

/// Returns what a plugin found as scripts read it.
fn findings_json(findings: &[Finding]) -> serde_json::Value {
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
