//! Write holdfast plugins.
