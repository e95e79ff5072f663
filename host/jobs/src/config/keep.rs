//! What a job's tables say of retention: `keep`, `keep-tags`, `copy-to`, and when nothing is forgotten.

use super::{Config, ConfigError, JobConfig, TAG_RULE, is_tag};
use crate::retention::calendar::Period;
use crate::retention::freeze::{BURST_LIMIT, Expectation, SHRINK_LIMIT_PERCENT};
use crate::retention::rules::{Lifetime, Policy, Rules, SAFETY_LIFETIME, SAFETY_TAG};
use holdfast_base::nearest::closest;
use jiff::tz::TimeZone;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use toml::Spanned;

/// The highest count of a rule.
const COUNT_MAX: i64 = 100_000;

/// How many snapshots of which kind are kept, and for how long.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeepConfig {
    /// The newest.
    pub last: Option<Spanned<i64>>,
    /// One of each hour.
    pub hourly: Option<Spanned<i64>>,
    /// One of each day.
    pub daily: Option<Spanned<i64>>,
    /// One of each week.
    pub weekly: Option<Spanned<i64>>,
    /// One of each month.
    pub monthly: Option<Spanned<i64>>,
    /// One of each year.
    pub yearly: Option<Spanned<i64>>,
    /// All that are younger.
    pub within: Option<Spanned<String>>,
}

/// Rules for tags.
pub type TagRules = BTreeMap<Spanned<String>, Spanned<KeepConfig>>;

/// Another store that gets a job's snapshots, and what is kept there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CopyConfig {
    /// The store.
    pub store: Spanned<String>,
    /// What is kept there; all if nothing is said.
    pub keep: Option<Spanned<KeepConfig>>,
    /// What is kept there of snapshots with these tags.
    #[serde(default)]
    pub keep_tags: TagRules,
}

impl Config {
    /// Checks what all jobs say of retention.
    pub(super) fn check_retention(&self) -> Result<(), ConfigError> {
        self.time_zone()?;
        for (name, job) in &self.body.job {
            self.own_policy(job)?;
            self.expectation_of(job)?;
            let mut seen = Vec::new();
            for copy in &job.copy_to {
                self.check_copy(name, copy, &seen)?;
                seen.push(copy.store.get_ref());
            }
        }
        Ok(())
    }

    fn check_copy(
        &self,
        name: &str,
        copy: &CopyConfig,
        seen: &[&String],
    ) -> Result<(), ConfigError> {
        let store = copy.store.get_ref();
        let wrong = |message: String, hint| Err(self.wrong(copy.store.span(), message, hint));
        if !self.body.store.contains_key(store) {
            let near = closest(store, self.stores());
            let hint = near.map(|near| format!("Did you mean `{near}`?"));
            return wrong(format!("there is no store `{store}`"), hint);
        }
        if self.store_of(name).is_ok_and(|own| own == store) {
            let message = format!("job `{name}` backs up to `{store}` already");
            return wrong(message, Some("Name another store to copy to".to_owned()));
        }
        if seen.contains(&store) {
            return wrong(format!("`{store}` is named twice"), None);
        }
        self.policy(copy.keep.as_ref(), &copy.keep_tags)?;
        Ok(())
    }

