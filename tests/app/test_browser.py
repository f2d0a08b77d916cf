"""The demonstration page in a headless Chromium: mouse, keyboard and files, at desktop and phone width."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from helpers.browser import all_of, browser, chromium, one, until
from helpers.images import SAMPLE, encoded, noise, write

pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")
pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from aireal.app.launch import launch_app
from aireal.app.page import Sessions
from aireal.classifier.model import read_config
from aireal.config import REPOSITORY
from aireal.core.run import start

NAMES = ["사진 한 장.jpg", "text.png", "<img src=x onerror=window.hurt=1> &amp;.png"]  # the last one is hostile
opened_for_writing: list[str] = []  # paths, while `watching` is set
watching = threading.Event()


def _record_writes(event: str, arguments: tuple) -> None:
    if event == "open" and watching.is_set():
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            opened_for_writing.append(str(path))


sys.addaudithook(_record_writes)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address and the `Sessions` of the page with the embedded PaliGemma, served by a thread.

    Its dataset root has no classifier, so starting the page trains one.
    """
    chromium()  # skips without a browser, before anything is trained
    ready, page = threading.Event(), SimpleNamespace()
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path_factory.mktemp("first start"))
    assert read_config(run.data.model) is None

    def started(address, server):
        page.address, page.server = address, server
        ready.set()

    def make_sessions(*arguments):
        page.sessions = Sessions(*arguments)
        return page.sessions

    with patch("aireal.app.server.Sessions", make_sessions):
        thread = threading.Thread(target=launch_app, args=(run, 0), kwargs={"started": started})
        thread.start()
        assert ready.wait(300)
    yield page
    page.server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()
    assert read_config(run.data.model)


@pytest.fixture(scope="module")
def address(served):
    return served.address


def lit(driver) -> set[tuple[str, str]]:
    return {(e.tag_name, e.get_attribute("data-piece")) for e in all_of(driver, "[data-lit]")}


@pytest.fixture(scope="module")
def visit(address, tmp_path_factory):
    """A browser at desktop width in which an example has been explained, and the folder of its downloads."""
    folder = tmp_path_factory.mktemp("downloads")
    with browser(tmp_path_factory.mktemp("profile"), 1280, 1000) as driver:
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        driver.get(address)
        one(driver, "[data-example]").click()
        one(driver, "#lime-0 path.piece")
        one(driver, "#foot-0 .downloads")
        yield driver, folder


def test_the_example_is_explained_with_its_truth(visit):
    driver, _ = visit
    assert "with" in one(driver, "#head-0 .verdict").text
    assert "In truth an AI image" in one(driver, "#head-0").text
    assert len(all_of(driver, "#lime-0 path.piece")) == 5
    assert len(all_of(driver, "#lime-0 .pieces button")) == 5
    assert one(driver, "#foot-0 .overall").text
    assert one(driver, "#head-0 .sentence").text


def test_heatmap_photograph_and_marks_lie_on_each_other(visit):
    driver, _ = visit
    heatmap, photo = all_of(driver, "#overlay-0 .stage img")
    assert heatmap.rect == photo.rect
    assert one(driver, "#overlay-0 .marks").rect == photo.rect
    assert photo.rect["width"] == pytest.approx(photo.rect["height"])


def test_a_piece_and_its_line_light_up_together_by_mouse_and_keyboard(visit):
    driver, _ = visit
    row, other_row = all_of(driver, "#lime-0 .pieces button")[:2]
    number, other_number = row.get_attribute("data-piece"), other_row.get_attribute("data-piece")
    pair = {("path", number), ("button", number)}
    other_pair = {("path", other_number), ("button", other_number)}
    ActionChains(driver).move_to_element(row).perform()
    assert lit(driver) == pair
    row.click()
    ActionChains(driver).move_to_element(one(driver, "h1")).perform()
    assert lit(driver) == pair, "a pressed line stays lit"
    assert row.get_attribute("aria-pressed") == "true"
    piece = one(driver, f'#lime-0 path[data-piece="{other_number}"]')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", piece)
    driver.execute_script("arguments[0].focus()", piece)
    ActionChains(driver).send_keys(Keys.TAB).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert driver.switch_to.active_element == piece
    assert lit(driver) == other_pair, "the keyboard's focus lights it"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    assert piece.get_attribute("aria-pressed") == "true"
    assert other_row.get_attribute("aria-pressed") == "true"
    assert row.get_attribute("aria-pressed") == "false"
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    driver.execute_script("document.activeElement.blur()")
    assert lit(driver) == set()


def test_a_click_on_a_piece_lights_its_line(visit):
    driver, _ = visit
    number = all_of(driver, "#lime-0 path.piece")[0].get_attribute("data-piece")
    label = one(driver, f'#lime-0 g[data-for="{number}"] rect')  # lies on its piece and lets the click through
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)
    ActionChains(driver).move_to_element(label).click().perform()
    assert {("path", number), ("button", number)} <= lit(driver)
    ActionChains(driver).click().move_to_element(one(driver, "h1")).perform()


