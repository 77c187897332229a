"""Signed objects inside, sealed bundles outside, and keys that are erased. Spec: `docs/spec/sealing.md`."""
