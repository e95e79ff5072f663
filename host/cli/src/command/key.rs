//! `key`: exports keys, makes them again, and says who can open a repository.

use super::{operators, sheet};
use crate::args::{Key, Keys, Operator, Unlock};
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::context::Context;
use holdfast_jobs::model::Role;
use holdfast_jobs::operators::{WrittenKey, export_key, recover_key};
use std::path::Path;

pub(super) fn run_key(context: &Context, key: &Key, view: &View) -> Result<Outcome, Failure> {
    match key {
        Key::Export {
            role,
            file,
            host,
            keys,
        } => {
            let role = parse_role(role);
            export(context, role, file, host.as_deref(), keys, view)
        }
        Key::Recover {
            store,
            host,
            operator,
        } => {
            let keys =
                require_operator(store.as_ref(), operator, "a write key is made again from")?;
            recover(context, host.as_deref(), &keys, view)
        }
        Key::Recipients { store, unlock } => {
            operators::list(context, &Keys::for_store(store.as_ref(), unlock), view)
        }
        Key::AddRecipient {
            recipient,
            new,
            keys,
        } => operators::add(context, recipient, new, keys, view),
        Key::RemoveRecipient { recipient, keys } => {
            operators::remove(context, recipient, keys, view)
        }
        Key::Reseal { store, unlock } => {
            operators::reseal(context, &Keys::for_store(store.as_ref(), unlock), view)
        }
        Key::Sheet { file, keys } => sheet::write_sheet(context, file, keys, view),
    }
}

fn parse_role(word: &str) -> Role {
    match word {
        "audit" => Role::Audit,
        "write" => Role::Write,
        _ => Role::Read,
    }
}

/// Demands what an operator has, and nothing less.
fn require_operator(
    store: Option<&String>,
    operator: &Operator,
    what: &str,
) -> Result<Keys, Failure> {
    if operator.identity.is_empty() && !operator.passphrase.is_given() {
        return Err(Failure::usage(
            format!("{what} what an operator has"),
            Some("Give --identity FILE or --passphrase"),
        ));
    }
    Ok(Keys {
        unlock: Unlock {
            operator: operator.clone(),
            key: None,
        },
        store: store.cloned(),
    })
}

fn export(
    context: &Context,
    role: Role,
    file: &Path,
    host: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let key = export_key(context, &access, role, host, file)?;
    let words = format!("Wrote a key of role {role} to {}", file.display());
    show_key(&key, &access.store, &words, view);
    Ok(Outcome::Done)
}

fn recover(
    context: &Context,
    host: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let key = recover_key(context, &access, host)?;
    let (store, path) = (&access.store, key.path.display());
    let words = format!("Wrote the write key of store {store} to {path}");
    show_key(&key, store, &words, view);
    Ok(Outcome::Done)
}

/// Shows which key was written to which file, and for whom it signs.
fn show_key(key: &WrittenKey, store: &str, words: &str, view: &View) {
    let WrittenKey { role, path, host } = key;
    let json = serde_json::json!({"role": role, "store": store, "key-file": path, "host": host});
    view.answer(&json, |view| {
        view.say(words);
        if let Some(host) = host {
            view.say(&format!("It signs for host {host}, and for no other"));
        }
    });
}
