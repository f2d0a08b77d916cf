"""The report: right figures, nothing executed that a name or a sentence brought along, and usable in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
import unicodedata
from dataclasses import asdict, replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aireal.cli import main
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import write_json
from aireal.core.imagefile import sha256
from aireal.evidence.provenance import Mark, Provenance
from aireal.evidence.record import Cues, EvidenceRecord, Occlusion
from aireal.reporting.html.gallery import GalleryEntry, explained_entries, test_entries
from aireal.reporting.html.report import metrics_of, render, write_explained, write_report
from aireal.reporting.html.sections import NEEDED, missing
from aireal.reporting.tables.metrics import CLASSIFIERS, format_estimate, read_metrics
from helpers.browser import browser, until
from helpers.images import SAMPLE, encoded, noise, write

test_entries.__test__ = False  # no test, whatever its name
METRICS = REPOSITORY / "metrics"
HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "<!--<script>",
    "<img src=x onerror=window.hacked=1>",
    "a\u2028b\u2029c",
    "{{ 7*7 }}{% raw %}",
    "'\"&lt;`\\",
    "../../etc/passwd",
    "__proto__",
    "constructor",
    "‮gnp.exe",
    "한글 이름.jpg",
    "]]>",
    "javascript:window.hacked=1",
)
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))


def record(probability: float = 0.9, **more) -> EvidenceRecord:
    label = "fake" if probability >= 0.5 else "real"
    shown = round(100 * max(probability, 1 - probability), 2)
    return EvidenceRecord(
        "x", label, shown, probability, "top-left", (0.1, 0.2), Cues("red", "dark", "smooth", "soft"), **more
    )


def entry(
    name: str = "a.jpg",
    probability: float = 0.9,
    truth: str | None = "fake",
    generator: str = "Kling",
    text: str = "A sentence.",
    **more,
) -> GalleryEntry:
    sources = {"ko": "paligemma", "en": "paligemma"}
    return GalleryEntry(
        "test",
        name,
        record(probability),
        truth,
        generator,
        {"ko": text, "en": text},
        sources,
        more.get("picture"),
        more.get("overlay"),
    )


class Reader(HTMLParser):
    """The tags of a page, its attributes' names, and what stands in its scripts."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.attributes, self.scripts = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.lasttag == "script" and self.scripts:
            self.scripts[-1] += data


def pictures_of(html: str) -> list[dict]:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXTS, text=TEXTS, generator=TEXTS, error=TEXTS)
def test_no_name_and_no_sentence_can_become_code(name, text, generator, error):
    plain = Reader(render({}, [entry()], [{"path": "a", "error": "b"}]))
    html = render({}, [entry(name, text=text, generator=generator)], [{"path": name, "error": error}])
    hostile = Reader(html)
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert len(hostile.scripts) == 3
    assert not any(name.startswith("on") or name == "style" for name in hostile.attributes)
    picture = pictures_of(html)[0]
    assert (picture["name"], picture["sentence"]["en"]) == (name, text)
    assert not generator or picture["generator"] == generator


def drawn_by_the_page(html: str) -> set[str]:
    """The characters that the font inside a page has."""
    data = re.search(r'@font-face\{font-family:"aireal Hangul";src:url\("data:font/woff;base64,([^"]+)"', html)[1]
    return {chr(code) for code in TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap()}


@settings(max_examples=10, deadline=None)
@given(text=st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=20), mac=st.booleans())
def test_every_syllable_of_a_report_travels_with_it(text, mac):
    name = unicodedata.normalize("NFD" if mac else "NFC", "똠방각하.jpg")
    html = render({}, [entry(name, text=text)], [{"path": "뷁.png", "error": "펲"}])
    written = {c for c in unicodedata.normalize("NFC", html) if "가" <= c <= "힣"}
    assert {*text, *"똠방각하뷁펲"} <= written
    assert written <= drawn_by_the_page(html)


