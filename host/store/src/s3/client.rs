//! Asks the service: connections, attempts, and how long each may take.
//!
//! - The rest of the host is threads and plain calls. So a runtime of two threads lives in the store,
//!   and a caller waits on an ordinary channel: it may itself be inside another runtime.
//! - The SDK tries nothing again: whether a lost answer matters is known here only.

use super::failure::{Failure, Why};
use super::limit::{Limiter, limited};
use super::options::S3Options;
use super::retry;
use crate::abilities::Abilities;
use crate::cause::Cause;
use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, Region};
use holdfast_base::sync::Unpoisoned;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The slowest line that is waited for: a request may take this much longer for each byte in it.
const SLOWEST_BYTES_A_SECOND: u64 = 16 << 10;
/// What a service that nobody has tried yet is taken for: nothing depends on it but how often it is asked.
const ASSUMED: Abilities = Abilities::UNKNOWN;
/// How often somebody who waits looks whether the run was cancelled.
const LOOK: Duration = Duration::from_millis(100);
/// What is under way when a run is cancelled may take this long to end.
const GRACE: Duration = Duration::from_secs(5);

/// A service, and how it is asked. Clones are the same; the last one ends the threads.
#[derive(Clone)]
pub(super) struct Service {
    threads: Arc<Threads>,
    shared: Arc<Shared>,
}

/// The threads that speak with the service.
struct Threads(Option<Runtime>);

/// What requests share.
pub(super) struct Shared {
    client: OnceCell<Client>,
    pub(super) options: S3Options,
    connections: Semaphore,
    abilities: Mutex<Abilities>,
    up: Option<Arc<Limiter>>,
    down: Option<Arc<Limiter>>,
}

