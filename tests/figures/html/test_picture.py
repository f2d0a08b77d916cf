"""HTML of one explained picture: aligned with what was measured, whole without another file, and safe with any name and
text."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.draw import polygon2mask

from aireal.evidence.record import REGIONS
from aireal.explain.gradcam import overlay
from aireal.explain.trust import overall, trust
from aireal.figures.html import picture, views
from aireal.figures.html.data_uris import heat_uri, level_path, outline, photo_uri
from helpers.explained import explained_picture, heatmap, lime_result
from helpers.images import noise

MEASURED = {"uncertain": True, "agreement": 0.08}


def whole(photograph, name="그림.jpg", language="en", **more) -> str:
    case = explained_picture(photograph, **MEASURED | more)
    photo = photo_uri(views.shown_square(photograph))
    parts = [
        picture.head(name, case.record, 0.83, case.sentences, "real"),
        views.overlay_view(photo, case.heat, case.record, "p"),
    ]
    parts += [views.lime_view(photo, case.lime, "p")] if case.lime else []
    return picture.document(name, "".join([*parts, picture.trust_strip(case.record, "p")]), language)


class Reader(HTMLParser):
    """Tags with their attributes, and text by language as a reader sees it."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.said, self._language, self._quiet = {"ko": "", "en": "", None: ""}, [None], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self._quiet += tag in ("style", "script")
        if tag == "span":
            self._language.append(attrs.get("lang", self._language[-1]))

    def handle_endtag(self, tag):
        self._quiet -= tag in ("style", "script")
        if tag == "span":
            self._language.pop()

    def handle_data(self, data):
        if not self._quiet:
            self.said[self._language[-1]] += data + (" " if self._language[-1] is None else "")

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


def test_the_page_says_it_all_in_both_languages(photograph):
    case, read = explained_picture(photograph, **MEASURED), Reader(whole(photograph))
    for language in ("ko", "en"):
        said = read.said[language]
        assert case.sentences[language] in said
        for statement in (overall(trust(case.record)), *trust(case.record)):
            assert getattr(statement, language) in said
    assert "불확실 구간 17.00–83.00%" in read.said["ko"]
    assert "uncertain band 17.00–83.00%" in read.said["en"]
    assert "AI 이미지 (98.67% 확률로 가짜)" in read.said["ko"]
    assert "AI image (fake with 98.67%)" in read.said["en"]
    assert "판정이 틀림" in read.said["ko"]
    assert "the verdict is wrong" in read.said["en"]
    assert not re.search("[가-힣]", read.said["en"])
    assert set(re.findall(r"[^\W\d]{2,}|100", read.said[None])) <= {
        "aireal",
        "그림",
        "jpg",
        "한국어",
        "English",
        "100",
    }, "all else is in a language"


def test_every_label_is_there_and_every_id_is_one_of_a_kind(photograph):
    read = Reader(whole(photograph))
    assert len(read.ids()) == len(set(read.ids()))
    for _, attrs in read.tags:
        for name in ("aria-labelledby", "for"):
            assert attrs.get(name, read.ids()[0]) in read.ids()
    assert all("alt" in attrs for tag, attrs in read.tags if tag == "img")


def test_nothing_of_it_lies_elsewhere(photograph):
    page = whole(photograph)
    for _, attrs in Reader(page).tags:
        for name in ("src", "href", "xlink:href", "action", "poster"):
            assert attrs.get(name, "data:").startswith(("data:", "#"))
    assert not re.search(r"https?://|@import|url\(\"?(?!\"?data:)", page)
    assert "default-src 'none'" in page


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='x' &amp; </style></span>"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80) | st.just(HOSTILE))
def test_names_and_sentences_are_text_whatever_they_are(text):
    case = explained_picture(noise(1), side=32)
    usual = Reader(picture.head("a", case.record, 0.8, {"ko": "b", "en": "c"}))
    read = Reader(picture.head(text, case.record, 0.8, {"ko": text, "en": text}))
    assert read.tags == usual.tags
    assert text in read.said["ko"]
    assert text in read.said["en"]


def test_a_hostile_name_leaves_the_whole_page_as_it_is(photograph):
    assert [t for t, _ in Reader(whole(photograph, HOSTILE)).tags] == [
        t for t, _ in Reader(whole(photograph, "a")).tags
    ]


def filled(path: str, side: int) -> np.ndarray:
    """bool [side, side] of SVG path data of M, L and Z, by the rule of odd crossings."""
    inside = np.zeros((side, side), bool)
    for part in path.split("M")[1:]:
        points = np.array([[float(v) for v in point.split()] for point in part.rstrip("Z").split("L")])
        inside ^= polygon2mask((side, side), points[:, ::-1] - 0.5)
    return inside


def test_outlines_lie_on_their_superpixels_and_a_hole_stays_open(photograph):
    lime = lime_result(np.asarray(photograph.resize((128, 128))))
    for number in range(lime.segments.max() + 1):
        mask = lime.segments == number
        found = filled(outline(mask), 128)
        assert (found & mask).sum() / (found | mask).sum() > 0.85
    rows, columns = np.mgrid[:64, :64]
    ring = (np.hypot(rows - 32, columns - 32) < 28) & (np.hypot(rows - 32, columns - 32) > 14)
    assert (filled(outline(ring), 64) == ring).mean() > 0.96


