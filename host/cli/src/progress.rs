//! How far long work is: one line that is drawn anew on a terminal, and a line a minute in a log.

use crate::view::View;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a terminal is drawn anew.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// How often a log gets a line: work of less than a minute leaves none.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// What is shown while nobody knows how much there is.
const OPEN: &str = "{spinner} {prefix}  {elapsed}  {wide_msg}";
/// What is shown when it is known.
const BOUNDED: &str = "{prefix} {percent:>3}% [{bar:20}] {eta} left  {wide_msg}";

/// Work at one moment.
pub(crate) struct Moment {
    /// How much is done.
    pub(crate) done: u64,
    /// Of how much; 0 if nobody knows.
    pub(crate) total: u64,
    /// The same in words.
    pub(crate) words: String,
}

impl Moment {
    /// Describes work of which nobody knows how much there is.
    pub(crate) fn unbounded(words: String) -> Self {
        let (done, total) = (0, 0);
        Self { done, total, words }
    }
}

/// Shows how far some work is until this is dropped.
pub(crate) struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Shows how far some work is, as long as the answer lives.
pub(crate) fn watch_work(
    view: &View,
    label: &str,
    look: impl Fn() -> Moment + Send + 'static,
) -> Watch {
    if !view.tells_progress() {
        return Watch {
            end: None,
            thread: None,
        };
    }
    if view.is_terminal() {
        let mut line = Line::new(label);
        // Once at once: work that is done in a moment was seen all the same.
        line.draw(look());
        return repeat_every(DRAW_EVERY, move || line.draw(look()));
    }
    let label = label.to_owned();
    repeat_every(LOG_EVERY, move || {
        let _ = writeln!(
            std::io::stderr().lock(),
            "{}",
            describe_moment(&label, &look())
        );
    })
}

/// Does something again and again, in a thread that ends with the answer.
fn repeat_every(interval: Duration, mut work: impl FnMut() + Send + 'static) -> Watch {
    let (end, ended) = channel();
    let thread = std::thread::spawn(move || {
        while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            work();
        }
    });
    Watch {
        end: Some(end),
        thread: Some(thread),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Describes how far the work is, for a log.
fn describe_moment(label: &str, moment: &Moment) -> String {
    let Moment { done, total, words } = moment;
    match done.min(total).saturating_mul(100).checked_div(*total) {
        Some(percent) => format!("{label}: {percent} %, {words}"),
        None => format!("{label}: {words}"),
    }
}

/// The line on a terminal.
struct Line {
    bar: ProgressBar,
    is_bounded: bool,
}

impl Line {
    fn new(label: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        set_style(&bar, OPEN);
        bar.set_prefix(label.to_owned());
        Self {
            bar,
            is_bounded: false,
        }
    }

    fn draw(&mut self, moment: Moment) {
        if moment.total > 0 {
            if !self.is_bounded {
                set_style(&self.bar, BOUNDED);
                self.is_bounded = true;
            }
            self.bar.set_length(moment.total);
            self.bar.set_position(moment.done.min(moment.total));
        }
        self.bar.set_message(moment.words);
        self.bar.tick();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gets_percent_where_the_end_is_known() {
        let moment = |done, total| Moment {
            done,
            total,
            words: "3 entries".to_owned(),
        };
        assert_eq!(describe_moment("etc", &moment(5, 0)), "etc: 3 entries");
        assert_eq!(
            describe_moment("etc", &moment(1, 3)),
            "etc: 33 %, 3 entries"
        );
        // What grew while it was read is not more than all of it.
        assert_eq!(
            describe_moment("etc", &moment(9, 3)),
            "etc: 100 %, 3 entries"
        );
    }

    #[test]
    fn lines_come_again_until_the_work_ends_and_none_after() {
        let (to, from) = channel();
        let watch = repeat_every(Duration::from_millis(1), move || {
            let _ = to.send(());
        });
        assert_eq!(from.iter().take(3).count(), 3);
        drop(watch);
        // The sender went with the thread: this ends.
        while from.recv().is_ok() {}
    }
}
