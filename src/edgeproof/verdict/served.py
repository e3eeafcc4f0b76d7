"""The third way beside our own engine and a conversion: an edge server nearby runs it, the phone is its client."""

from __future__ import annotations

import math

from edgeproof.documents.evaluation import PointState, ServedOffer
from edgeproof.documents.latency import Percentile, Served, Steady
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.points import difference_point
from edgeproof.verdict.wording import figure

__all__ = ["offer_of", "offer_words"]

PHONES = ("android", "iphone")


def offer_of(contest: Contest) -> ServedOffer | None:
    """What phase 2 measured of the model behind a server, with a network between, where a phone has no
    candidate left that could qualify; the quickest answer of those whose outputs are right. None elsewhere, and where
    nothing right was served.
    """
    latency = contest.evidence.latency
    if contest.device not in PHONES or contest.order or contest.undecided or latency is None or not contest.standings:
        return None
    right = [
        served
        for served in latency.served
        if (case := contest.cases.get(served.candidate)) is not None
        and difference_point(case, contest.policy, "host").state == "met"
    ]
    offers = [_offer(contest, served) for served in right if served.steady.count]
    return min(offers, key=lambda offer: (offer.state != "met", offer.latency_ms), default=None)


def _offer(contest: Contest, served: Served) -> ServedOffer:
    """Over the slowest of the networks that phase 2 drove; where it drove none, with the policy's round trip added."""
    policy = contest.policy
    seen = [over for over in served.networks if over.steady is not None and not over.partial]
    if not seen:
        return _offer_of(contest, served.candidate, served.steady, policy.served_network_ms, None)
    offers = [
        _offer_of(contest, served.candidate, over.steady, over.shaping.round_trip_median_ms or 0.0, over.profile.name)
        for over in seen
        if over.steady is not None
    ]
    return max(offers, key=lambda offer: (offer.state != "met", offer.latency_ms))


def _offer_of(contest: Contest, candidate: str, steady: Steady, network_ms: float, network: str | None) -> ServedOffer:
    policy = contest.policy
    percentile: Percentile = getattr(steady, policy.latency_percentile)
    known = percentile.value_us is not None and math.isfinite(percentile.value_us)
    seen = (percentile.value_us if known and percentile.value_us is not None else steady.median_us) / 1000
    total = seen if network is not None else seen + network_ms
    state: PointState = "not met" if total >= policy.latency_ms else "met" if known else "unsupported"
    latency = contest.evidence.latency
    machine = latency.machine.cpu_model if latency is not None else None
    return ServedOffer(
        candidate=candidate,
        server=machine or "this host",
        latency_ms=total,
        network_ms=network_ms,
        percentile=policy.latency_percentile if known else None,
        state=state,
        network=network,
    )


def offer_words(offer: ServedOffer, limit_ms: float) -> str:
    """The offer in words."""
    which = f"{offer.percentile} ≤ " if offer.percentile is not None else "median "
    over = "with a network" if offer.network is None else f"over a simulated {offer.network} network"
    network = f"{over} of {figure(offer.network_ms)} ms, limit {limit_ms:g} ms"
    ends = {"met": "it meets the latency", "not met": "it misses it too"}
    end = ends.get(offer.state, "it was not measured often enough to say")
    served = f"served by {offer.candidate} from an edge server nearby"
    return f"{served} {end}: {which}{figure(offer.latency_ms)} ms {network}"
