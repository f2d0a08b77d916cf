"""Fast prediction of many files: the same verdicts as `explain`, bad files reported, and nothing done twice."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from aireal.classifier import batch_inference as fast
from aireal.classifier.batch_inference import TOLERANCE, FastClassifier, predict_folder
from aireal.cli import main
from aireal.core.imagefile import open_rgb
from aireal.explain.predictor import Predictor
from aireal.stages.predict_table import predict_table
from helpers.images import damaged_avif, encoded, noise, write


@pytest.fixture
def files(tmp_path, photograph):
    """Pictures of many kinds; the first two are JPEGs large enough to be scaled while they are decoded."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        write(tmp_path / "in" / name, content)
        for name, content in {
            "large.jpg": encoded(photograph.resize((900, 1300)), "JPEG"),
            "larger, on its side.jpg": encoded(photograph.resize((1400, 800)), "JPEG", exif=exif),
            "사진.png": encoded(photograph.convert("RGBA"), "PNG"),
            "small.webp": encoded(photograph.resize((40, 30)), "WEBP"),
            "noise.jpg": encoded(noise(1, 200), "JPEG"),
            "gray.jpg": encoded(photograph.convert("L"), "JPEG"),
        }.items()
    ]


def test_exact_numbers_are_those_of_explain_and_fast_ones_near_them(smoke_run, files):
    model = smoke_run.data.model
    with Predictor(model, smoke_run.device) as predictor:
        explained = np.array([predictor.predict([p.name], [open_rgb(p)])[0].probability_fake for p in files])
    exact, quick = (
        np.array([p.probability_fake for p in predict_folder(files, model, batch_size=4, workers=2, exact=is_exact)])
        for is_exact in (True, False)
    )
    np.testing.assert_allclose(exact, explained, atol=1e-5)
    assert np.abs(quick - explained).max() <= TOLERANCE
    assert ((quick >= 0.5) == (explained >= 0.5)).all()


def test_a_large_jpeg_is_really_scaled_while_decoded_unless_exact(smoke_run, files, monkeypatch):
    sizes = []
    monkeypatch.setattr(fast, "square", lambda image, side: sizes.append(image.size) or image.resize((side, side)))
    for exact in (False, True):
        list(predict_folder(files[:2], smoke_run.data.model, exact=exact, workers=1))
    assert sizes[-2:] == [(900, 1300), (800, 1400)]
    assert sizes[0] == (450, 650), "a quarter would be less than three times the 96 px that the network sees"


def test_near_one_half_the_exact_number_counts(smoke_run, files, monkeypatch):
    model = smoke_run.data.model
    exact = [prediction.probability_fake for prediction in predict_folder(files, model, exact=True)]
    monkeypatch.setattr(FastClassifier, "_fake", wrong_unless_exact(FastClassifier._fake))
    monkeypatch.setattr(fast, "TOLERANCE", 0.0)
    assert all(prediction.probability_fake == 0.5001 for prediction in predict_folder(files, model))
    monkeypatch.setattr(fast, "TOLERANCE", 0.01)
    assert [p.probability_fake for p in predict_folder(files, model)] == pytest.approx(exact, abs=1e-5)


def wrong_unless_exact(real):
    return lambda self, pixels, exact: real(self, pixels, True) if exact else [0.5001] * len(pixels)


@pytest.mark.fault(
    "files",
    "a picture that vanishes between listing and reading, or is cut off or empty",
    "one sentence in its row: it does not exist, is damaged, or is empty",
    "the verdicts of all others",
)
@pytest.mark.people_have("one bad picture among many", "read", "its sentence, and the verdicts of the others")
def test_bad_files_get_a_sentence_in_their_place(smoke_run, files, tmp_path):
    bad = [
        write(tmp_path / "cut.jpg", files[0].read_bytes()[:5000]),
        write(tmp_path / "empty.png", b""),
        tmp_path / "none.jpg",
        write(tmp_path / "damaged.avif", damaged_avif(Image.open(files[0]))),
    ]
    mixed = [bad[0], *files[:3], bad[1], bad[2], files[3], bad[3]]
    predictions = list(predict_folder(map(str, mixed), smoke_run.data.model, batch_size=2))
    assert [prediction.path for prediction in predictions] == mixed
    assert [prediction.path for prediction in predictions if prediction.probability_fake is None] == bad
    for number, word in ((0, "damaged"), (4, "empty"), (5, "does not exist"), (7, "damaged")):
        assert word in predictions[number].error
        assert "\n" not in predictions[number].error


def test_files_are_read_only_a_few_batches_ahead_and_the_number_of_threads_is_restored(smoke_run, files):
    read, threads = [], torch.get_num_threads()
    stream = predict_folder((read.append(p) or p for p in files * 20), smoke_run.data.model, batch_size=2, workers=2)
    assert next(stream).path == files[0]
    assert len(read) <= 2 * 2 * 2
    stream.close()
    assert len(read) <= 2 * 2 * 2
    assert torch.get_num_threads() == threads


