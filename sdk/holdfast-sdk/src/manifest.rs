//! The manifest: a plugin's name, settings and capabilities, written at compile time.
//!
//! The declaration is a constant. The macro that exports the plugin turns it into JSON while
//! compiling and puts it into the module. A file beside the code could say something else than the
//! code; a constant cannot. It is put together by hand, because serde does not run at compile time.

/// The contract that this SDK speaks.
pub const CONTRACT: &str = "0.1.0";
/// Largest manifest in bytes.
const ROOM: usize = 16 << 10;

/// Reading, or reading and writing.
#[derive(Clone, Copy)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Text that is put together at compile time.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; ROOM],
    length: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
        }
    }

    const fn push_str(mut self, text: &str) -> Self {
        let from = text.as_bytes();
        let mut at = 0;
        while at < from.len() {
            self.bytes[self.length] = from[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// Appends a JSON string.
    const fn quoted(self, text: &str) -> Self {
        let mut to = self.push_str("\"");
        let from = text.as_bytes();
        let mut at = 0;
        while at < from.len() {
            if from[at] == b'"' || from[at] == b'\\' {
                to = to.push_str("\\");
            }
            assert!(
                from[at] >= b' ',
                "a text of the manifest has a control character"
            );
            to.bytes[to.length] = from[at];
            to.length += 1;
            at += 1;
        }
        to.push_str("\"")
    }

    const fn append(mut self, other: &Self) -> Self {
        let mut at = 0;
        while at < other.length {
            self.bytes[self.length] = other.bytes[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Returns whether there is no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns the text's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Returns the bytes as an array. Its length must be that of the text.
    #[must_use]
    pub const fn to_array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut at = 0;
        while at < N {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }
}

/// A manifest: what a plugin is, what can be set, and what it asks for.
pub struct Manifest {
    head: Text,
    licence: Text,
    settings: Text,
    capabilities: Text,
}

impl Manifest {
    const fn new(kind: &str, name: &str, version: &str, description: &str) -> Self {
        let head = Text::new()
            .push_str("{\"manifest\":1,\"name\":")
            .quoted(name)
            .push_str(",\"version\":")
            .quoted(version)
            .push_str(",\"contract\":")
            .quoted(CONTRACT)
            .push_str(",\"kinds\":[")
            .quoted(kind)
            .push_str("],\"description\":")
            .quoted(description);
        Self {
            head,
            licence: Text::new().quoted("Apache-2.0"),
            settings: Text::new(),
            capabilities: Text::new(),
        }
    }

    /// Begins the manifest of a source.
    #[must_use]
    pub const fn source(name: &str, version: &str, description: &str) -> Self {
        Self::new("source", name, version, description)
    }

    /// Begins the manifest of an encryptor.
    #[must_use]
    pub const fn encryptor(name: &str, version: &str, description: &str) -> Self {
        Self::new("encryptor", name, version, description)
    }

    /// Begins the manifest of a verifier.
    #[must_use]
    pub const fn verifier(name: &str, version: &str, description: &str) -> Self {
        Self::new("verifier", name, version, description)
    }

    /// Begins the manifest of a notifier.
    #[must_use]
    pub const fn notifier(name: &str, version: &str, description: &str) -> Self {
        Self::new("notifier", name, version, description)
    }

    /// Sets the licence, as an SPDX expression. The default is Apache-2.0.
    #[must_use]
    pub const fn licence(mut self, licence: &str) -> Self {
        self.licence = Text::new().quoted(licence);
        self
    }

    /// Adds a setting.
    #[must_use]
    pub const fn setting(mut self, setting: Setting) -> Self {
        self.settings = separate(self.settings).append(&setting.0).push_str("}");
        self
    }

    const fn capability(mut self, body: Text, reason: &str) -> Self {
        let body = body.push_str(",\"reason\":").quoted(reason).push_str("}");
        self.capabilities = separate(self.capabilities).append(&body);
        self
    }

    /// Asks for the directory trees that a setting names.
    #[must_use]
    pub const fn trees(self, access: Access, from_setting: &str, reason: &str) -> Self {
        let access = match access {
            Access::Read => "read",
            Access::Write => "write",
        };
        let body = Text::new()
            .push_str("{\"capability\":\"trees\",\"access\":")
            .quoted(access)
            .push_str(",\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks for the command that a setting names.
    #[must_use]
    pub const fn command_from(self, from_setting: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"process\",\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks for a command by name.
    #[must_use]
    pub const fn command(self, program: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"process\",\"commands\":[")
            .quoted(program)
            .push_str("]");
        self.capability(body, reason)
    }

    /// Asks to hand on the secret that a setting names, without seeing it.
    #[must_use]
    pub const fn secret(self, from_setting: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"secrets\",\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks to see the secret that a setting names.
    #[must_use]
    pub const fn seen_secret(self, from_setting: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"secrets\",\"reveal\":true,\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks to connect to the endpoint that a setting names.
    #[must_use]
    pub const fn endpoint(self, from_setting: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"net\",\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks to send requests to the origin that a setting names.
    #[must_use]
    pub const fn origin(self, from_setting: &str, reason: &str) -> Self {
        let body = Text::new()
            .push_str("{\"capability\":\"http\",\"from-setting\":")
            .quoted(from_setting);
        self.capability(body, reason)
    }

    /// Asks for durable values of the job.
    #[must_use]
    pub const fn state(self, reason: &str) -> Self {
        self.capability(Text::new().push_str("{\"capability\":\"state\""), reason)
    }

    /// Returns the manifest as JSON.
    #[must_use]
    pub const fn to_json(&self) -> Text {
        Text::new()
            .append(&self.head)
            .push_str(",\"licence\":")
            .append(&self.licence)
            .push_str(",\"settings\":[")
            .append(&self.settings)
            .push_str("],\"capabilities\":[")
            .append(&self.capabilities)
            .push_str("]}")
    }
}

const fn separate(text: Text) -> Text {
    if text.is_empty() {
        text
    } else {
        text.push_str(",")
    }
}

/// A setting that a job can make.
pub struct Setting(Text);

impl Setting {
    const fn new(kind: &str, name: &str, help: &str) -> Self {
        let text = Text::new()
            .push_str("{\"name\":")
            .quoted(name)
            .push_str(",\"type\":")
            .quoted(kind)
            .push_str(",\"help\":")
            .quoted(help);
        Self(text)
    }

    /// A text.
    #[must_use]
    pub const fn string(name: &str, help: &str) -> Self {
        Self::new("string", name, help)
    }

    /// A whole number.
    #[must_use]
    pub const fn integer(name: &str, help: &str) -> Self {
        Self::new("integer", name, help)
    }

    /// True or false.
    #[must_use]
    pub const fn boolean(name: &str, help: &str) -> Self {
        Self::new("boolean", name, help)
    }

    /// An absolute path.
    #[must_use]
    pub const fn path(name: &str, help: &str) -> Self {
        Self::new("path", name, help)
    }

    /// Absolute paths.
    #[must_use]
    pub const fn paths(name: &str, help: &str) -> Self {
        Self::new("paths", name, help)
    }

    /// Texts.
    #[must_use]
    pub const fn strings(name: &str, help: &str) -> Self {
        Self::new("strings", name, help)
    }

    /// A program and its arguments.
    #[must_use]
    pub const fn command(name: &str, help: &str) -> Self {
        Self::new("command", name, help)
    }

    /// A reference to a secret.
    #[must_use]
    pub const fn secret(name: &str, help: &str) -> Self {
        Self::new("secret", name, help)
    }

    /// Texts by name.
    #[must_use]
    pub const fn map(name: &str, help: &str) -> Self {
        Self::new("map", name, help)
    }

    /// A number of bytes with a unit.
    #[must_use]
    pub const fn size(name: &str, help: &str) -> Self {
        Self::new("size", name, help)
    }

    /// A number of seconds, minutes, hours or days with a unit.
    #[must_use]
    pub const fn duration(name: &str, help: &str) -> Self {
        Self::new("duration", name, help)
    }

    /// One of these.
    #[must_use]
    pub const fn choice(name: &str, help: &str, choices: &[&str]) -> Self {
        let mut text = Self::new("choice", name, help).0.push_str(",\"choices\":[");
        let mut at = 0;
        while at < choices.len() {
            if at > 0 {
                text = text.push_str(",");
            }
            text = text.quoted(choices[at]);
            at += 1;
        }
        Self(text.push_str("]"))
    }

    /// Makes the setting mandatory.
    #[must_use]
    pub const fn required(self) -> Self {
        Self(self.0.push_str(",\"required\":true"))
    }

    /// Sets a text as the default.
    #[must_use]
    pub const fn default_text(self, text: &str) -> Self {
        Self(self.0.push_str(",\"default\":").quoted(text))
    }

    /// Sets true or false as the default.
    #[must_use]
    pub const fn default_flag(self, flag: bool) -> Self {
        self.default_json(if flag { "true" } else { "false" })
    }

    /// Makes an empty list the default.
    #[must_use]
    pub const fn default_empty(self) -> Self {
        self.default_json("[]")
    }

    /// Sets the default as JSON, for settings of any type.
    #[must_use]
    pub const fn default_json(self, json: &str) -> Self {
        Self(self.0.push_str(",\"default\":").push_str(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_sound_and_quoted() {
        const JSON: Text = Manifest::source("hello", "1.2.3", "says \"hi\" \\o/")
            .setting(Setting::paths("paths", "what").required())
            .setting(Setting::boolean("all", "whether").default_flag(false))
            .setting(Setting::choice("level", "how much", &["low", "high"]).default_text("low"))
            .licence("MIT")
            .trees(Access::Read, "paths", "to read")
            .state("to remember")
            .to_json();
        let bytes = JSON.to_array::<{ JSON.len() }>();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["description"], "says \"hi\" \\o/");
        assert_eq!(value["licence"], "MIT");
        assert_eq!(value["settings"][1]["default"], false);
        assert_eq!(value["settings"][2]["choices"][1], "high");
        assert_eq!(value["capabilities"][0]["from-setting"], "paths");
    }
}
