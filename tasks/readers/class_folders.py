"""Readers of photographs in class folders, and of ImageNet's validation images under other labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ...identity import digest
from ..images.classes import imagenet_wnids, real_labels
from ..images.folders import EXTENSIONS, FileSource, ImageFolder, first, images_in_classes, list_folders
from ..images.hashing import Progress

if TYPE_CHECKING:
    from ..datasets.record import ClassFolderForm, DataSet, Opening, ReassessedForm
    from ..images.walking import Listing


# Published sets with one folder per class, as a `ClassFolderForm` describes them.


def list_images(root: Path, published: DataSet, classes: Collection[str], others: bool = False) -> Listing:
    """The images of a set's classes.

    Args:
        root: The folder that holds the class folders.
        published: The set, for errors.
        classes: Names of the folders of all its classes.
        others: Whether folders of other classes are passed over.

    Raises:
        DataError: The folder is missing or is a file, has other folders than those of classes or none of these, or has
            no images in them.
    """

    def hint(names: Sequence[str]) -> str:
        inner = next((root / name for name in names if any((root / name / c).is_dir() for c in classes)), None)
        return f" Did you mean {inner}?" if inner else ""

    names = list_folders(root, published.expected(root))
    folders = [n for n in names if n in classes]
    strange = [n for n in names if n not in classes]
    if strange and not others:
        raise published.error(
            f"{root} has folders that are not classes of {published.title}: {first(strange)}.{hint(strange)}", root
        )
    if not folders:
        raise published.error(f"{root} has none of the class folders of {published.title}.{hint(names)}", root)
    listing = images_in_classes(root, folders)
    if not listing.files:
        kinds = " ".join(sorted(EXTENSIONS))
        raise published.error(f"{root} has class folders but no images ({kinds}) in them.", root)
    return listing


class ClassFolders(FileSource):
    """Images in class folders, labelled in the set's own answer space.

    A label is the position of the folder's class in the set's list. What is true of one set alone is in its record: the
    classes, whether folders of other classes are skipped, and the border that is cut off before anything else.

    Attributes:
        root: The folder that holds the class folders.
        label_space: Name of the answer space.
        image_ids: Paths below the root, ordered by their hash.
        labels: int64 array of shape (n,).
        border: Pixels that are cut off at each side.
    """

    def __init__(self, published: DataSet, form: ClassFolderForm, opening: Opening) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its classes, and what else is true of its folders.
            opening: A folder with one sub-folder per class. What is not listed is counted in `left_out`.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self._classes = form.labels()
        self.label_space = form.label_space
        self.border = form.border
        listing = list_images(self.root, published, self._classes, form.others)
        self.left_out = listing.left_out
        self._set_ids(listing.files)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([self._classes[i.split("/", 1)[0]] for i in image_ids], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["class-folders", self.label_space, self.border, dict(self._classes)]

    def _own_state(self) -> dict[str, Any]:
        return {"_classes": self._classes, "label_space": self.label_space, "border": self.border}


# ImageNet's validation images under other labels: the reassessed ones, or the classes of a smaller answer space.


_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})")


class ImageNetReal(FileSource):
    """ImageNet's validation images with all the classes that annotators saw in them.

    An answer is right if it is among the accepted classes; images in which the annotators saw none of the 1000 are not
    listed. Beyer et al., Are we done with ImageNet?, 2020 (arXiv 2006.07159).

    Attributes:
        root: The folder that holds the class folders.
        image_ids: Paths below the root, ordered by their hash: as `ImageFolder` lists them, less those without labels.
        labels: int64 array of shape (n,), one of the accepted classes: ImageNet's own where that is accepted, else the
            first. Not to be scored against.
        accepted: For each image the class indices that count as right; never empty.
    """

    accepted: tuple[frozenset[int], ...]

    def __init__(self, published: DataSet, form: ReassessedForm, opening: Opening) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its label space, and where the labels are.
            opening: ImageNet's validation folder, one sub-folder per class, files under their published names. The
                cache of the same folder read by `ImageFolder` will do.

        Raises:
            DataError: The folder or the labels are missing or not of the expected form.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self.label_space = form.label_space
        try:
            whole = ImageFolder(self.root)
        except DataError as error:
            raise published.error(str(error).splitlines()[0], self.root) from error
        ids, self.left_out = whole.image_ids, whole.left_out
        accepted = real_labels(form.labels)
        strange = [i for i in ids if not _NUMBER.fullmatch(Path(i).stem)]
        if strange:
            raise published.error(
                f"{self.root} has images whose names are not those of validation images: {first(strange)}.",
                self.root,
            )
        beyond = [i for i in ids if not 1 <= _number(i) <= len(accepted)]
        if beyond:
            raise published.error(
                f"{self.root} has images beyond the {len(accepted)} that have labels: {first(beyond)}.", self.root
            )
        numbers: dict[int, str] = {}
        for image_id in ids:
            if numbers.setdefault(_number(image_id), image_id) != image_id:
                raise published.error(
                    f"{numbers[_number(image_id)]} and {image_id} below {self.root} are the same validation image.",
                    self.root,
                )
        self._accepted = {i: accepted[_number(i) - 1] for i in ids if accepted[_number(i) - 1]}
        self.unasked = [i for i in ids if i not in self._accepted]
        if not self._accepted:
            raise published.error(f"{self.root} has no image that has a label.", self.root)
        self._set_ids(self._accepted)

    def _set_ids(self, image_ids: Any) -> None:
        super()._set_ids(image_ids)
        self.accepted = tuple(self._accepted[i] for i in self.image_ids)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
        own = [index[i.split("/", 1)[0]] for i in image_ids]
        pairs = zip(own, (self._accepted[i] for i in image_ids), strict=True)
        return np.array([k if k in accepted else min(accepted) for k, accepted in pairs], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["imagenet-real", digest({i: sorted(accepted) for i, accepted in self._accepted.items()})]

    def _own_state(self) -> dict[str, Any]:
        return {"label_space": self.label_space, "_accepted": self._accepted}


class ImageNetSubset(FileSource):
    """The images of ImageNet whose classes count in a smaller answer space, labelled in that space.

    The clean counterpart of a set that has fewer classes than ImageNet: the same classes, answered in the same way.

    Attributes:
        root: The folder that holds the class folders.
        name: What the data set is called in tables.
        label_space: Name of the answer space.
        image_ids: Paths below the root, ordered by their hash: as `ImageFolder` lists them, but no others.
        labels: int64 array of shape (n,), classes of the answer space.
    """

    def __init__(
        self,
        root: Path,
        label_space: str,
        classes: Mapping[int, int],
        name: str = "imagenet",
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            root: Folder with one sub-folder per class of ImageNet.
            label_space: Name of the answer space.
            classes: Class index of ImageNet-1k to class of the answer space, as in ``AnswerSpace.class_of``.
            name: What the data set is called.
            manifest_cache: See `FileSource`. The cache of the same folder read by `ImageFolder` will do.
            progress: See `FileSource`.

        Raises:
            DataError: The folder is missing, is not of the expected form, or has no image of these classes.
        """
        super().__init__(root, name, manifest_cache, progress)
        self.label_space = label_space
        self._classes = dict(classes)
        whole = ImageFolder(self.root)
        self.left_out = whole.left_out
        ids = [i for i, label in zip(whole.image_ids, whole.labels.tolist(), strict=True) if label in self._classes]
        if not ids:
            raise DataError(f"{self.root} has no image of a class of {label_space}.")
        asked = set(ids)
        self.unasked = [i for i in whole.image_ids if i not in asked]
        self._set_ids(ids)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
        return np.array([self._classes[index[i.split("/", 1)[0]]] for i in image_ids], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["imagenet-subset", self.label_space, {str(index): label for index, label in self._classes.items()}]

    def _own_state(self) -> dict[str, Any]:
        return {"label_space": self.label_space, "_classes": self._classes}


def _number(image_id: str) -> int:
    match = _NUMBER.fullmatch(Path(image_id).stem)
    return int(match[1]) if match else 0
