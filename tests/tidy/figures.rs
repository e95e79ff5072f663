//! The figures by which the whole is judged, printed and held below their bars.
//!
//! `cargo test -p holdfast-tests --test tidy -- --nocapture figures` prints them. With `TIDY_CHECKOUT=DIRECTORY` it
//! prints those of another checkout, such as an older commit, and holds nothing: so both are counted alike.
//!
//! All are about production code below `host` and `sdk` (see `checkout.rs`). Modules in circles are those at the top
//! of the crates below `host`; functions are all that have a name, declarations in traits too; lines of code hold
//! code, comment lines hold a comment and no code, and those with "where" have the word, written small, in a comment.

use crate::checkout::{Checkout, SourceFile};
use crate::{modules, reader};

/// Longest name of a function that counts as short, in letters.
const SHORT_NAME_LETTERS: usize = 5;
/// Longest function that does not count as long.
const COMMON_FUNCTION_LINES: usize = 40;

/// What may not be exceeded: each of these may only be lowered. No module may stand in a circle.
const SHORT_NAMES_PERCENT_MAX: f64 = 25.0;
const LONG_FUNCTIONS_PERCENT_MAX: f64 = 2.0;
const WHERE_LINES_MAX: usize = 60;

/// How many of all.
struct Share {
    part: usize,
    all: usize,
}

impl Share {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a checkout has no 2^52 functions"
    )]
    fn percent(&self) -> f64 {
        self.part as f64 * 100.0 / self.all as f64
    }
}

/// Lines that hold code, and lines that hold nothing but a comment.
struct Lines {
    krate: String,
    code: usize,
    comments: usize,
}

struct Figures {
    modules_in_circles: Share,
    short_names: Share,
    long_functions: Share,
    where_lines: usize,
    lines: Vec<Lines>,
}

impl Figures {
    fn count_in(checkout: &Checkout) -> Self {
        let files = checkout.all_production_sources();
        let functions: Vec<_> = files
            .iter()
            .flat_map(|file| file.source.functions())
            .collect();
        let share = |part| Share {
            part,
            all: functions.len(),
        };
        let short_names = functions
            .iter()
            .filter(|function| function.name.len() <= SHORT_NAME_LETTERS);
        let long_functions = functions
            .iter()
            .filter(|function| function.length > COMMON_FUNCTION_LINES);
        let crates = checkout.list_crates();
        Self {
            modules_in_circles: count_modules_in_circles(checkout),
            short_names: share(short_names.count()),
            long_functions: share(long_functions.count()),
            where_lines: files.iter().map(count_where_lines).sum(),
            lines: crates
                .into_iter()
                .map(|krate| Lines::count_in(krate, checkout))
                .collect(),
        }
    }

    fn describe(&self) -> String {
        let Share { part, all } = self.modules_in_circles;
        let mut rows = vec![format!(
            "modules in circles                 {part:6} of {all}"
        )];
        for (name, share) in [
            ("function names of up to 5 letters", &self.short_names),
            ("functions over 40 lines          ", &self.long_functions),
        ] {
            let Share { part, all } = share;
            rows.push(format!(
                "{name}  {:6.2} % ({part} of {all})",
                share.percent()
            ));
        }
        rows.push(format!(
            "comment lines with \"where\"         {:6}",
            self.where_lines
        ));
        rows.push(format!(
            "\n{:20} {:>8} {:>14}",
            "production code", "lines", "comment lines"
        ));
        for Lines {
            krate,
            code,
            comments,
        } in &self.lines
        {
            rows.push(format!("{krate:20} {code:8} {comments:14}"));
        }
        let code: usize = self.lines.iter().map(|lines| lines.code).sum();
        let comments: usize = self.lines.iter().map(|lines| lines.comments).sum();
        rows.push(format!("{:20} {code:8} {comments:14}", "all"));
        rows.join("\n")
    }

    fn hold_bars(&self) {
        let circles = self.modules_in_circles.part;
        assert_eq!(circles, 0, "modules stand in circles");
        let short = self.short_names.percent();
        assert!(
            short <= SHORT_NAMES_PERCENT_MAX,
            "{short:.2} % of the functions have short names"
        );
        let long = self.long_functions.percent();
        assert!(
            long <= LONG_FUNCTIONS_PERCENT_MAX,
            "{long:.2} % of the functions are long"
        );
        let lines = self.where_lines;
        assert!(
            lines <= WHERE_LINES_MAX,
            "{lines} comment lines say \"where\": most mean \"if\""
        );
    }
}

impl Lines {
    fn count_in(krate: String, checkout: &Checkout) -> Self {
        let mut lines = Self {
            krate,
            code: 0,
            comments: 0,
        };
        for file in checkout.production_sources(&lines.krate) {
            let comments = file.source.comments();
            for (code, comment) in file.source.code.lines().zip(comments.lines()) {
                lines.code += usize::from(!code.trim().is_empty());
                lines.comments += usize::from(code.trim().is_empty() && !comment.trim().is_empty());
            }
        }
        lines
    }
}

fn count_modules_in_circles(checkout: &Checkout) -> Share {
    let mut share = Share { part: 0, all: 0 };
    for krate in checkout
        .list_crates()
        .iter()
        .filter(|krate| krate.starts_with("host/"))
    {
        let krate = modules::read_crate(checkout, krate);
        let circles = modules::find_circles(&krate)
            .into_iter()
            .filter(|circle| circle.folder.is_empty());
        share.part += circles.map(|circle| circle.members.len()).sum::<usize>();
        share.all += krate.top_modules().len();
    }
    share
}

fn count_where_lines(file: &SourceFile) -> usize {
    let comments = file.source.comments();
    comments
        .lines()
        .filter(|line| !reader::find_words(line, "where").is_empty())
        .count()
}

#[test]
fn figures_stay_below_their_bars() {
    let other = std::env::var_os("TIDY_CHECKOUT");
    let checkout = other
        .clone()
        .map_or_else(Checkout::of_this_test, Checkout::at_root);
    let figures = Figures::count_in(&checkout);
    println!("{}", figures.describe());
    if other.is_none() {
        figures.hold_bars();
    }
}
