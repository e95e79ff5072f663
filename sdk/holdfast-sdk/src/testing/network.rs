//! Granted endpoints and origins: what their other side says is written into the test.

use super::streams::{Reader, Sink, Writer, sized_reader};
use super::{current, not_granted};
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

    pub(crate) fn received(&self) -> Vec<u8> {
        self.received.borrow().clone()
    }
}

/// A connection.
pub struct Connection {
    endpoint: Endpoint,
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
        let content = secret(name)?;
        self.endpoint.received.borrow_mut().extend(content);
        Ok(())
    }
}

fn secret(name: &str) -> Result<Vec<u8>, Failure> {
    match current().secrets.borrow().get(name) {
        Some((content, _)) => Ok(content.clone()),
        None => Err(not_granted(&format!("secret `{name}`"))),
    }
}

struct Sending(Endpoint);

impl Sink for Sending {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.received.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn discard(self: Box<Self>, _: &str) {}
}

/// Connects to a granted endpoint.
///
/// # Errors
/// It is not granted.
pub fn connect(endpoint: &str, protection: Protection) -> Result<Connection, Failure> {
    let _ = protection;
    let state = current();
    let endpoints = state.endpoints.borrow();
    let Some(found) = endpoints.get(endpoint) else {
        return Err(not_granted(&format!("endpoint `{endpoint}`")));
    };
    Ok(Connection {
        endpoint: found.clone(),
        reader: RefCell::new(Some(sized_reader(found.sends.clone()))),
        writer: RefCell::new(Some(Writer::to(Sending(found.clone())))),
    })
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

/// What answers for an origin. It sees the content of secrets in plain header values.
pub(crate) type Origin = Rc<dyn Fn(&Request) -> Answer>;

/// Sends a request and waits for the head of the answer.
///
/// # Errors
/// The origin, or a secret of a header, is not granted.
pub fn send(request: &Request) -> Result<Response, Failure> {
    let state = current();
    let is_below = |origin: &str| {
        let rest = request.url.strip_prefix(origin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let origins = state.origins.borrow();
    let Some((_, answer)) = origins.iter().find(|(origin, _)| is_below(origin)) else {
        return Err(not_granted(&format!("the origin of `{}`", request.url)));
    };
    let mut seen = request.clone();
    for (_, value) in &mut seen.headers {
        if let HeaderValue::Secret((text, name)) = value {
            let content = secret(name)?;
            let shown = text.replace("{}", &String::from_utf8_lossy(&content));
            *value = HeaderValue::Plain(shown);
        }
    }
    let answer = answer(&seen);
    Ok(Response {
        status: answer.status,
        headers: Vec::new(),
        body: sized_reader(answer.body),
    })
}
