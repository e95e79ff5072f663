//! Why no recovery sheet can be made.

use holdfast_base::advice::{AccessAdvice, Advice};
use holdfast_base::error::{Describe, Kind};
use qrcode::types::QrError;

/// Why no recovery sheet can be made.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// An identity is not one secret of one line.
    #[error("the identity is not one secret of one line, which is what a sheet can hold")]
    NotOneSecret,
    /// Several identities were given.
    #[error("a sheet holds one identity")]
    SeveralIdentities,
    /// The secret does not fit a QR picture.
    #[error("the identity makes no QR picture: {0}")]
    NoPicture(QrError),
}

impl Describe for SheetError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn advice(&self) -> Vec<Advice> {
        vec![match self {
            Self::NotOneSecret => AccessAdvice::GiveOneIdentity.into(),
            Self::SeveralIdentities => Advice::Words("Make a sheet for each of them".to_owned()),
            Self::NoPicture(_) => AccessAdvice::WriteSecretByHand.into(),
        }]
    }
}
