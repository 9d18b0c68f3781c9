"""The files of a reproduction: tables, figures with their data, and everything as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...files import write_file, write_json
from ...reports.claims import claims_page, effects_page
from ...reports.claims_data import ClaimsData
from ...text import utf8
from .declared import FACTORS


def write_claims(data: ClaimsData, folder: Path) -> list[Path]:
    """Write ``claims.md``, ``effects.md``, ``claims.json`` and the figures as SVG and PNG.

    Args:
        data: What was found.
        folder: Where to.

    Returns:
        The files.

    Raises:
        StoreError: One cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"claims.md": claims_page(data), "effects.md": effects_page(data)}
    for name, text in pages.items():
        write_file(folder / name, utf8(text))
    write_json(folder / "claims.json", claims_json(data))
    return [*(folder / name for name in pages), folder / "claims.json", *_figures(data, folder)]


def claims_json(data: ClaimsData) -> dict[str, Any]:
    """Everything as plain data: ``effects``, ``methods``, ``windows``, ``facts``, ``failures``."""
    return {
        "effects": [{"claim": claim.key} | asdict(effect) for claim in data.claims for effect in claim.effects],
        "methods": [
            {"method": method, "task": task, "metric": metric, "seed": seed, "value": value}
            for method, numbers in data.methods.items()
            for (task, metric), values in numbers.items()
            for seed, value in enumerate(values)
        ],
        "windows": dict(data.windows),
        "facts": dict(data.facts),
        "failures": list(data.failures),
    }


def _figures(data: ClaimsData, folder: Path) -> list[Path]:
    from ...reports.figure_claims import effects_figure, methods_figure, windows_figure
    from ...reports.figure_files import figure_bytes

    asked = {effect.name for claim in data.claims for effect in claim.effects}
    figures = {"methods": methods_figure(data)}
    factors = [name for name in FACTORS if name in asked]
    if factors:
        figures["factors"] = effects_figure(data, factors)
    if len(data.windows) > 2:
        figures["windows"] = windows_figure(data)
    files = []
    for name, figure in figures.items():
        for ending in ("svg", "png"):
            path = folder / f"{name}.{ending}"
            write_file(path, figure_bytes(figure, ending))
            files.append(path)
    return files
