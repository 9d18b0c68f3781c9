"""A task that declares itself and cannot be opened."""

from .mirrored import task as task


def open(limit, seed):
    raise OSError("the images are not where they were")
