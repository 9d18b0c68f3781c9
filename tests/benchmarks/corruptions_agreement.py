"""How far the kernels are from the published definitions on photographs, as a table for docs/corruptions.md.

Every corruption and severity is drawn from the published random stream for photographs named by VITOBENCH_TEST_DATA, by
our kernels and by the plain definitions in tests/tasks/corruptions/published.py. With `--write FILE` the table replaces
what stands between the two marks of that file.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image, ImageOps

from vitobench.tasks.corruptions import CORRUPTIONS, EXTRA, SEVERITIES
from vitobench.tests.tasks.corruptions.reference import corrupt_reference

BEGIN, END = "<!-- agreement: begin -->", "<!-- agreement: end -->"


def definitions() -> ModuleType:
    """The module of plain definitions, which belongs to no package."""
    place = Path(__file__).parent.parent / "tasks" / "corruptions" / "published.py"
    spec = importlib.util.spec_from_file_location("published_corruptions", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photographs(count: int) -> list[np.ndarray]:
    """Resized to 256 pixels and cropped to 224."""
    root = os.environ.get("VITOBENCH_TEST_DATA")
    files = sorted((Path(root) / "photos").rglob("*.JPEG")) if root else []
    if len(files) < count:
        raise SystemExit(f"VITOBENCH_TEST_DATA names a folder with {len(files)} photographs, not {count}")
    images = []
    for file in files[:: len(files) // count][:count]:
        with Image.open(file) as photo:
            images.append(np.asarray(ImageOps.fit(photo.convert("RGB"), (256, 256)).crop((16, 16, 240, 240))))
    return images


def compare(module: ModuleType, images: list[np.ndarray], corruption: str, severity: int) -> tuple[int, float]:
    """The largest difference in levels and the share of values that differ."""
    largest, differing = 0, 0.0
    for number, image in enumerate(images):
        theirs = np.uint8(getattr(module, corruption)(image, severity, np.random.RandomState(number)))
        ours = corrupt_reference(image, corruption, severity, np.random.RandomState(number))
        apart = np.abs(ours.astype(int) - theirs)
        largest = max(largest, int(apart.max()))
        differing += float((apart > 0).mean()) / len(images)
    return largest, differing


def main() -> None:
    """Compare, print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=int, default=60)
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    module, images = definitions(), photographs(options.photographs)
    lines = [f"| corruption | {' | '.join(f's{s}' for s in SEVERITIES)} |", f"|---|{'---|' * len(SEVERITIES)}"]
    for corruption in CORRUPTIONS + EXTRA:
        cells = []
        for severity in SEVERITIES:
            largest, share = compare(module, images, corruption, severity)
            cells.append(f"{largest} ({share:.0e})" if largest else "0")
        lines.append(f"| {corruption} | {' | '.join(cells)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    versions = f"numpy {np.__version__}, OpenCV {module.cv2.__version__}, scikit-image {module.skimage.__version__}"
    lines += ["", f"{len(images)} photographs; {versions}."]
    print("\n".join(lines))
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        options.write.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
