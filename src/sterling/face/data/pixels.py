"""Pictures as arrays, whichever library holds them: detectors without PyTorch need no tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def as_array(values: Tensor | NDArray[Any]) -> NDArray[Any]:
    """Return an array as it is, and a tensor as an array in main memory."""
    return values if isinstance(values, np.ndarray) else values.numpy(force=True)
