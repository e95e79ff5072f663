//! Rules: how many snapshots of which kind are kept, and for how long.

use super::calendar::Period;
use holdfast_base::time::Instant;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

/// The tag of snapshots that are taken before a restore overwrites something.
pub const SAFETY_TAG: &str = "pre-restore";
/// How long those are kept if no table says otherwise.
pub const SAFETY_LIFETIME: &str = "30d";
/// The longest lifetime, in years.
const YEARS_MAX: i64 = 1_000;

/// How a lifetime is written.
const FORM: &str = "write numbers with the units h, d, w, mo or y, such as 90d or 1y6mo";

/// What is kept of some snapshots. One that any rule keeps is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The newest, this many.
    pub last: Option<NonZeroU32>,
    /// The first of each of this many hours, days, weeks, months or years.
    pub periods: BTreeMap<Period, NonZeroU32>,
    /// All that are younger than this.
    pub within: Option<Lifetime>,
}

impl fmt::Display for Rules {
    /// Writes what a table says: `last = 3, daily = 14, within = 30d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.last.map(|count| format!("last = {count}"));
        let periods = self.periods.iter();
        let periods = periods.map(|(period, count)| format!("{} = {count}", period.rule()));
        let within = self.within.as_ref().map(|span| format!("within = {span}"));
        let all: Vec<String> = last.into_iter().chain(periods).chain(within).collect();
        f.write_str(&all.join(", "))
    }
}

/// What is kept of a job in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What is kept of the snapshots that have no tag with rules of its own; all if there is none.
    pub keep: Option<Rules>,
    /// What is kept of those that have one.
    pub tags: BTreeMap<String, Rules>,
}

/// How long something is kept, by the calendar: `7d`, `1y6mo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetime {
    words: String,
    hours: i64,
    days: i64,
    months: i64,
}

/// A text that is no lifetime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{words}` is no time to keep something: {detail}")]
pub struct LifetimeError {
    words: String,
    detail: &'static str,
}

impl LifetimeError {
    /// Returns what is wrong with it.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        self.detail
    }
}

impl Lifetime {
    /// Reads numbers with the units h, d, w, mo and y.
    ///
    /// # Errors
    /// The text is no such row, is nothing, or is more than a thousand years.
    pub fn new(words: &str) -> Result<Self, LifetimeError> {
        let fail = |detail| LifetimeError {
            words: words.to_owned(),
            detail,
        };
        let (hours, days, months) = sum_units(words).map_err(fail)?;
        let years = (hours / 8_766)
            .saturating_add(days / 365)
            .saturating_add(months / 12);
        match (hours, days, months) {
            (0, 0, 0) if words.is_empty() => Err(fail(FORM)),
            (0, 0, 0) => Err(fail("it is nothing")),
            _ if years > YEARS_MAX => Err(fail("it is more than a thousand years")),
            _ => Ok(Self {
                words: words.to_owned(),
                hours,
                days,
                months,
            }),
        }
    }

    /// Returns the moment that lies this long before another, by the calendar of a time zone: a day before
    /// noon is noon, whatever was done to the clocks in between.
    #[must_use]
    pub fn before(&self, moment: Instant, zone: &TimeZone) -> Instant {
        let before = || {
            let span = Span::new()
                .try_months(self.months)
                .and_then(|span| span.try_days(self.days))
                .and_then(|span| span.try_hours(self.hours));
            let from = Timestamp::from_nanosecond(moment.0.into())?.to_zoned(zone.clone());
            Ok::<i128, jiff::Error>(from.checked_sub(span?)?.timestamp().as_nanosecond())
        };
        // Before all that a calendar knows: then nothing is older.
        let nanoseconds = before().unwrap_or(i128::MIN);
        Instant(i64::try_from(nanoseconds).unwrap_or(i64::MIN))
    }

    /// Returns the moment that lies this long after another, by the calendar of a time zone; none if no
    /// clock goes so far.
    #[must_use]
    pub fn after(&self, moment: Instant, zone: &TimeZone) -> Option<Instant> {
        let span = Span::new().try_months(self.months).ok()?;
        let span = span.try_days(self.days).ok()?.try_hours(self.hours).ok()?;
        let from = Timestamp::from_nanosecond(moment.0.into()).ok()?;
        let after = from.to_zoned(zone.clone()).checked_add(span).ok()?;
        let nanoseconds = i64::try_from(after.timestamp().as_nanosecond()).ok()?;
        Some(Instant(nanoseconds))
    }

