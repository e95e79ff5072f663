//! `key sheet`: the recovery sheet.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::view::View;
use holdfast_base::time::{Clock, SystemClock};
use holdfast_jobs::JobError;
use holdfast_jobs::keys;
use holdfast_jobs::open::Context;
use holdfast_jobs::sheet::Sheet;
use std::path::Path;

pub(super) fn write(
    context: &Context,
    file: &Path,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, JobError> {
    let store = super::store(context, keys, None)?;
    let credentials = super::credentials(context, &keys.unlock)?;
    let repository = context.open(store, &credentials)?;
    let identities = credentials.operators()?;
    let sheet = Sheet::new(&repository, store, &identities, SystemClock.now())?;
    let is_picture = file.extension().is_some_and(|ending| ending == "svg");
    let bytes = if is_picture {
        sheet.svg()?
    } else {
        sheet.text()?
    };
    keys::write_new(file, bytes.expose().as_bytes())?;
    let has_secret = sheet.has_secret();
    let json = serde_json::json!({"sheet": file, "store": store, "has-secret": has_secret});
    view.answer(&json, |view| {
        view.say(&format!("Wrote a recovery sheet to {}", file.display()));
        if has_secret {
            view.say(
                "It holds the secret: print it, keep it where you keep deeds, and remove the file.",
            );
        } else {
            view.say("Print it, and write the secret on it by hand.");
        }
    });
    Ok(Outcome::Done)
}