def test_the_figures_are_those_of_the_metrics_and_of_the_readme():
    metrics = read_metrics(METRICS)
    html = render(metrics, [entry()])
    for name in (name for name in CLASSIFIERS if name in metrics):
        value, bounds = format_estimate(metrics[name]["test"]["auroc"]).split(" ", 1)
        assert f'<b>{value}</b> <span class="bounds">{bounds}</span>' in html
    assert html.count(f"{100 * (1 - metrics['resnet34']['test']['accuracy_real']['value']):.1f}%") >= 1
    assert 'id="missing"' not in html
    assert all(f'<section id="{name}">' in html for name in NEEDED)


@pytest.mark.parametrize("gone", NEEDED)
def test_a_part_without_metrics_is_left_out_and_its_command_named(gone):
    metrics = {name: values for name, values in read_metrics(METRICS).items() if name not in NEEDED[gone][0]}
    html = render(metrics, [entry()])
    assert f'<section id="{gone}">' not in html
    assert NEEDED[gone][1] in html
    assert [name for name, _ in missing(metrics)] == [gone]


def test_nothing_to_report_is_one_sentence(tmp_path, capsys):
    assert main(["report", "--out", str(tmp_path), "--root", str(tmp_path)]) == 2
    assert "python -m aireal demo" in capsys.readouterr().err
    assert main(["report", "--explained", str(tmp_path), "--root", str(tmp_path)]) == 2
    assert "python -m aireal explain" in capsys.readouterr().err


@pytest.fixture
def predicted(small_root) -> DatasetRoot:
    """A root whose test pictures were predicted, the first of them measured by this classifier and the second by
    another."""
    paths = sorted(p.relative_to(small_root.root).as_posix() for p in small_root.test.rglob("*.jpg"))
    removal = Occlusion(0.2, 0.0, -0.1, 0.1, 1.0)
    rows, lines = [], []
    for number, path in enumerate(paths):
        predicted = record(0.9 - 0.1 * number)
        encoded_overlay = f"gradcam/{number}.png"
        write(small_root.products / encoded_overlay, encoded(noise(number), "PNG"))
        rows.append(
            {
                "image": path,
                "split": "test",
                "overlay": encoded_overlay,
                "caption_ko": "문장",
                "caption_en": "sentence",
                "evidence": predicted.to_json(),
            }
        )
        if number < 2:
            completed = replace(
                predicted, region_removal=removal, probability_fake=predicted.probability_fake - 0.3 * number
            )
            lines.append(json.dumps({"path": path, "record": asdict(completed)}))
    pd.DataFrame(rows).to_csv(small_root.table, index=False)
    (small_root.products / "explanations.jsonl").write_text("\n".join([*lines, '{"path": "cut']), encoding="utf-8")
    return small_root


def test_pictures_of_a_run_carry_truth_generator_and_what_was_measured_of_them(predicted):
    entries = test_entries(predicted)
    assert [e.record.region_removal is not None for e in entries] == [True] + [False] * (len(entries) - 1), (
        "the second record is another classifier's"
    )
    assert {e.truth for e in entries} == {"real", "fake"}
    assert all(bool(e.generator) == (e.truth == "fake") for e in entries)
    pictures = pictures_of(write_report(predicted.root, predicted).read_text(encoding="utf-8"))
    for picture, one in zip(pictures, entries):
        assert picture["correct"] == ("right" if one.truth == one.record.label else "wrong")
        assert picture["picture"].startswith("data:image/webp;base64,")
        assert picture["overlay"].startswith("data:image/webp")
        assert picture["trust"] == ("unknown" if one.record.region_removal is None else "fair")


def test_pictures_of_another_classifier_than_the_metrics_are_left_out(predicted, tmp_path, capsys):
    write_json(tmp_path / "metrics" / "resnet34.json", read_metrics(METRICS)["resnet34"] | {"fingerprint": "new"})
    for own, count in (("new", len(test_entries(predicted))), ("old", 0)):
        row = {"classifier": f"{own} gradcam layer4.2", "path": "x", "row": {}}
        predicted.table.with_suffix(".jsonl").write_text(json.dumps(row) + "\n")
        page = write_report(tmp_path, predicted).read_text(encoding="utf-8")
        assert len(pictures_of(page)) == count
        assert ("is of another classifier" in capsys.readouterr().out) == (own == "old")


