"""vitobench: is a new vision checkpoint really more robust and more human-like than its baselines?

The names below are the whole public API. They load on first use, so that ``import vitobench`` and ``bench --help`` stay
free of torch and pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bench.api import (
        compare,
        import_predictions,
        list_models,
        list_suites,
        list_tasks,
        load_model,
        merge,
        report,
        run,
        score,
    )
    from .errors import VitobenchError

__version__ = "0.2.0"

__all__ = [
    "VitobenchError",
    "compare",
    "import_predictions",
    "list_models",
    "list_suites",
    "list_tasks",
    "load_model",
    "merge",
    "report",
    "run",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(".errors" if name == "VitobenchError" else ".bench.api", __name__)
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
