//! What a command says on its standard error.
//!
//! - The end of it is kept for the error message, and how much was before it is counted.
//! - Each line is passed on once, but no flood of them: what is held back is counted and said.
//! - Nothing in it can confuse a terminal.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How much is kept.
const TAIL_BYTES: usize = 64 << 10;

/// The longest line that is passed on whole; the rest of a longer one is dropped.
const LINE_BYTES: usize = 4 << 10;

/// Lines that may come at once.
const LINES_AT_ONCE: u32 = 200;

/// Time after which one more line may come: fifty a second.
const LINE_EVERY: Duration = Duration::from_millis(20);

/// Who hears the lines. Called from another thread, and must not block for long: the command waits.
#[derive(Clone)]
pub struct OnLine(Arc<dyn Fn(&str) + Send + Sync>);

impl OnLine {
    /// Passes each line, without its end, to `hear`.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for OnLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnLine")
    }
}

/// The end of what was said.
#[derive(Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    dropped: u64,
}

impl Tail {
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > 2 * TAIL_BYTES {
            self.trim_front();
        }
    }

    fn trim_front(&mut self) {
        let excess = self.bytes.len().saturating_sub(TAIL_BYTES);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }

    pub(crate) fn take_text(&mut self) -> String {
        self.trim_front();
        let clean = clean_text(&self.bytes);
        if self.dropped == 0 {
            clean
        } else {
            format!("[{} bytes before this]\n{clean}", self.dropped)
        }
    }
}

fn clean_text(bytes: &[u8]) -> String {
    let keep = |c: &char| *c == '\n' || *c == '\t' || !c.is_control();
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(keep)
        .collect()
}

/// Cuts what is said into lines, and passes them on at a bounded rate.
pub(crate) struct Lines {
    hear: Option<OnLine>,
    line: Vec<u8>,
    left: u32,
    held_back: u64,
    counted: Instant,
}

impl Lines {
    pub(crate) fn new(hear: Option<OnLine>, now: Instant) -> Self {
        Self {
            hear,
            line: Vec::new(),
            left: LINES_AT_ONCE,
            held_back: 0,
            counted: now,
        }
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8], now: Instant) {
        if self.hear.is_none() {
            return;
        }
        let mut pieces = bytes.split(|b| *b == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if pieces.peek().is_some() {
                self.end_line(now);
            }
        }
    }

    fn end_line(&mut self, now: Instant) {
        let line = clean_text(&self.line);
        self.line.clear();
        let passed = now.saturating_duration_since(self.counted);
        let more = u32::try_from(passed.as_millis() / LINE_EVERY.as_millis()).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(LINES_AT_ONCE);
            self.counted = now;
        }
        if self.left == 0 {
            self.held_back += 1;
            return;
        }
        self.left -= 1;
        self.report_held_back();
        if let Some(OnLine(hear)) = &self.hear {
            hear(&line);
        }
    }

    fn report_held_back(&mut self) {
        if let (Some(OnLine(hear)), 1..) = (&self.hear, self.held_back) {
            hear(&format!(
                "[{} lines came too fast to be shown]",
                self.held_back
            ));
        }
        self.held_back = 0;
    }

    /// Passes on what has no line end, and says what was held back.
    pub(crate) fn finish(&mut self, now: Instant) {
        if !self.line.is_empty() {
            self.end_line(now);
        }
        self.report_held_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn heard(run: impl Fn(&mut Lines, Instant)) -> Vec<String> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&heard);
        let hear = OnLine::new(move |line| to.lock().unwrap().push(line.to_owned()));
        let now = Instant::now();
        run(&mut Lines::new(Some(hear), now), now);
        std::mem::take(&mut heard.lock().unwrap())
    }

    #[test]
    fn lines_are_whole_however_they_come_and_cannot_confuse_a_terminal() {
        let lines = heard(|lines, now| {
            for piece in ["one\ntw", "o\n\x1b[31mthr", "ee", "\n\nlast"] {
                lines.push_bytes(piece.as_bytes(), now);
            }
            lines.finish(now);
        });
        assert_eq!(lines, ["one", "two", "[31mthree", "", "last"]);
    }

    #[test]
    fn a_flood_is_held_back_and_counted_and_long_lines_are_cut() {
        let lines = heard(|lines, now| {
            lines.push_bytes("x\n".repeat(1_000).as_bytes(), now);
            lines.push_bytes(&vec![b'y'; 1 << 20], now);
            lines.push_bytes(b"\n", now + Duration::from_secs(1));
        });
        assert_eq!(lines.len(), 200 + 2);
        assert_eq!(lines[200], "[800 lines came too fast to be shown]");
        assert_eq!(lines[201].len(), LINE_BYTES);
    }

    #[test]
    fn the_tail_is_bounded_and_says_what_it_lost() {
        let mut tail = Tail::default();
        for _ in 0..1_000 {
            tail.push_bytes(&[b'a'; 1_000]);
        }
        tail.push_bytes(b"end");
        let text = tail.take_text();
        assert!(text.starts_with("[934467 bytes before this]\naaa") && text.ends_with("aend"));
    }
}
