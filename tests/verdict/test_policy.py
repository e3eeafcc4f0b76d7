"""The policy file: what it accepts, what it refuses and with which words, and that it survives being written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.documents.device import DEVICE_CLASSES
from edgeproof.documents.policy import DeviceLimits, DifferenceLimits, PolicyValue
from edgeproof.errors import PolicyError
from edgeproof.verdict.policy import (
    default_policy_toml,
    load_policy,
    parse_policy,
    policy_toml,
    preset_names,
    preset_toml,
)


def test_the_default_text_is_the_default_policy():
    assert parse_policy(default_policy_toml()) == PolicyValue()


def test_every_key_is_explained_or_grouped_in_the_default_text():
    text = default_policy_toml()
    for key in (*PolicyValue.__struct_fields__, *DifferenceLimits.__struct_fields__):
        assert key in text


def test_an_empty_file_is_the_default():
    assert parse_policy("") == PolicyValue()


def test_what_is_left_out_keeps_its_default():
    policy = parse_policy("latency_ms = 5\n[difference]\nint8 = 0.2\n")
    assert policy.latency_ms == 5.0
    assert policy.difference == DifferenceLimits(int8=0.2)
    assert policy.task_drop_points == 1.0


positive = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)


@given(
    policy=st.builds(
        PolicyValue,
        latency_percentile=st.sampled_from(["p50", "p90", "p95", "p99"]),
        latency_ms=positive,
        task_drop_points=st.floats(min_value=0, max_value=100),
        power_mw=st.none() | positive,
        memory_mb=st.none() | positive,
        size_mb=st.none() | positive,
        minimum_samples=st.integers(min_value=200, max_value=10**6),
        prefer_sdk_for_spiking=st.booleans(),
        prefer=st.sampled_from(["fastest", "smallest", "faithful", "sdk"]),
        task_drop=st.none() | positive | st.sampled_from(["2 %", "0.5%"]),
        latency_not_above=st.none() | st.sampled_from(["sdk-eager", 'a "name"']),
        device=st.dictionaries(
            st.sampled_from(DEVICE_CLASSES), st.builds(DeviceLimits, latency_ms=st.none() | positive), max_size=2
        ),
        difference=st.builds(DifferenceLimits, fp32=positive, spike_agreement_int8=st.floats(min_value=0, max_value=1)),
    )
)
def test_written_and_read_back_it_is_the_same(policy):
    assert parse_policy(policy_toml(policy)) == policy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency = 5", ["unknown key `latency`", "nearest known key is `latency_ms`"]),
        ("task_drops = 1", ["`task_drops`", "`task_drop`"]),
        ('task_drop = "a lot"', ["`task_drop`", "2 %"]),
        ("slice_drop = -1", ["`slice_drop`", "0 or more"]),
        ("cosine_min = 2", ["`cosine_min`"]),
        ("threshold_agreement = 99.9", ["`threshold_agreement`", "0 to 1"]),
        ("prefer = 'cheapest'", ["prefer"]),
        ("[device.toaster]\nlatency_ms = 1", ["device class `toaster`"]),
        ("[device.iphone]\nlatncy_ms = 1", ["`device.iphone.latncy_ms`", "`device.iphone.latency_ms`"]),
        ("[device.iphone]\nlatency_ms = 0", ["`device.iphone.latency_ms`"]),
        ("[difference]\nfloat16 = 0.1", ["`difference.float16`", "`difference.fp16`"]),
        ("[limits]\nfp32 = 0.1", ["`limits`"]),
        ("zzz = 1", ["unknown key `zzz`"]),
        ('latency_ms = "fast"', ["latency_ms", "float"]),
        ("latency_ms = true", ["latency_ms"]),
        ('latency_percentile = "p75"', ["latency_percentile"]),
        ("minimum_samples = 250.5", ["minimum_samples"]),
        ("prefer_sdk_for_spiking = 1", ["prefer_sdk_for_spiking"]),
        ("difference = 3", ["difference"]),
        ("latency_ms = 0", ["`latency_ms` is 0", "above 0"]),
        ("latency_ms = nan", ["`latency_ms` is nan"]),
        ("latency_ms = inf", ["`latency_ms` is inf"]),
        ("power_mw = -1", ["`power_mw` is -1", "no such key for no limit"]),
        ("task_drop_points = -0.5", ["task_drop_points", "0 to 100"]),
        ("minimum_samples = 100", ["minimum_samples", "200 or more"]),
        ("[difference]\nfp32 = 0", ["difference.fp32"]),
        ("[difference]\nspike_agreement_int8 = 80", ["spike_agreement_int8", "0 to 1"]),
        ("latency_ms = ", ["not valid TOML"]),
    ],
)
def test_what_is_wrong_is_named(text, words):
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, source="ship.toml")
    assert caught.value.exit_code == 2
    for word in ["ship.toml", *words]:
        assert word in caught.value.message


def test_a_missing_file_is_a_policy_error(tmp_path):
    with pytest.raises(PolicyError, match=r"cannot read the policy .*No such file"):
        load_policy(tmp_path / "absent.toml")


def test_bytes_that_are_no_text_are_a_policy_error(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_bytes(b"latency_ms = 5 # \xff\xfe")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(file)


def test_the_documented_policy_is_the_default():
    text = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL).group(1)
    assert parse_policy(block) == PolicyValue()
    for key in PolicyValue.__struct_fields__:
        assert f"`{key}" in text


@pytest.mark.parametrize("name", preset_names())
def test_policies_that_ship_can_be_read_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_policy(Path(name)) == parse_policy(preset_toml(name))
    (tmp_path / name).write_text("latency_ms = 1.5")  # a file of that name is the user's
    assert load_policy(Path(name)).latency_ms == 1.5


def test_a_name_that_no_policy_has_is_told_with_the_nearest():
    with pytest.raises(PolicyError, match="the nearest name is microcontroller"):
        load_policy(Path("microcontroler"))


def test_the_policy_of_a_spiking_system_is_as_it_was_written():
    """The gates of a production system for a native backend."""
    policy = load_policy(Path("evospikenet"))
    assert (policy.cosine_min, policy.threshold, policy.threshold_agreement) == (0.999, 0.5, 0.999)
    assert policy.difference.spike_agreement_int8 == 0.999
    assert (policy.latency_percentile, policy.latency_not_above, policy.soak_hours) == ("p95", "sdk-eager", 24)


@pytest.mark.parametrize(("said", "hours"), [("1h", 1.0), ("30min", 0.5), ("72 h", 72.0), ("3d", 72.0), ("36s", 0.01)])
def test_a_soak_may_be_said_as_a_time(said, hours):
    assert parse_policy(f'soak = "{said}"').soak_hours == pytest.approx(hours)


@pytest.mark.parametrize(
    "text", ['soak = "long"', "soak = 3", 'soak = "0h"', 'soak = "1h"\nsoak_hours = 1.0', 'throttled = "perhaps"',
             "soak_drift = -0.1", "soak_errors = 2.0"]
)  # fmt: skip
def test_what_is_no_time_or_no_share_of_a_soak_is_refused(text):
    with pytest.raises(PolicyError):
        parse_policy(text)
