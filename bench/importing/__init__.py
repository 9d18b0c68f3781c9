"""Predictions that were made elsewhere: read, matched with a task's images, stored."""
