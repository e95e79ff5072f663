//! The macro that exports a plugin: its functions, and its manifest as a section of the module.
//!
//! In a native build only the manifest is made, so that a test sees it fail to compile.

use crate::{Failure, host};
use serde::de::DeserializeOwned;

/// Exports a struct as a plugin of one kind: `export!(MyPlugin as Source)`.
#[macro_export]
macro_rules! export {
    ($plugin:ty as Source) => {
        $crate::__export_functions! {
            $plugin as Source in source;
            check() -> Vec<$crate::Finding> => ();
            backup(draft: &$crate::Draft, previous: Option<$crate::Previous>) -> ()
                => (draft, previous);
            committed(snapshot: String) -> () => (&snapshot);
            restore(snapshot: &$crate::Content, request: $crate::RestoreRequest) -> ()
                => (snapshot, request);
        }
    };
    ($plugin:ty as Encryptor) => {
        $crate::__export_functions! {
            $plugin as Encryptor in encryptor;
            check(to: Vec<$crate::Recipient>) -> Vec<$crate::Finding> => (&to);
            generate() -> $crate::KeyPair => ();
            seal(to: Vec<$crate::Recipient>, plain: $crate::Reader, sealed: $crate::Writer) -> ()
                => (&to, plain, sealed);
            open(with: Vec<$crate::Identity>, sealed: $crate::Reader, plain: $crate::Writer) -> ()
                => (&with, sealed, plain);
            open_range(
                with: Vec<$crate::Identity>,
                sealed: &$crate::Blob,
                offset: u64,
                length: u64,
                plain: $crate::Writer
            ) -> () => (&with, sealed, offset, length, plain);
        }
    };
    ($plugin:ty as Verifier) => {
        $crate::__export_functions! {
            $plugin as Verifier in verifier;
            check() -> Vec<$crate::Finding> => ();
            verify(snapshot: &$crate::Content) -> Vec<$crate::Finding> => (snapshot);
        }
    };
    ($plugin:ty as Notifier) => {
        $crate::__export_functions! {
            $plugin as Notifier in notifier;
            check() -> Vec<$crate::Finding> => ();
            notify(event: $crate::Event) -> () => (&event);
        }
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

/// Puts the manifest into the module and exports the functions of one kind.
///
/// Each row is a function of the contract: its parameters, its result, and what the trait's method
/// of the same name gets. An exported function reads the settings and calls that method.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_functions {
    (
        $plugin:ty as $kind:ident in $interface:ident;
        $($function:ident($($name:ident: $type:ty),*) -> $result:ty => ($($passed:expr),*);)+
    ) => {
        const _: () = {
            const JSON: $crate::manifest::Text = <$plugin as $crate::$kind>::MANIFEST.to_json();
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = "holdfast:manifest"))]
            static MANIFEST: [u8; JSON.len()] = JSON.to_array();
        };
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        struct __Exported;
        #[cfg(target_family = "wasm")]
        const _: () = {
            use $crate::bindings::$interface::exports::holdfast::plugin::$interface as wit;
            impl wit::Guest for __Exported {
                $(fn $function($($name: $type),*) -> Result<$result, $crate::Failure> {
                    let plugin = $crate::__private::settings::<$plugin>()?;
                    <$plugin as $crate::$kind>::$function(&plugin, $($passed),*)
                })+
            }
        };
        #[cfg(target_family = "wasm")]
        $crate::bindings::$interface::export_bindings!(
            __Exported with_types_in $crate::bindings::$interface
        );
    };
}
