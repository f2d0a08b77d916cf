"""Push to the hub: the exact folder is assembled, its card has the metrics, and a server that speaks the hub's format
gets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from safetensors.torch import load_file
from transformers import PaliGemmaProcessor

from aireal.classifier.model import read_config
from aireal.cli import main
from aireal.config import REPOSITORY, DatasetRoot
from aireal.core.files import MACHINE_PATH, locked_folder
from aireal.paligemma import model as models
from aireal.reporting.push_to_hub import assemble, listing, upload
from helpers.hub import hub
from helpers.killable_stages import assembling
from helpers.killing import moments, run
from helpers.paligemma import batch_, examples_, folder_, rows_, small_  # noqa: F401  (fixtures)

RATE = {"value": 0.9123, "low": 0.8, "high": 0.97}
TEST = {"value": RATE, "control": {"value": 0.1, "low": 0.05, "high": 0.2}, "difference": RATE, "n": 12, "groups": 5}
SHOWN = dict.fromkeys(("as_written", "regenerated", "base_caption", "class", "number", "region"), RATE)
SPOKEN = {
    **dict.fromkeys(("class", "number", "region", "consistent", "commonest_region"), RATE),
    "n": 12,
    "groups": 5,
    "shown": SHOWN,
}


UPLOADS = pytest.mark.filterwarnings(
    "ignore:Use 'content=:DeprecationWarning"
)  # huggingface_hub of its own HTTP library


@pytest.fixture(name="trained")
def trained_(small_root, smoke_run, tmp_path) -> DatasetRoot:
    """A root with a classifier, an adapter, and figures of both."""
    shutil.copytree(smoke_run.data.model, small_root.model)
    models.save_adapter(models.attach_lora(models.load("embedded", "cpu")[0], 2), small_root.adapter)
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    report, config = json.loads((REPOSITORY / "metrics" / "resnet34.json").read_text()), read_config(small_root.model)
    own = {name: getattr(config, name) for name in ("architecture", "temperature", "bias", "fingerprint")}
    (metrics / "resnet34.json").write_text(json.dumps(report | own))
    tests = dict.fromkeys(("region", "moved", "mirror", "plain", "swapped", "causal"), TEST)
    (metrics / "paligemma.json").write_text(
        json.dumps(
            {
                "before": {"ko": SPOKEN, "en": SPOKEN},
                "after": {"ko": SPOKEN, "en": SPOKEN},
                "grounding": {"ko": tests, "en": tests},
                "steps": 300,
                "seed": 7,
                "device": "cpu",
                "model": "embedded",
                "training_seconds": 60.0,
            }
        ),
        encoding="utf-8",
    )
    return small_root


@pytest.fixture(name="assembled")
def assembled_(trained, tmp_path):
    return assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", tmp_path / "push")


def test_metrics_of_another_classifier_are_not_uploaded_with_this_one(trained, tmp_path):
    path = tmp_path / "metrics" / "resnet34.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bias": 9.0}))
    with pytest.raises(ValueError, match="resnet34.json is of another classifier than"):
        assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", tmp_path / "push")
    assert not (tmp_path / "push").exists()


def test_the_folder_holds_what_a_user_of_the_hub_needs_and_nothing_else(assembled, trained):
    names = {path.relative_to(assembled).as_posix() for path in assembled.rglob("*") if path.is_file()}
    assert names - {"classifier/heatmap.json"} == {
        "README.md",
        "push.json",
        "classifier/config.json",
        "classifier/model.safetensors",
        "adapter/README.md",
        "adapter/base.json",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "processor/processor_config.json",
        "processor/tokenizer.json",
        "processor/tokenizer_config.json",
        "metrics/resnet34.json",
        "metrics/paligemma.json",
    }
    assert (
        load_file(assembled / "classifier/model.safetensors").keys()
        == load_file(trained.model / "model.safetensors").keys()
    )
    again = models.load_adapter(models.load("embedded", "cpu")[0], assembled / "adapter")
    assert len(models.lora_modules(again)) == 22
    assert all(name in listing(assembled) for name in names)


def test_the_card_has_the_hubs_header_and_every_figure_with_its_interval(assembled, tmp_path):
    text = (assembled / "README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    header_values = yaml.safe_load(header)
    assert header_values["license"] == "mit"
    assert header_values["library_name"] == "aireal"
    assert "base_model" not in header_values
    assert "lora" in header_values["tags"]
    auroc = json.loads((tmp_path / "metrics" / "resnet34.json").read_text(encoding="utf-8"))["test"]["auroc"]
    assert f"{auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}]" in body
    assert "91.2% [80.0, 97.0]" in body
    assert "## Limits" in body
    assert "## Licence" in body
    assert "overlay mirrored: swaps left and right" in body
    assert "91.2% [80.0, 97.0]" in (assembled / "adapter" / "README.md").read_text(encoding="utf-8")


@pytest.mark.fault(
    "weights",
    "an upload whose adapter is half a file, or whose parts are missing",
    "adapter_model.safetensors is not a complete safetensors file",
    "nothing is uploaded",
)
def test_what_is_missing_or_does_not_belong_is_one_sentence(trained, tmp_path):
    arguments = trained, tmp_path / "metrics", "embedded"
    for name in ("detector", "jane/two/parts", "jane/de tector", "jane/.."):
        with pytest.raises(ValueError, match="--repo must be owner/name"):
            assemble(*arguments, name, tmp_path / "push")
    with pytest.raises(
        ValueError, match="trained on embedded and the profile's PaliGemma is google/paligemma-3b-pt-224"
    ):
        assemble(trained, tmp_path / "metrics", "google/paligemma-3b-pt-224", "jane/detector", tmp_path / "push")
    with pytest.raises(ValueError, match="resnet34.json is not in"):
        assemble(trained, tmp_path / "none", "embedded", "jane/detector", tmp_path / "push")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ValueError, match="holds other files"):
        assemble(*arguments, "jane/detector", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    (trained.adapter / "adapter_model.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="adapter_model.safetensors is not a complete safetensors file"):
        assemble(*arguments, "jane/detector", tmp_path / "push")
    shutil.rmtree(trained.adapter)
    with pytest.raises(ValueError, match="adapter/adapter_config.json.* are missing .*Run the notebooks"):
        assemble(*arguments, "jane/detector", tmp_path / "push")


def as_base(data: DatasetRoot, name: str) -> None:
    """Let the adapter be one of another base."""
    path = data.adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": name}
    path.write_text(json.dumps(config), encoding="utf-8")


def test_a_gated_base_is_one_sentence(trained, tmp_path, monkeypatch):
    def refuse(source):
        raise OSError("You are trying to access a gated repo.\nMake sure to have access to it.")

    monkeypatch.setattr(PaliGemmaProcessor, "from_pretrained", refuse)
    as_base(trained, "google/paligemma-3b-pt-224")
    with pytest.raises(ValueError, match="is gated: accept its licence .*HF_TOKEN") as caught:
        assemble(trained, tmp_path / "metrics", "google/paligemma-3b-pt-224", "jane/detector", tmp_path / "push")
    assert "\n" not in str(caught.value)


def test_gemmas_notice_goes_along_with_an_adapter_of_it(trained, tmp_path, folder):
    as_base(trained, folder.name)
    pushed = assemble(trained, tmp_path / "metrics", str(folder), "jane/detector", tmp_path / "push")
    assert "Gemma Terms of Use found at ai.google.dev/gemma/terms" in (pushed / "NOTICE").read_text(encoding="utf-8")


def test_a_path_of_this_machine_does_not_leave_it(trained, tmp_path):
    config = trained.model / "config.json"
    record = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**record, "initial_weights": "/home/jane/weights.pt"}), encoding="utf-8")
    with pytest.raises(ValueError, match="classifier/config.json holds a path of this machine"):
        assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", tmp_path / "push")


@pytest.mark.parametrize(
    "path",
    [
        "file:///home/jane/w",
        "C:\\Users\\jane\\weights.pt",
        "/Volumes/disk/w",
        "/var/folders/zz/w",
        "/private/tmp/w",
        "/data/jane/w",
        "/scratch/jane/w",
        "/srv/x/w",
        "/media/jane/w",
        "/workspace/x/w",
        "/gpfs/jane/w",
    ],
)
def test_a_path_of_any_kind_of_machine_is_found(path):
    assert MACHINE_PATH.search(json.dumps({"weights": path}))
    assert not MACHINE_PATH.search("https://example.org/data/train/x and outputs/data/model")


def test_the_users_own_folders_are_found_wherever_they_lie(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/odd/place/of/jane"))
    config = trained.model / "config.json"
    record = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**record, "initial_weights": "in /odd/place/of/jane/w"}), encoding="utf-8")
    with pytest.raises(ValueError, match="holds a path of this machine"):
        assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", tmp_path / "push")


@pytest.mark.fault(
    "disk",
    "files of the user in the folder of an upload",
    "holds other files: their names",
    "they are neither removed nor uploaded",
)
def test_a_file_beside_the_upload_is_neither_removed_nor_uploaded(trained, assembled, tmp_path):
    for place in ("notes.txt", "classifier/notes.txt"):
        (assembled / place).write_text("years of work", encoding="utf-8")
        with pytest.raises(ValueError, match="holds other files .*notes.txt"):
            assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", assembled)
        assert (assembled / place).read_text(encoding="utf-8") == "years of work"
        (assembled / place).unlink()
    assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", assembled)


@pytest.fixture(name="server")
def server_(monkeypatch):
    with hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield server


@UPLOADS
def test_an_upload_brings_the_whole_folder_to_the_hub_in_one_commit(assembled, server):
    server.files["classifier/old.safetensors"] = b"of an earlier upload"
    assert upload(assembled, "jane/detector", private=True).endswith("jane/detector")
    assert server.created[0]["name"] == "detector"
    assert server.created[0]["organization"] == "jane"
    assert len(server.commits) == 1
    wanted = {
        path.relative_to(assembled).as_posix(): path.read_bytes()
        for path in assembled.rglob("*")
        if path.is_file() and path.name != "push.json"
    }
    assert server.files == wanted


@pytest.mark.fault(
    "network", "the hub refuses an upload", "Set HF_TOKEN, or: the account may not write there", "nothing is uploaded"
)
@pytest.mark.parametrize(("status", "advice"), [(401, "Set HF_TOKEN"), (403, "may not write to jane/detector")])
def test_a_refused_upload_says_what_to_do(assembled, server, status, advice):
    server.refuse = status
    with pytest.raises(ValueError, match=advice):
        upload(assembled, "jane/detector")


@pytest.mark.fault(
    "network", "no connection for an upload", "... cannot be reached; --dry-run needs none", "nothing is uploaded"
)
def test_a_hub_that_cannot_be_reached_is_one_sentence(assembled, server, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="cannot be reached.*--dry-run"):
        upload(assembled, "jane/detector")


@UPLOADS
def test_the_command_lists_the_folder_and_uploads_nothing_when_dry(trained, tmp_path, server, capsys):
    arguments = [
        "release",
        "push",
        "--repo",
        "jane/detector",
        "--root",
        str(trained.root),
        "--metrics",
        str(tmp_path / "metrics"),
        "--profile",
        "sample",
        "--folder",
        str(tmp_path / "push"),
    ]
    assert main([*arguments, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "adapter/adapter_model.safetensors" in printed
    assert "nothing was uploaded" in printed
    assert not server.commits
    assert main(arguments) == 0
    assert server.commits
    assert "uploaded to" in capsys.readouterr().out


# --- kills and second runs -------------------------------------------------------------------------------------------


@pytest.mark.fault(
    "processes",
    "`kill -9` while an upload is assembled",
    "",
    "the same command assembles the same files; it knows its own half-finished ones",
)
def test_an_upload_that_is_killed_while_it_is_assembled_is_assembled_again(trained, tmp_path):
    contents = {}
    arguments = trained.root, tmp_path / "metrics"
    steps = run(assembling, *arguments, tmp_path / "whole", out=tmp_path / "whole")
    for moment in moments(steps, 3, seed=9):
        assert run(assembling, *arguments, tmp_path / "killed", out=tmp_path / "killed", kill=moment) < 0
    run(assembling, *arguments, tmp_path / "killed", out=tmp_path / "killed")
    for name in ("whole", "killed"):
        files = filter(Path.is_file, (tmp_path / name).rglob("*"))
        contents[name] = {path.relative_to(tmp_path / name): path.read_bytes() for path in files}
    assert contents["killed"] == contents["whole"]


@pytest.mark.fault(
    "processes", "two uploads that are assembled in one folder", "is in use by another run", "the first one's files"
)
def test_a_second_upload_into_the_same_folder_is_told(trained, tmp_path):
    with locked_folder(tmp_path / "push", "-"), pytest.raises(ValueError, match="is in use by another run"):
        assemble(trained, tmp_path / "metrics", "embedded", "jane/detector", tmp_path / "push")
