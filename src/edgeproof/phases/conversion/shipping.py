"""What the runtimes of a run's candidates take, written down once they were converted."""

from __future__ import annotations

from collections.abc import Iterable

from edgeproof.documents.shipping import ShippingDocument
from edgeproof.formats.registry import formats

__all__ = ["shipping_of"]


def shipping_of(names: Iterable[str]) -> ShippingDocument:
    """The libraries beside artifacts of these formats, on every device class that each ships to.

    Args:
        names: of formats; one that is not installed has none.
    """
    known = formats()
    wanted = [known[name] for name in dict.fromkeys(names) if name in known]
    return ShippingDocument(runtimes=tuple(size for found in wanted for size in found.runtime_sizes()))
