//! `init` and `key`.

use crate::args::{Init, Key, Keys, Unlock};
use crate::exit::Outcome;
use crate::passphrase;
use crate::view::View;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Operators};
use holdfast_repository::keys::Role;

pub(crate) fn run(context: &Context, init: &Init, view: &View) -> Result<Outcome, JobError> {
    let store = match &init.store {
        Some(store) => store.as_str(),
        None => context.config.only_store()?,
    };
    let passphrase = match &init.from {
        Some(from) => Some(passphrase::referred(from, context.environment.as_ref())?),
        None if init.ask => Some(passphrase::asked_twice(&context.cancel)?),
        None => None,
    };
    let has_passphrase = passphrase.is_some();
    let operators = Operators {
        recipients: &init.recipient,
        new_identity: init.new_identity.as_deref(),
        passphrase,
    };
    let created = context.init(store, operators)?;
    let json = serde_json::json!({
        "store": store, "place": created.place, "key-file": created.key_file, "operators": created.operators,
        "new-identity": init.new_identity,
    });
    view.answer(&json, |view| {
        view.say(&format!("Created a repository in {}", created.place));
        view.say(&format!("  write key: {} (backs up, cannot read)", created.key_file.display()));
        if let Some(path) = &init.new_identity {
            view.say(&format!("  operator's identity: {}", path.display()));
            view.say("Keep the identity off this machine, and twice: who has it and the store can restore;");
            view.say("without it nobody can.");
        }
        if has_passphrase {
            view.say("Write the passphrase down, and keep it off this machine: who has it and the store can");
            view.say("restore; without it nobody can.");
        }
    });
    Ok(Outcome::Done)
}

pub(crate) fn key(context: &Context, key: &Key, view: &View) -> Result<Outcome, JobError> {
    match key {
        Key::Export { role, file, keys } => {
            let repository = super::open(context, keys, None)?;
            let role = match role.as_str() {
                "audit" => Role::Audit,
                "write" => Role::Write,
                _ => Role::Read,
            };
            context.write_key(file, repository.key(), role)?;
            let store = super::store(context, keys, None)?;
            let json = serde_json::json!({"role": role, "store": store, "key-file": file});
            view.answer(&json, |view| {
                view.say(&format!("Wrote a key of role {role} to {}", file.display()));
            });
        }
        Key::Recover { store, operator } => {
            if operator.identity.is_empty() && !operator.passphrase.is_given() {
                return Err(JobError::usage(
                    "a write key is made again from what an operator has",
                    Some("Give --identity FILE or --passphrase"),
                ));
            }
            let unlock = Unlock {
                operator: operator.clone(),
                key: None,
            };
            let keys = Keys {
                unlock,
                store: store.clone(),
            };
            let repository = super::open(context, &keys, None)?;
            let store = super::store(context, &keys, None)?;
            let path = context.key_file(store)?;
            context.write_key(&path, repository.key(), Role::Write)?;
            let json = serde_json::json!({"role": "write", "store": store, "key-file": path});
            view.answer(&json, |view| {
                view.say(&format!(
                    "Wrote the write key of store {store} to {}",
                    path.display()
                ));
            });
        }
    }
    Ok(Outcome::Done)
}
