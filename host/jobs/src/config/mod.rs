//! `holdfast.toml`: read and checked. Every error names file, line and column.

mod allow;
mod keep;
pub mod reference;
pub mod store;
mod words;

pub use allow::{
    AllowConfig, CommandConfig, CommandConfigs, Tables, allow_line, command_table, settings_line,
};
pub use keep::{CopyConfig, KeepConfig, TagRules};
pub use store::StoreConfig;

use holdfast_base::advice::{Advice, JobAdvice};
use holdfast_base::error::{Describe, Kind};
use holdfast_base::nearest::closest;
use holdfast_sandbox::grant::NarrowingError;
use holdfast_sandbox::manifest::{Manifest, SettingError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The configuration.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    text: String,
    body: Body,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Body {
    time_zone: Option<Spanned<String>>,
    #[serde(default)]
    store: BTreeMap<String, StoreConfig>,
    #[serde(default)]
    job: BTreeMap<String, JobConfig>,
}

/// The tables that a configuration is made of.
const TABLES: [&str; 3] = ["store", "job", "time-zone"];
/// The longest that a run may be allowed to take: a year.
const TIMEOUT_MINUTES_MAX: f64 = 366.0 * 24.0 * 60.0;

/// What is backed up, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct JobConfig {
    /// The plugin that makes the backup.
    pub source: Spanned<String>,
    /// The store; the only one if none is named.
    pub store: Option<Spanned<String>>,
    /// The plugins that judge a backup.
    #[serde(default)]
    pub verify: Vec<Spanned<String>>,
    /// Settings of those plugins, by name.
    #[serde(default)]
    pub verify_with: BTreeMap<Spanned<String>, Settings>,
    /// Tags of every snapshot.
    #[serde(default)]
    pub tags: Vec<Spanned<String>>,
    /// What is kept; all if nothing is said.
    pub keep: Option<Spanned<KeepConfig>>,
    /// What is kept of snapshots with these tags.
    #[serde(default)]
    pub keep_tags: TagRules,
    /// Other stores that get its snapshots, and what is kept there.
    #[serde(default)]
    pub copy_to: Vec<CopyConfig>,
    /// How old the newest snapshot may be.
    pub rpo: Option<Spanned<String>>,
    /// How much of a backup may be missing in the next one.
    pub shrink_limit: Option<Spanned<String>>,
    /// How many snapshots may come within a day.
    pub burst_limit: Option<Spanned<i64>>,
    /// How hard zstd tries: 1 to 19.
    #[serde(default = "three")]
    pub compression_level: Spanned<i32>,
    /// How long a run may take; no limit if none is set.
    pub timeout_minutes: Option<Spanned<f64>>,
    /// What the source may reach, of what it was granted.
    pub allow: Option<AllowConfig>,
    /// How the source's commands are run.
    #[serde(default)]
    pub command: CommandConfigs,
    /// What the verifiers may reach, by name.
    #[serde(default)]
    pub verify_allow: BTreeMap<Spanned<String>, AllowConfig>,
    /// How the verifiers' commands are run, by name.
    #[serde(default)]
    pub verify_command: BTreeMap<Spanned<String>, CommandConfigs>,
    /// Settings of the source.
    #[serde(default)]
    pub with: Settings,
}

/// What a tag is made of.
pub const TAG_RULE: &str = "a tag has 1 to 64 letters, none of them a comma or a control character";

/// Returns whether a word can be a tag: one that a list can show.
#[must_use]
pub fn is_tag(word: &str) -> bool {
    (1..=64).contains(&word.chars().count())
        && !word.contains(|letter: char| letter.is_control() || letter == ',')
}

/// Settings of a plugin, with their places in the file.
pub type Settings = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

