"""What the program's function gives, as the description promises it to a caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.images import image_of
from edgeproof.mil.program.features import Feature, Signature
from edgeproof.mil.values import Value

__all__ = ["give"]


def give(signature: Signature, results: Mapping[str, Value]) -> dict[str, Any]:
    """Results by name, in the description's order.

    Raises:
        ArtifactError: the description promises what the program does not give.
    """
    lost = [feature.name for feature in signature.outputs if feature.name not in results]
    if lost:
        raise ArtifactError(f"the program gives no {', '.join(lost)}, which the package's description promises")
    return {feature.name: _as_described(feature, results[feature.name]) for feature in signature.outputs}


def _as_described(feature: Feature, value: Any) -> Any:
    if feature.image is not None:
        return image_of(feature.image, value)
    if isinstance(value, np.ndarray):
        if feature.kind in ("string", "int64", "double"):
            return value.item()
        if feature.dtype and value.dtype.name != feature.dtype:
            return value.astype(feature.dtype)
        return value.reshape(feature.shape) if value.ndim == 0 and feature.shape == (1,) else value
    return value
