//! Cases for notifiers: they take every event, and fail if the message cannot be delivered.

use super::{Bench, Case, demand_ending, demand_success};
use crate::Failure;
use holdfast_sandbox::plugin::Severity;
use holdfast_sandbox::plugin::notifier::Event;
use holdfast_sandbox::{CallContext, Plugin};
use std::sync::Arc;

/// A long story.
const LONG_BYTES: usize = 1 << 20;

pub(super) fn test_notifier(bench: &mut Bench) -> Result<(), Failure> {
    let plugin = bench.load_plugin()?;
    let context = Arc::new(bench.context());
    let denied = Arc::new(bench.denied());
    bench.try_case("answers whether a notification would go out", || {
        demand_success(plugin.check_notifier(&context)).map(drop)
    });
    bench.try_case("takes events of each severity", || {
        notify_severities(&plugin, &context)
    });
    bench.try_case("takes events that are empty, long or strange", || {
        notify_strange(&plugin, &context)
    });
    bench.try_case("fails in words when all is denied", || {
        demand_ending(
            "an event",
            plugin.notify(&denied, &make_event("title", "body")),
        )
    });
    Ok(())
}

fn make_event(title: &str, body: &str) -> Event {
    Event {
        name: "backup.failed".into(),
        severity: Severity::Error,
        title: title.into(),
        body: body.into(),
        attributes: vec![("job".into(), "conformance".into())],
    }
}

fn notify_severities(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    for severity in [Severity::Info, Severity::Warning, Severity::Error] {
        let event = Event {
            severity,
            ..make_event("A test of holdfast", "Nothing happened.")
        };
        demand_success(plugin.notify(context, &event))?;
    }
    Ok(())
}

fn notify_strange(plugin: &Plugin, context: &Arc<CallContext>) -> Case {
    let long = "x".repeat(LONG_BYTES);
    for (title, body) in [
        ("", ""),
        ("title", long.as_str()),
        ("\u{1b}[2J\0\n\"'<&", "\r\n.\r\n"),
    ] {
        demand_ending("an event", plugin.notify(context, &make_event(title, body)))?;
    }
    Ok(())
}
