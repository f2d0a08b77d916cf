"""What a file says, in the panel, the page and the report: both languages, escaped, legible, and absent without it."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import matplotlib.pyplot as plt
import pytest

from aireal.evidence.provenance import Credentials, Mark, Provenance
from aireal.figures import panel
from aireal.figures.html import picture
from aireal.figures.style import drawable
from aireal.provenance.wording import NOTE, full_line
from helpers.explained import explained_picture
from helpers.images import noise

pytestmark = pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's word for a glyph that no font has
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
SAYS = Provenance(
    Credentials("invalid", HOSTILE, "猫 $x$ generator", ("trainedAlgorithmicMedia",), problems=("assertion.dataHash",)),
    (Mark("generator", "PNG text parameters", "고양이 \U00020bb7"), Mark("camera", "EXIF", "Canon EOS R5")),
)


@pytest.fixture
def explained():
    case = explained_picture(noise(1), with_lime=False)
    return replace(case, record=replace(case.record, provenance=SAYS))


def test_the_panel_writes_both_lines_with_boxes_for_what_its_fonts_lack(explained):
    figure = explained.panel()
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(0 <= box.x0 and box.x1 <= figure.bbox.x1 and 0 <= box.y0 for box in boxes)
    text = "".join(text.get_text() for text in figure.texts).replace(" ", "")
    for says, note in zip(full_line(SAYS), NOTE):
        assert drawable(says).replace(" ", "") in text
        assert note.replace(" ", "") in text
    assert "“고양이□”" in text
    plt.close(figure)


def test_a_panel_of_a_record_without_it_is_as_before(explained):
    figure = panel.panel(
        explained.pixels, explained.heat, replace(explained.record, provenance=None), explained.sentences, None
    )
    assert "From the file" not in "".join(text.get_text() for text in figure.texts)
    plt.close(figure)


def test_the_page_shows_the_line_escaped_in_both_languages(explained):
    head = picture.head("x.jpg", explained.record, 0.8, {})
    for language, says in zip(("ko", "en"), full_line(SAYS)):
        assert f'<span lang="{language}">{escape(says)}</span>' in head
    assert "<script" not in head and "<img" not in head
    assert "from-file" not in picture.head("x.jpg", replace(explained.record, provenance=None), 0.8, {})
