"""`python -m aireal explain` on good and bad files, as a user would call it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from aireal.captions.language.grammar import contradictions
from aireal.cli import main
from aireal.core.journal import Journal
from aireal.core.picture_files import find_images
from aireal.core.run import Run
from aireal.evidence.record import Cues, EvidenceRecord
from aireal.explain.predictor import Predictor
from aireal.reporting.html.report import write_explained
from aireal.stages.explain_files import explain_files, journal_path, read_lines
from aireal.stages.explainer import Explainer
from helpers.images import SAMPLE, encoded, write


def explainer(run: Run, lime_samples: int) -> Explainer:
    """An explainer without sentences."""
    return Explainer(Predictor(run.data.model, run.device), lime_samples=lime_samples)


@pytest.fixture
def folder(tmp_path, photograph):
    """A folder with usable and unusable files, and the names of both."""
    exif = Image.Exif()
    exif[0x0112] = 8
    good = {
        "사진 한 장.jpg": encoded(photograph, "JPEG"),
        "alpha.png": encoded(photograph.convert("RGBA"), "PNG"),
        "cmyk.jpg": encoded(photograph.convert("CMYK"), "JPEG"),
        "rotated.jpg": encoded(photograph, "JPEG", exif=exif),
        "moving.gif": encoded(photograph, "GIF", save_all=True, append_images=[photograph.rotate(90)]),
        "deep.png": encoded(Image.fromarray(np.asarray(photograph.convert("L"), np.uint16) * 257), "PNG"),
        "small.webp": encoded(photograph.resize((40, 30)), "WEBP"),
    }
    bad = {
        "empty.jpg": b"",
        "text.png": b"no image at all",
        "cut.jpg": encoded(photograph, "JPEG")[:1500],
        "<b>odd</b>.jpg": b"x",
    }
    for name, content in {**good, **bad}.items():
        write(tmp_path / "in" / name, content)
    return tmp_path / "in", set(good), set(bad)


def test_each_file_gets_a_panel_or_a_sentence_and_the_others_go_on(folder, smoke_run, tmp_path, capsys):
    source, good, bad = folder
    lines = tmp_path / "lines.jsonl"
    with explainer(smoke_run, 30) as ready:
        failed = explain_files(find_images([source, source / "none.jpg"]), tmp_path / "out", ready, lines)
    entries = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    by_name = {entry["path"].split("in/", 1)[1]: entry for entry in entries}
    assert set(by_name) == good | bad | {"none.jpg"}
    assert failed == len(bad) + 1
    for name in good:
        entry = by_name[name]
        assert "error" not in entry
        assert len(entry["sha256"]) == 64
        assert entry["label"] in ("real", "fake")
        fake = entry["probability_fake"]
        expected = fake if entry["label"] == "fake" else 1 - fake
        assert entry["probability"] == pytest.approx(100 * expected, abs=0.006)
        assert len(entry["lime"]) == 5
        assert entry["seconds"] > 0
        with Image.open(tmp_path / "out" / entry["panel"]) as panel:
            assert panel.format == "PNG"
            assert panel.width > 700
    for name in bad:
        assert by_name[name]["error"]
        assert "\n" not in by_name[name]["error"]
        assert "Traceback" not in by_name[name]["error"]
    assert len({entry["panel"] for entry in entries if "panel" in entry}) == len(good)
    assert f"[{len(entries)}/{len(entries)}]" in capsys.readouterr().out


def test_the_whole_command_writes_sentences_that_agree_with_the_verdict(smoke_run, tmp_path, photograph, capsys):
    image = write(tmp_path / "그림.png", encoded(photograph, "PNG"))
    out = tmp_path / "out"
    options = ["--out", str(out), "--no-lime", "--profile", "smoke", "--root", str(SAMPLE)]
    assert main(["explain", str(image), *options]) == 0
    line = json.loads((out / "explain.jsonl").read_text(encoding="utf-8"))
    verdict = (line["label"], line["probability"], line["probability_fake"])
    record = EvidenceRecord("x", *verdict, line["region"], (0.5, 0.5), Cues(**line["cues"]))
    assert line["region_removal"]["beats"] >= 0
    assert {statement["key"] for statement in line["trust"]} >= {"overall", "verdict", "region"}
    for language in ("ko", "en"):
        assert contradictions(line[f"sentence_{language}"], record, language) == []
    assert line["lime"] is None
    printed = capsys.readouterr().out
    assert "1 of 1 explained" in printed
    assert f"    {line['sentence_en']}\n" in printed
    assert f" {line['trust'][0]['en']}\n" in printed
    assert main(["explain", str(image), *options]) == 0
    assert "explained earlier" in capsys.readouterr().out


def test_the_same_image_gives_the_same_line(smoke_run, tmp_path, photograph):
    path = write(tmp_path / "a.png", encoded(photograph, "PNG"))
    twice = []
    for call in ("one", "two"):
        with explainer(smoke_run, 40) as ready:
            explain_files([path], tmp_path / call, ready, tmp_path / call / "l.jsonl")
        line = json.loads((tmp_path / call / "l.jsonl").read_text())
        twice.append({k: v for k, v in line.items() if k != "seconds"})
    assert twice[0] == twice[1]


@pytest.mark.fault(
    "processes",
    "a kill of `aireal explain`, with half a line in its journal",
    "",
    "no finished picture is explained again",
)
def test_a_stopped_call_keeps_what_is_done(smoke_run, tmp_path, photograph):
    paths = [write(tmp_path / f"{i}.png", encoded(photograph.rotate(i), "PNG")) for i in range(3)]
    out, lines = tmp_path / "out", tmp_path / "l.jsonl"
    with explainer(smoke_run, 0) as ready:
        explain_files(paths[:2], out, ready, lines)
        first = lines.read_text(encoding="utf-8").splitlines()
        lines.rename(journal_path(lines))  # as after a kill: lines in the journal, the last one incomplete
        with journal_path(lines).open("a", encoding="utf-8") as file:
            file.write(first[0][:50])
        assert [entry["path"] for entry in read_lines(lines)] == [str(path) for path in paths[:2]]
        explain_files(paths, out, ready, lines)
        again = lines.read_text(encoding="utf-8").splitlines()
        assert again[:2] == first, "seconds and all: nothing was explained again"
        assert len(again) == 3
        assert not journal_path(lines).exists()
    with explainer(smoke_run, 30) as ready:
        explain_files(paths, out, ready, lines)
        assert all(json.loads(line)["lime"] for line in lines.read_text(encoding="utf-8").splitlines())


@pytest.mark.fault(
    "processes",
    "two calls of `aireal explain` that write the same lines",
    "in use by another run",
    "the second does not begin",
)
def test_a_second_call_with_the_same_lines_is_an_error(smoke_run, tmp_path, photograph):
    path, lines = write(tmp_path / "a.png", encoded(photograph, "PNG")), tmp_path / "l.jsonl"
    with Journal(journal_path(lines)), explainer(smoke_run, 0) as ready:
        with pytest.raises(ValueError, match="in use by another run"):
            explain_files([path], tmp_path / "out", ready, lines)


def test_a_flat_picture_keeps_its_verdict_and_says_why_lime_is_missing(smoke_run, tmp_path):
    path = write(tmp_path / "flat.png", encoded(Image.new("RGB", (200, 200), (90, 120, 90)), "PNG"))
    with explainer(smoke_run, 30) as ready:
        explain_files([path], tmp_path / "out", ready, tmp_path / "l.jsonl")
    line = json.loads((tmp_path / "l.jsonl").read_text(encoding="utf-8"))
    assert line["label"] in ("real", "fake")
    assert line["lime"] is None
    assert "one flat area" in line["note"]


def test_nothing_to_explain_is_one_sentence(tmp_path, capsys):
    assert main(["explain", str(tmp_path)]) == 2
    assert "no images found in" in capsys.readouterr().err


def test_an_unknown_profile_and_a_wrong_root_are_one_sentence(tmp_path, photograph, capsys):
    image = str(write(tmp_path / "a.png", encoded(photograph, "PNG")))
    assert main(["explain", image, "--profile", "huge"]) == 2
    assert "choose auto" in capsys.readouterr().err
    assert main(["explain", image, "--root", str(tmp_path)]) == 2
    assert "is no dataset root" in capsys.readouterr().err


@pytest.mark.people_have(
    "pictures with names of 255 bytes, in emoji, with leading dashes, `$` or bytes that are not UTF-8",
    "read",
    "each has a panel of its own",
)
def test_odd_names_are_explained_and_resumed(smoke_run, tmp_path, photograph):
    raw = "사진".encode("cp949").decode("utf-8", "surrogateescape")
    names = ["🙂" * 62, "가" * 83, "-rf", "$x_{", raw, "same", "SAME"]
    paths = [write(tmp_path / "in" / f"{name}.png", encoded(photograph, "PNG")) for name in names]
    paths.append(write(tmp_path / "in" / "sub" / "same.png", encoded(photograph, "PNG")))
    out, lines = tmp_path / "out", tmp_path / "out" / "explain.jsonl"
    with explainer(smoke_run, 0) as ready:
        assert explain_files(paths, out, ready, lines) == 0
        first = lines.read_bytes()
        assert explain_files(paths, out, ready, lines) == 0
    assert lines.read_bytes() == first, "nothing was explained again"
    entries = [json.loads(line) for line in first.decode().splitlines()]
    assert len({entry["panel"].casefold() for entry in entries}) == len(paths)
    assert entries[4]["image"] == "\ufffd\ufffd\ufffd\ufffd.png"
    assert entries[4]["path_bytes"].endswith("%BB%E7%C1%F8.png")
    report = write_explained(out, lines).read_text(encoding="utf-8")
    assert "\ufffd\ufffd\ufffd\ufffd.png" in report
    assert report.count("data:image") >= 2 * len(paths), "every picture is found for the report"


@pytest.mark.people_have(
    "`explain .` twice in a folder of pictures, so that its own output lies among them",
    "passed over",
    "passed over, because aireal wrote these figures",
)
@pytest.mark.parametrize("out", ["explained", "."])
def test_the_second_call_does_not_explain_the_output_of_the_first(
    smoke_run, small_root, tmp_path, photograph, capsys, monkeypatch, out
):
    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    write(tmp_path / "mine" / "a.png", encoded(photograph, "PNG"))
    write(tmp_path / "mine" / "flat.png", encoded(Image.new("RGB", (64, 64), "gray"), "PNG"))  # no overlay
    call = [
        "explain",
        ".",
        "--out",
        out,
        "--no-lime",
        "--no-caption",
        "--root",
        str(small_root.root),
        "--profile",
        "sample",
    ]
    for _ in range(3):
        assert main(call) == 0
        printed = capsys.readouterr().out
        assert "2 of 2 explained" in printed
    assert "because aireal wrote these figures" in printed
