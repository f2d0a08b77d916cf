"""The demonstration page without a browser: who waits, what a visit yields, what the server refuses (tests/test_app_browser.py is the rest)."""

from __future__ import annotations

import re
import sys
import threading
import time
from dataclasses import asdict

import pytest
from PIL import Image

from helpers.images import encoded, write

pytest.importorskip("gradio", reason="the page's tests need Gradio: pip install -c constraints.txt -e '.[app]'")

from starlette.testclient import TestClient

from aireal.app import components as shell
from aireal.app.examples import examples
from aireal.app.file import File
from aireal.app.job_queue import Cancelled, JobQueue
from aireal.app.launch import private_folder
from aireal.app.page import Sessions, build_page, mount
from aireal.app.server import listen, web
from aireal.app.service import ExplanationService, file_stem
from aireal.app.session import OVERVIEW, Session
from aireal.app.upload_store import MOST_BYTES, MOST_FILES, StoreFull, UploadStore
from aireal.cli import main
from aireal.core.imagefile import decode, sha256
from aireal.explain.predictor import Predictor
from aireal.stages.explain import explain_file, explain_image


@pytest.fixture
def desk():
    desk = JobQueue()
    yield desk
    desk.close()


@pytest.fixture
def studio(smoke_run):
    with Predictor(smoke_run.data.model, smoke_run.device) as predictor:
        yield ExplanationService(predictor, None, 64)


def test_jobs_are_done_in_order_and_told_how_many_come_first(desk):
    go, order = threading.Event(), []
    jobs = [desk.submit(lambda tell: go.wait())] + [desk.submit(lambda tell, k=k: order.append(k)) for k in range(3)]
    assert [job.ahead for job in jobs] == [0, 1, 2, 3]
    go.set()
    assert all(job.done(60) for job in jobs) and order == [0, 1, 2] and [job.ahead for job in jobs] == [0] * 4


def test_a_job_whose_visitor_has_gone_ends_at_once_and_the_next_begins(desk):
    steps = []

    def long(tell):
        for step in range(10_000):
            steps.append(step)
            tell(step, 10_000)
            time.sleep(0.005)

    first, second, third = desk.submit(long), desk.submit(lambda tell: "never"), desk.submit(lambda tell: "third")
    while not steps:
        time.sleep(0.01)
    second.cancel()
    first.cancel()
    assert third.done(60) and third.result() == "third" and len(steps) < 5_000 and second.future.cancelled()