def test_what_explain_wrote_becomes_a_report_without_the_folders_around_it(tmp_path):
    folder, private = tmp_path / "out", tmp_path / "private matters"
    image = write(private / "a" / "one.png", encoded(noise(1), "PNG"))
    says = Provenance(marks=(Mark("camera", "EXIF", "</script><b>Canon"),))
    line = {
        **record(0.3, provenance=says).to_dict(),
        "path": str(image),
        "sha256": sha256(image.read_bytes()),
        "lime": None,
        "panel": "one.png",
        "overlay": "overlays/one.png",
        "sentence_ko": "문장",
        "sentence_en": "Text",
        "sentence_source": {"ko": "paligemma", "en": "base caption"},
    }
    bad = {"path": str(private / "b" / "two.png"), "error": "the file is empty (0 bytes); copy or download it again"}
    lines = write(folder / "explain.jsonl", "\n".join(map(json.dumps, (line, bad))).encode())
    entries, failed = explained_entries(folder, lines)
    assert [e.name for e in entries] == ["a/one.png"]
    assert failed == [{"path": "b/two.png", "error": bad["error"]}]
    html = write_explained(folder, lines).read_text(encoding="utf-8")
    assert "private matters" not in html
    assert str(tmp_path) not in html
    assert "the file is empty" in html
    picture = pictures_of(html)[0]
    assert picture["picture"]
    assert picture["overlay"] is None
    assert picture["correct"] == "no_truth"
    assert picture["file"]["en"] == "From the file: camera (EXIF): “</script><b>Canon”."
    assert "</script><b>Canon" not in html
    assert "their absence proves nothing" in html


def test_explain_writes_the_report_when_asked(smoke_run, tmp_path, photograph, capsys):
    image = write(tmp_path / "in" / "그림.png", encoded(photograph, "PNG"))
    out = tmp_path / "out"
    assert (
        main(
            [
                "explain",
                str(image),
                "--out",
                str(out),
                "--no-lime",
                "--no-caption",
                "--profile",
                "smoke",
                "--root",
                str(SAMPLE),
                "--report",
            ]
        )
        == 0
    )
    picture = pictures_of((out / "report.html").read_text(encoding="utf-8"))[0]
    assert picture["name"] == "그림.png"
    assert picture["overlay"]
    assert picture["panel"]
    assert "report" in capsys.readouterr().out


def test_metrics_of_another_classifier_are_not_shown(smoke_run):
    from aireal.classifier.model import read_config

    config = read_config(smoke_run.data.model)
    published = read_metrics(METRICS)["resnet34"]
    assert not metrics_of(replace(config, temperature=123.0))
    assert metrics_of(replace(config, **{name: published[name] for name in ("architecture", "temperature", "bias")}))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """A page of 120 pictures, one with a hostile name."""
    folder = tmp_path_factory.mktemp("page")
    picture, overlay = (
        write(folder / name, encoded(noise(seed), "PNG")) for name, seed in (("p.png", 1), ("o.png", 2))
    )
    truths = ("fake", "real", None)
    entries = [
        entry(
            f"{k:03}.jpg" if k else HOSTILE[0],
            0.95 - 0.09 * (k % 10),
            truths[k % 3],
            f"Maker {k % 4}",
            picture=picture,
            overlay=overlay,
        )
        for k in range(120)
    ]
    entries[::5] = [
        replace(e, record=replace(e.record, region_removal=Occlusion(-0.1, 0.0, -0.1, 0.1, 0.0), uncertain=True))
        for e in entries[::5]
    ]
    html = render(read_metrics(METRICS), entries)
    return write(folder / "report.html", html.encode()), entries


def choose(page, name: str, value: str) -> int:
    from selenium.webdriver.support.ui import Select

    Select(page.find_element("css selector", f"select[name={name}]")).select_by_value(value)
    return len([card for card in page.find_elements("css selector", "#pictures li") if card.is_displayed()])


