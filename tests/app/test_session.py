"""Sessions and the service behind them, without a browser: what a visitor sees, who waits, and what ends the work."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from PIL import Image

from aireal.app import components
from aireal.app.file import File
from aireal.app.job_queue import Cancelled
from aireal.app.service import ExplanationService, file_stem
from aireal.app.session import OVERVIEW, Session
from aireal.explain.trust import NO_HEATMAP
from aireal.stages.explain_files import explain_file
from helpers.images import damaged_avif, encoded, write


def run_through(session: Session) -> tuple[list[dict], dict]:
    """All changes, and what the page shows in the end."""
    changes, page = [], {}
    for change in session.changes():
        changes.append(change)
        page |= change
    return changes, page


@pytest.fixture
def two_files(photograph) -> dict[str, bytes]:
    """Two different pictures by their names."""
    mirrored = photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return {"a.png": encoded(photograph, "PNG"), "b.png": encoded(mirrored, "PNG")}


def test_all_verdicts_come_before_the_first_lime_view(service, job_queue, two_files):
    session = Session(service, job_queue, [File(name, data, truth="real") for name, data in two_files.items()])
    changes, page = run_through(session)
    order = [key for change in changes for key in change if key != OVERVIEW]
    second_lime_change = [k for k, key in enumerate(order) if key == (0, "lime")][1]
    assert order.index((1, "head")) < second_lime_change
    assert [part for number, part in dict.fromkeys(order) if number == 0] == ["head", "overlay", "lime", "foot"]
    assert "data-piece" in page[0, "lime"]
    assert "data-piece" in page[1, "lime"]
    assert "In truth a real photograph" in page[0, "head"]


def test_a_picture_that_nobody_is_before_is_said_to_be_analysed(service, job_queue, two_files):
    session = Session(service, job_queue, [File("a.png", two_files["a.png"])])
    changes, _ = run_through(session)
    before = changes[: next(number for number, change in enumerate(changes) if (0, "head") in change)]
    assert any("being analysed" in change[OVERVIEW] for change in before)


def test_the_record_is_that_of_explain(service, job_queue, two_files):
    session = Session(service, job_queue, [File(name, data) for name, data in two_files.items()])
    run_through(session)
    for file, data in zip(session.files, two_files.values(), strict=True):
        expected = service.explainer.explain(data, file.name)
        assert asdict(file.explanation.record) == asdict(expected.record)
        assert file.data == b"", "the bytes are not kept"


def test_a_bad_file_gets_the_message_of_explain_and_the_others_go_on(service, job_queue, photograph, tmp_path):
    bad = {
        "empty.jpg": b"",
        "text.png": b"no image at all",
        "cut.jpg": encoded(photograph, "JPEG")[:1500],
        "damaged.avif": damaged_avif(photograph),
        "tiny.png": encoded(Image.new("RGB", (4, 4)), "PNG"),
    }
    files = {name: File(name, content) for name, content in bad.items()}
    others = [File("many.png", error="many"), File("good.png", encoded(photograph, "PNG"))]
    _, page = run_through(Session(service, job_queue, [*files.values(), *others]))
    for name, content in bad.items():
        expected = explain_file(write(tmp_path / name, content), tmp_path, service.explainer)["error"]
        assert files[name].error == expected
        assert expected in re.sub("<[^>]+>", "", page[OVERVIEW])
    assert all(text in page[OVERVIEW] for text in components.UPLOAD_ERRORS["many"])
    assert {number for number, _ in page} == {-1, 6}
    assert "data-piece" in page[6, "lime"]


def test_a_flat_picture_keeps_its_verdict_and_says_why_lime_is_missing(service, job_queue):
    flat = encoded(Image.new("RGB", (200, 200), (90, 120, 90)), "PNG")
    _, page = run_through(Session(service, job_queue, [File("flat.png", flat)]))
    assert "one flat area" in page[0, "lime"]
    assert "downloads" in page[0, "foot"]
    assert "verdict" in page[0, "head"]
    for language, sentence in zip(("ko", "en"), NO_HEATMAP, strict=True):
        assert f'<span lang="{language}">{sentence}</span>' in page[0, "overlay"]
        assert sentence in page[0, "foot"]


class FaultyService(ExplanationService):
    """A service with a fault that no file explains: it fails at the verdicts of some pictures, and at LIME's list."""

    def explain_without_lime(self, name, data, truth=""):
        if name.startswith("bad"):
            raise RuntimeError("a fault of ours")
        return super().explain_without_lime(name, data, truth)

    def complete(self, partial, report_progress=None):
        raise RuntimeError("another fault")