    /// Returns the time zone in which days begin and end: the configured one, or the system's.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn time_zone(&self) -> Result<TimeZone, ConfigError> {
        let Some(name) = &self.body.time_zone else {
            return Ok(TimeZone::system());
        };
        TimeZone::get(name.get_ref()).map_err(|_| {
            let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
            let near = closest(name.get_ref(), known.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("Did you mean `{near}`?"),
                None if known.is_empty() => {
                    "This machine knows no time zones: install its tzdata package".to_owned()
                }
                None => "Write a name such as \"Europe/Berlin\", or \"UTC\"".to_owned(),
            };
            let message = format!("there is no time zone `{}`", name.get_ref());
            self.wrong(name.span(), message, Some(hint))
        })
    }

    /// Returns what is kept of a job in a store, if anything is ever forgotten there: in its own, or in one
    /// that it is copied to.
    ///
    /// # Errors
    /// There is no such job.
    pub fn retention(&self, job: &str, store: &str) -> Result<Option<Policy>, ConfigError> {
        let config = self.job(job)?;
        let policy = match config
            .copy_to
            .iter()
            .find(|copy| copy.store.get_ref() == store)
        {
            Some(copy) => self.policy(copy.keep.as_ref(), &copy.keep_tags)?,
            None => self.own_policy(config)?,
        };
        Ok(policy)
    }

    /// Returns the stores that hold snapshots of a job: its own, and those that it is copied to.
    ///
    /// # Errors
    /// There is no such job, or it is not known which store is its own.
    pub fn stores_of(&self, job: &str) -> Result<Vec<&str>, ConfigError> {
        let own = self.store_of(job)?;
        let copies = self.job(job)?.copy_to.iter();
        let copies = copies.map(|copy| copy.store.get_ref().as_str());
        Ok([own].into_iter().chain(copies).collect())
    }

    /// Returns what a job expects of itself.
    ///
    /// # Errors
    /// There is no such job.
    pub fn expectation(&self, job: &str) -> Result<Expectation, ConfigError> {
        self.expectation_of(self.job(job)?)
    }

    fn expectation_of(&self, job: &JobConfig) -> Result<Expectation, ConfigError> {
        let rpo = job.rpo.as_ref().map(|rpo| self.lifetime(rpo)).transpose()?;
        let shrink = job.shrink_limit.as_ref();
        let shrink_limit_percent = match shrink {
            None => SHRINK_LIMIT_PERCENT,
            Some(words) => percent(words.get_ref()).ok_or_else(|| {
                let message = format!("`{}` is no share of a backup", words.get_ref());
                let hint = "Write \"1%\" to \"100%\": how much may be missing in the next one";
                self.wrong(words.span(), message, Some(hint.to_owned()))
            })?,
        };
        let burst_limit = match &job.burst_limit {
            None => BURST_LIMIT,
            Some(limit) => self.count("burst-limit", limit)?.get(),
        };
        Ok(Expectation {
            rpo,
            shrink_limit_percent,
            burst_limit,
        })
    }

    fn own_policy(&self, job: &JobConfig) -> Result<Option<Policy>, ConfigError> {
        self.policy(job.keep.as_ref(), &job.keep_tags)
    }

    fn policy(
        &self,
        keep: Option<&Spanned<KeepConfig>>,
        tags: &TagRules,
    ) -> Result<Option<Policy>, ConfigError> {
        if keep.is_none() && tags.is_empty() {
            return Ok(None);
        }
        let mut policy = Policy {
            keep: keep.map(|keep| self.rules(keep)).transpose()?,
            tags: BTreeMap::new(),
        };
        for (tag, rules) in tags {
            if !is_tag(tag.get_ref()) {
                return Err(self.wrong(tag.span(), TAG_RULE.to_owned(), None));
            }
            policy
                .tags
                .insert(tag.get_ref().clone(), self.rules(rules)?);
        }
        policy
            .tags
            .entry(SAFETY_TAG.to_owned())
            .or_insert_with(|| Rules {
                within: Lifetime::new(SAFETY_LIFETIME).ok(),
                ..Rules::default()
            });
        Ok(Some(policy))
    }

    fn rules(&self, keep: &Spanned<KeepConfig>) -> Result<Rules, ConfigError> {
        let table = keep.get_ref();
        let count = |rule, count: Option<&Spanned<i64>>| {
            count.map(|count| self.count(rule, count)).transpose()
        };
        let mut periods = BTreeMap::new();
        for (period, given) in [
            (Period::Hour, &table.hourly),
            (Period::Day, &table.daily),
            (Period::Week, &table.weekly),
            (Period::Month, &table.monthly),
            (Period::Year, &table.yearly),
        ] {
            if let Some(count) = count(period.rule(), given.as_ref())? {
                periods.insert(period, count);
            }
        }
        let within = table.within.as_ref();
        let rules = Rules {
            last: count("last", table.last.as_ref())?,
            periods,
            within: within.map(|within| self.lifetime(within)).transpose()?,
        };
        if rules == Rules::default() {
            let message = "this would keep nothing".to_owned();
            let hint = "Write what is kept, such as { daily = 14, weekly = 8 }, or leave it out to keep all";
            return Err(self.wrong(keep.span(), message, Some(hint.to_owned())));
        }
        Ok(rules)
    }

    fn count(&self, rule: &str, count: &Spanned<i64>) -> Result<NonZeroU32, ConfigError> {
        let number = *count.get_ref();
        let fits = (1..=COUNT_MAX).contains(&number);
        let number = u32::try_from(number).ok().and_then(NonZeroU32::new);
        number.filter(|_| fits).ok_or_else(|| {
            let message = format!("{rule} is 1 to {COUNT_MAX}, not {}", count.get_ref());
            let hint = format!("Leave {rule} out, where it is not wanted");
            self.wrong(count.span(), message, Some(hint))
        })
    }

    fn lifetime(&self, words: &Spanned<String>) -> Result<Lifetime, ConfigError> {
        Lifetime::new(words.get_ref())
            .map_err(|error| self.wrong(words.span(), error.to_string(), None))
    }
}