fn three() -> Spanned<i32> {
    Spanned::new(0..0, 3)
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read configuration `{path}`")]
    Read {
        /// The file.
        path: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("{place}: {message}")]
    Wrong {
        /// File, line and column.
        place: String,
        /// What is wrong.
        message: String,
        /// What was probably meant.
        suggestion: Option<Box<Advice>>,
    },
    /// What was asked for is not in it.
    #[error("{path} has no {what} `{name}`")]
    Missing {
        /// The file.
        path: String,
        /// Job or store.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is there.
        suggestion: Option<String>,
    },
    /// A line allows a plugin what it was not granted.
    #[error("{place}: {error}")]
    NotGranted {
        /// File, line and column.
        place: String,
        /// What it allows.
        error: Box<NarrowingError>,
    },
    /// No job is in it.
    #[error("{path} has no job: nothing is backed up")]
    NoJob {
        /// The file.
        path: String,
    },
    /// No store is in it.
    #[error("{path} has no store")]
    NoStore {
        /// The file.
        path: String,
    },
    /// There are several stores, and none was named.
    #[error("{path} has several stores, and none was named")]
    SeveralStores {
        /// The file.
        path: String,
        /// Their names.
        names: Vec<String>,
    },
}

/// The least that a configuration is made of.
const LEAST: &str = "[store.local]\n  url = \"file:///absolute/directory\"";

