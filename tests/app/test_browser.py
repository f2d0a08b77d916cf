"""The demonstration page in a headless Chromium, as a visitor uses it: with mouse, keyboard and files, at desktop and phone width."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from helpers.images import SAMPLE, encoded, noise, write

pytest.importorskip("gradio", reason="the page's tests need Gradio: pip install -c constraints.txt -e '.[app]'")
pytest.importorskip("selenium", reason="the page's tests in a browser need selenium")

from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from aireal.app.launch import launch_app
from aireal.app.page import Sessions
from aireal.classifier.model import read_config
from aireal.core.run import start

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver is installed")

HOSTILE = "<img src=x onerror=window.hurt=1> &amp;.png"
written: list[str] = []  # files that this process opened for writing while `watched`
watched = threading.Event()


def _watch(event: str, arguments: tuple) -> None:
    if event == "open" and watched.is_set():
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.append(str(path))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The page with the embedded PaliGemma, served by a thread, its address and its `Sessions`; the classifier is trained by its first start."""
    ready, found = threading.Event(), {}
    run = start("tests", "smoke", SAMPLE, seed=7, out=tmp_path_factory.mktemp("first start"))
    assert read_config(run.data.model) is None

    def started(address, server):
        found.update(address=address, server=server)
        ready.set()

    def visits(*arguments):
        found["visits"] = Sessions(*arguments)
        return found["visits"]

    with patch("aireal.app.server.Visits", visits):
        thread = threading.Thread(target=launch_app, args=(run, 0), kwargs={"started": started})
        thread.start()
        assert ready.wait(300)
    yield SimpleNamespace(**found)
    found["server"].should_exit = True
    thread.join(60)
    assert not thread.is_alive() and read_config(run.data.model)


@pytest.fixture(scope="module")
def address(served):
    return served.address


@contextmanager
def browser(width: int, folder: Path | None = None):
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--lang=en-US",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = Chrome(options, Service(DRIVER))
    try:
        metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 700}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        if folder:
            driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        yield driver
    finally:
        driver.quit()


def until(found, seconds: float = 300):
    """What `found` returns as soon as that is something; the patience is for a machine that has other work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come")


def all_of(driver, css: str) -> list:
    return driver.find_elements(By.CSS_SELECTOR, css)


def one(driver, css: str):
    return until(lambda: all_of(driver, css))[0]


def lit(driver) -> set[tuple[str, str]]:
    return {(e.tag_name, e.get_attribute("data-piece")) for e in all_of(driver, "[data-lit]")}


@pytest.fixture(scope="module")
def visit(address, tmp_path_factory):
    """A visitor's browser at desktop width that has had an example explained."""
    folder = tmp_path_factory.mktemp("downloads")
    with browser(1280, folder) as driver:
        driver.get(address)
        one(driver, "[data-example]").click()
        one(driver, "#lime-0 path.piece")
        one(driver, "#foot-0 .downloads")
        yield driver, folder


def test_the_example_is_explained_with_its_truth(visit):
    driver, _ = visit
    assert "with" in one(driver, "#head-0 .verdict").text and "In truth an AI image" in one(driver, "#head-0").text
    assert len(all_of(driver, "#lime-0 path.piece")) == len(all_of(driver, "#lime-0 .pieces button")) == 5
    assert one(driver, "#foot-0 .overall").text and one(driver, "#head-0 .sentence").text
    heat, photo = all_of(driver, "#overlay-0 .stage img")
    assert heat.rect == photo.rect == one(driver, "#overlay-0 .marks").rect, "the layers lie on each other"
    assert photo.rect["width"] == pytest.approx(photo.rect["height"])


