//! Hours, days, weeks, months and years as people in a time zone count them.
//!
//! An hour that comes twice when clocks go back is two hours. A week is ISO 8601's: it begins on Monday.

use holdfast_base::time::Instant;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A part of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Returns the rule that counts them.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// Returns the name of the one in which a moment lies; two moments lie in the same one if that is the same.
    #[must_use]
    pub fn name(self, moment: Instant, zone: &TimeZone) -> String {
        // What lies before all that a calendar knows is one period of its own.
        let Ok(timestamp) = Timestamp::from_nanosecond(moment.0.into()) else {
            return String::new();
        };
        let zoned = timestamp.to_zoned(zone.clone());
        match self {
            Self::Hour => zoned.strftime("%Y-%m-%dT%H%:z").to_string(),
            Self::Day => zoned.strftime("%Y-%m-%d").to_string(),
            Self::Week => zoned.strftime("%G-W%V").to_string(),
            Self::Month => zoned.strftime("%Y-%m").to_string(),
            Self::Year => zoned.strftime("%Y").to_string(),
        }
    }
}

/// Returns the end of a day such as `2030-12-31`, or the very moment if a time is given with its offset.
#[must_use]
pub fn end_of_day(text: &str, zone: &TimeZone) -> Option<Instant> {
    let timestamp = match text.parse::<Date>() {
        Ok(day) if !text.contains('T') => {
            let next = day.tomorrow().ok()?;
            next.to_zoned(zone.clone()).ok()?.timestamp()
        }
        _ => text.parse::<Timestamp>().ok()?,
    };
    i64::try_from(timestamp.as_nanosecond()).ok().map(Instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_where_the_next_one_begins() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let nanoseconds = |text: &str| {
            let timestamp: Timestamp = text.parse().unwrap();
            Instant(i64::try_from(timestamp.as_nanosecond()).unwrap())
        };
        for (text, moment) in [
            ("2030-12-31", "2031-01-01T00:00+01:00"),
            ("2025-10-26", "2025-10-27T00:00+01:00"),
            ("2030-12-31T12:00:00Z", "2030-12-31T12:00Z"),
            ("2030-12-31T12:00:00+01:00", "2030-12-31T11:00Z"),
        ] {
            assert_eq!(
                end_of_day(text, &berlin),
                Some(nanoseconds(moment)),
                "{text}"
            );
        }
        for text in ["", "soon", "2030-13-01", "2030-12-31T12:00", "31.12.2030"] {
            assert_eq!(end_of_day(text, &berlin), None, "{text}");
        }
    }

    fn name(period: Period, moment: &str, zone: &str) -> String {
        let timestamp: Timestamp = moment.parse().unwrap();
        let moment = Instant(i64::try_from(timestamp.as_nanosecond()).unwrap());
        period.name(moment, &TimeZone::get(zone).unwrap())
    }

    #[test]
    fn periods_are_those_of_the_zone() {
        let moment = "2025-12-31T23:30:00Z";
        for (period, zone, expected) in [
            (Period::Day, "UTC", "2025-12-31"),
            (Period::Day, "Europe/Berlin", "2026-01-01"),
            (Period::Year, "America/New_York", "2025"),
            (Period::Year, "Europe/Berlin", "2026"),
            (Period::Month, "Europe/Berlin", "2026-01"),
            (Period::Week, "UTC", "2026-W01"),
            (Period::Hour, "Europe/Berlin", "2026-01-01T00+01:00"),
            (Period::Hour, "Asia/Kolkata", "2026-01-01T05+05:30"),
        ] {
            assert_eq!(name(period, moment, zone), expected);
        }
        // The last days of December can lie in the first week of the year that follows, or in a week 53.
        assert_eq!(name(Period::Week, "2024-12-30T12:00Z", "UTC"), "2025-W01");
        assert_eq!(name(Period::Week, "2021-01-01T12:00Z", "UTC"), "2020-W53");
        assert_eq!(name(Period::Day, "2024-02-29T12:00Z", "UTC"), "2024-02-29");
    }

    #[test]
    fn the_hour_that_comes_twice_is_two_and_the_one_that_is_left_out_is_none() {
        let berlin = |moment| name(Period::Hour, moment, "Europe/Berlin");
        assert_eq!(berlin("2025-10-26T00:30Z"), "2025-10-26T02+02:00");
        assert_eq!(berlin("2025-10-26T01:30Z"), "2025-10-26T02+01:00");
        assert_eq!(berlin("2025-03-30T00:59Z"), "2025-03-30T01+01:00");
        assert_eq!(berlin("2025-03-30T01:00Z"), "2025-03-30T03+02:00");
        // Both lie in the same day, which has 25 hours.
        let day = |moment| name(Period::Day, moment, "Europe/Berlin");
        assert_eq!(day("2025-10-25T22:00Z"), day("2025-10-26T22:59Z"));
        assert_ne!(day("2025-10-26T22:59Z"), day("2025-10-26T23:00Z"));
    }
}