def test_a_superpixel_at_the_edge_reaches_the_edge():
    mask = np.zeros((32, 32), bool)
    mask[:8, 20:] = True
    points = re.findall(r"[\d.]+ [\d.]+", outline(mask))
    assert {"32 0", "20.5 0"} & set(points)
    assert max(float(p.split()[0]) for p in points) == 32
    assert min(float(p.split()[1]) for p in points) == 0


def test_lines_frame_what_is_hot_and_do_not_run_along_the_edge():
    heat = heatmap(90, 0.5, 0.5)
    assert (filled(level_path(heat, 0.5), 90) == (heat > 0.5)).mean() > 0.985
    cut = level_path(heatmap(90, 0.02, 0.5), 0.5)
    assert "Z" not in cut
    assert sum(point.split()[0] == "0.5" for point in cut.removeprefix("M").split("L")) == 2
    assert level_path(np.full((8, 8), 0.2), 0.5) == ""


def test_heatmap_over_photograph_at_half_strength_is_the_overlay(photograph):
    pixels, heat = np.asarray(photograph.resize((96, 96))), heatmap(96)
    layer = Image.open(io.BytesIO(base64.b64decode(heat_uri(heat).split(",")[1]))).convert("RGB")
    mixed = 0.5 * np.asarray(layer, float) + 0.5 * pixels
    wanted = overlay(pixels, heat).astype(float)
    assert np.abs(mixed / mixed.max() - wanted / wanted.max()).mean() < 0.01


def test_pieces_numbers_and_lines_name_the_same_superpixels(photograph):
    case = explained_picture(photograph)
    view = views.lime_view(photo_uri(photograph, 64), case.lime, "p")
    numbers = [str(f.superpixel) for f in case.lime.top]
    read = Reader(view)
    for tag in ("path", "button"):
        assert [attrs["data-piece"] for t, attrs in read.tags if t == tag and "data-piece" in attrs] == numbers
    svg = ElementTree.fromstring(re.sub(r' lang="..".*?</span>', "/>", re.search(r"<svg.*</svg>", view, re.S).group()))
    labels = [g for g in svg.iter() if g.get("class") == "number"]
    assert [g.get("data-for") for g in labels] == numbers
    for group in labels:
        text = group.find("text")
        assert case.lime.segments[int(float(text.get("y"))), int(float(text.get("x")))] == int(text.text)


def test_every_region_and_both_verdicts_have_a_page(photograph):
    case = explained_picture(photograph)
    for region in REGIONS:
        view = views.overlay_view("data:,", case.heat, replace(case.record, region=region), "p")
        assert len(re.findall(r'<path class="line ', view)) >= 4
    for p, label in ((0.1, "real"), (0.9, "fake")):
        head = picture.head("a", replace(case.record, label=label, probability_fake=p), 0.5, {})
        assert f"left:{100 * p:.2f}%" in head
        assert "band" in head
        assert "uncertain band" not in head


def test_a_page_opens_in_the_language_asked_for(photograph):
    assert '<html lang="ko" data-language="ko">' in whole(photograph, language="ko")
    assert "navigator.language" not in whole(photograph, language="ko")
    assert "navigator.language" in picture.document("x", "")
    with pytest.raises(ValueError, match="choose one of ko, en"):
        picture.document("x", "", "fr")


def test_a_page_brings_the_syllables_that_it_needs_and_no_others():
    from fontTools.ttLib import TTFont

    from aireal.figures.html.hangul import font_face, hangul_of

    letters = hangul_of("판정 verdict 판")
    assert letters == "정판"
    face = font_face(letters)
    font = TTFont(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", face).group(1))))
    assert {chr(code) for code in font.getBestCmap()} == set(letters)
    assert font["name"].getDebugName(4) == "aireal Hangul"  # the licence reserves the font's own name
    assert "NAVER" in font["name"].getDebugName(0)
    assert "SIL Open Font License" in face
    assert len(face) < 10_000
    assert font_face("") == ""


def test_a_notebook_brings_the_hangul_of_its_printed_text_and_tables():
    import nbformat
    from nbconvert import HTMLExporter

    from aireal.figures.html.hangul import font_face, hangul_of, with_hangul

    outputs = [
        nbformat.v4.new_output("stream", text="분류 결과: 실제 사진"),
        nbformat.v4.new_output("display_data", {"text/html": "<table><tr><td>뷁</td></tr></table>"}),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)])
    html, _ = HTMLExporter().from_notebook_node(notebook)
    assert set("분류결과실제사진뷁") <= set(hangul_of(html))
    written = with_hangul(html)
    assert font_face(hangul_of(html)) in written
    for use in ("code", "content", "ui"):  # the last rule of a property counts
        assert re.findall(rf"--jp-{use}-font-family: ?([^;]+);", written)[-1].startswith('"aireal Hangul"')
    assert with_hangul("<html><head></head>no Hangul</html>") == "<html><head></head>no Hangul</html>"
