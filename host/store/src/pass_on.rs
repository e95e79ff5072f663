//! What a store in front of another does not change.

/// Lets a store pass operations on, as they are, to the one in a field of it:
/// `pass_on!(inner: place get size);` inside its `impl Store`.
#[macro_export]
macro_rules! pass_on {
    ($below:ident: $($operation:ident)+) => { $($crate::pass_on!(@ $below $operation);)+ };
    (@ $below:ident place) => {
        fn place(&self) -> String {
            self.$below.place()
        }
    };
    (@ $below:ident get) => {
        fn get(&self, name: &$crate::Name) -> Result<Vec<u8>, $crate::StoreError> {
            self.$below.get(name)
        }
    };
    (@ $below:ident get_range) => {
        fn get_range(
            &self,
            name: &$crate::Name,
            offset: u64,
            length: usize,
        ) -> Result<Vec<u8>, $crate::StoreError> {
            self.$below.get_range(name, offset, length)
        }
    };
    (@ $below:ident size) => {
        fn size(&self, name: &$crate::Name) -> Result<u64, $crate::StoreError> {
            self.$below.size(name)
        }
    };
    (@ $below:ident create) => {
        fn create(
            &self,
            name: &$crate::Name,
            bytes: &[u8],
        ) -> Result<$crate::Created, $crate::StoreError> {
            self.$below.create(name, bytes)
        }
    };
    (@ $below:ident upload) => {
        fn upload(&self) -> Result<Box<dyn $crate::Upload>, $crate::StoreError> {
            self.$below.upload()
        }
    };
    (@ $below:ident list) => {
        fn list(&self, area: &str) -> Result<Vec<$crate::Listed>, $crate::StoreError> {
            self.$below.list(area)
        }
    };
    (@ $below:ident delete) => {
        fn delete(&self, name: &$crate::Name) -> Result<(), $crate::StoreError> {
            self.$below.delete(name)
        }
    };
    (@ $below:ident probe) => {
        fn probe(&self) -> Result<Option<$crate::Abilities>, $crate::StoreError> {
            self.$below.probe()
        }
    };
    (@ $below:ident abilities) => {
        fn abilities(&self) -> $crate::Abilities {
            self.$below.abilities()
        }
    };
    (@ $below:ident assume) => {
        fn assume(&self, abilities: $crate::Abilities) {
            self.$below.assume(abilities);
        }
    };
}