def test_numbers_that_predict_nothing_and_a_folder_without_classifier_are_one_sentence(smoke_run, files, tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        predict_folder(files, smoke_run.data.model, batch_size=0)
    with pytest.raises(ValueError, match="no trained classifier"):
        predict_folder(files, tmp_path)
    with pytest.raises(ValueError, match="is a folder"):
        predict_table(files, smoke_run.data.model, tmp_path)


def test_weights_converted_beforehand_change_nothing(smoke_run):
    model = FastClassifier(smoke_run.data.model, torch.device("cpu")).model
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(fast.fast_copy(model, "bf16")(x), model(x), rtol=0, atol=0)
    assert fast.fast_copy(model, "no") is model
    assert next(model.parameters()).dtype == torch.float32


@pytest.fixture
def predicted(monkeypatch):
    """Names of the files that were predicted, in the order of their batches."""
    names, real = [], FastClassifier.predict
    monkeypatch.setattr(
        FastClassifier,
        "predict",
        lambda self, paths, exact=False: names.extend(p.name for p in paths) or real(self, paths, exact),
    )
    return names


@pytest.mark.fault(
    "processes",
    "a stop of `aireal predict`, with half a line in its journal",
    "",
    "only the rest, and what has changed, is predicted",
)
def test_a_stopped_table_is_resumed_and_only_changed_files_are_predicted_again(
    smoke_run, files, tmp_path, predicted, monkeypatch
):
    table, model = tmp_path / "out" / "t.csv", smoke_run.data.model
    bad = write(tmp_path / "in" / "late.jpg", b"")

    def stopped(paths):
        yield from paths[:4]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        real = predict_folder
        patched.setattr(
            "aireal.stages.predict_table.predict_folder",
            lambda paths, *more, **how: stopped(list(real(list(paths), *more, **how))),
        )
        predict_table([*files, bad], model, table)
    assert not table.exists()
    with table.with_name("t.csv.jsonl").open("a") as journal:
        journal.write('{"made_with": "x", "fi')  # as after a kill
    predicted.clear()
    first = predict_table([*files, bad], model, table)
    assert sorted(predicted) == sorted(p.name for p in [*files[4:], bad])
    assert "empty" in first[-1]["error"]
    assert [row["path"] for row in first] == [str(path) for path in [*files, bad]]
    predicted.clear()
    shutil.copy(files[0], bad)
    files[2].write_bytes(encoded(noise(5), "PNG"))
    again = predict_table([*files, bad], model, table)
    assert sorted(predicted) == sorted([files[2].name, bad.name])
    assert again[-1]["probability_fake"] == again[0]["probability_fake"] == first[0]["probability_fake"]
    predicted.clear()
    predict_table(files, model, table, exact=True)
    assert len(predicted) == len(files), "exact predictions are not the stored fast ones"


def test_the_table_of_the_command(smoke_run, small_root, tmp_path, photograph, capsys, monkeypatch):
    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    config = small_root.root / "data" / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"uncertain_below": 1.0}))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "=1+1.png", encoded(photograph, "PNG"))
    options = ["--root", str(small_root.root), "--profile", "sample", "--out", "t.csv"]
    arguments = ["predict", "=1+1.png", str(small_root.test), *options]
    assert main(arguments) == 0
    assert "7 of 7 predicted" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8-sig", newline="")))
    assert rows[0]["path"] == "./=1+1.png"
    assert len(rows) == 7
    for row in rows:
        fake = float(row["probability_fake"])
        assert row["label"] == ("fake" if fake >= 0.5 else "real")
        assert row["uncertain"] == "True"
        assert row["error"] == ""
        assert float(row["probability"]) == pytest.approx(100 * max(fake, 1 - fake), abs=0.006)
    write(small_root.test / "0_real" / "bad.jpg", b"x")
    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert "7 of 8 predicted" in printed
    assert "bad.jpg: the file is no image" in printed
    assert main(["predict", str(write(tmp_path / "empty" / "a.txt", b"").parent), "--root", str(small_root.root)]) == 2
    assert "no images found in" in capsys.readouterr().err


@pytest.mark.people_have(
    "pictures whose names are not UTF-8, as a Korean zip unpacked on Linux has them",
    "read",
    "shown with replacement characters; the same call resumes",
)
def test_names_that_are_not_utf8_are_predicted_and_resumed(smoke_run, tmp_path, photograph, predicted):
    raw = "사진".encode("cp949").decode("utf-8", "surrogateescape")
    odd = [write(tmp_path / f"{raw}{number}.png", encoded(photograph.rotate(number), "PNG")) for number in (1, 2)]
    bad = write(tmp_path / f"{raw}.jpg", b"x")
    table = tmp_path / "t.csv"
    rows = predict_table([*odd, bad], smoke_run.data.model, table)
    shown = [f"{tmp_path}/\ufffd\ufffd\ufffd\ufffd{rest}" for rest in ("1.png", "2.png", ".jpg")]
    assert [row["path"] for row in rows] == shown
    assert rows[2]["error"]
    written = list(csv.DictReader(table.open(encoding="utf-8-sig", newline="")))
    assert [row["path"] for row in written] == shown
    predicted.clear()
    assert predict_table([*odd, bad], smoke_run.data.model, table) == rows
    assert predicted == [bad.name], "only the file that could not be used is tried again"
