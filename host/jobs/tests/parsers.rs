//! Whatever stands in a configuration, reading it gives a configuration or an error with a place: no
//! panic. Texts are made from a sound one by a few changes, so that they come past the first checks.

use holdfast_jobs::config::Config;
use std::path::Path;

const SOUND: &str = "\
[store.local]
url = \"file:///b\"
recipients = [\"age1x\"]
[job.orders]
source = \"command\"
store = \"local\"
tags = [\"daily\"]
compression-level = 3
timeout-minutes = 90
verify = [\"archive-check\"]
[job.orders.with]
entry = \"db.sql\"
command = [\"pg_dump\", \"-Fc\"]
password = { secret = \"env:PASSWORD\" }
[job.orders.verify-with.archive-check]
form = \"sql\"
";

/// What is put into the text: what TOML and this program make something of.
const PIECES: [&str; 16] = [
    "\"",
    "'''",
    "[",
    "]]",
    "{",
    "=",
    "\n",
    "\\u{d800}",
    "99999999999999999999",
    "-1",
    "nan",
    "é",
    "\0",
    "[job.orders]\n",
    "a.b.c = 1\n",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn changed(numbers: &mut Numbers) -> String {
    let mut text: Vec<char> = SOUND.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(text.len());
        match numbers.below(4) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..(at + 1 + numbers.below(12)).min(text.len()))),
            2 => {
                let piece: Vec<char> = PIECES[numbers.below(PIECES.len())].chars().collect();
                text.splice(at..at, piece);
            }
            _ => {
                let end = (at + numbers.below(60)).min(text.len());
                let part = text[at..end].to_vec();
                text.extend(part);
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn a_configuration_is_read_or_refused_with_its_place() {
    let path = Path::new("holdfast.toml");
    assert!(Config::parse(path, SOUND.to_owned()).is_ok());
    let mut numbers = Numbers(0x4711);
    let (mut sound, mut refused) = (0, 0);
    for _ in 0..5_000 {
        let text = changed(&mut numbers);
        match Config::parse(path, text.clone()) {
            Ok(_) => sound += 1,
            Err(error) => {
                refused += 1;
                let told = error.to_string();
                assert!(told.contains("holdfast.toml"), "{told}: {text}");
            }
        }
    }
    // Both ways were gone often enough to mean something.
    assert!(sound > 100 && refused > 1_000, "{sound} and {refused}");
}
