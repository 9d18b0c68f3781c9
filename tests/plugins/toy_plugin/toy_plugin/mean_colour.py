"""A model of a stranger: a linear classifier of the mean colour."""

from vitobench.identity import digest
from vitobench.models.spec import ModelSpec, Preprocessing

WEIGHTS = [[((7 * k + 3 * c) % 16 - 7.5) / 4 for c in range(3)] for k in range(16)]


def describe():
    return ModelSpec(
        name="mean-colour",
        source="plugin",
        architecture="mean-colour 1",
        preprocessing=Preprocessing(size=64, resize=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        label_space="microworld-16",
        weights_hash=digest(WEIGHTS),
        training_data="nothing",
        licence="Apache-2.0",
        baseline="supervised",
        description="A linear classifier of the mean colour",
    )


def build(spec):
    import torch

    class MeanColour(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(3, 16, bias=False)
            self.head.weight.data.copy_(torch.tensor(WEIGHTS))

        def features(self, x):
            return x.mean(dim=(2, 3))

        def forward(self, x):
            return self.head(self.features(x))

    return MeanColour()
