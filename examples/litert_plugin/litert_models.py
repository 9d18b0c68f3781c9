"""Models of another framework as an installed package: quantised classifiers of TensorFlow Lite, by LiteRT.

pip install ./examples/litert_plugin
bench run --model litert:mobilenet_v2_1.0_224_quant.tflite --task imagenet-val --data imagenet=DIR

A source needs a name, a prefix and two methods: `resolve` describes a model, `build` gives its network. Everything else
(pixels, corruptions, metrics, tables, pages) is vitobench's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitobench.errors import VitobenchError
from vitobench.identity import file_digest
from vitobench.models.sources.source import Source
from vitobench.models.spec import ModelSpec, Preprocessing

if TYPE_CHECKING:
    from torch import nn

_KEPT = 0.875
"""Share of the shorter side that TensorFlow's evaluation of these networks cuts out of the centre."""


class LiteRT(Source):
    """Classifiers of ImageNet as TensorFlow Lite files: uint8 pixels in, 1001 values out, the first for background."""

    name = "litert"
    prefix = "litert:"
    form = "litert:FILE"
    about = "a quantised ImageNet classifier of TensorFlow Lite"
    libraries = ("ai-edge-litert",)

    def file_of(self, name: str) -> Path:
        """The file in a name."""
        return Path(name.removeprefix(self.prefix))

    def resolve(self, name: str) -> ModelSpec:
        """Describe a file by what it takes and gives."""
        path = self.file_of(name)
        if not path.is_file():
            raise VitobenchError(f"{name} names no file; write {self.prefix} and the path of a .tflite file.")
        interpreter = _interpreter(path)
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        _, height, width, channels = takes["shape"]
        if takes["dtype"].__name__ != "uint8" or channels != 3 or height != width or gives["shape"][-1] != 1001:
            raise VitobenchError(
                f"{path} takes {takes['dtype'].__name__} of shape {list(takes['shape'])} and gives "
                f"{list(gives['shape'])}; this source reads uint8 images, square and RGB, and 1001 classes."
            )
        size = int(height)
        return ModelSpec(
            name=name,
            source=self.name,
            architecture="litert 1",  # raise it when this file changes what the network computes
            # The network takes pixels as they are: what the model normalises is undone in `build`.
            preprocessing=Preprocessing(size, round(size / _KEPT), "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
            label_space="imagenet-1k",
            weights_hash=file_digest(path),
            description=f"{path.name}, run by LiteRT",
        )

    def build(self, spec: ModelSpec) -> nn.Module:
        """The interpreter as a network."""
        import numpy as np
        import torch

        interpreter = _interpreter(self.file_of(spec.name))
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        scale, zero = gives["quantization"]

        class Network(torch.nn.Module):
            """One image after the other, on the CPU."""

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                """Logarithms of the probabilities (N, 1000) that the network gives, without background."""
                pixels = (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
                rows = []
                for image in pixels:
                    interpreter.set_tensor(takes["index"], np.ascontiguousarray(image[None]))
                    interpreter.invoke()
                    rows.append(interpreter.get_tensor(gives["index"])[0].astype(np.float32))
                probabilities = (torch.from_numpy(np.stack(rows)) - zero) * scale
                # 256 steps hold nothing below 1/256; a quarter of a step stands for what was rounded to 0.
                return probabilities[:, 1:].clamp(min=scale / 4).log().to(x.device)

            def features(self, x: torch.Tensor) -> torch.Tensor:
                """None: the file gives classes only."""
                raise VitobenchError(f"{spec.name} gives classes only.")

        return Network()


def _interpreter(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


SOURCE = LiteRT()
