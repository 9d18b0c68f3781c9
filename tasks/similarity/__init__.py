"""Judgements of similarity. Here are the names of what is stored; a listing of tasks reads them without NumPy."""

from __future__ import annotations

COSINE, DOT, LINEAR = "cosine", "dot", "linear"
"""Kinds of similarity: of directions, of the vectors as they are, and dot products after the fitted transform."""

NAMES = ("s23", "s13", "s12")
"""Similarities of a triplet by the pair's places, in the order of the choices: of second and third, and so on."""

LIMIT = 1e30
"""Largest size of a similarity; float32 holds more."""


def column(kind: str, name: str) -> str:
    """The name of a unit's column: ``"cosine s12"``."""
    return f"{kind} {name}"
