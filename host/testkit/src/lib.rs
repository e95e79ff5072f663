//! Seeded time and chance, a native sealer, faults and damage, for tests.
