//! Connections whose bytes are counted, and held back if a limit is set.
//!
//! The limit acts on the bytes themselves, below signing and above the socket: so it holds for every
//! request, and a body is held back in small pieces and not in bursts.

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, SharedHttpClient};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use holdfast_base::sync::Unpoisoned;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Pieces in which a limited body goes out.
const PIECE: usize = 64 << 10;
/// So much may pass at once after a pause.
const BURST: Duration = Duration::from_millis(250);

/// Shares so many bytes a second among all who ask.
pub(super) struct Limiter {
    bytes_a_second: u64,
    /// When the next byte may pass.
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(super) fn new(bytes_a_second: u64) -> Self {
        Self {
            bytes_a_second: bytes_a_second.max(1),
            next: Mutex::new(None),
        }
    }

    /// Takes a place for so many bytes; returns when they may pass.
    fn reserve(&self, bytes: usize, now: Instant) -> Instant {
        let mut next = self.next.lock_unpoisoned();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let at = next.unwrap_or(earliest).max(earliest);
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_a_second as f64);
        *next = Some(at + takes);
        at + takes
    }
}

/// Returns a client whose connections keep to the limits.
pub(super) fn limited(
    up: Option<Arc<Limiter>>,
    down: Option<Arc<Limiter>>,
    connect_timeout: Duration,
) -> SharedHttpClient {
    SharedHttpClient::new(LimitedClient {
        up,
        down,
        connect_timeout,
        connector: OnceLock::new(),
    })
}

struct Limited {
    up: Option<Arc<Limiter>>,
    down: Option<Arc<Limiter>>,
    connector: Connector,
}

struct LimitedClient {
    up: Option<Arc<Limiter>>,
    down: Option<Arc<Limiter>>,
    connect_timeout: Duration,
    connector: OnceLock<SharedHttpConnector>,
}

impl HttpClient for LimitedClient {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let make = || {
            let settings = HttpConnectorSettings::builder()
                .connect_timeout(self.connect_timeout)
                .build();
            let connector = Connector::builder()
                .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
                .proxy_config(ProxyConfig::from_env())
                .connector_settings(settings)
                .sleep_impl(TokioSleep::new())
                .build();
            SharedHttpConnector::new(Limited {
                up: self.up.clone(),
                down: self.down.clone(),
                connector,
            })
        };
        self.connector.get_or_init(make).clone()
    }
}

impl std::fmt::Debug for LimitedClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LimitedClient")
    }
}

impl std::fmt::Debug for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limited")
    }
}

impl HttpConnector for Limited {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some(up) = &self.up {
            let body = request.take_body();
            *request.body_mut() = held_back(body, up);
        }
        let answer = self.connector.call(request);
        let Some(down) = self.down.clone() else {
            return answer;
        };
        HttpConnectorFuture::new(async move {
            let mut response: HttpResponse = answer.await?;
            let body = response.take_body();
            *response.body_mut() = held_back(body, &down);
            Ok(response)
        })
    }
}

fn held_back(body: SdkBody, limiter: &Arc<Limiter>) -> SdkBody {
    SdkBody::from_body_1_x(HeldBack {
        body,
        limiter: Arc::clone(limiter),
        piece: None,
        wait: None,
    })
}

/// A body that passes piece by piece.
struct HeldBack {
    body: SdkBody,
    limiter: Arc<Limiter>,
    /// What came and has not passed yet.
    piece: Option<bytes::Bytes>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for HeldBack {
    type Data = bytes::Bytes;
    type Error = aws_sdk_s3::error::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if this.piece.is_none() {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => this.piece = Some(data),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let Some(piece) = &mut this.piece else {
            return Poll::Ready(None);
        };
        let length = piece.len().min(PIECE);
        let wait = this.wait.get_or_insert_with(|| {
            let at = this.limiter.reserve(length, Instant::now());
            Box::pin(tokio::time::sleep_until(at))
        });
        ready!(wait.as_mut().poll(context));
        this.wait = None;
        let passes = piece.split_to(length);
        if piece.is_empty() {
            this.piece = None;
        }
        Poll::Ready(Some(Ok(Frame::data(passes))))
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.piece.as_ref().map_or(0, |piece| piece.len() as u64);
        match self.body.content_length() {
            Some(length) => SizeHint::with_exact(length + held),
            None => SizeHint::new(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_no_faster_than_allowed_whoever_asks() {
        let limiter = Limiter::new(1000);
        let start = Instant::now() + Duration::from_secs(1);
        let last = (0..10).map(|_| limiter.reserve(1000, start)).max().unwrap();
        let took = last - start;
        assert!(
            took >= Duration::from_secs(9) && took <= Duration::from_secs(10),
            "{took:?}"
        );
    }

    #[test]
    fn a_pause_does_not_save_up_for_a_flood() {
        let limiter = Limiter::new(1000);
        let start = Instant::now() + Duration::from_secs(1);
        limiter.reserve(10, start);
        let later = start + Duration::from_secs(3600);
        assert!(limiter.reserve(1000, later) >= later + Duration::from_millis(700));
    }
}
