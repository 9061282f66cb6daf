from __future__ import annotations

from quintet.report.drawing import share_bar
from tests.report.test_charts import parsed


def test_a_bar_is_divided_like_its_parts() -> None:
    svg = parsed(share_bar([("sample", 3.0), ("learn", 1.0)], "t"))
    assert [(e.attrib["x"], e.attrib["width"]) for e in svg.iter("rect")] == [("0.00%", "75.00%"), ("75.00%", "25.00%")]
