"""Folders and bad files on the page, in a headless Chromium."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from helpers.browser import all_of, browser, chromium, one, until
from helpers.images import encoded, noise, write

pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")
pytest.importorskip("selenium", reason="selenium is not installed")

from aireal.app.launch import private_folder
from aireal.app.server import listen, serve_page
from aireal.explain.predictor import Predictor
from aireal.stages.explainer import Explainer


@pytest.fixture(scope="module")
def address(smoke_run):
    """The page without sentences and superpixels, served by a thread."""
    chromium()  # skips without a browser
    ready, page = threading.Event(), SimpleNamespace()

    def started(address, server):
        page.address, page.server = address, server
        ready.set()

    def serve():
        with (
            private_folder(),
            listen(0) as bound,
            Explainer(Predictor(smoke_run.data.model, smoke_run.device), lime_samples=0) as explainer,
        ):
            serve_page(bound, smoke_run.data, explainer, started)

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(300)
    yield page.address
    page.server.should_exit = True
    thread.join(60)


@pytest.fixture
def driver(address, tmp_path):
    with browser(tmp_path / "profile", 1280, 1000) as driver:
        driver.get(address)
        one(driver, "[data-drop][data-ready]")
        yield driver


def drop(driver, *paths) -> None:
    """Drop files and folders of this machine on the page, as from a file manager."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 200, "data": data})


def rows(driver, count: int) -> list[str]:
    """The texts of the overview's rows, without the mark of a refused one, once each of `count` has its result."""
    until(lambda: len(all_of(driver, ".overview li .bad, .overview li a")) == count)
    return [row.text.removeprefix("!\n") for row in all_of(driver, ".overview li")]


@pytest.fixture
def folder(tmp_path, photograph):
    """A folder as people have it: pictures in folders, other files, and what macOS and Jupyter leave."""
    root = tmp_path / "휴가 사진"
    for name in ("b.png", "a.JPG", "day 2/b.png", "__MACOSX/b.png", ".ipynb_checkpoints/b.png"):
        write(root / name, encoded(photograph, "JPEG" if name.endswith("JPG") else "PNG"))
    write(root / "._b.png", b"\0\5\x16\7" + bytes(200))
    write(root / "notes.txt", b"no picture")
    return root


@pytest.mark.people_have(
    "a folder dropped on the page, with folders in it and what macOS and Jupyter leave there",
    "read",
    "its pictures are taken, by their names; other files and hidden ones are passed over",
)
def test_the_pictures_of_a_dropped_folder_are_taken(driver, folder):
    drop(driver, folder)
    found = rows(driver, 3)
    assert [row.split("\n")[0] for row in found] == [f"휴가 사진/{name}" for name in ("a.JPG", "b.png", "day 2/b.png")]
    assert all("Verdict" in row for row in found)
    assert "/" not in one(driver, "#head-2 .file .name").text, "the record has the file's name alone"


@pytest.mark.people_have(
    "a dropped folder without pictures",
    "refused",
    "there is no picture in this folder. Choose pictures, or a folder that holds some.",
)
def test_a_folder_without_pictures_is_said_to_have_none(driver, tmp_path):
    write(tmp_path / "texts" / "a.txt", b"text")
    drop(driver, tmp_path / "texts")
    (row,) = rows(driver, 1)
    assert row.startswith("texts")
    assert "there is no picture in this folder" in row


@pytest.mark.people_have(
    "a dropped folder with more than 8 pictures",
    "read",
    "the first 8 by name; for the others: there are more than 8 files. Add this one next time.",
)
def test_of_a_large_folder_the_first_pictures_are_taken(driver, tmp_path):
    for number in range(120):  # more than a browser lists at once
        write(tmp_path / "many" / f"{number:03}.png", encoded(noise(number, 32), "PNG"))
    drop(driver, tmp_path / "many")
    *taken, rest = rows(driver, 9)
    assert [row.split("\n")[0] for row in taken] == [f"many/{number:03}.png" for number in range(8)]
    assert rest.startswith("many/…")
    assert "more than 8 files" in rest


@pytest.mark.people_have(
    "one bad file among eight on the page",
    "read",
    "its own sentence beside its name; the other seven get their verdicts",
)
def test_one_bad_file_among_eight_gets_its_sentence(driver, tmp_path, photograph):
    damaged = bytearray(encoded(photograph.resize((200, 200)), "AVIF"))
    start = damaged.find(b"mdat") + 4
    damaged[start : start + 16] = bytes(16)
    good = [write(tmp_path / f"{k}.png", encoded(noise(k), "PNG")) for k in range(1, 8)]
    drop(driver, write(tmp_path / "0.avif", bytes(damaged)), *good)
    bad, *good = rows(driver, 8)
    assert all("Verdict" in row for row in good)
    assert "Verdict" not in bad
    assert len(bad.split("\n")) == 2, "the name and one sentence"
    assert "Traceback" not in bad


HOLD_BACK = """
const hold = event => event.stopImmediatePropagation();
arguments[0].parentElement.addEventListener("change", hold, { capture: true, once: true });
"""


@pytest.mark.fault(
    "page",
    "a file that vanishes before the browser has read it",
    "the browser cannot read this",
    "the server is not blamed, and other files go on",
)
def test_a_file_that_the_browser_cannot_read_is_not_blamed_on_the_server(driver, tmp_path):
    gone = write(tmp_path / "gone.png", encoded(noise(1), "PNG"))
    field = one(driver, "#files")
    driver.execute_script(HOLD_BACK, field)
    field.send_keys(str(gone))
    gone.unlink()
    driver.execute_script("arguments[0].dispatchEvent(new Event('change'))", field)
    (row,) = rows(driver, 1)
    assert "the browser cannot read this" in row


HOLD = """
window.sent = 0;
window.held = [];
const real = window.fetch;
window.fetch = (address, options) => {
  if (address !== "pictures") return real(address, options);
  window.sent += 1;
  if (window.released) return real(address, options);
  return new Promise(go => window.held.push(() => go(real(address, options))));
};
"""
RELEASE = "window.released = true; window.held.forEach(go => go());"


def hold_uploads(driver) -> None:
    """Keep each upload back, as a slow connection does, until `RELEASE`."""
    driver.execute_script(HOLD)


def test_a_newer_choice_ends_the_upload_of_an_earlier_one(driver, tmp_path, photograph):
    old = [write(tmp_path / f"{k}.png", encoded(noise(k), "PNG")) for k in range(3)]
    hold_uploads(driver)
    drop(driver, *old)
    until(lambda: driver.execute_script("return window.sent") == 1)
    drop(driver, write(tmp_path / "new.png", encoded(photograph, "PNG")))
    until(lambda: driver.execute_script("return window.sent") == 2)
    driver.execute_script(RELEASE)
    (row,) = rows(driver, 1)
    assert row.startswith("new.png")
    assert driver.execute_script("return window.sent") == 2, "the rest of the earlier choice is not sent"


def test_clear_ends_an_upload(driver, tmp_path, photograph):
    drop(driver, write(tmp_path / "first.png", encoded(photograph, "PNG")))
    rows(driver, 1)
    hold_uploads(driver)
    drop(driver, write(tmp_path / "second.png", encoded(photograph, "PNG")))
    until(lambda: driver.execute_script("return window.sent") == 1)
    one(driver, "[data-clear]").click()
    until(lambda: not all_of(driver, ".overview li"))
    driver.execute_script(RELEASE)
    time.sleep(2)
    assert not all_of(driver, ".overview li"), "the upload that ended after it fills the page again"
