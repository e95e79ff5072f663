//! What a plugin says of itself, and the check of a job's settings against it.

use holdfast_base::nearest::closest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The custom section that holds the manifest.
pub const SECTION: &str = "holdfast:manifest";

/// The kinds of plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// Dumps and restores something.
    Source,
    /// Seals and opens streams.
    Encryptor,
    /// Judges a backup's content.
    Verifier,
    /// Tells people.
    Notifier,
}

impl PluginKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Source,
        Self::Encryptor,
        Self::Verifier,
        Self::Notifier,
    ];

    /// Returns its name, which is also the name of the interface that it exports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Encryptor => "encryptor",
            Self::Verifier => "verifier",
            Self::Notifier => "notifier",
        }
    }
}

/// What a plugin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// Version of the manifest.
    pub manifest: u32,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The contract that it was built for.
    pub contract: String,
    /// What it is.
    pub kinds: Vec<PluginKind>,
    /// Under what terms it may be used.
    pub licence: String,
    /// What it does, in one line.
    pub description: String,
    /// What a job can set.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// What it asks for.
    #[serde(default)]
    pub capabilities: Vec<Ask>,
}

/// What a job can set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setting {
    /// Its name in the job's table.
    pub name: String,
    /// What values it takes.
    pub r#type: SettingType,
    /// Whether a job must set it.
    #[serde(default)]
    pub required: bool,
    /// Its value if a job does not set it.
    #[serde(default)]
    pub default: Value,
    /// What it is for, in one line.
    pub help: String,
    /// The values that a choice has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingType {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A number of bytes with a unit.
    Size,
    /// A number of seconds, minutes, hours or days with a unit.
    Duration,
    /// An absolute path.
    Path,
    /// Absolute paths.
    Paths,
    /// Texts.
    Strings,
    /// A program and its arguments.
    Command,
    /// A reference to a secret.
    Secret,
    /// Texts by name.
    Map,
    /// One of the choices.
    Choice,
}

/// Reading, or reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A capability that a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "capability",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Ask {
    /// Directory trees that the job names in a setting.
    Trees {
        /// What for.
        access: Access,
        /// The setting.
        from_setting: String,
        /// Why, in words.
        reason: String,
    },
    /// Commands: fixed ones, or the one that the job names in a setting.
    Process {
        /// Programs by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        commands: Vec<String>,
        /// The setting.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from_setting: Option<String>,
        /// Why, in words.
        reason: String,
    },
    /// A secret that the job names in a setting.
    Secrets {
        /// The setting.
        from_setting: String,
        /// Whether the guest may see its content.
        #[serde(default)]
        reveal: bool,
        /// Why, in words.
        reason: String,
    },
    /// An endpoint that the job names in a setting.
    Net {
        /// The setting.
        from_setting: String,
        /// Why, in words.
        reason: String,
    },
    /// An origin that the job names in a setting.
    Http {
        /// The setting.
        from_setting: String,
        /// Why, in words.
        reason: String,
    },
    /// Durable values of the job.
    State {
        /// Why, in words.
        reason: String,
    },
}

/// Longest name of a plugin or a setting.
const NAME_BYTES_MAX: usize = 64;

/// Returns whether a plugin, or a setting, can be named so.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(is_letter)
}