impl Service {
    pub(super) fn new(options: S3Options) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()?;
        let limiter = |limit: Option<u64>| limit.map(|limit| Arc::new(Limiter::new(limit)));
        Ok(Self {
            threads: Arc::new(Threads(Some(runtime))),
            shared: Arc::new(Shared {
                client: OnceCell::new(),
                abilities: Mutex::new(ASSUMED),
                connections: Semaphore::new(options.connections.max(1)),
                up: limiter(options.upload_limit),
                down: limiter(options.download_limit),
                options,
            }),
        })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets the runtime do something, and waits for it.
    pub(super) fn block_on<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let ended = || Failure::new(Cause::Broken, "the request ended without a result");
        let Some(runtime) = &self.threads.0 else {
            return Err(ended());
        };
        let (done, result) = sync_channel(1);
        let task = runtime.spawn(async move {
            // Nobody waits any more: then nobody minds.
            let _ = done.send(work.await);
        });
        let mut graced = Duration::ZERO;
        loop {
            match result.recv_timeout(LOOK) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(ended()),
                Err(RecvTimeoutError::Timeout) if self.shared.options.cancel.is_raised() => {
                    graced += LOOK;
                    if graced >= GRACE {
                        task.abort();
                        return Err(Failure::from_why(Why::Cancelled).mark_open());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever drops the store may be inside a runtime, in which an ordinary drop may not block.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Returns what the service does, as far as that is known.
    pub(super) fn abilities(&self) -> Abilities {
        *self.abilities.lock_unpoisoned()
    }

    /// Takes what was found out about the service.
    pub(super) fn assume_abilities(&self, abilities: Abilities) {
        *self.abilities.lock_unpoisoned() = abilities;
    }

    /// Tries something until it goes well, cannot, or has been tried often enough.
    ///
    /// `bytes` is how much it moves; `attempt` learns how many attempts there were before, and whether
    /// one of them may have been carried out.
    pub(super) async fn retrying<T, Work>(
        &self,
        bytes: u64,
        attempt: impl Fn(Client, bool) -> Work,
    ) -> Result<T, Failure>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        let mut number = 1;
        let mut was_open = false;
        loop {
            let failure = match self.attempt_once(bytes, was_open, &attempt).await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            was_open |= failure.is_open;
            if self.options.cancel.is_raised() {
                return Err(Failure::from_why(Why::Cancelled));
            }
            if !failure.is_passing() || number >= self.options.attempts {
                return Err(Failure {
                    is_open: was_open,
                    ..failure
                });
            }
            let wait = retry::wait_after(number, failure.wait, retry::draw_chance());
            tracing::debug!(?failure, number, ?wait, "trying again");
            self.wait_or_cancel(wait).await;
            number += 1;
        }
    }

    /// Tries something a single time, whatever comes of it. Whoever tries anew after a failure that may pass does
    /// so no sooner than the service asked.
    pub(super) async fn single<T, Work>(
        &self,
        bytes: u64,
        attempt: impl Fn(Client, bool) -> Work,
    ) -> Result<T, Failure>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        let done = self.attempt_once(bytes, false, &attempt).await;
        if let Err(failure) = &done
            && failure.is_passing()
        {
            self.wait_or_cancel(retry::wait_after(1, failure.wait, retry::draw_chance()))
                .await;
        }
        done
    }

    async fn attempt_once<T, Work>(
        &self,
        bytes: u64,
        was_open: bool,
        attempt: &impl Fn(Client, bool) -> Work,
    ) -> Result<T, Failure>
    where
        Work: Future<Output = Result<T, Failure>>,
    {
        let client = self.client().await?;
        let permit = self.connections.acquire().await;
        let allowed = self.time_allowed(bytes);
        let result = match tokio::time::timeout(allowed, attempt(client, was_open)).await {
            Ok(result) => result,
            Err(_) => {
                let words = format!("nothing was complete after {} s", allowed.as_secs());
                Err(Failure::new(Cause::TimedOut, words).mark_open())
            }
        };
        drop(permit);
        result
    }

    /// Waits, but no longer than the run goes on.
    async fn wait_or_cancel(&self, wait: Duration) {
        let mut left = wait;
        while !left.is_zero() && !self.options.cancel.is_raised() {
            let step = left.min(LOOK);
            tokio::time::sleep(step).await;
            left -= step;
        }
    }

    /// Returns how long a request may take that moves so many bytes.
    fn time_allowed(&self, bytes: u64) -> Duration {
        let limits = [self.options.upload_limit, self.options.download_limit];
        let slowest = limits
            .into_iter()
            .flatten()
            // All connections share what is allowed.
            .map(|limit| limit / (2 * self.options.connections as u64).max(1))
            .fold(SLOWEST_BYTES_A_SECOND, u64::min)
            .max(1);
        self.options.timeout + Duration::from_secs(bytes / slowest)
    }

    pub(super) async fn client(&self) -> Result<Client, Failure> {
        self.client
            .get_or_try_init(|| self.connect())
            .await
            .cloned()
    }

    /// Finds out region and credentials, and makes the client.
    async fn connect(&self) -> Result<Client, Failure> {
        let options = &self.options;
        let http = limited(self.up.clone(), self.down.clone(), CONNECT_TIMEOUT);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http);
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(held) = &options.credentials {
            let (id, secret) = (&held.access_key_id, &held.secret_access_key);
            let token = held.session_token.clone();
            loader =
                loader.credentials_provider(Credentials::new(id, secret, token, None, "holdfast"));
        }
        let loaded = loader.load().await;
        let mut builder = aws_sdk_s3::config::Builder::from(&loaded)
            .force_path_style(options.is_path_style())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .build(),
            )
            .request_checksum_calculation(
                aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired,
            )
            .response_checksum_validation(
                aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired,
            );
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if loaded.region().is_none() {
            if options.endpoint.is_none() && loaded.endpoint_url().is_none() {
                let words = "no region is set, neither in the store's table nor in the environment";
                return Err(Failure::new(Cause::Region { right: None }, words));
            }
            // Services of one's own have one region, which usually has this name.
            builder = builder.region(Region::from_static("us-east-1"));
        }
        Ok(Client::from_conf(builder.build()))
    }
}
