"""Checkpoints that a stopped training goes on from, written whole or not at all."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch


def save(path: Path, **state: Any) -> None:
    """Write `state` to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def load(path: Path) -> dict[str, Any] | None:
    """The state kept in `path`, or None."""
    return torch.load(path, weights_only=True) if path.exists() else None


def cosine(step: int, steps: int, peak: float, warm: int = 60, floor: float = 0.04) -> float:
    """The learning rate at `step`: a linear rise, then a cosine to `floor` x `peak`."""
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return peak * min(1.0, (step + 1) / warm) * (floor + (1 - floor) * fall)
