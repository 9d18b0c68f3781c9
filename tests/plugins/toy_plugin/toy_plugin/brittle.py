"""A model that describes itself and cannot be built."""

from dataclasses import replace

from . import mean_colour


def describe():
    return replace(mean_colour.describe(), baseline=None)


def build(spec):
    raise OSError("the weights are not where they were")
