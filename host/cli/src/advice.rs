//! Spells what an operator can do next, as words and as a command to type.
//!
//! Libraries name the step as [`Advice`]; only here it is known how a command and its flags are called.

use holdfast_base::advice::Advice;

/// Returns a step in words, with the command for it.
pub(crate) fn spell(advice: &Advice) -> String {
    match advice {
        Advice::Words(words) => words.clone(),
        // Store.
        Advice::RestoreThawed => {
            "Have what a snapshot needs thawed, and run it again when it is: `holdfast restore SNAPSHOT --target DIR \
             --thaw` asks the service, and restores nothing before all of it can be read"
                .to_owned()
        }
    }
}