/// Reads `1%` to `100%`.
fn percent(words: &str) -> Option<u32> {
    let number = words.strip_suffix('%')?.trim_end();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let share: u32 = number.parse().ok()?;
    (is_number && (1..=100).contains(&share)).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_base::advice::Advice;
    use holdfast_base::error::Describe;
    use std::path::Path;

    /// Returns the first advice, which is in words; nothing if there is none.
    fn first_words(error: &ConfigError) -> String {
        match error.advice().first() {
            Some(Advice::Words(words)) => words.clone(),
            Some(step) => panic!("{step:?}"),
            None => String::new(),
        }
    }

    const STORES: &str =
        "[store.local]\nurl = \"file:///b\"\n[store.offsite]\nurl = \"file:///c\"\n";

    fn parse(head: &str, job: &str) -> Result<Config, ConfigError> {
        let text = format!("{head}{STORES}[job.a]\nsource = \"files\"\nstore = \"local\"\n{job}");
        Config::parse(Path::new("h.toml"), text)
    }

    #[test]
    fn a_job_says_what_is_kept_where() {
        let job = "keep = { last = 2, daily = 14, within = \"7d\" }\n\
            copy-to = [{ store = \"offsite\", keep = { within = \"90d\" } }]\n\
            shrink-limit = \"20%\"\nrpo = \"26h\"\nburst-limit = 100\n\
            [job.a.keep-tags]\npre-deployment = { within = \"180d\" }\n";
        let config = parse("time-zone = \"Europe/Berlin\"\n", job).unwrap();
        let own = config.retention("a", "local").unwrap().unwrap();
        assert_eq!(
            own.keep.unwrap().to_string(),
            "last = 2, daily = 14, within = 7d"
        );
        assert_eq!(own.tags["pre-deployment"].to_string(), "within = 180d");
        assert_eq!(own.tags[SAFETY_TAG].to_string(), "within = 30d");
        let copy = config.retention("a", "offsite").unwrap().unwrap();
        assert_eq!(copy.keep.unwrap().to_string(), "within = 90d");
        assert_eq!(config.stores_of("a").unwrap(), ["local", "offsite"]);
        let expects = config.expectation("a").unwrap();
        assert_eq!(
            (expects.shrink_limit_percent, expects.burst_limit),
            (20, 100)
        );
        assert_eq!(expects.rpo.unwrap().to_string(), "26h");
        let zone = config.time_zone().unwrap();
        assert_eq!(zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(
            parse("", "").unwrap().retention("a", "local").unwrap(),
            None
        );
        let set = "[job.a.keep-tags]\npre-restore = { last = 1 }\n";
        let set = parse("", set)
            .unwrap()
            .retention("a", "local")
            .unwrap()
            .unwrap();
        assert_eq!((set.keep, set.tags.len()), (None, 1));
        assert_eq!(set.tags[SAFETY_TAG].to_string(), "last = 1");
    }

    #[test]
    fn the_tiers_of_the_operator_guide_are_what_they_say() {
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operator-guide.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let block = guide
            .split("```toml\n")
            .find(|block| block.starts_with("time-zone"));
        let text = block.unwrap().split("```").next().unwrap();
        let config = Config::parse(Path::new("h.toml"), text.to_owned()).unwrap();
        let words = |job: &str, store: &str| {
            let policy = config.retention(job, store).unwrap().unwrap();
            let tags = policy
                .tags
                .iter()
                .map(|(tag, rules)| format!("{tag}: {rules}"));
            let keep = policy.keep.iter().map(ToString::to_string);
            keep.chain(tags).collect::<Vec<_>>().join("; ")
        };
        let safety = "pre-restore: within = 30d";
        let tagged = format!("pre-deployment: within = 180d; {safety}");
        for (job, store, expected) in [
            ("orders", "local", format!("within = 7d; {tagged}")),
            ("orders", "offsite", format!("within = 30d; {tagged}")),
            ("orders", "archive", format!("monthly = 12; {safety}")),
            ("etc", "local", format!("within = 90d; {safety}")),
            ("etc", "offsite", format!("within = 90d; {safety}")),
        ] {
            assert_eq!(words(job, store), expected);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table, and one line that uses it")]
    fn what_cannot_be_kept_is_refused_with_its_place_and_what_could_be() {
        for (head, job, message, hint) in [
            (
                "",
                "keep = { dayly = 3 }",
                "h.toml:8:10: unknown key `dayly`",
                "Did you mean `daily`?",
            ),
            (
                "",
                "keep = {}",
                "h.toml:8:8: this would keep nothing",
                "{ daily = 14, weekly = 8 }",
            ),
            (
                "",
                "keep = { daily = 0 }",
                "h.toml:8:18: daily is 1 to 100000, not 0",
                "Leave daily out",
            ),
            (
                "",
                "keep = { last = -3 }",
                "h.toml:8:17: last is 1 to 100000, not -3",
                "Leave last out",
            ),
            (
                "",
                "keep = { daily = 9999999999 }",
                "h.toml:8:18: daily is 1 to 100000, not 9999999999",
                "Leave",
            ),
            (
                "",
                "keep = { daily = \"3\" }",
                "h.toml:8:18: this takes no text: \"3\", expected a whole number",
                "",
            ),
            (
                "",
                "keep = { within = \"7 days\" }",
                "h.toml:8:19: `7 days` is no time to keep something",
                "",
            ),
            (
                "",
                "keep = { within = 7 }",
                "h.toml:8:19: this takes no integer `7`, expected a text",
                "",
            ),
            (
                "",
                "[job.a.keep-tags]\nx = {}",
                "h.toml:9:5: this would keep nothing",
                "",
            ),
            (
                "",
                "[job.a.keep-tags]\n\"a,b\" = { last = 1 }",
                "h.toml:9:1: a tag has 1 to 64 letters",
                "",
            ),
            (
                "",
                "copy-to = [{ store = \"ofsite\" }]",
                "h.toml:8:22: there is no store `ofsite`",
                "Did you mean `offsite`?",
            ),
            (
                "",
                "copy-to = [{ store = \"local\" }]",
                "h.toml:8:22: job `a` backs up to `local` already",
                "another",
            ),
            (
                "",
                "copy-to = [{ store = \"offsite\" }, { store = \"offsite\" }]",
                "h.toml:8:45: `offsite` is named twice",
                "",
            ),
            (
                "",
                "copy-to = [{ store = \"offsite\", keep = {} }]",
                "h.toml:8:40: this would keep nothing",
                "",
            ),
            (
                "",
                "shrink-limit = \"0%\"",
                "h.toml:8:16: `0%` is no share of a backup",
                "\"1%\" to \"100%\"",
            ),
            (
                "",
                "shrink-limit = \"half\"",
                "h.toml:8:16: `half` is no share of a backup",
                "100%",
            ),
            (
                "",
                "burst-limit = 0",
                "h.toml:8:15: burst-limit is 1 to 100000, not 0",
                "Leave",
            ),
            (
                "",
                "rpo = \"soon\"",
                "h.toml:8:7: `soon` is no time to keep something",
                "",
            ),
            (
                "time-zone = \"Europe/Berln\"\n",
                "",
                "h.toml:1:13: there is no time zone `Europe/Berln`",
                "Did you mean `Europe/Berlin`?",
            ),
        ] {
            let error = parse(head, job).map(|_| ()).unwrap_err();
            let said = error.to_string();
            assert!(said.starts_with(message), "{job}: {said}");
            let given = first_words(&error);
            assert!(given.contains(hint), "{job}: {given}");
        }
    }
}
