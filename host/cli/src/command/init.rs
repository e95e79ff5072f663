//! `init`.

use crate::args::Init;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::context::Context;
use holdfast_jobs::init::{CreatedRepository, NewRepository, create_repository};
use holdfast_jobs::keys::Credentials;
use holdfast_jobs::open::Access;
use std::collections::BTreeMap;

pub(super) fn create(context: &Context, init: &Init, view: &View) -> Result<Outcome, Failure> {
    let store = match &init.store {
        Some(store) => store.as_str(),
        None => context.config.only_store()?,
    };
    let passphrase = super::take_new_passphrase(context, init.from.as_deref(), init.ask)?;
    let has_passphrase = passphrase.is_some();
    let same_keys_as = init.same_keys_as.as_ref().map(|other| Access {
        store: other.clone(),
        credentials: Credentials {
            identities: init.identity.clone(),
            ..Credentials::default()
        },
    });
    let wanted = NewRepository {
        recipients: &init.recipient,
        new_identity: init.new_identity.as_deref(),
        passphrase,
        same_keys_as,
    };
    let created = create_repository(context, store, wanted)?;
    let json = serde_json::json!({
        "store": store, "place": created.place, "key-file": created.key_file, "operators": created.operators,
        "new-identity": init.new_identity, "service": created.service,
    });
    view.answer(&json, |view| {
        show_created(context, init, &created, view);
        if has_passphrase {
            view.say("Write the passphrase down, and keep it off this machine: who has it and the store can");
            view.say("restore; without it nobody can.");
        }
    });
    Ok(Outcome::Done)
}

/// Shows what was made, and what has to be kept safe.
fn show_created(context: &Context, init: &Init, created: &CreatedRepository, view: &View) {
    view.say(&format!("Created a repository in {}", created.place));
    let key_file = created.key_file.display();
    view.say(&format!("  write key: {key_file} (backs up, cannot read)"));
    view.say(&format!(
        "  it signs for this host: {}",
        context.places.host
    ));
    if let Some(other) = &init.same_keys_as {
        view.say(&format!(
            "  it has the keys of store {other}: packs travel between the two as they are"
        ));
    }
    if let Some(service) = &created.service {
        show_service(service, view);
    }
    if let Some(path) = &init.new_identity {
        view.say(&format!("  operator's identity: {}", path.display()));
        view.say(
            "Keep the identity off this machine, and twice: who has it and the store can restore;",
        );
        view.say("without it nobody can.");
    }
}

/// Shows what the service was found to do, and what follows from what it does not.
fn show_service(service: &BTreeMap<String, String>, view: &View) {
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
