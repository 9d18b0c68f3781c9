"""Log a run to TensorBoard or Weights & Biases, in addition to its own log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import VitobenchError, unknown_name
from .recipe import Recipe, recipe_facts

TRACKERS = ("tensorboard", "wandb")


class TensorBoardTracker:
    """Writes event files into ``FOLDER/tensorboard``.

    Args:
        folder: Folder of the run.

    Raises:
        VitobenchError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise VitobenchError("--log tensorboard needs a package: pip install 'vitobench[tensorboard]'") from None
        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def row(self, row: dict[str, float]) -> None:
        """A row of the log."""
        for key, value in row.items():
            if key != "step":
                self._writer.add_scalar(key, value, int(row["step"]))

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


class WandbTracker:
    """Sends the log to Weights & Biases; the run is named after its folder, also when it is resumed.

    Args:
        folder: Folder of the run.
        recipe: Recorded as its configuration.

    Raises:
        VitobenchError: wandb is not installed, or rejects the run.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        try:
            import wandb
        except ImportError:
            raise VitobenchError(
                "--log wandb needs a package: pip install 'vitobench[wandb]', then wandb login"
            ) from None
        try:
            self._run: Any = wandb.init(
                project="vitobench", name=folder.name, dir=str(folder), config=recipe_facts(recipe)
            )
        except wandb.Error as error:
            raise VitobenchError(f"Weights & Biases rejected the run: {error}. See `wandb login`.") from None

    def row(self, row: dict[str, float]) -> None:
        """A row of the log."""
        self._run.log({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def make_tracker(name: str, folder: Path, recipe: Recipe) -> TensorBoardTracker | WandbTracker:
    """A tracker by name.

    Raises:
        UnknownNameError: It is not one of `TRACKERS`.
        VitobenchError: Its package is not installed.
    """
    if name == "tensorboard":
        return TensorBoardTracker(folder)
    if name == "wandb":
        return WandbTracker(folder, recipe)
    raise unknown_name("tracker", name, TRACKERS)
