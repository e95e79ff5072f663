//! The macro that exports a plugin: its functions, and its manifest as a section of the module.
//!
//! In a native build only the manifest is made, so that a test sees it fail to compile.

use crate::{Failure, host};
use serde::de::DeserializeOwned;

/// Exports a struct as a plugin of one kind: `export!(MyPlugin as Source)`.
#[macro_export]
macro_rules! export {
    ($plugin:ty as Source) => {
        $crate::export_source!($plugin);
    };
    ($plugin:ty as Encryptor) => {
        $crate::export_encryptor!($plugin);
    };
    ($plugin:ty as Verifier) => {
        $crate::export_verifier!($plugin);
    };
    ($plugin:ty as Notifier) => {
        $crate::export_notifier!($plugin);
    };
}

/// Reads the settings that the host has checked.
#[doc(hidden)]
pub fn settings<T: DeserializeOwned>() -> Result<T, Failure> {
    if cfg!(target_family = "wasm") {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                host::log::write(host::log::Level::Error, &panic.to_string(), &[]);
            }));
        });
    }
    serde_json::from_str(&host::config::settings())
        .map_err(|e| Failure::invalid(format!("the settings cannot be read: {e}")))
}

/// Puts the manifest into the module.
#[doc(hidden)]
#[macro_export]
macro_rules! __manifest {
    ($plugin:ty, $kind:ident) => {
        const _: () = {
            const JSON: $crate::manifest::Text = <$plugin as $crate::$kind>::MANIFEST.json();
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = "holdfast:manifest"))]
            static MANIFEST: [u8; JSON.len()] = JSON.bytes();
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_source {
    ($plugin:ty) => {
        $crate::__manifest!($plugin, Source);
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        struct __Exported;
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::source::exports::holdfast::plugin::source as wit;
            impl wit::Guest for __Exported {
                fn check() -> Result<Vec<$crate::Finding>, $crate::Failure> {
                    <$plugin as $crate::Source>::check(&$crate::__private::settings::<$plugin>()?)
                }
                fn backup(
                    target: &$crate::Draft,
                    previous: Option<$crate::Previous>,
                ) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Source>::backup(&plugin, target, previous)
                }
                fn committed(snapshot: String) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Source>::committed(&plugin, &snapshot)
                }
                fn restore(
                    snapshot: &$crate::Content,
                    request: $crate::RestoreRequest,
                ) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Source>::restore(&plugin, snapshot, request)
                }
            }
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::source::export_bindings!(__Exported with_types_in $crate::bindings::source);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_encryptor {
    ($plugin:ty) => {
        $crate::__manifest!($plugin, Encryptor);
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        struct __Exported;
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::encryptor::exports::holdfast::plugin::encryptor as wit;
            impl wit::Guest for __Exported {
                fn check(to: Vec<$crate::Recipient>) -> Result<Vec<$crate::Finding>, $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Encryptor>::check(&plugin, &to)
                }
                fn generate() -> Result<$crate::KeyPair, $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Encryptor>::generate(&plugin)
                }
                fn seal(
                    to: Vec<$crate::Recipient>,
                    plain: $crate::Reader,
                    sealed: $crate::Writer,
                ) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Encryptor>::seal(&plugin, &to, plain, sealed)
                }
                fn open(
                    with: Vec<$crate::Identity>,
                    sealed: $crate::Reader,
                    plain: $crate::Writer,
                ) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Encryptor>::open(&plugin, &with, sealed, plain)
                }
                fn open_range(
                    with: Vec<$crate::Identity>,
                    sealed: &$crate::Blob,
                    offset: u64,
                    length: u64,
                    plain: $crate::Writer,
                ) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Encryptor>::open_range(&plugin, &with, sealed, offset, length, plain)
                }
            }
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::encryptor::export_bindings!(__Exported with_types_in $crate::bindings::encryptor);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_verifier {
    ($plugin:ty) => {
        $crate::__manifest!($plugin, Verifier);
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        struct __Exported;
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::verifier::exports::holdfast::plugin::verifier as wit;
            impl wit::Guest for __Exported {
                fn check() -> Result<Vec<$crate::Finding>, $crate::Failure> {
                    <$plugin as $crate::Verifier>::check(&$crate::__private::settings::<$plugin>()?)
                }
                fn verify(snapshot: &$crate::Content) -> Result<Vec<$crate::Finding>, $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Verifier>::verify(&plugin, snapshot)
                }
            }
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::verifier::export_bindings!(__Exported with_types_in $crate::bindings::verifier);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_notifier {
    ($plugin:ty) => {
        $crate::__manifest!($plugin, Notifier);
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        struct __Exported;
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::notifier::exports::holdfast::plugin::notifier as wit;
            impl wit::Guest for __Exported {
                fn check() -> Result<Vec<$crate::Finding>, $crate::Failure> {
                    <$plugin as $crate::Notifier>::check(&$crate::__private::settings::<$plugin>()?)
                }
                fn notify(event: $crate::Event) -> Result<(), $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::Notifier>::notify(&plugin, &event)
                }
            }
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::notifier::export_bindings!(__Exported with_types_in $crate::bindings::notifier);
    };
}
