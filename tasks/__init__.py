"""Tasks, their data and how their answers are scored."""

from ..caches import prepare_caches

prepare_caches()  # numba looks for its folder when the modules below here are imported