/// Says why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("its manifest cannot be used: {problem}")]
pub struct ManifestError {
    /// What is wrong with it.
    pub problem: ManifestProblem,
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestProblem {
    /// It is no manifest.
    #[error("{0}")]
    Syntax(serde_json::Error),
    /// It is of another version.
    #[error("it has version {found}, and this host reads version 1")]
    Version {
        /// Its version.
        found: u32,
    },
    /// The plugin or a setting has a name that is none.
    #[error("`{name}` is no name")]
    Name {
        /// The name.
        name: String,
    },
    /// A capability names a setting that is not there.
    #[error("a capability names setting `{setting}`, which it has not")]
    UnknownSetting {
        /// The setting.
        setting: String,
    },
}

impl From<ManifestProblem> for ManifestError {
    fn from(problem: ManifestProblem) -> Self {
        Self { problem }
    }
}

/// Says why a job's settings do not fit the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    /// The setting.
    pub setting: String,
    /// Whether the key itself is wrong, and not its value.
    pub is_key: bool,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// It is no manifest, of another version, or contradicts itself.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestProblem::Syntax)?;
        if manifest.manifest != 1 {
            let found = manifest.manifest;
            return Err(ManifestProblem::Version { found }.into());
        }
        let names = manifest.settings.iter().map(|setting| &setting.name);
        if let Some(name) = names.chain([&manifest.name]).find(|name| !is_name(name)) {
            let name = name.clone();
            return Err(ManifestProblem::Name { name }.into());
        }
        let mut named = manifest.capabilities.iter().filter_map(Ask::from_setting);
        let is_known = |name: &str| manifest.settings.iter().any(|known| known.name == name);
        if let Some(setting) = named.find(|name| !is_known(name)) {
            let setting = setting.to_owned();
            return Err(ManifestProblem::UnknownSetting { setting }.into());
        }
        Ok(manifest)
    }

    /// Checks a job's settings and fills in what it does not set.
    ///
    /// # Errors
    /// Names the first setting that does not fit.
    pub fn settings(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, SettingError> {
        for key in given.keys() {
            if !self.settings.iter().any(|setting| setting.name == *key) {
                return Err(self.unknown(key));
            }
        }
        let mut filled = Map::new();
        for setting in &self.settings {
            let value = match given.get(&setting.name) {
                Some(value) => setting.check_value(value)?,
                None if setting.required => return Err(self.missing(setting)),
                None => setting.default.clone(),
            };
            filled.insert(setting.name.clone(), value);
        }
        Ok(filled)
    }

    fn unknown(&self, key: &str) -> SettingError {
        let names = self.settings.iter().map(|setting| setting.name.as_str());
        let suggestion = closest(key, names).map(|name| format!("Did you mean `{name}`?"));
        let known: Vec<&str> = self.settings.iter().map(|s| s.name.as_str()).collect();
        let list = format!("Plugin `{}` knows: {}", self.name, known.join(", "));
        SettingError {
            setting: key.to_owned(),
            is_key: true,
            message: format!("plugin `{}` has no setting `{key}`", self.name),
            suggestion: Some(suggestion.unwrap_or(list)),
        }
    }

    fn missing(&self, setting: &Setting) -> SettingError {
        SettingError {
            setting: setting.name.clone(),
            is_key: true,
            message: format!(
                "plugin `{}` needs setting `{}`: {}",
                self.name, setting.name, setting.help
            ),
            suggestion: None,
        }
    }
}

impl Ask {
    /// Returns the setting that names what is asked for.
    #[must_use]
    pub fn from_setting(&self) -> Option<&str> {
        match self {
            Self::Trees { from_setting, .. }
            | Self::Secrets { from_setting, .. }
            | Self::Net { from_setting, .. }
            | Self::Http { from_setting, .. } => Some(from_setting),
            Self::Process { from_setting, .. } => from_setting.as_deref(),
            Self::State { .. } => None,
        }
    }

    /// Returns why it is asked for.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Trees { reason, .. }
            | Self::Process { reason, .. }
            | Self::Secrets { reason, .. }
            | Self::Net { reason, .. }
            | Self::Http { reason, .. }
            | Self::State { reason } => reason,
        }
    }

    /// Returns what is asked for, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Trees {
                access: Access::Read,
                from_setting,
                ..
            } => {
                format!("read the directory trees named by setting `{from_setting}`")
            }
            Self::Trees {
                access: Access::Write,
                from_setting,
                ..
            } => {
                format!("read and write the directory trees named by setting `{from_setting}`")
            }
            Self::Process {
                commands,
                from_setting,
                ..
            } => match from_setting {
                Some(setting) => format!("run the command named by setting `{setting}`"),
                None => format!("run {}", commands.join(", ")),
            },
            Self::Secrets {
                from_setting,
                reveal: false,
                ..
            } => {
                format!("hand on the secret named by setting `{from_setting}`, without seeing it")
            }
            Self::Secrets {
                from_setting,
                reveal: true,
                ..
            } => {
                format!("see the secret named by setting `{from_setting}`")
            }
            Self::Net { from_setting, .. } => {
                format!("connect to the endpoint named by setting `{from_setting}`")
            }
            Self::Http { from_setting, .. } => {
                format!("send requests to the origin named by setting `{from_setting}`")
            }
            Self::State { .. } => "keep small values between runs of a job".to_owned(),
        }
    }
}

