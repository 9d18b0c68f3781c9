"""Frames a second of the micro-world's renderer, beside a plain vectorised sphere tracer in torch.

The peer does less than the renderer: one box without rotation, a floor, no occluders, no shadows, no second look at
edges. It stands for what a renderer written with tensor operations alone costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from vitobench.cores import usable_cores
from vitobench.tasks.microworld.scene import Scene
from vitobench.tasks.microworld.sets import MicroSet, render
from vitobench.tasks.microworld.vocabulary import CLIP_SECONDS

STEPS = 48


def _box(p: Tensor) -> Tensor:
    q = p.abs() - 0.55
    return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0) - 0.02


def _noise(p: Tensor) -> Tensor:
    """Value noise of points (..., 3) with cubic easing."""
    cell = p.floor()
    ease = p - cell
    ease = ease * ease * (3 - 2 * ease)
    total = torch.zeros_like(p[..., 0])
    for corner in range(8):
        offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2], dtype=p.dtype)
        weight = torch.where(offset.bool(), ease, 1 - ease).prod(-1)
        total += weight * ((cell + offset) @ torch.tensor([12.9898, 78.233, 37.719])).sin().mul(43758.5).frac().abs()
    return total


def trace(cameras: Tensor, size: int) -> Tensor:
    """One box seen from cameras (N, 3) that look at the origin: uint8 (N, S, S, 3)."""
    forward = -cameras / cameras.norm(dim=1, keepdim=True)
    right = torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0]).expand_as(forward))
    right = right / right.norm(dim=1, keepdim=True)
    above = torch.linalg.cross(right, forward)
    centres = (torch.arange(size) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(-centres, centres, indexing="ij")
    image = u[..., None] * right[:, None, None] + v[..., None] * above[:, None, None]
    rays = forward[:, None, None] + 0.4 * image
    rays = rays / rays.norm(dim=-1, keepdim=True)
    start = cameras[:, None, None]
    depth = torch.zeros(rays.shape[:3])
    for _ in range(STEPS):
        depth = (depth + _box(start + depth[..., None] * rays)).clamp(max=20)
    points = start + depth[..., None] * rays
    hit = _box(points) < 0.01
    e = 0.004
    steps = e * torch.eye(3)
    normal = torch.stack([_box(points + s) - _box(points - s) for s in steps], -1) / (2 * e)
    light = (normal @ torch.tensor([0.4, 0.8, 0.45])).clamp(min=0) * 0.7 + 0.3
    inside = (0.3 + 0.7 * _noise(3 * points))[..., None] * torch.tensor([0.9, 0.5, 0.3]) * light[..., None]
    floor = start + ((-1.0 - start[..., 1:2]) / rays[..., 1:2].clamp(max=-1e-3)) * rays
    ground = (0.4 + 0.4 * _noise(2 * floor))[..., None] * torch.tensor([0.5, 0.6, 0.5])
    sky = torch.tensor([0.5, 0.7, 0.9]).expand_as(ground)
    colour = torch.where(hit[..., None], inside, torch.where(rays[..., 1:2] < -1e-3, ground, sky))
    return (colour.clamp(0, 1) * 255).byte()


def rate(work: Callable[[], object], frames: int, seconds: float) -> float:
    """Frames a second of ``work``, which makes ``frames`` of them: the best of its runs in the time."""
    work()
    best, ends = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        started = time.perf_counter()
        work()
        best = max(best, frames / (time.perf_counter() - started))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=64, help="side of a frame in pixels")
    parser.add_argument("--frames", type=int, default=256, help="frames of one run")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each measurement")
    options = parser.parse_args()
    source = MicroSet("val", options.frames)
    scenes: list[Scene] = [source.scene(i) for i in range(options.frames)]
    boxes = [source.scene(1 + 16 * i) for i in range(options.frames // 16 or 1)]

    def run(clips: list[Scene], threads: int | None) -> Callable[[], object]:
        return lambda: render(clips, [0.5 * CLIP_SECONDS] * len(clips), options.size, threads)

    cores = usable_cores()
    torch.set_num_threads(cores)
    angles = torch.arange(8) * 0.8
    cameras = 3.4 * torch.stack([angles.cos(), torch.full_like(angles, 0.4), angles.sin()], 1)
    every = rate(run(scenes, None), len(scenes), options.seconds)
    single = rate(run(scenes, 1), len(scenes), options.seconds)
    box = rate(run(boxes, None), len(boxes), options.seconds)
    with torch.inference_mode():
        peer = rate(lambda: trace(cameras, options.size), len(cameras), options.seconds)
    print(f"side {options.size}, {cores} cores, frames a second")
    print(f"renderer, all classes, all cores  {every:10.0f}")
    print(f"renderer, all classes, one thread {single:10.0f}")
    print(f"renderer, box, all cores          {box:10.0f}")
    print(f"torch sphere tracer, box          {peer:10.0f}")
    print(f"ratio, box against box            {box / peer:10.1f}")
    print(f"ratio, all classes against box    {every / peer:10.1f}")


if __name__ == "__main__":
    main()
