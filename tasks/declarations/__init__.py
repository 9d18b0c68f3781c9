"""Declarations of tasks by world; `tasks.registry` brings them together. Importing them loads no numerical library."""
