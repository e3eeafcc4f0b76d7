"""PyTorch's operators that a runtime's operator is usually made of, where its artifact does not tell."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["origins_of"]

_ORIGINS = MappingProxyType(
    {
        "ARG_MAX": ("argmax", "max"),
        "ARG_MIN": ("argmin", "min"),
        "BROADCAST_TO": ("expand",),
        "CAST": ("to", "_to_copy", "type_as"),
        "CUMSUM": ("cumsum",),
        "DIV": ("div", "true_divide"),
        "EMBEDDING_LOOKUP": ("embedding",),
        "EQUAL": ("eq",),
        "FLOOR_DIV": ("floor_divide",),
        "FLOOR_MOD": ("remainder", "fmod"),
        "GATHER": ("gather", "index_select", "embedding", "index"),
        "GATHER_ND": ("index", "gather"),
        "GELU": ("gelu",),
        "GREATER": ("gt",),
        "GREATER_EQUAL": ("ge",),
        "LESS": ("lt",),
        "LESS_EQUAL": ("le",),
        "LOGICAL_AND": ("logical_and", "bitwise_and"),
        "LOGICAL_NOT": ("logical_not", "bitwise_not"),
        "LOGICAL_OR": ("logical_or", "bitwise_or"),
        "MAXIMUM": ("maximum", "clamp", "clamp_min"),
        "MINIMUM": ("minimum", "clamp", "clamp_max"),
        "NOT_EQUAL": ("ne",),
        "POW": ("pow",),
        "REDUCE_MAX": ("amax", "max"),
        "REDUCE_MIN": ("amin", "min"),
        "REDUCE_PROD": ("prod",),
        "SELECT": ("where",),
        "SELECT_V2": ("where",),
        "SIGN": ("sign",),
        "TOPK_V2": ("topk", "sort"),
    }
)


def origins_of(name: str) -> tuple[str, ...]:
    """Names in PyTorch, likeliest first; empty where nothing is known of it.

    Args:
        name: as a runtime calls it.
    """
    return _ORIGINS.get(name, ())
