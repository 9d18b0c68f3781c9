"""The published data sets: one file for each family, with the records of its sets and their tasks."""