def test_a_piece_and_its_line_light_up_together_by_mouse_and_keyboard(visit):
    driver, _ = visit
    row, other = all_of(driver, "#lime-0 .pieces button")[:2]
    number, second = row.get_attribute("data-piece"), other.get_attribute("data-piece")
    both, others = {("path", number), ("button", number)}, {("path", second), ("button", second)}
    ActionChains(driver).move_to_element(row).perform()
    assert lit(driver) == both
    row.click()
    ActionChains(driver).move_to_element(one(driver, "h1")).perform()
    assert lit(driver) == both and row.get_attribute("aria-pressed") == "true", "pressed, it stays"
    piece = one(driver, f'#lime-0 path[data-piece="{second}"]')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", piece)
    driver.execute_script("arguments[0].focus()", piece)
    ActionChains(driver).send_keys(Keys.TAB).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    assert driver.switch_to.active_element == piece and lit(driver) == others, "the focus of the keyboard lights it"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    assert (
        piece.get_attribute("aria-pressed") == other.get_attribute("aria-pressed") == "true"
        and row.get_attribute("aria-pressed") == "false"
    )
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


def test_the_slider_changes_the_heatmap_and_the_box_takes_the_marks_away(visit):
    driver, _ = visit
    slider = one(driver, "#overlay-0 [data-opacity]")

    def opacity() -> float:
        style = "return getComputedStyle(document.querySelector('#overlay-0 .heat')).opacity"
        return float(driver.execute_script(style))

    assert opacity() == 0.5
    slider.send_keys(Keys.ARROW_RIGHT * 3)
    assert opacity() == pytest.approx(0.53) and one(driver, "#overlay-0 output").text == "53%"
    slider.send_keys(Keys.HOME)
    assert opacity() == 0
    assert one(driver, "#overlay-0 .marks").is_displayed()
    one(driver, "#overlay-0 [data-marks]").click()
    assert not one(driver, "#overlay-0 .marks").is_displayed()


def test_the_whole_page_changes_its_language_without_a_reload(visit):
    driver, _ = visit
    driver.execute_script("window.stays = true")
    text = lambda: driver.execute_script("return document.querySelector('gradio-app').innerText")  # noqa: E731
    words = {
        "ko": ("분류 결과", "그림 고르기", "이 설명을 얼마나", "내려받기", "예시 1"),
        "en": ("Verdict", "Choose pictures", "How far", "Download", "Example 1"),
    }
    for language, other in (("ko", "en"), ("en", "ko")):
        one(driver, f'[data-language-of="{language}"]').click()
        assert all(word in text() for word in words[language]) and not any(word in text() for word in words[other])
        assert driver.execute_script("return document.documentElement.lang") == language
    assert driver.execute_script("return window.stays")


def test_downloads_open_and_are_whole(visit):
    driver, folder = visit
    for link in all_of(driver, "#foot-0 .downloads a"):
        link.click()
    kinds = until(
        lambda: len(found := {f.suffix: f for f in folder.iterdir() if f.suffix != ".crdownload"}) == 3 and found
    )
    with Image.open(kinds[".png"]) as panel:
        panel.load()
        assert panel.width > 900
    line = json.loads(kinds[".json"].read_text(encoding="utf-8"))
    assert (
        f"{line['probability']:.2f}%" in one(driver, "#head-0 .verdict").text
        and len(line["lime"]) == 5
        and line["trust"]
        and line["sentence_ko"]
    )
    assert len(line["sha256"]) == 64 and line["uncertain_below"] >= 0.5
    with browser(390) as other:
        other.get(kinds[".html"].as_uri())
        assert (
            f"{line['probability']:.2f}%" in one(other, ".verdict").text
            and line["sentence_en"] in one(other, ".sentence").text
        )
        row = all_of(other, ".pieces button")[2]
        row.click()
        assert ("path", row.get_attribute("data-piece")) in lit(other)
        one(other, '[data-language-of="ko"]').click()
        assert line["sentence_ko"] in one(other, ".sentence").text
        assert other.execute_script("return document.documentElement.scrollWidth") <= 390
        assert requested(other) <= {"file"} and errors(other) == []


