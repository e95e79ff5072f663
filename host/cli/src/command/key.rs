//! `key`: exports keys, makes them again, and says who can open a repository.

use super::{operators, sheet};
use crate::args::{Key, Keys, Operator, Unlock};
use crate::exit::Outcome;
use crate::view::View;
use holdfast_jobs::JobError;
use holdfast_jobs::keys;
use holdfast_jobs::open::Context;
use holdfast_repository::keys::Role;
use std::path::Path;

pub(crate) fn run(context: &Context, key: &Key, view: &View) -> Result<Outcome, JobError> {
    match key {
        Key::Export {
            role,
            file,
            host,
            keys,
        } => {
            let role = match role.as_str() {
                "audit" => Role::Audit,
                "write" => Role::Write,
                _ => Role::Read,
            };
            export(context, role, file, host.as_deref(), keys, view)
        }
        Key::Recover {
            store,
            host,
            operator,
        } => {
            let keys = as_operator(store.as_ref(), operator, "a write key is made again from")?;
            recover(context, host.as_deref(), &keys, view)
        }
        Key::Recipients { store, unlock } => {
            operators::list(context, &of(store.as_ref(), unlock), view)
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
            operators::reseal(context, &of(store.as_ref(), unlock), view)
        }
        Key::Sheet { file, keys } => sheet::write(context, file, keys, view),
    }
}

/// Puts together what opens a store.
pub(super) fn of(store: Option<&String>, unlock: &Unlock) -> Keys {
    Keys {
        unlock: unlock.clone(),
        store: store.cloned(),
    }
}

/// Demands what an operator has, and nothing less.
fn as_operator(store: Option<&String>, operator: &Operator, what: &str) -> Result<Keys, JobError> {
    if operator.identity.is_empty() && !operator.passphrase.is_given() {
        return Err(JobError::usage(
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
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, None)?;
    let key = keys::of_role(&repository, role, host, &context.places.host)?;
    keys::write_key(file, &key)?;
    let store = super::store(context, keys, None)?;
    let words = format!("Wrote a key of role {role} to {}", file.display());
    written(view, &key, store, file, &words);
    Ok(Outcome::Done)
}

fn recover(
    context: &Context,
    host: Option<&str>,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let repository = super::open(context, keys, None)?;
    let store = super::store(context, keys, None)?;
    let path = context.key_file(store)?;
    let key = keys::of_role(&repository, Role::Write, host, &context.places.host)?;
    keys::write_key(&path, &key)?;
    let words = format!("Wrote the write key of store {store} to {}", path.display());
    written(view, &key, store, &path, &words);
    Ok(Outcome::Done)
}

/// Says which key was written where, and for whom it signs.
fn written(view: &View, key: &keys::KeyFile, store: &str, file: &Path, words: &str) {
    let host = keys::host_of(key);
    let json =
        serde_json::json!({"role": key.role, "store": store, "key-file": file, "host": host});
    view.answer(&json, |view| {
        view.say(words);
        if let Some(host) = &host {
            view.say(&format!("It signs for host {host}, and for no other"));
        }
    });
}
