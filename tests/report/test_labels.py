"""Names beside marks: none covers another or a mark where there is room, and each stays inside."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.figure import Figure

from edgeproof.report.labels import label

CROWDED = [("litert-fp16", 0.0354, 22.1), ("onnx-int8", 0.131, 21.3), ("litert-fp32", 0.033, 39.7), ("x", 0.061, 47.0)]


@pytest.fixture
def drawn():
    figure = Figure(figsize=(5.4, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([point[1] for point in CROWDED], [point[2] for point in CROWDED], "o", markersize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(0.12, 0.15)
    label(figure, axes, CROWDED[:3], [point[1:] for point in CROWDED])
    return axes


def test_no_name_covers_another_or_a_mark(drawn):
    boxes = [text.get_window_extent() for text in drawn.texts]
    assert len(boxes) == 3
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    for box in boxes:
        for _, across, up in CROWDED:
            assert not box.contains(*drawn.transData.transform((across, up)))


def test_names_stay_inside(drawn):
    inside = drawn.get_window_extent()
    for text in drawn.texts:
        box = text.get_window_extent()
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1


def test_where_there_is_no_room_each_still_has_its_name():
    figure = Figure(figsize=(1.5, 1.5))
    axes = figure.add_subplot()
    points = [(f"a-long-name-{number}", 1.0, 1.0) for number in range(4)]
    label(figure, axes, points, [point[1:] for point in points])
    assert [text.get_text() for text in axes.texts] == [point[0] for point in points]
