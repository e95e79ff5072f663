//! What is expected of notifiers: they take every event, and say so when they could not tell anybody.

use super::{Bench, Case, done, ended};
use crate::Failure;
use holdfast_sandbox::plugin::Severity;
use holdfast_sandbox::plugin::notifier::Event;
use holdfast_sandbox::{CallContext, Plugin};
use std::sync::Arc;

/// A long story.
const LONG_BYTES: usize = 1 << 20;

pub(super) fn run(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.plugin()?;
    let context = Arc::new(bench.context());
    let denied = Arc::new(bench.denied());
    bench.case("answers whether a notification would go out", || {
        done(plugin.check_notifier(&context)).map(drop)
    });
    bench.case("takes events of each severity", || {
        severities(&plugin, &context)
    });
    bench.case("takes events that are empty, long or strange", || {
        strange(&plugin, &context)
    });
    bench.case("fails in words when all is denied", || {
        ended("an event", plugin.notify(&denied, &event("title", "body")))
    });
    Ok(())
}

fn event(title: &str, body: &str) -> Event {
    Event {
        name: "backup.failed".into(),
        severity: Severity::Error,
        title: title.into(),
        body: body.into(),
        attributes: vec![("job".into(), "conformance".into())],
    }
}

fn severities(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for severity in [Severity::Info, Severity::Warning, Severity::Error] {
        let event = Event {
            severity,
            ..event("A test of holdfast", "Nothing happened.")
        };
        done(plugin.notify(context, &event))?;
    }
    Ok(())
}

fn strange(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let long = "x".repeat(LONG_BYTES);
    for (title, body) in [
        ("", ""),
        ("title", long.as_str()),
        ("\u{1b}[2J\0\n\"'<&", "\r\n.\r\n"),
    ] {
        ended("an event", plugin.notify(context, &event(title, body)))?;
    }
    Ok(())
}