impl Setting {
    fn check_value(&self, value: &Value) -> Result<Value, SettingError> {
        let is_text = |value: &Value| value.is_string();
        let all = |check: &dyn Fn(&Value) -> bool| {
            value
                .as_array()
                .is_some_and(|values| values.iter().all(check))
        };
        let is_path = |value: &Value| value.as_str().is_some_and(|path| path.starts_with('/'));
        let fits = match self.r#type {
            SettingType::String | SettingType::Duration => is_text(value),
            SettingType::Size => value
                .as_str()
                .is_some_and(|text| text.parse::<holdfast_base::size::ByteSize>().is_ok()),
            SettingType::Integer => value.is_i64() || value.is_u64(),
            SettingType::Boolean => value.is_boolean(),
            SettingType::Path => is_path(value),
            SettingType::Paths => all(&is_path),
            SettingType::Strings => all(&is_text),
            SettingType::Command => {
                all(&is_text) && value.as_array().is_some_and(|a| !a.is_empty())
            }
            SettingType::Secret => value.get("secret").is_some_and(Value::is_string),
            SettingType::Map => value
                .as_object()
                .is_some_and(|map| map.values().all(is_text)),
            SettingType::Choice => value
                .as_str()
                .is_some_and(|text| self.choices.iter().any(|choice| choice == text)),
        };
        if !fits {
            return Err(self.type_error(value));
        }
        // The guest learns under which name a secret can be had, never its origin.
        let is_secret = self.r#type == SettingType::Secret;
        Ok(if is_secret {
            Value::String(self.name.clone())
        } else {
            value.clone()
        })
    }

    fn type_error(&self, value: &Value) -> SettingError {
        let expected = match self.r#type {
            SettingType::String => "a text".to_owned(),
            SettingType::Integer => "a whole number".to_owned(),
            SettingType::Boolean => "true or false".to_owned(),
            SettingType::Size => "a size such as \"64 MiB\"".to_owned(),
            SettingType::Duration => "a duration such as \"90d\"".to_owned(),
            SettingType::Path => "an absolute path".to_owned(),
            SettingType::Paths => "a list of absolute paths".to_owned(),
            SettingType::Strings => "a list of texts".to_owned(),
            SettingType::Command => "a program and its arguments, as a list of texts".to_owned(),
            SettingType::Secret => "a reference such as { secret = \"env:NAME\" }".to_owned(),
            SettingType::Map => "a table of texts".to_owned(),
            SettingType::Choice => format!("one of {}", self.choices.join(", ")),
        };
        let given = match self.r#type {
            // It may be the secret itself.
            SettingType::Secret => "what is written here".to_owned(),
            _ => value.to_string(),
        };
        SettingError {
            setting: self.name.clone(),
            is_key: false,
            message: format!("setting `{}` takes {expected}, not {given}", self.name),
            suggestion: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Manifest {
        let text = json!({
            "manifest": 1, "name": "files", "version": "0.1.0", "contract": "0.1.0",
            "kinds": ["source"], "licence": "Apache-2.0", "description": "trees",
            "settings": [
                {"name": "paths", "type": "paths", "required": true, "help": "what to back up"},
                {"name": "level", "type": "choice", "choices": ["low", "high"], "default": "low", "help": "how"},
                {"name": "password", "type": "secret", "help": "who"},
            ],
            "capabilities": [{"capability": "trees", "access": "read", "from-setting": "paths", "reason": "to read"}],
        });
        Manifest::decode(text.to_string().as_bytes()).unwrap()
    }

    fn settings(value: Value) -> Result<Map<String, Value>, SettingError> {
        manifest().settings(value.as_object().unwrap())
    }

    #[test]
    fn settings_are_filled_in_and_secrets_become_names() {
        let filled =
            settings(json!({"paths": ["/etc"], "password": {"secret": "env:PW"}})).unwrap();
        assert_eq!(
            Value::Object(filled),
            json!({"paths": ["/etc"], "level": "low", "password": "password"})
        );
    }

    #[test]
    fn a_mistyped_setting_gets_a_suggestion() {
        let error = settings(json!({"path": ["/etc"]})).unwrap_err();
        assert_eq!(error.message, "plugin `files` has no setting `path`");
        assert_eq!(error.suggestion.as_deref(), Some("Did you mean `paths`?"));
    }

    #[test]
    fn values_of_another_type_and_missing_settings_are_refused() {
        for (given, message) in [
            (
                json!({"paths": ["etc"]}),
                "setting `paths` takes a list of absolute paths, not [\"etc\"]",
            ),
            (
                json!({"paths": [], "level": "middle"}),
                "setting `level` takes one of low, high, not \"middle\"",
            ),
            (
                json!({"paths": [], "password": "hunter2"}),
                "setting `password` takes a reference such as { secret = \"env:NAME\" }, not what is written here",
            ),
            (
                json!({}),
                "plugin `files` needs setting `paths`: what to back up",
            ),
        ] {
            assert_eq!(settings(given).unwrap_err().message, message);
        }
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let mut value = serde_json::to_value(manifest()).unwrap();
        value["capabilities"][0]["from-setting"] = json!("pathz");
        assert!(Manifest::decode(value.to_string().as_bytes()).is_err());
        value["manifest"] = json!(2);
        assert!(Manifest::decode(value.to_string().as_bytes()).is_err());
    }
}
