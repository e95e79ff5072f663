//! Why one request failed: from what the SDK says to what we do about it.

use crate::cause::{Answer, Cause};
use crate::{Name, StoreError};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use holdfast_base::error::error_chain;
use std::error::Error;
use std::time::Duration;

/// Why one request failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: Why,
    /// What the service answered.
    pub(super) answer: String,
    /// How long it asked us to wait.
    pub(super) wait: Option<Duration>,
    /// Whether the request may have been carried out all the same.
    pub(super) is_open: bool,
}

/// What it comes down to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The object is not there.
    Absent,
    /// The object is there already.
    Exists,
    /// The object ends before the range.
    Short,
    /// A multipart upload is no longer there.
    NoUpload,
    /// Somebody else creates the object at this moment.
    Contended,
    /// The object was asked to be thawed before.
    Thawing,
    /// The object needs no thawing.
    Warm,
    /// The run was cancelled.
    Cancelled,
    /// Anything that a person should hear of.
    Cause(Cause),
}

impl Failure {
    pub(super) fn new(cause: Cause, answer: impl Into<String>) -> Self {
        Self {
            why: Why::Cause(cause),
            answer: answer.into(),
            wait: None,
            is_open: false,
        }
    }

    pub(super) fn from_why(why: Why) -> Self {
        Self {
            why,
            answer: String::new(),
            wait: None,
            is_open: false,
        }
    }

    /// Says that the request may have been carried out, though its answer was lost.
    pub(super) fn mark_open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Reads what the SDK says.
    pub(super) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let Some(response) = error.raw_response() else {
            return without_answer(&error);
        };
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let wait = header("retry-after").and_then(|text| text.trim().parse().ok());
        let region = header("x-amz-bucket-region");
        let request = header("x-amz-request-id");
        let service = error.as_service_error();
        let code = service.and_then(|e| e.meta().code()).unwrap_or_default();
        let message = service.and_then(|e| e.meta().message()).unwrap_or_default();
        let mut answer = format!("it answered {status}");
        for (before, part) in [(" ", code), (": ", message)] {
            if !part.is_empty() {
                answer.push_str(before);
                answer.push_str(part);
            }
        }
        if let Some(request) = request {
            answer.push_str(&format!(" (request {request})"));
        }
        let region = region.or_else(|| region_in(message));
        let why = match service {
            // An answer that is no answer of S3: a half one, or a gate on the way.
            None if status < 300 => Why::Cause(Cause::Broken),
            _ => classify_code(status, code, message, region),
        };
        Self {
            is_open: !(300..500).contains(&status),
            why,
            answer,
            wait: wait.map(Duration::from_secs),
        }
    }

    /// Returns whether the same request may go well a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match &self.why {
            Why::Contended => true,
            Why::Cause(cause) => cause.is_passing(),
            Why::Absent
            | Why::Exists
            | Why::Short
            | Why::NoUpload
            | Why::Thawing
            | Why::Warm
            | Why::Cancelled => false,
        }
    }

    /// Returns whether the line failed, and so nothing is known of what the service would say.
    pub(super) fn is_of_the_line(&self) -> bool {
        matches!(
            self.why,
            Why::Cause(
                Cause::Unreachable | Cause::TimedOut | Cause::Throttled | Cause::Unavailable
            )
        )
    }

    /// Makes an error of it that names the action, the object and the place.
    pub(super) fn into_error(self, action: &str, name: Option<&Name>, place: &str) -> StoreError {
        let place = place.to_owned();
        let cause = match (self.why, name) {
            (Why::Absent, Some(name)) => {
                return StoreError::Absent {
                    name: name.clone(),
                    place,
                };
            }
            (Why::Cancelled, _) => return StoreError::Cancelled { place },
            (Why::Cause(cause), _) => cause,
            (Why::Contended | Why::NoUpload, _) => Cause::Unavailable,
            (Why::Thawing, _) => Cause::Cold,
            (Why::Absent | Why::Exists | Why::Short | Why::Warm, _) => Cause::Refused,
        };
        StoreError::Service {
            action: action.to_owned(),
            place,
            source: Box::new(Answer {
                cause,
                words: self.answer,
            }),
        }
    }
}