def test_the_slider_changes_the_opacity_of_the_heatmap(visit):
    driver, _ = visit
    slider = one(driver, "#overlay-0 [data-opacity]")

    def opacity() -> float:
        script = "return getComputedStyle(document.querySelector('#overlay-0 .heat')).opacity"
        return float(driver.execute_script(script))

    assert opacity() == 0.5
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert opacity() == pytest.approx(0.53)
    assert one(driver, "#overlay-0 output").text == "53%"
    slider.send_keys(Keys.HOME)
    assert opacity() == 0


def test_the_checkbox_hides_the_marks(visit):
    driver, _ = visit
    assert one(driver, "#overlay-0 .marks").is_displayed()
    one(driver, "#overlay-0 [data-marks]").click()
    assert not one(driver, "#overlay-0 .marks").is_displayed()


def test_the_whole_page_changes_its_language_without_a_reload(visit):
    driver, _ = visit
    driver.execute_script("window.stays = true")
    phrases = {
        "ko": ("분류 결과", "그림 고르기", "이 설명을 얼마나", "내려받기", "예시 1"),
        "en": ("Verdict", "Choose pictures", "How far", "Download", "Example 1"),
    }
    for language, other_language in (("ko", "en"), ("en", "ko")):
        one(driver, f'[data-language-of="{language}"]').click()
        text = driver.execute_script("return document.querySelector('gradio-app').innerText")
        assert [phrase for phrase in phrases[language] if phrase not in text] == []
        assert [phrase for phrase in phrases[other_language] if phrase in text] == []
        assert driver.execute_script("return document.documentElement.lang") == language
    assert driver.execute_script("return window.stays")


@pytest.fixture(scope="module")
def downloads(visit) -> dict[str, Path]:
    """The downloaded files by suffix."""
    driver, folder = visit
    for link in all_of(driver, "#foot-0 .downloads a"):
        link.click()

    def complete() -> dict[str, Path] | None:
        files = {path.suffix: path for path in folder.iterdir() if path.suffix != ".crdownload"}
        return files if len(files) == 3 else None

    return until(complete)


@pytest.fixture(scope="module")
def record(downloads) -> dict:
    return json.loads(downloads[".json"].read_text(encoding="utf-8"))


def test_the_downloaded_panel_is_a_whole_picture(downloads):
    with Image.open(downloads[".png"]) as panel:
        panel.load()
        assert panel.width > 900


def test_the_downloaded_record_is_that_of_the_page(visit, record):
    driver, _ = visit
    assert f"{record['probability']:.2f}%" in one(driver, "#head-0 .verdict").text
    assert len(record["lime"]) == 5
    assert record["trust"]
    assert record["sentence_ko"]
    assert len(record["sha256"]) == 64
    assert record["uncertain_below"] >= 0.5


def test_the_downloaded_page_works_offline_on_a_phone(downloads, record, tmp_path):
    with browser(tmp_path / "profile", 390) as driver:
        driver.get(downloads[".html"].as_uri())
        assert f"{record['probability']:.2f}%" in one(driver, ".verdict").text
        assert record["sentence_en"] in one(driver, ".sentence").text
        row = all_of(driver, ".pieces button")[2]
        row.click()
        assert ("path", row.get_attribute("data-piece")) in lit(driver)
        one(driver, '[data-language-of="ko"]').click()
        assert record["sentence_ko"] in one(driver, ".sentence").text
        assert page_width(driver) <= 390
        assert requested_hosts(driver) <= {"file"}
        assert errors(driver) == []


def page_width(driver) -> int:
    return driver.execute_script("return document.documentElement.scrollWidth")


