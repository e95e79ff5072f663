//! Granted endpoints and origins. The test says what their other side sends.

use super::secrets::Secrets;
use super::streams::{Reader, Sink, Writer, sized_reader};
use crate::types::Failure;
use std::cell::RefCell;
use std::rc::Rc;

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing: for loopback and Unix sockets.
    Plain,
    /// TLS with verified names from the start.
    Tls,
}

/// The other side of a connection.
#[derive(Clone)]
pub(crate) struct Endpoint {
    sends: Vec<u8>,
    received: Rc<RefCell<Vec<u8>>>,
}

impl Endpoint {
    pub(crate) fn new(sends: Vec<u8>) -> Self {
        let received = Rc::default();
        Self { sends, received }
    }

    /// Opens a connection, which may hand on these secrets.
    pub(crate) fn connect(&self, secrets: Rc<Secrets>) -> Connection {
        Connection {
            endpoint: self.clone(),
            secrets,
            reader: RefCell::new(Some(sized_reader(self.sends.clone()))),
            writer: RefCell::new(Some(Writer::with_sink(Sending(self.clone())))),
        }
    }

    pub(crate) fn received(&self) -> Vec<u8> {
        self.received.borrow().clone()
    }
}

/// A connection.
pub struct Connection {
    endpoint: Endpoint,
    secrets: Rc<Secrets>,
    reader: RefCell<Option<Reader>>,
    writer: RefCell<Option<Writer>>,
}

impl Connection {
    /// Returns the reader, once.
    #[must_use]
    pub fn take_reader(&self) -> Option<Reader> {
        self.reader.take()
    }

    /// Returns the writer, once.
    #[must_use]
    pub fn take_writer(&self) -> Option<Writer> {
        self.writer.take()
    }

    /// Turns a plain connection into a TLS one; here nothing changes.
    ///
    /// # Errors
    /// None here.
    pub fn start_tls(&self, server_name: &str) -> Result<(), Failure> {
        let _ = server_name;
        Ok(())
    }

    /// Writes the content of a granted secret; the guest does not see it.
    ///
    /// # Errors
    /// The secret is not granted.
    pub fn write_secret(&self, name: &str) -> Result<(), Failure> {
        let content = self.secrets.hand_on(name)?;
        self.endpoint.received.borrow_mut().extend(content);
        Ok(())
    }
}

struct Sending(Endpoint);

impl Sink for Sending {
    fn accept(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.received.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// A plain text.
    Plain(String),
    /// A text in which `{}` stands for the content of a granted secret.
    Secret((String, String)),
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// GET, POST, PUT …
    pub method: String,
    /// The whole URL; its origin must be granted.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, HeaderValue)>,
    /// What to send as body.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// Returns whether the URL lies below an origin.
    pub(crate) fn is_below(&self, origin: &str) -> bool {
        let rest = self.url.strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the request as the origin sees it: with the content of secrets in its headers.
    pub(crate) fn with_secrets_filled_in(&self, secrets: &Secrets) -> Result<Self, Failure> {
        let mut filled = self.clone();
        for (_, value) in &mut filled.headers {
            if let HeaderValue::Secret((text, name)) = value {
                let content = secrets.hand_on(name)?;
                let shown = text.replace("{}", &String::from_utf8_lossy(&content));
                *value = HeaderValue::Plain(shown);
            }
        }
        Ok(filled)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Reader,
}

/// What an origin answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            headers: Vec::new(),
            body: sized_reader(answer.body),
        }
    }
}

/// The function of a test that answers for an origin.
///
/// It sees the content of secrets, in plain header values.
pub(crate) type Origin = Rc<dyn Fn(&Request) -> Answer>;