/// A request that nobody answered.
fn without_answer<E>(error: &SdkError<E, HttpResponse>) -> Failure
where
    E: Error + Send + Sync + 'static,
{
    let words = innermost(error);
    let cause = match error {
        SdkError::TimeoutError(_) => Cause::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Cause::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_io() => {
            // Once it had begun, it is another matter than nobody being there.
            if is_connecting(error) {
                Cause::Unreachable
            } else {
                Cause::Broken
            }
        }
        SdkError::DispatchFailure(_) if names_credentials(error) => Cause::NoCredentials,
        SdkError::DispatchFailure(_) => Cause::Broken,
        _ => Cause::Settings,
    };
    let is_open = !matches!(
        cause,
        Cause::Settings | Cause::Unreachable | Cause::NoCredentials
    );
    Failure {
        is_open,
        ..Failure::new(cause, words)
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in error_chain(error).skip(1) {
        let next = error.to_string();
        if words.last() != Some(&next) {
            words.push(next);
        }
    }
    words.join(": ")
}

fn is_connecting(error: &(dyn Error + 'static)) -> bool {
    error_chain(error).any(|error| {
        let words = error.to_string();
        words.contains("dns error")
            || words.contains("tcp connect error")
            || words.contains("client error (Connect)")
    })
}

fn names_credentials(error: &(dyn Error + 'static)) -> bool {
    error_chain(error).any(|error| {
        let words = error.to_string();
        words.contains("credentials") || words.contains("identity")
    })
}

/// Some services say it in words only: "… expecting 'eu-west-1'".
fn region_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    let (region, _) = rest.split_once('\'')?;
    Some(region.to_owned())
}

/// What a status and a code come down to.
fn classify_code(status: u16, code: &str, message: &str, region: Option<String>) -> Why {
    let cause = match code {
        "NoSuchKey" => return Why::Absent,
        "NoSuchUpload" => return Why::NoUpload,
        "PreconditionFailed" => return Why::Exists,
        "InvalidRange" => return Why::Short,
        "ConditionalRequestConflict" | "OperationAborted" => return Why::Contended,
        "RestoreAlreadyInProgress" => return Why::Thawing,
        "ObjectAlreadyInActiveTierError" => return Why::Warm,
        "NoSuchBucket" => Cause::NoBucket,
        "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests" => Cause::Throttled,
        "RequestTimeTooSkewed" => Cause::Skewed,
        "RequestTimeout" => Cause::TimedOut,
        "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" => Cause::Full,
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "InvalidSecurity"
        | "AuthorizationHeaderMalformed"
            if region.is_none() =>
        {
            Cause::Credentials
        }
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => Cause::Region { right: region },
        "InvalidObjectState" => Cause::Cold,
        "ObjectLocked" => Cause::Locked,
        "NotImplemented" | "MethodNotAllowed" | "NotSupported" => Cause::Unsupported,
        "IncompleteBody"
        | "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "InvalidDigest"
        | "InvalidPart" => Cause::Broken,
        "AccessDenied" if message.to_ascii_lowercase().contains("lock") => Cause::Locked,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => Cause::Denied,
        "InvalidStorageClass" | "InvalidBucketName" | "InvalidTag" | "InvalidArgument" => {
            Cause::Settings
        }
        _ => return classify_status(status, region),
    };
    Why::Cause(cause)
}

/// A gate on the way, or an answer without a body.
fn classify_status(status: u16, region: Option<String>) -> Why {
    Why::Cause(match status {
        404 => return Why::Absent,
        409 => return Why::Contended,
        412 => return Why::Exists,
        416 => return Why::Short,
        301 | 307 | 308 => Cause::Region { right: region },
        401 => Cause::Credentials,
        403 => Cause::Denied,
        405 | 501 => Cause::Unsupported,
        408 => Cause::TimedOut,
        429 => Cause::Throttled,
        507 => Cause::Full,
        500..=599 => Cause::Unavailable,
        _ => Cause::Refused,
    })
}
