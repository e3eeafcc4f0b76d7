"""A package of someone else's that registers a metric: the share of numbers that lie near enough."""

import numpy as np

import edgeproof


def within(reach: float = 0.5) -> edgeproof.Metric:
    def score(outputs: np.ndarray, labels: np.ndarray) -> float:
        return float((np.abs(outputs.reshape(labels.shape) - labels) <= reach).mean())

    return edgeproof.Metric("within", score, unit="share", arguments={"reach": reach})


def broken() -> float:
    return 1.0
