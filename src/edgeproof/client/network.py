"""Networks between a phone and an edge server, as numbers with their sources; how one is made: ``shaping/``."""

from __future__ import annotations

from edgeproof.documents.load import NetworkProfile
from edgeproof.errors import UsageError

__all__ = ["PROFILES", "profile_of"]

PROFILES = {
    profile.name: profile
    for profile in (
        NetworkProfile(
            name="loopback",
            delay_ms=0,
            jitter_ms=0,
            loss=0,
            up_mbit_per_s=None,
            down_mbit_per_s=None,
            source="nothing between: the kernel's loopback, or the network that is really there",
        ),
        NetworkProfile(
            name="ethernet",
            delay_ms=0.15,
            jitter_ms=0.02,
            loss=0,
            up_mbit_per_s=1000,
            down_mbit_per_s=1000,
            source="rate: IEEE 802.3ab; delay and jitter of one switch: assumed",
        ),
        NetworkProfile(
            name="wifi",
            delay_ms=1.5,
            jitter_ms=1.0,
            loss=0.001,
            up_mbit_per_s=50,
            down_mbit_per_s=100,
            source="round trip 3 ms, the median of 47,000 devices of a campus (Sui et al., Characterizing and "
            "Improving WiFi Latency in Large-Scale Operational Networks, MobiSys 2016, doi 10.1145/2906388.2906393); "
            "its tail there, p90 20 ms and p99 250 ms, is not modelled; jitter, loss and rates: assumed",
        ),
        NetworkProfile(
            name="4g",
            delay_ms=10.5,
            jitter_ms=4,
            loss=0.001,
            up_mbit_per_s=7.6,
            down_mbit_per_s=29.5,
            source="round trip 21 ms, the middle of the operators' average response times of 18.3 to 23.7 ms (Ofcom, "
            "Mobile Matters 2024); rates: averages of Ofcom, Mobile Matters 2023; jitter and loss: assumed",
        ),
        NetworkProfile(
            name="5g",
            delay_ms=9.5,
            jitter_ms=3,
            loss=0.0005,
            up_mbit_per_s=14.7,
            down_mbit_per_s=129.9,
            source="round trip 19 ms, the middle of the operators' average response times of 16.3 to 21.4 ms (Ofcom, "
            "Mobile Matters 2024); rates: averages of Ofcom, Mobile Matters 2023; jitter and loss: assumed",
        ),
        NetworkProfile(
            name="congested-wifi",
            delay_ms=10,
            jitter_ms=8,
            loss=0.01,
            up_mbit_per_s=5,
            down_mbit_per_s=10,
            source="over half of the packets had more than 20 ms on the Wi-Fi hop, a tenth more than 100 ms, at 47 "
            "access points of a campus (Pei et al., WiFi Can Be the Weakest Link of Round Trip Network Latency in the "
            "Wild, INFOCOM 2016); jitter, loss and rates: assumed, the tail beyond them is not modelled",
        ),
    )
}


def profile_of(name: str) -> NetworkProfile:
    """A profile by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in PROFILES:
        raise UsageError(f"there is no network profile {name!r}", hint=f"expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
