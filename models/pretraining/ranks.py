"""Communication between the devices of a run: gathering and averaging, with Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import Tensor

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Ranks:
    """The processes that train together, seen from one of them. All of them must make the same calls.

    Args:
        fabric: Launched Lightning Fabric; None for a single process.
    """

    def __init__(self, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.count = 1 if fabric is None else fabric.world_size
        self.rank = 0 if fabric is None else fabric.global_rank

    def gather(self, rows: Tensor, gradients: bool = False) -> Tensor:
        """The rows of all ranks, (count * N, ...), in the order of ranks.

        Args:
            rows: (N, ...), with the same N on every rank.
            gradients: Let gradients flow back to the rank that a row comes from.
        """
        if self._fabric is None or self.count == 1:
            return rows
        gathered = cast(Tensor, self._fabric.all_gather(rows.contiguous(), sync_grads=gradients))
        return gathered.flatten(0, 1)

    def mean(self, value: Tensor) -> Tensor:
        """Average of a tensor over the ranks; no gradient flows."""
        if self._fabric is None or self.count == 1:
            return value.detach()
        return cast(Tensor, self._fabric.all_reduce(value.detach().clone(), reduce_op="mean"))

    def first(self, rows: int) -> int:
        """Where this rank's rows begin among the gathered ones, if each rank has `rows` rows."""
        return self.rank * rows
