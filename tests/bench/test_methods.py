"""Which runs a method is made of."""

from __future__ import annotations

import pytest

from vitobench.bench.scoring.comparison import members, methods_from
from vitobench.errors import VitobenchError

KNOWN = ("vito-s0", "vito-s10", "vito-s2", "moclr-s0", "moclr")


def test_runs_are_listed_or_matched() -> None:
    found = methods_from(["vito=vito-s*", "m = moclr-s0, moclr"], ["vito", "m", "other"], KNOWN)
    assert found == {"vito": ("vito-s0", "vito-s10", "vito-s2"), "m": ("moclr-s0", "moclr")}
    assert members(["vito", "m", "other"], found) == ["vito-s0", "vito-s10", "vito-s2", "moclr-s0", "moclr", "other"]
    assert methods_from(["m=moclr,mo*"], ["m"], KNOWN) == {"m": ("moclr", "moclr-s0")}
    assert methods_from([], ["a", "b"], KNOWN) == {}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["vito"], "names no runs"),
        (["=a"], "names no runs"),
        (["vito="], "names no runs"),
        (["x=vito-s0"], "--seeds 'x' is not one of the compared models"),
        (["vito=z*"], "The store has: moclr, moclr-s0"),
        (["vito=vito-s0", "vito=vito-s2"], "given twice"),
        (["vito=vito-s0", "m=vito-s*"], "as a run of both"),
        (["vito=moclr"], "both a compared model and a run"),
    ],
)
def test_mistakes_are_told(texts: list[str], said: str) -> None:
    with pytest.raises(VitobenchError, match=said):
        methods_from(texts, ["vito", "m", "moclr"], KNOWN)
