//! What a person sees, and what a script reads: data on standard output, words on standard error.

use crate::args::Global;
use holdfast_base::sync::Unpoisoned;
use holdfast_jobs::model::Root;
use holdfast_jobs::model::{Finding, Severity};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::ops::ControlFlow;
use std::sync::Mutex;

/// Bytes that are gathered before they are written: a listing may have millions of lines.
const BUFFER_BYTES: usize = 64 << 10;

/// How a command shows its answer.
pub(crate) struct View {
    json: bool,
    quiet: bool,
    colour: bool,
    is_terminal: bool,
    out: Mutex<Out>,
}

/// Standard output, and how writing to it went.
struct Out {
    to: BufWriter<Stdout>,
    failure: Option<io::Error>,
}

impl Out {
    fn write(&mut self, write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut self.to).err();
        }
    }
}

/// Names a snapshot as it can be typed.
pub(crate) fn snapshot_name(root: &Root) -> String {
    format!("{}@{}", root.job, root.snapshot.short())
}

/// Returns a failure as scripts read it.
pub(crate) fn failure_json(
    message: &str,
    causes: &[String],
    hints: &[String],
    code: u8,
) -> serde_json::Value {
    serde_json::json!({"error": message, "causes": causes, "hints": hints, "exit-code": code})
}

impl View {
    pub(crate) fn new(global: &Global) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json: global.json,
            quiet: global.quiet,
            colour: is_terminal && !wants_none,
            is_terminal,
            out: Mutex::new(Out {
                to: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
                failure: None,
            }),
        }
    }

    fn lock_output(&self) -> std::sync::MutexGuard<'_, Out> {
        self.out.lock_unpoisoned()
    }

    /// Returns whether the answer is for a script.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Returns whether words go to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns whether somebody wants to know how far the work is.
    pub(crate) fn tells_progress(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Goes on as long as somebody reads: after `head`, there is no more to do.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        match self.lock_output().failure {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    /// Writes a line of data.
    pub(crate) fn line(&self, line: &str) {
        let mut out = self.lock_output();
        out.write(|to| writeln!(to, "{line}"));
    }

    /// Writes bytes of data through; returns whether anybody still reads.
    pub(crate) fn write_bytes(&self, bytes: &[u8]) -> bool {
        let mut out = self.lock_output();
        out.write(|to| to.write_all(bytes));
        out.failure.is_none()
    }

    fn flush(&self) {
        self.lock_output().write(|to| to.flush());
    }

    /// Writes what is left, and returns what went wrong with it.
    ///
    /// A reader that went away, as `head` does, is no failure.
    pub(crate) fn close(&self) -> Option<io::Error> {
        self.flush();
        let failure = self.lock_output().failure.take();
        failure.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
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
            self.flush();
        }
    }

    /// Writes words that somebody should read.
    pub(crate) fn warn(&self, words: &str) {
        self.flush();
        let label = self.painted("warning", "33");
        let _ = writeln!(std::io::stderr().lock(), "{label}: {words}");
    }

    /// Writes what went wrong if the answer says why.
    pub(crate) fn complain(&self, words: &str) {
        self.flush();
        let _ = writeln!(
            io::stderr().lock(),
            "{}: {words}",
            self.painted("error", "31")
        );
    }

    /// Writes words beside the data, unless they are not wanted.
    pub(crate) fn note(&self, words: &str) {
        if !self.quiet && !self.json {
            self.flush();
            let _ = writeln!(io::stderr().lock(), "{words}");
        }
    }

    fn painted(&self, word: &str, code: &str) -> String {
        if self.colour {
            format!("\x1b[1;{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        }
    }

    /// Writes what went wrong, why, and what to do next.
    pub(crate) fn failure(&self, message: &str, causes: &[String], hints: &[String], code: u8) {
        if self.json {
            self.line(&failure_json(message, causes, hints, code).to_string());
        }
        self.flush();
        let mut to = std::io::stderr().lock();
        let _ = writeln!(to, "{}: {message}", self.painted("error", "31"));
        for cause in causes {
            let _ = writeln!(to, "  caused by: {cause}");
        }
        drop(to);
        self.show_hints(hints);
    }

    /// Writes what to do next.
    pub(crate) fn show_hints(&self, hints: &[String]) {
        let mut to = std::io::stderr().lock();
        for hint in hints {
            let _ = writeln!(to, "{}: {hint}", self.painted("hint", "36"));
        }
    }

    /// Writes what a plugin found; returns whether an error was among it.
    pub(crate) fn show_findings(&self, subject: &str, findings: &[Finding]) -> bool {
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
}
