"""A model of your own code, without packaging anything: two shipped models that vote.

    python examples/custom_model.py --limit 100

`register` gives it a name within this process. To give it one everywhere, name the class in the entry points of a
package, as examples/upside_down_plugin does for a task.
"""

import argparse
from typing import cast

import torch

import vitobench
from vitobench.identity import digest
from vitobench.models.model import Network
from vitobench.models.registry import resolve
from vitobench.models.spec import ModelSpec
from vitobench.plugins import MODELS, register

MEMBERS = ("vito", "supervised")


class Vote(torch.nn.Module):
    """Adds the members' log-probabilities."""

    def __init__(self, members: list[torch.nn.Module]) -> None:
        """Take the members over; they have to want the same pixels."""
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of normalised images."""
        return torch.stack([member(x).log_softmax(dim=1) for member in self.members]).sum(dim=0)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The members' features, side by side."""
        return torch.cat([cast(Network, member).features(x) for member in self.members], dim=1)


class Ensemble:
    """What vitobench asks of a model: a description, and the network."""

    def describe(self) -> ModelSpec:
        """Identified by the weights of its members: others give other predictions."""
        members = [resolve(name) for name in MEMBERS]
        return ModelSpec(
            name="ensemble",
            source="plugin",
            architecture="vote 1",
            preprocessing=members[0].preprocessing,
            label_space=members[0].label_space,
            weights_hash=digest([member.weights_hash for member in members]),
            training_data="as its members",
            baseline=MEMBERS[0],
            description=f"{' and '.join(MEMBERS)} vote",
        )

    def build(self, spec: ModelSpec) -> torch.nn.Module:
        """The network, which gets images normalised as ``spec.preprocessing`` says."""
        return Vote([vitobench.load_model(name).network for name in MEMBERS])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--limit", type=int, default=100, help="images for each task")
parser.add_argument("--store", default="bench-results")


def main() -> None:
    """Run the ensemble beside its first member."""
    asked = parser.parse_args()
    register(MODELS, "ensemble", Ensemble())
    result = vitobench.run(["ensemble"], tasks=["micro-val", "micro-light"], limit=asked.limit, store=asked.store)
    print(result.scores.query("metric == 'top1' and condition == 'overall'").to_string())


if __name__ == "__main__":
    main()