@pytest.mark.fault(
    "page",
    "an error of ours at one picture",
    "this picture could not be processed; whoever runs the page sees the details",
    "the other pictures are explained",
)
def test_a_fault_at_one_picture_stops_no_other(service, job_queue, photograph, capsys):
    data = encoded(photograph, "PNG")
    session = Session(FaultyService(service.explainer), job_queue, [File("bad.png", data), File("good.png", data)])
    _, page = run_through(session)
    assert all(text in page[OVERVIEW] for text in components.UPLOAD_ERRORS["failed"])
    assert "a fault of ours" not in "".join(page.values())
    assert "a fault of ours" in capsys.readouterr().err, "whoever runs the page sees it"
    assert "verdict" in page[1, "head"]
    assert "LIME was left out" in page[1, "lime"]
    assert "downloads" in page[1, "foot"]


def test_the_record_of_a_folders_picture_has_the_files_name_alone(service, job_queue, photograph):
    session = Session(service, job_queue, [File("holiday/day 2/a.png", encoded(photograph, "PNG"))])
    _, page = run_through(session)
    assert session.files[0].explanation.record.image == "a.png"
    assert "holiday/day 2/a.png" in page[OVERVIEW]


def test_a_second_visitor_waits_and_reads_how_long_the_queue_is(service, job_queue, photograph):
    go = threading.Event()
    first = job_queue.submit(lambda _: go.wait())
    changes = Session(service, job_queue, [File("b.png", encoded(photograph, "PNG"))]).changes()
    overview = ""
    while "before this one" not in overview:
        overview = next(changes)[OVERVIEW]
    assert "in line: 1 job before this one" in overview
    assert "대기열: 앞에 작업 1개" in overview
    go.set()
    assert first.done(60)
    page = {}
    for change in changes:
        page |= change
    assert "data-piece" in page[0, "lime"]


def test_nobody_waits_for_all_pictures_of_another(job_queue):
    order = []

    def explain_without_lime(name, data, truth):
        order.append(name)
        time.sleep(0.1)
        raise ValueError("no picture")

    stub = SimpleNamespace(explain_without_lime=explain_without_lime, lime_samples=0)
    sessions = [Session(stub, job_queue, [File(f"{visitor}{k}") for k in range(4)]) for visitor in "ab"]
    threads = [threading.Thread(target=run_through, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(order) == 8
    assert max(order.index("a0"), order.index("b0")) < min(order.index("a3"), order.index("b3"))


class SlowService(ExplanationService):
    """A service whose LIME takes a quarter of an hour."""

    def complete(self, partial, report_progress=None):
        for step in range(100_000):
            report_progress(step, 100_000)
            time.sleep(0.01)


@pytest.mark.fault(
    "page", "a visitor leaves in the middle of a picture", "", "the work ends, and the next visitor's begins"
)
def test_a_visitor_who_leaves_ends_the_work(service, job_queue, photograph):
    slow = SlowService(service.explainer)
    session = Session(slow, job_queue, [File("a.png", encoded(photograph, "PNG"))])
    changes = session.changes()
    for change in changes:
        if (0, "lime") in change and session.files[0].progress:
            break
    assert "<progress" in change[0, "lime"]
    changes.close()
    assert job_queue.submit(lambda _: "free").done(60)


def test_lime_reports_its_progress(service, photograph):
    partial, reports = service.explain_without_lime("a.png", encoded(photograph, "PNG")), []
    complete, _ = service.complete(partial, lambda *report: reports.append(report))
    assert complete.explanation.lime
    samples = [done for done, _ in reports]
    assert samples == sorted(samples)
    assert 0 < samples[-1] <= 64
    assert reports[-1][1] == 64


def test_lime_stops_when_its_job_is_cancelled(service, photograph):
    def cancelled(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        service.complete(service.explain_without_lime("a.png", encoded(photograph, "PNG")), cancelled)


@pytest.mark.parametrize(
    ("name", "stem"), [("../../<b>사진 1</b>.jpg", "aireal-b_사진_1_b"), ("...", "aireal-picture")]
)
def test_names_of_downloads_are_plain(name, stem):
    assert file_stem(name) == stem


def test_names_of_downloads_are_short():
    assert len(file_stem("x" * 500)) < 80
