"""The section "What runs where": what was seen and what is predicted stand in tables of their own."""

from __future__ import annotations

from edgeproof.documents.delegation import CandidateDelegation, DelegatedOperator, Delegation, DelegationDocument
from edgeproof.report.delegation import MOST, section

SEEN = Delegation(
    delegate="XNNPACK",
    how="seen",
    partitions=2,
    operators=(
        DelegatedOperator(
            name="CAST",
            inside=False,
            count=3,
            time_share=0.25,
            operator="aten.to",
            lines=("net.py:7",),
            cause="XNNPACK has no CAST",
            remedy="stay in float",
        ),
        DelegatedOperator(name="CONV_2D", inside=True, count=4),
    ),
    time_inside=0.75,
    call_us=80.0,
    calls=9,
)
PREDICTED = Delegation(
    delegate="NNAPI",
    how="predicted",
    partitions=1,
    operators=(DelegatedOperator(name="Erf", inside=False, count=1, cause="it has no Erf"),),
    notes=("predicted by lists.",),
)


def document(*candidates: CandidateDelegation) -> DelegationDocument:
    return DelegationDocument(model="m", candidates=candidates)


def test_seen_and_predicted_never_share_a_table() -> None:
    found = section(document(CandidateDelegation(candidate="a", artifact="a", delegations=(SEEN, PREDICTED))))
    assert found is not None
    seen, predicted = found.parts
    assert [cell.text for cell in seen.summary.rows[0]] == ["a", "XNNPACK", "4", "3", "2", "75.0"]
    assert [cell.text for cell in predicted.summary.rows[0]] == ["a", "NNAPI", "0", "1", "1"]
    assert predicted.summary.notes == ("predicted by lists.",)
    assert seen.outside is not None
    assert predicted.outside is not None
    assert [cell.text for cell in seen.outside.rows[0]] == [
        "a",
        "XNNPACK",
        "CAST (aten.to) at net.py:7",
        "3",
        "25.0",
        "XNNPACK has no CAST",
        "stay in float",
    ]
    assert [cell.text for cell in predicted.outside.rows[0]][-1] == "none is known"
    assert "Time" not in [column.title for column in predicted.outside.columns]


def test_a_runtime_that_has_fallen_back_is_named() -> None:
    fallen = Delegation(
        delegate="XNNPACK",
        how="seen",
        partitions=0,
        operators=tuple(DelegatedOperator(name=f"O{number}", inside=False, count=1) for number in range(MOST + 2)),
        time_inside=0.0,
        degraded="it runs nothing",
    )
    found = section(document(CandidateDelegation(candidate="a", artifact="a", delegations=(fallen,))))
    assert found is not None
    assert found.degraded == ("a is degraded: it runs nothing.",)
    (part,) = found.parts
    assert part.summary.rows[0][1].text == "XNNPACK: degraded"
    assert part.outside is not None
    assert len(part.outside.rows) == MOST


def test_who_is_not_split_is_told_once() -> None:
    alike = [CandidateDelegation(candidate=name, artifact=name, reason="one engine", undivided=True) for name in "ab"]
    found = section(document(*alike))
    assert found is not None
    assert found.words == ("a, b: one engine.",)
    assert found.parts == ()
    assert section(None) is None
    assert section(document()) is None