def test_what_a_job_raises_reaches_the_one_who_asked(desk):
    job = desk.submit(lambda tell: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.result()


def test_pictures_are_given_once_forgotten_after_a_while_and_not_endlessly_many():
    store = UploadStore(most=10)
    token = store.put(b"12345")
    with pytest.raises(StoreFull):
        store.put(b"123456")
    assert store.take(token) == b"12345" and store.take(token) is None and store.take("made up") is None
    store = UploadStore(kept=0.05)
    late = store.put(b"1234567890")
    assert len(store) == 1
    time.sleep(0.5)
    assert len(store) == 0 and store.take(late) is None, "forgotten without anybody asking"


def seen_by(visit: Session) -> tuple[list[dict], dict]:
    """All changes, and what the page shows in the end."""
    changes, page = [], {}
    for change in visit.changes():
        changes.append(change)
        page |= change
    return changes, page


def test_verdicts_come_first_then_lime_one_after_the_other_and_all_is_what_explain_says(studio, desk, photograph):
    data = [encoded(photograph, "PNG"), encoded(photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG")]
    visit = Session(studio, desk, [File("a.png", data[0], truth="real"), File("b.png", data[1])])
    changes, page = seen_by(visit)
    order = [key for change in changes for key in change if key != OVERVIEW]
    assert order.index((1, "head")) < [k for k, change in enumerate(order) if change == (0, "lime")][1], (
        "both verdicts before the first LIME view"
    )
    assert [part for number, part in dict.fromkeys(order) if number == 0] == ["head", "overlay", "lime", "foot"]
    assert (
        "data-piece" in page[0, "lime"]
        and "data-piece" in page[1, "lime"]
        and "In truth a real photograph" in page[0, "head"]
    )
    for file, content in zip(visit.files, data):
        wanted = explain_image(file.name, sha256(content), decode(content), studio.predictor, None, 64)
        assert asdict(file.looked.found.seen.record) == asdict(wanted.seen.record) and file.data == b""


def test_a_bad_file_gets_the_sentence_of_explain_and_the_others_go_on(studio, desk, photograph, tmp_path):
    bad = {
        "empty.jpg": b"",
        "text.png": b"no image at all",
        "cut.jpg": encoded(photograph, "JPEG")[:1500],
        "tiny.png": encoded(Image.new("RGB", (4, 4)), "PNG"),
    }
    files = [
        *(File(name, content) for name, content in bad.items()),
        File("many.png", error="many"),
        File("good.png", encoded(photograph, "PNG")),
    ]
    _, page = seen_by(Session(studio, desk, files))
    for name, content in bad.items():
        wanted = explain_file(write(tmp_path / name, content), tmp_path, studio.predictor, None, 0, {})["error"]
        assert next(f for f in files if f.name == name).error == wanted
        assert wanted in re.sub("<[^>]+>", "", page[OVERVIEW])
    assert all(text in page[OVERVIEW] for text in shell.LIMITS["many"])
    assert {number for number, _ in page} == {-1, 5} and "data-piece" in page[5, "lime"]


def test_a_flat_picture_keeps_its_verdict_and_says_why_lime_is_missing(studio, desk):
    _, page = seen_by(
        Session(studio, desk, [File("flat.png", encoded(Image.new("RGB", (200, 200), (90, 120, 90)), "PNG"))])
    )
    assert "one flat area" in page[0, "lime"] and "downloads" in page[0, "foot"] and "verdict" in page[0, "head"]


def test_a_second_visitor_waits_and_is_told_so(studio, desk, photograph):
    data = encoded(photograph, "PNG")
    go = threading.Event()
    before = desk.submit(lambda tell: go.wait())
    second = Session(studio, desk, [File("b.png", data)]).changes()
    said = ""
    while "before this one" not in said:
        said = next(second)[OVERVIEW]
    assert "in line: 1 job before this one" in said and "대기열: 앞에 작업 1개" in said
    go.set()
    assert before.done(60)
    shown = {}
    for change in second:
        shown |= change
    assert "data-piece" in shown[0, "lime"]


def test_nobody_waits_for_all_pictures_of_another(studio, desk, monkeypatch):
    order = []

    def look(name, data, truth):
        order.append(name)
        time.sleep(0.1)
        raise ValueError("no picture")

    monkeypatch.setattr(studio, "look", look)
    visits = [Session(studio, desk, [File(f"{who}{k}") for k in range(4)]) for who in "ab"]
    threads = [threading.Thread(target=seen_by, args=(visit,)) for visit in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(order) == 8 and max(order.index("a0"), order.index("b0")) < min(order.index("a3"), order.index("b3"))


def test_who_leaves_ends_the_work(studio, desk, photograph, monkeypatch):
    def complete(looked, tell):
        for step in range(100_000):
            tell(step, 100_000)
            time.sleep(0.01)

    monkeypatch.setattr(studio, "complete", complete)
    visit = Session(studio, desk, [File("a.png", encoded(photograph, "PNG"))])
    changes = visit.changes()
    for change in changes:
        if (0, "lime") in change and visit.files[0].progress:
            break
    assert "<progress" in change[0, "lime"]
    changes.close()
    assert desk.submit(lambda tell: "free").done(60), "the work would have taken a quarter of an hour"


def test_lime_tells_how_far_it_is_and_ends_where_nobody_waits(studio, photograph):
    looked, told = studio.look("a.png", encoded(photograph, "PNG")), []
    assert studio.complete(looked, lambda *far: told.append(far))[0].found.lime
    assert [done for done, _ in told] == sorted(done for done, _ in told) and 0 < told[-1][0] <= told[-1][1] == 64

    def gone(done, most):
        raise Cancelled

    with pytest.raises(Cancelled):
        studio.complete(looked, gone)


@pytest.fixture
def visits(studio, desk, smoke_run):
    return Sessions(studio, desk, UploadStore(), examples(smoke_run.data))


def test_the_examples_are_the_proposal_images_with_their_truth(visits):
    assert [e.truth for e in visits.examples] == ["fake", "real"] * 4
    with visits.of("s", {"example": 1}) as visit:
        assert [(f.name, f.truth, f.error) for f in visit.files] == [(visits.examples[1].path.name, "real", "")]


@pytest.mark.parametrize(
    "chosen",
    [
        None,
        [],
        {},
        {"example": 99},
        {"example": "../../etc/passwd"},
        {"files": "x"},
        {"files": 5},
        {"files": [1, None]},
    ],
)
def test_nonsense_from_a_browser_chooses_nothing(visits, chosen):
    with visits.of("s", chosen) as visit:
        assert visit.files == []
    assert len(visits) == 0


def test_files_are_known_by_token_alone_and_no_more_than_allowed(visits):
    token = visits.store.put(b"content")
    listed = [
        {"name": "a\n\x00<b>.png", "token": token},
        {"name": "again", "token": token},
        {"name": "/etc/passwd"},
        {"name": "big", "error": "large"},
    ]
    with visits.of("s", {"files": listed + [{"name": f"{k}", "error": "large"} for k in range(MOST_FILES)]}) as visit:
        assert [(f.name, f.data, f.error) for f in visit.files[:4]] == [
            ("a<b>.png", b"content", ""),
            ("again", b"", "gone"),
            ("/etc/passwd", b"", "gone"),
            ("big", b"", "large"),
        ]
        assert [f.error for f in visit.files[MOST_FILES:]] == ["many"] * 4


def test_a_new_choice_ends_the_one_before_and_nothing_is_kept_of_either(visits):
    with visits.of("s", {"example": 0}) as first:
        with visits.of("s", {"example": 1}) as second:
            assert first._left and not second._left and len(visits) == 1
    assert len(visits) == 0


@pytest.fixture
def client(visits):
    with (
        private_folder(),
        TestClient(mount(web(visits.store), build_page(visits)), base_url="http://127.0.0.1:7860") as client,
    ):
        yield client


def test_the_server_serves_the_page_and_nothing_that_it_does_not_need(client, visits):
    page = client.get("/")
    assert (
        page.status_code == 200
        and "connect-src 'self'" in page.headers["content-security-policy"]
        and page.headers["cache-control"] == "no-store"
    )
    for path in (
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/proxy=https://example.org",
        "/gradio_api/info",
        "/gradio_api/runs",
        "/gradio_api/openapi.json",
        "/docs",
        "/monitoring",
        "/gradio_api/vibe-code/",
        "/login",
    ):
        assert client.get(path).status_code == client.post(path).status_code == 404, path
    config = client.get("/config").json()
    assert config["analytics_enabled"] is False and not config.get("run_history") and not config.get("is_space")


def test_pages_of_other_hosts_get_nothing(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert client.post("/pictures", content=b"x", headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.post("/pictures", content=b"x", headers={"Origin": "http://127.0.0.1:9999"}).status_code == 403
    assert client.post("/pictures", content=b"x", headers={"Origin": "http://127.0.0.1:7860"}).status_code == 200


def test_large_files_and_too_many_that_wait_are_refused_with_a_sentence(client, visits):
    reply = client.post("/pictures", content=b"x" * (MOST_BYTES + 1))
    assert (
        reply.status_code == 413
        and reply.json()["error"] == "large"
        and "30 MB" in reply.json()["sentence"]
        and len(visits.store) == 0
    )
    visits.store._most = 10
    reply = client.post("/pictures", content=b"x" * 11)
    assert reply.status_code == 503 and reply.json()["error"] == "full"


def test_a_taken_port_is_one_sentence():
    with listen(0) as bound:
        bound.listen()
        with pytest.raises(ValueError, match="name a free one with --port"):
            listen(bound.getsockname()[1])


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("server", "page"):
        monkeypatch.delitem(sys.modules, f"aireal.app.{name}")
    assert main(["app", "--profile", "smoke"]) == 2
    assert "make app" in capsys.readouterr().err


def test_names_of_downloads_are_plain():
    assert (
        file_stem("../../<b>사진 1</b>.jpg") == "aireal-b_사진_1_b"
        and file_stem("...") == "aireal-picture"
        and len(file_stem("x" * 500)) < 80
    )
