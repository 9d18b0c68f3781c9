"""Curation of a collection of videos the way VideoNet was made: see docs/curation.md."""
