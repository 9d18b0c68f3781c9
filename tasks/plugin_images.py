"""The images of tasks from other installed packages: what is checked when they are opened and when they are loaded."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..plugins import Plugin
from .images.geometry import Geometry
from .images.source import ImageSource, LoadFailure
from .task import Task


def check_source(plugin: Plugin, task: Task, source: Any, classes: int) -> None:
    """Check a plugin's images as far as possible without loading any.

    Args:
        plugin: Where they come from.
        task: Its declaration.
        source: What its ``open`` returned.
        classes: Number of classes of the task's label space.

    Raises:
        PluginError: They are not of the form of `ImageSource`.
    """
    ids, labels = list(source.image_ids), source.labels
    if not ids:
        raise plugin.refuse("it has no images")
    if len(set(ids)) < len(ids) or not all(isinstance(image_id, str) for image_id in ids):
        raise plugin.refuse("image_ids must be different strings")
    if getattr(labels, "shape", None) != (len(ids),) or labels.dtype.kind not in "iu":
        raise plugin.refuse(f"labels must be an integer array of shape ({len(ids)},)")
    if source.label_space != task.label_space:
        raise plugin.refuse(f"its images have labels of {source.label_space}, but the task needs {task.label_space}")
    if labels.min() < 0 or labels.max() >= classes:
        raise plugin.refuse(f"labels must be 0 to {classes - 1}, not {labels.min()} to {labels.max()}")
    if not isinstance(source.digest, str) or len(source.digest) < 16:
        raise plugin.refuse("digest must be a string of 16 characters or more that changes with pixels and labels")
    if not callable(source.load) or not callable(source.manifest):
        raise plugin.refuse("its images have no load() or manifest()")
    try:
        inspect.signature(source.load).bind([0], None, None)
    except TypeError:
        raise plugin.refuse(
            f"its load{inspect.signature(source.load)} takes no condition; write load(indices, geometry, "
            "condition=None), and pass the condition on to super().load"
        ) from None


class CheckedSource(ImageSource):
    """The images of a plugin; wrong pixels are reported as the plugin's error and not as the models'.

    Args:
        plugin: Where they come from.
        source: The images, which `check_source` has passed.
    """

    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(self, plugin: Plugin, source: ImageSource) -> None:
        self._plugin, self._source = plugin, source
        self.name, self.label_space = str(source.name), source.label_space
        self.image_ids, self.labels = source.image_ids, source.labels
        self.digest = source.digest  # asked for while a plugin may still fail by itself
        self.uses_all_cores = bool(getattr(source, "uses_all_cores", False))
        if hasattr(source, "depths"):  # by which `has_depth` knows
            self.depths = source.depths

    def _facts(self) -> str:
        return self.digest

    def manifest(self) -> Mapping[str, Any]:
        """See `ImageSource`; the pixels come from the plugin."""
        return self._source.manifest()

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        with self._plugin.doing("loading images", alone=False):
            images, failed = self._source.load(indices, geometry, condition)
        wanted = (len(indices), geometry.size, geometry.size, 3)
        if getattr(images, "shape", None) != wanted or str(images.dtype) != "uint8":
            form = f"{getattr(images, 'dtype', type(images).__name__)} {getattr(images, 'shape', '')}".strip()
            raise self._plugin.refuse(f"load() must return uint8 {wanted}, not {form}")
        return images, failed