impl Describe for ConfigError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Kind::Denied
            }
            _ => Kind::Usage,
        }
    }

    fn advice(&self) -> Vec<Advice> {
        let words = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                return vec![JobAdvice::WriteConfiguration { example: LEAST }.into()];
            }
            Self::Wrong { suggestion, .. } => {
                return suggestion.iter().map(|advice| (**advice).clone()).collect();
            }
            Self::Missing {
                suggestion: Some(text),
                ..
            } => text.clone(),
            Self::NotGranted { error, .. } => return vec![allow::advise_correction(error)],
            Self::NoStore { .. } => format!("Add one:\n  {LEAST}"),
            Self::NoJob { .. } => {
                "Add one: [job.NAME] with source = \"files\", and what it backs up".to_owned()
            }
            Self::SeveralStores { names, .. } => format!("Name one: {}", names.join(", ")),
            Self::Read { .. } | Self::Missing { .. } => return Vec::new(),
        };
        vec![Advice::Words(words)]
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: shown,
            source,
        })?;
        Self::parse(path, text)
    }

    /// Checks the text of a configuration.
    ///
    /// # Errors
    /// Something in it is wrong.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let refused = |error: toml::de::Error| {
            let (message, suggestion) = words::translate(error.message());
            ConfigError::Wrong {
                place: place(path, &text, error.span()),
                message,
                suggestion: suggestion.map(Box::new),
            }
        };
        // Tables that are unknown come first: what is wrong in them may follow from that.
        let tables: BTreeMap<Spanned<String>, IgnoredAny> =
            toml::from_str(&text).map_err(refused)?;
        if let Some(table) = tables
            .keys()
            .find(|t| !TABLES.contains(&t.get_ref().as_str()))
        {
            let (message, suggestion) = words::describe_unknown(table.get_ref(), &TABLES);
            return Err(ConfigError::Wrong {
                place: place(path, &text, Some(table.span())),
                message,
                suggestion: suggestion.map(Box::new),
            });
        }
        let body: Body = toml::from_str(&text).map_err(refused)?;
        let config = Self {
            path: path.to_owned(),
            text,
            body,
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.check_tables()?;
        self.check_retention()?;
        for (name, job) in &self.body.job {
            self.check_name(name)?;
            if let Some(store) = &job.store
                && !self.body.store.contains_key(store.get_ref())
            {
                let known = self.body.store.keys().map(String::as_str);
                let hint =
                    closest(store.get_ref(), known).map(|name| format!("Did you mean `{name}`?"));
                return Err(self.wrong(
                    store.span(),
                    format!("there is no store `{}`", store.get_ref()),
                    hint,
                ));
            }
            if let Some(tag) = job.tags.iter().find(|tag| !is_tag(tag.get_ref())) {
                return Err(self.wrong(tag.span(), TAG_RULE.to_owned(), None));
            }
            let level = &job.compression_level;
            if !(1..=19).contains(level.get_ref()) {
                let message = format!("compression-level is 1 to 19, not {}", level.get_ref());
                return Err(self.wrong(level.span(), message, None));
            }
            if let Some(minutes) = &job.timeout_minutes
                && !(*minutes.get_ref() > 0.0 && *minutes.get_ref() <= TIMEOUT_MINUTES_MAX)
            {
                let message = "timeout-minutes is more than 0, and a year at most".to_owned();
                let hint = "Leave it out, where a run may take as long as it takes";
                return Err(self.wrong(minutes.span(), message, Some(hint.to_owned())));
            }
        }
        for (name, store) in &self.body.store {
            self.check_name(name)?;
            store.check(self)?;
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), ConfigError> {
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if is_name && !name.is_empty() && name.len() <= 64 {
            return Ok(());
        }
        let at = self.text.find(name).map(|at| at..at + name.len());
        let message = format!("`{name}` is no name: use letters, digits, `-` and `_`");
        Err(self.wrong(at.unwrap_or(0..0), message, None))
    }

    /// Makes an error about some place; an empty span is no place in the file.
    pub(crate) fn wrong(
        &self,
        span: Range<usize>,
        message: String,
        suggestion: Option<String>,
    ) -> ConfigError {
        ConfigError::Wrong {
            place: self.place(span),
            message,
            suggestion: suggestion.map(Advice::Words).map(Box::new),
        }
    }

    /// Returns the place of something; an empty span is no place in the file.
    pub(crate) fn place(&self, span: Range<usize>) -> String {
        place(&self.path, &self.text, Some(span).filter(|s| !s.is_empty()))
    }

    /// Returns the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the names of all jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &str> {
        self.body.job.keys().map(String::as_str)
    }

    /// Returns the names of all jobs; there must be at least one.
    ///
    /// # Errors
    /// There is none.
    pub fn all_jobs(&self) -> Result<Vec<&str>, ConfigError> {
        let jobs: Vec<&str> = self.jobs().collect();
        if jobs.is_empty() {
            let path = self.path.display().to_string();
            return Err(ConfigError::NoJob { path });
        }
        Ok(jobs)
    }

    /// Returns the names of all stores.
    pub fn stores(&self) -> impl Iterator<Item = &str> {
        self.body.store.keys().map(String::as_str)
    }

    /// Returns a job.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn job(&self, name: &str) -> Result<&JobConfig, ConfigError> {
        self.body
            .job
            .get(name)
            .ok_or_else(|| self.missing("job", name, self.jobs()))
    }

    /// Returns a store.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn store(&self, name: &str) -> Result<&StoreConfig, ConfigError> {
        self.body
            .store
            .get(name)
            .ok_or_else(|| self.missing("store", name, self.stores()))
    }

    fn missing<'a>(
        &self,
        what: &'static str,
        name: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> ConfigError {
        let known: Vec<&str> = known.collect();
        let suggestion = match closest(name, known.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`?"),
            None if known.is_empty() => format!("Add a table [{what}.{name}]"),
            None => format!("There are: {}", known.join(", ")),
        };
        let path = self.path.display().to_string();
        ConfigError::Missing {
            path,
            what,
            name: name.to_owned(),
            suggestion: Some(suggestion),
        }
    }

    /// Returns the name of a job's store.
    ///
    /// # Errors
    /// The job names none and there are several, or none at all.
    pub fn store_of(&self, job: &str) -> Result<&str, ConfigError> {
        let config = self.job(job)?;
        if let Some(store) = &config.store {
            return Ok(store.get_ref());
        }
        self.only_store().map_err(|error| match error {
            ConfigError::SeveralStores { names, .. } => {
                let message = format!("job `{job}` names no store, and there are several");
                let hint = format!("Add to the job: store = \"{}\"", names.join("\" or \""));
                self.wrong(config.source.span(), message, Some(hint))
            }
            other => other,
        })
    }

    /// Returns the only store.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn only_store(&self) -> Result<&str, ConfigError> {
        let path = || self.path.display().to_string();
        let mut stores = self.body.store.keys();
        match (stores.next(), stores.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(ConfigError::NoStore { path: path() }),
            _ => Err(ConfigError::SeveralStores {
                path: path(),
                names: self.stores().map(str::to_owned).collect(),
            }),
        }
    }

    /// Checks a job's settings against a plugin, and fills in what it does not set.
    ///
    /// # Errors
    /// Names the setting that does not fit, with its place.
    pub fn settings(
        &self,
        owner: &Spanned<String>,
        given: &Settings,
        manifest: &Manifest,
    ) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
        let mut plain = serde_json::Map::new();
        for (key, value) in given {
            let json = serde_json::to_value(value.get_ref()).unwrap_or_default();
            plain.insert(key.get_ref().clone(), json);
        }
        self.check_references(given)?;
        manifest.settings(&plain).map_err(|error: SettingError| {
            let found = given
                .iter()
                .find(|(key, _)| *key.get_ref() == error.setting);
            let span = match found {
                Some((key, _)) if error.is_key => key.span(),
                Some((_, value)) => value.span(),
                None => owner.span(),
            };
            self.wrong(span, error.message, error.suggestion)
        })
    }

    /// Returns the settings that are references to secrets: their names, the references, and their places.
    pub(crate) fn references<'a>(
        &self,
        given: &'a Settings,
    ) -> impl Iterator<Item = (&'a str, &'a str, String)> {
        given.iter().filter_map(|(key, value)| {
            let reference = value.get_ref().get("secret")?.as_str()?;
            Some((key.get_ref().as_str(), reference, self.place(value.span())))
        })
    }

    /// Refuses references that nothing can be found by, without showing them: they may be secrets.
    fn check_references(&self, given: &Settings) -> Result<(), ConfigError> {
        let mut references = self.references(given);
        match references.find(|(_, reference, _)| !reference::is_reference(reference)) {
            Some((setting, _, place)) => Err(ConfigError::Wrong {
                place,
                message: format!("setting `{setting}` refers to no secret"),
                suggestion: Some(Box::new(Advice::Words(format!(
                    "A secret is named, never written down: {}",
                    reference::FORMS
                )))),
            }),
            None => Ok(()),
        }
    }
}

/// Puts a place in front of what is wrong there.
pub(crate) fn prefix_place(place: Option<&str>) -> String {
    place.map(|place| format!("{place}: ")).unwrap_or_default()
}

/// Returns the place of something: file, line and column, counted from 1.
fn place(path: &Path, text: &str, span: Option<Range<usize>>) -> String {
    let Some(span) = span else {
        return path.display().to_string();
    };
    let before = &text[..text.floor_char_boundary(span.start)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("{}:{line}:{column}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(Path::new("holdfast.toml"), text.to_owned())
    }

    const GOOD: &str = "[store.local]\nurl = \"file:///b\"\n[job.a]\nsource = \"files\"\n[job.a.with]\npaths = [\"/etc\"]\n";

    #[test]
    fn a_small_configuration_is_enough() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.store_of("a").unwrap(), "local");
        assert_eq!(*config.job("a").unwrap().compression_level.get_ref(), 3);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_place_and_a_suggestion() {
        let error = parse(&GOOD.replace("source =", "sorce =")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("holdfast.toml:4:1: unknown key `sorce`"),
            "{error}"
        );
        let suggestion = Advice::Words("Did you mean `source`?".to_owned());
        assert_eq!(error.advice(), [suggestion]);
    }

    #[test]
    fn what_does_not_fit_together_is_named_with_its_place() {
        for (from, to, expected) in [
            (
                "source = \"files\"",
                "source = \"files\"\nstore = \"locl\"",
                "holdfast.toml:5:9: there is no store `locl`",
            ),
            (
                "file:///b",
                "ftp://b",
                "holdfast.toml:2:7: `ftp://b` is no store that this version knows",
            ),
            (
                "source = \"files\"",
                "source = \"files\"\ncompression-level = 77",
                "holdfast.toml:5:21: compression-level is 1 to 19, not 77",
            ),
        ] {
            assert_eq!(
                parse(&GOOD.replace(from, to)).unwrap_err().to_string(),
                expected
            );
        }
        let error = parse(GOOD).unwrap().job("b").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "holdfast.toml has no job `b`");
    }
}