def requested(driver) -> set[str]:
    """Hosts (or schemes, where there is none) of all that the browser has asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [urlsplit(m["params"]["request"]["url"]) for m in messages if m["method"] == "Network.requestWillBeSent"]
    return {url.netloc or url.scheme for url in urls} - {"data", "blob"}


def errors(driver) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def test_several_files_bad_ones_among_them_on_a_phone_and_nothing_is_written_or_asked_elsewhere(
    address, tmp_path, photograph
):
    names = {
        "사진 한 장.jpg": encoded(photograph, "JPEG"),
        "text.png": b"no image at all",
        HOSTILE: encoded(noise(3, 96), "PNG"),
    }
    files = [write(tmp_path / name, content) for name, content in names.items()]
    with browser(390) as driver:
        written.clear()
        watched.set()
        driver.get(address)
        one(driver, "#files").send_keys("\n".join(map(str, files)))
        until(lambda: len(all_of(driver, ".downloads")) == 2)
        watched.clear()
        rows = [row.text for row in all_of(driver, ".overview li")]
        assert len(rows) == 3 and all(name in row for name, row in zip(names, rows)), "names are text"
        assert "the file is no image that can be read" in rows[1] and "Verdict" in rows[0] and "Verdict" in rows[2]
        assert all_of(driver, "#picture-0, #picture-2") and not all_of(driver, "#head-1 .verdict")
        assert driver.execute_script("return window.hurt") is None
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        assert [path for path in written if "__pycache__" not in path and not path.startswith("/dev")] == []
        assert requested(driver) == {urlsplit(address).netloc} and errors(driver) == []
        one(driver, "[data-clear]").click()
        until(lambda: not all_of(driver, ".overview") and not all_of(driver, ".verdict"))


def test_a_file_that_is_too_large_is_named_before_it_is_sent(address, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as file:
        file.truncate(31 * 2**20)
    with browser(1280) as driver:
        driver.get(address)
        one(driver, "#files").send_keys(f"{large}\n{write(tmp_path / 'empty.png', b'')}")
        rows = until(lambda: len(found := [e.text for e in all_of(driver, ".overview li .bad")]) == 2 and found)
        assert "larger than 30 MB" in rows[0] and "the file is empty (0 bytes)" in rows[1]


DROP = """
const data = new DataTransfer();
data.items.add(new File(["no image"], "dropped.png"));
document.querySelector("h1").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
"""


def test_a_file_can_be_dropped_anywhere_and_who_closes_the_page_ends_the_work(served, tmp_path, photograph):
    with browser(1280) as driver:
        driver.get(served.address)
        one(driver, "#files")
        driver.execute_script(DROP)
        until(lambda: [e for e in all_of(driver, ".overview .bad") if "no image that can be read" in e.text])
        assert "dropped.png" in one(driver, ".overview").text
        one(driver, "#files").send_keys(
            "\n".join(str(write(tmp_path / f"{k}.png", encoded(photograph.rotate(k), "PNG"))) for k in range(8))
        )
        one(driver, "#head-0 .verdict")
        assert len(served.visits) == 1
    until(lambda: len(served.visits) == 0)
    assert served.visits.desk.submit(lambda tell: None).done(30) and len(served.visits.store) == 0


def luminance(colour: list[float]) -> float:
    values = np.array(colour[:3]) / 255
    return float(
        np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    )


CONTRASTS = """
const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
const behind = e => {
  for (; e; e = e.parentElement) {
    const colour = rgb(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > .99) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('.aireal *')].filter(e => !(e instanceof SVGElement) && e.checkVisibility()
  && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .map(e => [e.textContent.trim().slice(0, 40), rgb(getComputedStyle(e).color), behind(e)]);
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(visit, scheme):
    driver, _ = visit
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    time.sleep(0.3)
    found = driver.execute_script(CONTRASTS)
    assert len(found) > 40
    for text, colour, ground in found:
        light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, colour, ground)


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit):
    driver, _ = visit
    driver.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    wanted = {
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
    reached = set()
    for _ in range(60):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        found, ring = driver.execute_script(
            """
            const e = document.activeElement, shown = e.id === 'files' ? e.nextElementSibling : e, style = getComputedStyle(shown);
            return [arguments[0].filter(css => e.matches(css)), style.outlineStyle !== 'none' || style.strokeWidth === '5px'];""",
            sorted(wanted),
        )
        assert ring or not found, found
        reached |= set(found)
    assert reached == wanted