def test_in_a_browser_filters_keys_and_languages_work_and_nothing_is_asked_of_any_network(gallery, tmp_path):
    path, entries = gallery
    with browser(tmp_path / "profile", 1280) as page:
        from selenium.webdriver.common.keys import Keys

        page.get_log("performance")
        page.get(path.as_uri())
        assert choose(page, "verdict", "fake") == sum(e.record.label == "fake" for e in entries)
        wrong = [e for e in entries if e.record.label == "fake" and e.truth == "real"]
        assert choose(page, "correct", "wrong") == len(wrong)
        assert choose(page, "generator", "Maker 1") == sum(e.generator == "Maker 1" for e in wrong)
        page.find_element("css selector", "#filters button[type=reset]").click()
        assert choose(page, "trust", "poor") == choose(page, "verdict", "uncertain") == len(entries[::5])
        page.find_element("css selector", "#filters button[type=reset]").click()
        first = page.find_element("css selector", "#pictures li button")
        first.send_keys(Keys.ENTER)
        assert HOSTILE[0] in page.find_element("id", "detail").text
        page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        assert "001.jpg" in page.find_element("css selector", "#detail").text
        page.switch_to.active_element.send_keys(Keys.ESCAPE)
        # the browser focuses what was focused before, and the page's own turn comes with the event after it
        until(lambda: "001.jpg" in page.switch_to.active_element.text)
        page.execute_script("scrollTo({top: 0, behavior: 'instant'})")
        page.find_element("css selector", "[data-language-of=ko]").click()
        assert page.find_element("tag name", "h1").text.startswith("사진인가")
        assert "AI 이미지" in first.text
        assert page.execute_script(
            "return window.hacked === undefined && document.querySelectorAll('script').length === 3"
        )
        assert [line for line in page.get_log("browser") if line["level"] == "SEVERE"] == []
        messages = [json.loads(line["message"])["message"] for line in page.get_log("performance")]
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        assert [url for url in urls if not url.startswith(("data:", "chrome", path.as_uri()))] == []


def test_on_a_telephone_nothing_sticks_out_and_pictures_are_drawn_when_they_come_near(gallery, tmp_path):
    with browser(tmp_path / "profile", 390, 844) as page:
        page.get(gallery[0].as_uri())
        assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        drawn = "return document.querySelectorAll('#pictures img').length"
        assert page.execute_script(drawn) < 30
        page.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
        page.execute_script("document.querySelector('#pictures li:nth-child(60)').scrollIntoView()")
        page.execute_async_script("setTimeout(arguments[0], 500)")
        assert 0 < page.execute_script(drawn) < 120
        page.find_element("css selector", "#pictures li:nth-child(60) button").click()
        assert page.execute_script("return document.querySelector('#detail').getBoundingClientRect().width") == 390


def test_on_a_telephone_no_part_is_wider_than_the_page_and_korean_is_drawn_with_the_font_inside(gallery, tmp_path):
    with browser(tmp_path / "profile", 375, 812) as page:
        page.get(gallery[0].as_uri())
        assert fonts_of(page, "[data-language-of=ko]") == [("aireal Hangul", True)]
        page.find_element("css selector", "[data-language-of=ko]").click()
        wider = page.execute_script(
            "return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && "
            "(e.getBoundingClientRect().right > 375.5 || getComputedStyle(e).overflowX == 'auto' && "
            "e.scrollWidth > e.clientWidth)).map(e => e.outerHTML.slice(0, 120))"
        )
        assert wider == []
        assert page.find_element("css selector", ".forest").rect["width"] > 300


def fonts_of(page, css: str) -> list[tuple[str, bool]]:
    """The fonts that draw an element's text, and whether the page brought each along."""
    page.execute_cdp_cmd("DOM.enable", {})
    page.execute_cdp_cmd("CSS.enable", {})
    root = page.execute_cdp_cmd("DOM.getDocument", {})["root"]["nodeId"]
    node = page.execute_cdp_cmd("DOM.querySelector", {"nodeId": root, "selector": css})["nodeId"]
    used = page.execute_cdp_cmd("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    return [(font["familyName"], font["isCustomFont"]) for font in used]
