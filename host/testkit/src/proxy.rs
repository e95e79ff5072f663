//! A gate in front of a real service: cuts, delays, refuses, and takes things out of requests.
//!
//! It forwards each request on a connection of its own, with its headers as they were signed, and asks a
//! function of the test what is to happen to it.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failure here is a failed test"
)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is to happen to a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It passes without the headers of these names.
    Without(&'static [&'static str]),
    /// It is answered by the gate: status, code, more headers.
    Answer(u16, &'static str, &'static [(&'static str, &'static str)]),
    /// It passes, and of the answer's body only so many bytes come back.
    CutAnswer(usize),
    /// It passes, and the connection ends before the answer.
    LoseAnswer,
    /// The connection ends before it passes.
    Drop,
    /// It waits before it passes.
    Delay(Duration),
    /// It passes, and this text in the answer's body becomes another of the same length.
    Swap(String, String),
}

/// A request as the gate sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How many came before.
    pub number: usize,
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub target: String,
    /// Its headers, by lower-case name.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    /// Returns a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Decide = Arc<Mutex<Box<dyn FnMut(&Asked) -> Fate + Send>>>;

/// A gate in front of a service.
pub struct Proxy {
    /// Its address.
    pub endpoint: String,
    decide: Decide,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Proxy {
    /// Opens a gate to a service.
    pub fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = endpoint.trim_start_matches("http://").to_owned();
        let decide: Decide = Arc::new(Mutex::new(Box::new(|_| Fate::Pass)));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let numbers = Arc::new(AtomicUsize::new(0));
        let (theirs, log) = (Arc::clone(&decide), Arc::clone(&seen));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (decide, seen) = (Arc::clone(&theirs), Arc::clone(&log));
                let (upstream, numbers) = (upstream.clone(), Arc::clone(&numbers));
                std::thread::spawn(move || {
                    let gate = Gate {
                        upstream: &upstream,
                        decide: &decide,
                        seen: &seen,
                        numbers: &numbers,
                    };
                    // Whoever asked hears of it as a connection that ends.
                    let _ = gate.serve_client(client);
                });
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            decide,
            seen,
        }
    }

    /// Says from now on what happens to requests.
    pub fn decide(&self, decide: impl FnMut(&Asked) -> Fate + Send + 'static) {
        *self.decide.lock().unwrap() = Box::new(decide);
    }

    /// Returns the requests that came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    /// Forgets them, so that a long test does not keep them all.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

struct Gate<'a> {
    upstream: &'a str,
    decide: &'a Decide,
    seen: &'a Mutex<Vec<Asked>>,
    numbers: &'a AtomicUsize,
}

impl Gate<'_> {
    /// Serves one connection: a request at a time, until somebody ends it.
    fn serve_client(&self, mut client: TcpStream) -> io::Result<()> {
        while let Some((asked, body)) = self.read_request(&mut client)? {
            self.seen.lock().unwrap().push(asked.clone());
            let fate = (self.decide.lock().unwrap())(&asked);
            match fate {
                Fate::Drop => return Ok(()),
                Fate::Answer(status, code, headers) => {
                    client.write_all(&refusal(status, code, headers))?;
                    continue;
                }
                Fate::Delay(time) => std::thread::sleep(time),
                _ => {}
            }
            let without = match &fate {
                Fate::Without(names) => names,
                _ => &[][..],
            };
            let mut answer = self.forward(&asked, &body, without)?;
            match &fate {
                Fate::LoseAnswer => return Ok(()),
                Fate::CutAnswer(bytes) => {
                    let head = head_length(&answer).unwrap_or(answer.len());
                    answer.truncate(head + bytes);
                    client.write_all(&answer)?;
                    return Ok(());
                }
                Fate::Swap(from, to) => replace_bytes(&mut answer, from.as_bytes(), to.as_bytes()),
                _ => {}
            }
            client.write_all(&answer)?;
            // Answers were asked for with `Connection: close`, and say so.
            return Ok(());
        }
        Ok(())
    }

    fn read_request(&self, client: &mut TcpStream) -> io::Result<Option<(Asked, Vec<u8>)>> {
        let mut bytes = Vec::new();
        let mut piece = [0; 64 << 10];
        let head = loop {
            if let Some(head) = head_length(&bytes) {
                break head;
            }
            match client.read(&mut piece)? {
                0 => return Ok(None),
                count => bytes.extend_from_slice(&piece[..count]),
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let asked = Asked {
            number: self.numbers.fetch_add(1, Ordering::SeqCst),
            method: words.next().unwrap_or_default().to_owned(),
            target: words.next().unwrap_or_default().to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        };
        if asked.header("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length: usize = asked
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap_or(0));
        let mut body = bytes.split_off(head);
        while body.len() < length {
            match client.read(&mut piece)? {
                0 => return Ok(None),
                count => body.extend_from_slice(&piece[..count]),
            }
        }
        Ok(Some((asked, body)))
    }

    fn forward(&self, asked: &Asked, body: &[u8], without: &[&str]) -> io::Result<Vec<u8>> {
        let mut request = format!("{} {} HTTP/1.1\r\n", asked.method, asked.target);
        for (key, value) in &asked.headers {
            if !without.contains(&key.as_str()) && !["connection", "expect"].contains(&key.as_str())
            {
                request.push_str(&format!("{key}: {value}\r\n"));
            }
        }
        request.push_str("connection: close\r\n\r\n");
        let mut upstream = TcpStream::connect(self.upstream)?;
        upstream.write_all(request.as_bytes())?;
        upstream.write_all(body)?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

fn replace_bytes(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len(), "the answer keeps its length");
    let mut at = 0;
    while let Some(next) = bytes[at..]
        .windows(from.len())
        .position(|window| window == from)
    {
        bytes[at + next..at + next + to.len()].copy_from_slice(to);
        at += next + to.len();
    }
}

fn refusal(status: u16, code: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>said the gate</Message></Error>"
    );
    let mut text = format!(
        "HTTP/1.1 {status} Refused\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (key, value) in headers {
        text.push_str(&format!("{key}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}