    /// Returns about how many nanoseconds it is.
    #[must_use]
    pub fn nanoseconds(&self) -> i64 {
        const HOURS_OF_A_MONTH: i64 = 365 * 24 / 12;
        let months = self.months.saturating_mul(HOURS_OF_A_MONTH);
        let days = self.days.saturating_mul(24);
        let hours = self.hours.saturating_add(days).saturating_add(months);
        hours.saturating_mul(3_600_000_000_000)
    }
}

/// Returns the hours, days and months that numbers with units come to; what is wrong if they are none.
fn sum_units(words: &str) -> Result<(i64, i64, i64), &'static str> {
    let (mut hours, mut days, mut months) = (0_i64, 0_i64, 0_i64);
    let mut rest = words;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let number: i64 = number.parse().map_err(|_| FORM)?;
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let (sum, factor) = match unit {
            "h" => (&mut hours, 1),
            "d" => (&mut days, 1),
            "w" => (&mut days, 7),
            "mo" => (&mut months, 1),
            "y" => (&mut months, 12),
            "m" | "min" => return Err("months are `mo`, and minutes are too short"),
            _ => return Err(FORM),
        };
        *sum = sum.saturating_add(number.saturating_mul(factor));
        rest = tail;
    }
    Ok((hours, days, months))
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        let timestamp: Timestamp = text.parse().unwrap();
        Instant(i64::try_from(timestamp.as_nanosecond()).unwrap())
    }

    #[test]
    fn lifetimes_count_by_the_calendar_over_clock_changes_and_leap_days() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (words, moment, before) in [
            // 26 October 2025 has 25 hours, 30 March 2025 has 23.
            ("1d", "2025-10-26T12:00+01:00", "2025-10-25T12:00+02:00"),
            ("1d", "2025-03-30T12:00+02:00", "2025-03-29T12:00+01:00"),
            ("24h", "2025-10-26T12:00+01:00", "2025-10-25T13:00+02:00"),
            ("2w", "2025-11-05T00:30+01:00", "2025-10-22T00:30+02:00"),
            ("1y", "2024-02-29T08:00+01:00", "2023-02-28T08:00+01:00"),
            ("1mo", "2025-03-31T08:00+02:00", "2025-02-28T08:00+01:00"),
            (
                "1y6mo1h",
                "2025-07-01T08:00+02:00",
                "2024-01-01T07:00+01:00",
            ),
        ] {
            let lifetime = Lifetime::new(words).unwrap();
            assert_eq!(lifetime.before(at(moment), &berlin), at(before), "{words}");
            assert_eq!(lifetime.to_string(), words);
        }
        let longest = Lifetime::new("999y").unwrap();
        assert!(longest.before(at("2025-01-01T00:00Z"), &berlin) < at("1700-01-01T00:00Z"));
    }

    #[test]
    fn what_comes_after_counts_by_the_calendar_too_as_far_as_clocks_go() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let after = |words: &str, moment: &str| {
            let lifetime = Lifetime::new(words).unwrap();
            lifetime.after(at(moment), &berlin)
        };
        let noon = "2025-10-25T12:00+02:00";
        assert_eq!(after("1d", noon), Some(at("2025-10-26T12:00+01:00")));
        assert_eq!(after("24h", noon), Some(at("2025-10-26T11:00+01:00")));
        assert_eq!(
            after("1y1mo", "2024-01-31T00:00Z"),
            Some(at("2025-02-28T00:00Z"))
        );
        assert_eq!(after("999y", noon), None);
    }

    #[test]
    fn what_is_no_lifetime_is_refused_with_what_would_be_one() {
        for (words, told) in [
            ("", "numbers with the units"),
            ("d", "numbers with the units"),
            ("7", "numbers with the units"),
            ("7 days", "numbers with the units"),
            ("-7d", "numbers with the units"),
            ("7d ", "numbers with the units"),
            ("1.5y", "numbers with the units"),
            ("99999999999999999999d", "numbers with the units"),
            ("5m", "months are `mo`"),
            ("0d", "it is nothing"),
            ("1001y", "more than a thousand years"),
            ("9223372036854775807y", "more than a thousand years"),
        ] {
            let error = Lifetime::new(words).unwrap_err().to_string();
            assert!(error.contains(told), "{words}: {error}");
        }
    }
}
