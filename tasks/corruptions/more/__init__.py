"""Corruptions of none of the published collections, one file for each collection; see docs/extending.md."""
