"""With `keep`, the end of a runtime costs nothing: no step is trained again, and no question is paid again."""

from __future__ import annotations

import shutil

import pytest

from aireal.captions.augment import Plan, augment_table
from aireal.captions.claude.mock import MockServer
from aireal.captions.table import Rows
from aireal.classifier.train import ensure_classifier
from aireal.cli import main
from aireal.core.made_of import require_same_dataset
from aireal.core.run import start
from aireal.stages.predict_testset import predict_test_set
from helpers.claude import QUICK, client_of
from helpers.runtimes import disk_without_locks


def stages(root, keep, server) -> bool:
    """Classifier, table and Claude's sentences in a new runtime; whether the classifier was there."""
    run = start("test", "smoke", root, keep=keep)
    trained = ensure_classifier(run)
    predict_test_set(run)
    journal = run.data.products / "captions_journal.jsonl"
    settings = {"folder": run.data.products, "journal_path": journal, "max_usd": 9, "retry": QUICK, "say": str}
    plan = Plan("claude", 2, **settings, client=client_of(server))
    assert augment_table(Rows(run.data.table), run.data.answers, plan).complete
    return trained.reused


@pytest.mark.fault(
    "notebooks",
    "the runtime ends, and a new one begins with the kept folder",
    "",
    "nothing is paid for or trained again",
)
def test_a_second_runtime_pays_and_trains_nothing(small_root, tmp_path, monkeypatch):
    disk_without_locks(monkeypatch)  # as a Drive may be
    with MockServer() as server:
        shutil.copytree(small_root.root, tmp_path / "first" / "root")
        assert not stages(tmp_path / "first" / "root", tmp_path / "kept", server)
        paid = sum(server.paid.values())
        assert paid
        shutil.rmtree(tmp_path / "first")
        shutil.copytree(small_root.root, tmp_path / "second" / "root")
        assert stages(tmp_path / "second" / "root", tmp_path / "kept", server)
        assert sum(server.paid.values()) == paid


def test_a_kept_classifier_judges_pictures_of_any_dataset_and_a_table_names_that_of_its_sentences(small_root, tmp_path):
    run = start("test", "smoke", small_root.root, keep=tmp_path / "kept")
    ensure_classifier(run)
    predict_test_set(run)
    other = shutil.copytree(small_root.root, tmp_path / "other")
    manifest = other / "manifest.csv"
    manifest.write_text("\n".join(manifest.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", encoding="utf-8")
    picture = next((other / "data").rglob("*.jpg"))
    places = ["--root", str(other), "--keep", str(tmp_path / "kept")]
    assert main(["predict", str(picture), *places, "--out", str(tmp_path / "table.csv")]) == 0
    assert main(["augment", *places, "--author", "offline"]) == 0
    require_same_dataset(run.data, "answers", "notebook 05")
    with pytest.raises(ValueError, match="answers in .* was made of another dataset"):
        require_same_dataset(start("test", "smoke", other, keep=tmp_path / "kept").data, "answers", "notebook 05")
