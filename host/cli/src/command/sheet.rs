//! `key sheet`: the recovery sheet.

use crate::args::Keys;
use crate::exit::Outcome;
use crate::fail::Failure;
use crate::view::View;
use holdfast_jobs::context::Context;
use holdfast_jobs::sheet;
use std::path::Path;

/// What is typed to restore with a configuration and an identity that were typed from the sheet.
const COMMANDS: [&str; 3] = [
    "holdfast plugin install age.wasm --config holdfast.toml",
    "holdfast list --config holdfast.toml --identity secret",
    "holdfast restore JOB --target DIR --config holdfast.toml --identity secret",
];

pub(super) fn write_sheet(
    context: &Context,
    file: &Path,
    keys: &Keys,
    view: &View,
) -> Result<Outcome, Failure> {
    let access = super::find_access(context, keys, None)?;
    let store = &access.store;
    let commands = COMMANDS.map(str::to_owned);
    let has_secret = sheet::write_sheet(context, &access, file, &commands)?;
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
