"""Runs what a plan lists: one pass over the images for all models that lack it."""
