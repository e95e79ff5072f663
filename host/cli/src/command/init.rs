//! `init` and `key`.

use crate::args::{Init, Key, Keys};
use crate::exit::Outcome;
use crate::view::View;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials};
use holdfast_repository::keys::Role;

pub(crate) fn run(context: &Context, init: &Init, view: &View) -> Result<Outcome, JobError> {
    let store = match &init.store {
        Some(store) => store.as_str(),
        None => context.config.only_store()?,
    };
    let created = context.init(store, &init.recipient, init.new_identity.as_deref())?;
    let json = serde_json::json!({
        "store": store, "place": created.place, "key-file": created.key_file, "operators": created.operators,
    });
    view.answer(&json, |view| {
        view.say(&format!("Created a repository in {}", created.place));
        view.say(&format!("  write key: {} (backs up, cannot read)", created.key_file.display()));
        if let Some(path) = &init.new_identity {
            view.say(&format!("  operator's identity: {}", path.display()));
            view.say("Keep the identity off this machine, and twice: who has it and the store can restore;");
            view.say("without it nobody can.");
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
            view.say(&format!("Wrote a {role} key to {}", file.display()));
        }
        Key::Recover { store, identity } => {
            let keys = Keys {
                identity: identity.clone(),
                key: None,
                store: store.clone(),
            };
            let store = super::store(context, &keys, None)?;
            let credentials = Credentials {
                key: None,
                identities: identity.clone(),
            };
            let repository = context.open(store, &credentials)?;
            let path = context.key_file(store)?;
            context.write_key(&path, repository.key(), Role::Write)?;
            view.say(&format!(
                "Wrote the write key of store {store} to {}",
                path.display()
            ));
        }
    }
    Ok(Outcome::Done)
}
