"""The figures: one registry, and a chapter for each family."""
