"""The tables: one registry, and how they are written."""
