//! `init`.

use crate::args::Init;
use crate::exit::Outcome;
use crate::passphrase;
use crate::view::View;
use holdfast_jobs::JobError;
use holdfast_jobs::open::{Context, Credentials, Operators};
use std::collections::BTreeMap;

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
    let other = match &init.same_keys_as {
        Some(other) => {
            let credentials = Credentials {
                key: None,
                identities: init.identity.clone(),
                passphrase: None,
            };
            Some(context.open(other, &credentials)?)
        }
        None => None,
    };
    let operators = Operators {
        same_keys_as: other.as_ref().map(|other| other.key()),
        recipients: &init.recipient,
        new_identity: init.new_identity.as_deref(),
        passphrase,
    };
    let created = context.init(store, operators)?;
    let json = serde_json::json!({
        "store": store, "place": created.place, "key-file": created.key_file, "operators": created.operators,
        "new-identity": init.new_identity, "service": created.service,
    });
    view.answer(&json, |view| {
        view.say(&format!("Created a repository in {}", created.place));
        view.say(&format!("  write key: {} (backs up, cannot read)", created.key_file.display()));
        view.say(&format!("  it signs for this host: {}", context.places.host));
        if let Some(other) = &init.same_keys_as {
            view.say(&format!("  it has the keys of store {other}: packs travel between the two as they are"));
        }
        if let Some(service) = &created.service {
            tell_service(service, view);
        }
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

/// Says what the service was found to do, and what follows where it does not.
fn tell_service(service: &BTreeMap<String, String>, view: &View) {
    let words: Vec<String> = service
        .iter()
        .map(|(what, is)| format!("{what} {is}"))
        .collect();
    view.say(&format!("  the service: {}", words.join(", ")));
    let is = |what: &str, word: &str| service.get(what).is_some_and(|found| found == word);
    if is("conditional-create", "claimed") {
        view.warn("the service says that it creates conditionally, but in a race several won: it is treated as if it did not");
    } else if is("conditional-create", "missing") {
        view.warn("the service does not create conditionally");
    }
    if !is("conditional-create", "real") {
        view.warn("backups of several hosts are safe all the same; collection will not expire runs by itself");
    }
    if !is("strong-listing", "real") {
        view.warn("listings of the service lag behind: nothing can be collected");
    }
}
