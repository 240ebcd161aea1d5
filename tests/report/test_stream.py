"""The picture of a stream: every number in its place, names escaped, well-formed."""

import xml.etree.ElementTree as ET

from transferkit.report.stream import stream_picture

SVG = "{http://www.w3.org/2000/svg}"


def test_every_number_is_in_its_place():
    picture = ET.fromstring(
        stream_picture(["a", "b", "c"], [[0.9, 0.1, None], [0.5, 0.8, float("nan")], [0.4, 0.3, 1.0]])
    )
    cells = [(g.find(f"{SVG}rect"), g.find(f"{SVG}text").text, g.get("opacity")) for g in picture.iter(f"{SVG}g")]
    assert [text for _, text, _ in cells] == ["90", "10", "50", "80", "40", "30", "100"]
    assert [text for _, text, pale in cells if pale] == ["10"], "a task that had not come is pale"
    places = {text: (rect.get("x"), rect.get("y")) for rect, text, _ in cells}
    assert places["90"][0] == places["50"][0] == places["40"][0]
    assert places["40"][1] == places["30"][1] == places["100"][1]


def test_names_are_text():
    picture = stream_picture(["<b>&", "x" * 80], [[1.0, None], [0.0, 1.0]], 'A "title" & <more>')
    root = ET.fromstring(picture)
    assert root.find(f"{SVG}title").text == 'A "title" & <more>'
    assert "<b>" not in picture
