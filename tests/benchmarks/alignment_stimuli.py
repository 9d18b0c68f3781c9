"""What the stimuli of human alignment in the micro-world cost on one core, and how much of it is the distortion.

``python tests/benchmarks/alignment_stimuli.py`` prints, for each data set at 64 pixels, the seconds of the whole set
and the ratio to rendering its frames alone.
"""

from __future__ import annotations

import time

from vitobench.tasks.alignment.micro_stimuli import TWINS, AlignmentStimuli
from vitobench.tasks.images.geometry import Geometry

SIZE = 64


def main() -> None:
    """Print the table."""
    AlignmentStimuli("colour", 16).frames(range(16), SIZE)  # compiles
    for name in TWINS:
        stimuli = AlignmentStimuli(name, 10_000)
        start = time.process_time()
        stimuli.frames(range(len(stimuli)), SIZE)
        rendered = time.process_time()
        stimuli.load(range(len(stimuli)), Geometry(SIZE, SIZE, "bilinear"))
        whole, alone = time.process_time() - rendered, rendered - start
        print(f"{name:20s} {len(stimuli):5d} stimuli {whole:6.2f} s  {whole / alone:5.2f} times the rendering")


if __name__ == "__main__":
    main()
