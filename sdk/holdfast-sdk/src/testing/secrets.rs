//! Granted secrets: some a plugin may see, others it may only hand on.

use super::rules::not_granted;
use crate::types::{Failure, FailureKind};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A granted secret.
struct Secret {
    content: Vec<u8>,
    may_be_seen: bool,
}

/// The secrets of a host, by name.
#[derive(Default)]
pub(crate) struct Secrets(RefCell<BTreeMap<String, Secret>>);

impl Secrets {
    /// Grants a secret.
    pub(crate) fn add_secret(&self, name: &str, content: Vec<u8>, may_be_seen: bool) {
        let secret = Secret {
            content,
            may_be_seen,
        };
        self.0.borrow_mut().insert(name.to_owned(), secret);
    }

    /// Returns the names of all secrets, sorted.
    pub(crate) fn list_names(&self) -> Vec<String> {
        self.0.borrow().keys().cloned().collect()
    }

    /// Returns the content of a secret that the plugin may see.
    pub(crate) fn reveal(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self.0.borrow().get(name) {
            Some(secret) if !secret.may_be_seen => {
                let message = format!("secret `{name}` may be handed on, and not be seen");
                Err(Failure::new(FailureKind::Denied, message))
            }
            _ => self.hand_on(name),
        }
    }

    /// Returns the content of a secret for a double that hands it on: the plugin does not see it.
    pub(crate) fn hand_on(&self, name: &str) -> Result<Vec<u8>, Failure> {
        match self.0.borrow().get(name) {
            Some(secret) => Ok(secret.content.clone()),
            None => Err(not_granted(&format!("secret `{name}`"))),
        }
    }
}
