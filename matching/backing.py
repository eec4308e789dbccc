"""Backing: what an organisation merely declares counts as far as its texts bear it out.

Offers and policy tags are ticked, not told: whoever ticks them all has said nothing of itself. So what needs and tags
give is at most a published part of what text and evidence give. One rule for one pair and for many; it looks at no other
candidate, and what it takes off is a part of the explanation. It must not touch what the texts themselves give.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from matching.lists import COMPONENTS
from matching.weights import Weights

TEXTS = ("text", "evidence")
"""What bears a declaration out."""


def back(components: npt.NDArray[np.int64], weights: Weights) -> None:
    """Bound declared components, in place; the last axis is in the order of COMPONENTS."""
    told = sum(components[..., COMPONENTS.index(name)] for name in TEXTS)
    for name, share in weights.backed.items():
        if share:
            declared = components[..., COMPONENTS.index(name)]
            np.minimum(declared, told * share // 1000, out=declared)


def backed(components: Mapping[str, int], weights: Weights) -> dict[str, int]:
    """Return one pair's components, bounded likewise."""
    told = sum(components[name] for name in TEXTS)
    most = {name: told * share // 1000 for name, share in weights.backed.items() if share}
    return {name: min(points, most.get(name, points)) for name, points in components.items()}