def requested_hosts(driver) -> set[str]:
    """Hosts (or schemes, where there is no host) of all requests, except for the browser's own pages."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [urlsplit(m["params"]["request"]["url"]) for m in messages if m["method"] == "Network.requestWillBeSent"]
    own = {"data", "blob", "chrome", "chrome-untrusted"}
    return {url.netloc or url.scheme for url in urls if url.scheme not in own}


def errors(driver) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def phone(address, tmp_path_factory):
    """A browser at phone width in which two pictures have been explained, between them a file that is none."""
    folder = tmp_path_factory.mktemp("phone")
    photograph = Image.open(min((REPOSITORY / "proposal_images").glob("real_*.jpg"))).convert("RGB")
    contents = [encoded(photograph, "JPEG"), b"no image at all", encoded(noise(3, 96), "PNG")]
    files = [write(folder / name, content) for name, content in zip(NAMES, contents, strict=True)]
    with browser(folder / "profile", 390, 1000) as driver:
        opened_for_writing.clear()
        watching.set()
        driver.get(address)
        one(driver, "#files").send_keys("\n".join(map(str, files)))
        until(lambda: len(all_of(driver, ".downloads")) == 2)
        watching.clear()
        yield driver


def test_each_file_has_its_name_and_its_result(phone):
    rows = [row.text for row in all_of(phone, ".overview li")]
    assert len(rows) == 3
    for name, row, result in zip(NAMES, rows, ("Verdict", "the file is no image that can be read", "Verdict")):
        assert name in row, "the name is shown as text"
        assert result in row
    assert all_of(phone, "#picture-0, #picture-2")
    assert not all_of(phone, "#head-1 .verdict")


def test_a_hostile_name_runs_no_script(phone):
    assert phone.execute_script("return window.hurt") is None


def test_the_page_fits_a_phone(phone):
    assert page_width(phone) <= 390


def test_a_visit_writes_no_file_and_asks_no_other_host(phone, address):
    paths = [path for path in opened_for_writing if "__pycache__" not in path and not path.startswith("/dev")]
    assert paths == []
    assert requested_hosts(phone) == {urlsplit(address).netloc}
    assert errors(phone) == []


def test_the_button_clears_the_page(phone):
    one(phone, "[data-clear]").click()
    until(lambda: not all_of(phone, ".overview"))
    until(lambda: not all_of(phone, ".verdict"))


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(address, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(31 * 2**20)
    with browser(tmp_path / "profile", 1280, 1000) as driver:
        driver.get(address)
        one(driver, "#files").send_keys(f"{large}\n{write(tmp_path / 'empty.png', b'')}")
        until(lambda: len(all_of(driver, ".overview li .bad")) == 2)
        refused, empty = (element.text for element in all_of(driver, ".overview li .bad"))
        assert "larger than 30 MB" in refused
        assert "the file is empty (0 bytes)" in empty


DROP = """
const data = new DataTransfer();
data.items.add(new File(["no image"], "dropped.png"));
const drop = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
document.querySelector("h1").dispatchEvent(drop);
"""


def test_a_file_can_be_dropped_anywhere(address, tmp_path):
    with browser(tmp_path / "profile", 1280, 1000) as driver:
        driver.get(address)
        one(driver, "#files")
        driver.execute_script(DROP)
        until(lambda: [e for e in all_of(driver, ".overview .bad") if "no image that can be read" in e.text])
        assert "dropped.png" in one(driver, ".overview").text


@pytest.mark.fault("page", "the browser ends while eight pictures wait", "", "the work ends, and no picture is kept")
def test_closing_the_page_ends_the_work(served, tmp_path, photograph):
    files = [write(tmp_path / f"{k}.png", encoded(photograph.rotate(k), "PNG")) for k in range(8)]
    sessions = served.sessions
    with browser(tmp_path / "profile", 1280, 1000) as driver:
        driver.get(served.address)
        before = len(sessions)
        one(driver, "#files").send_keys("\n".join(map(str, files)))
        one(driver, "#head-0 .verdict")
        assert len(sessions) == before + 1
    until(lambda: len(sessions) == before)
    assert sessions.job_queue.submit(lambda _: None).done(30)
    assert len(sessions.store) == 0


def luminance(colour: list[float]) -> float:
    """Relative luminance of an sRGB colour in 0..255 (WCAG 2)."""
    values = np.array(colour[:3]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


TEXTS = """
const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
const background = e => {
  for (; e; e = e.parentElement) {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > .99) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('.aireal *')].filter(e => !(e instanceof SVGElement) && e.checkVisibility()
  && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .map(e => [e.textContent.trim().slice(0, 40), rgb(getComputedStyle(e).color), background(e)]);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(visit, scheme):
    driver, _ = visit
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    time.sleep(0.3)
    texts = driver.execute_script(TEXTS)
    assert len(texts) > 40
    for text, colour, background in texts:
        light, dark = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, colour, background)


CONTROLS = {
    "[data-language-of]",
    "#files",
    "[data-example]",
    "[data-clear]",
    "[data-opacity]",
    "[data-marks]",
    "path.piece",
    ".pieces button",
    ".downloads a",
}
FOCUS = """
const element = document.activeElement;
const visible = element.id === 'files' ? element.nextElementSibling : element;
const style = getComputedStyle(visible);
const ring = style.outlineStyle !== 'none' || style.strokeWidth === '5px';
return [arguments[0].filter(css => element.matches(css)), ring];
"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit):
    driver, _ = visit
    driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    reached = set()
    for _ in range(60):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        focused, ring = driver.execute_script(FOCUS, sorted(CONTROLS))
        assert ring or not focused, focused
        reached |= set(focused)
    assert reached == CONTROLS
