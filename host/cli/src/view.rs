//! What a person sees, and what a script reads: data on standard output, words on standard error.

use crate::args::Global;
use holdfast_repository::write::Gauge;
use holdfast_sandbox::plugin::{Finding, Severity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where and how a command speaks.
pub(crate) struct View {
    json: bool,
    quiet: bool,
    colour: bool,
}

impl View {
    pub(crate) fn new(global: &Global) -> Self {
        let colour = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self {
            json: global.json,
            quiet: global.quiet,
            colour,
        }
    }

    /// Returns whether the answer is for a script.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line of data.
    pub(crate) fn line(&self, line: &str) {
        // A reader that went away, as `head` does, is no failure.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// Writes the answer: as JSON for a script, or as lines for people.
    pub(crate) fn answer(&self, json: &serde_json::Value, lines: impl FnOnce(&Self)) {
        if self.json {
            self.line(&json.to_string())
        } else {
            lines(self)
        }
    }

    /// Writes a line that says what was done, unless it is not wanted.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet && !self.json {
            self.line(line);
        }
    }

    /// Writes words that somebody should read.
    pub(crate) fn warn(&self, words: &str) {
        let label = self.painted("warning", "33");
        let _ = writeln!(std::io::stderr().lock(), "{label}: {words}");
    }

    fn painted(&self, word: &str, code: &str) -> String {
        if self.colour {
            format!("\x1b[1;{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }

    /// Tells what went wrong, why, and what to do next.
    pub(crate) fn failure(&self, message: &str, causes: &[String], hints: &[String], code: u8) {
        if self.json {
            let value = serde_json::json!({"error": message, "causes": causes, "hints": hints, "exit-code": code});
            self.line(&value.to_string());
        }
        let mut to = std::io::stderr().lock();
        let _ = writeln!(to, "{}: {message}", self.painted("error", "31"));
        for cause in causes {
            let _ = writeln!(to, "  caused by: {cause}");
        }
        for hint in hints {
            let _ = writeln!(to, "{}: {hint}", self.painted("hint", "36"));
        }
    }

    /// Writes what a plugin found; returns whether an error was among it.
    pub(crate) fn findings(&self, subject: &str, findings: &[Finding]) -> bool {
        let mut has_error = false;
        for finding in findings {
            let word = match finding.severity {
                Severity::Info => "note",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            has_error |= finding.severity == Severity::Error;
            if !self.json {
                self.line(&format!(
                    "{subject}: {word}: {}: {}",
                    finding.subject, finding.message
                ));
                if let Some(hint) = &finding.hint {
                    self.line(&format!("  hint: {hint}"));
                }
            }
        }
        has_error
    }

    /// Shows how far a run is, on a terminal.
    pub(crate) fn watch(&self, label: &str, gauge: &Arc<Gauge>) -> Watch {
        if self.quiet || self.json || !std::io::stderr().is_terminal() {
            return Watch(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        let (shown, gauge) = (bar.clone(), Arc::clone(gauge));
        std::thread::spawn(move || {
            while !shown.is_finished() {
                let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
                let bytes = holdfast_base::size::ByteSize(read(&gauge.bytes));
                let new = holdfast_base::size::ByteSize(read(&gauge.new_bytes));
                shown.set_message(format!(
                    "{} entries, {bytes} read, {new} new",
                    read(&gauge.entries)
                ));
                shown.tick();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Watch(Some(bar))
    }
}

/// A progress bar that goes when it is dropped.
pub(crate) struct Watch(Option<ProgressBar>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
