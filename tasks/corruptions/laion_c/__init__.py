"""The six distortions of LAION-C (Li, Klein, Brendel, Geirhos & Zimmermann, ICML 2025).

They were designed to be found in no crawl of the web, so that models of web-scale data have not met them in training as
they have met blur and JPEG artefacts. Written anew from a description of what they do and their constants; the tiles of
``mosaic`` and ``stickers`` are not photographs but synthetic pictures (`bank`): see ``docs/corruptions-laion-c.md``.
"""

from __future__ import annotations

from .parameters import CORRUPTIONS_LAION, VERSION_LAION

__all__ = ["CORRUPTIONS_LAION", "VERSION_LAION", "parameters"]
