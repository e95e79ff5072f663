//! Objects in a place; knows names and bytes, no meaning.
