"""A dataset of the hub reads nothing but its own files, and runs nothing."""

from __future__ import annotations

import sys
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from aireal.core.imagefile import ImageError
from aireal.dataset.importing import hub, source
from aireal.dataset.importing.hub import LabelMap, open_hub
from helpers.images import encoded, noise, write

NAME = "owner/set"
LABELS = LabelMap(None, None, "label")
FOREIGN = (
    "/etc/hostname",
    "file:///etc/hostname",
    "http://169.254.169.254/latest/meta-data",
    "hf://datasets/owner/private@main/a.png",
    "hf://datasets/owner/set-private/a.png",
    "hf://datasets/owner/set@main/../../owner/private/a.png",
    "zip://a.png::file:///home/me/a.zip",
    "zip://a.png::/home/me/a.zip",
    "simplecache::hf://datasets/owner/set@main/a.png",
    "filecache::http://127.0.0.1:9/x",
    "../a.png",
    "s3://bucket/a.png",
)


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The addresses that were opened, in place of the network."""
    addresses: list[str] = []

    class Stream:
        def __enter__(self):
            return SimpleNamespace(read=lambda size: encoded(noise(1), "PNG")[:size])

        def __exit__(self, *_):
            pass

    def open_(address, mode):
        addresses.append(address)
        return Stream()

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open=open_))
    return addresses


def entry(address: str, where: str = NAME):
    rows = [{"image": {"bytes": None, "path": address}, "label": 0}]
    return next(hub._entries("train", rows, where, "image", "label", LABELS, None))


@pytest.mark.parametrize("address", FOREIGN)
def test_an_address_outside_of_the_dataset_is_a_row_left_out_and_nothing_is_opened(opened, address):
    with pytest.raises(ImageError, match="names a file outside of the dataset"):
        entry(address).read()
    assert opened == []


@pytest.mark.parametrize(
    "path", ["hf://datasets/owner/set@main/a.png", "zip://b/a.png::hf://datasets/owner/set@1f/a.zip"]
)
def test_the_datasets_own_files_are_read(opened, path):
    assert entry(path).read().startswith(b"\x89PNG")
    assert opened == [path]


@pytest.mark.parametrize("address", FOREIGN)
def test_a_dataset_that_lists_foreign_files_as_its_data_is_refused(address):
    own = "hf://datasets/owner/set@1f/data/train.parquet"
    assert not hub._foreign_file({"train": [own, f"zip://a.csv::{own}"]}, NAME)
    builder = SimpleNamespace(config=SimpleNamespace(data_files={"train": [own], "test": [address]}))
    library = SimpleNamespace(
        load_dataset_builder=lambda *_: builder, exceptions=SimpleNamespace(DatasetNotFoundError=KeyError)
    )
    with pytest.raises(ValueError, match="lists .* as its data, a file outside of the dataset"):
        hub._load(library, NAME, NAME, None)


def test_the_library_would_read_what_a_readme_lists_and_we_do_not(tmp_path):
    datasets = pytest.importorskip("datasets")
    private = datasets.Dataset.from_dict({"image": [{"bytes": b"x", "path": None}], "label": [0]})
    private.to_parquet(tmp_path / "private" / "a.parquet")
    readme = f'---\nconfigs:\n- config_name: default\n  data_files: "{tmp_path}/private/*.parquet"\n---\n'
    write(tmp_path / "set" / "README.md", readme.encode())
    with pytest.raises(ValueError, match="a file outside of the dataset"):
        open_hub(str(tmp_path / "set"), "image", "label", None, None, None, 7)


def test_bytes_in_the_row_are_taken_and_the_name_beside_them_is_not_opened(opened):
    rows = [{"image": {"bytes": b"picture", "path": "/etc/hostname"}, "label": 1}]
    (found,) = hub._entries("train", rows, NAME, "image", "label", LABELS, None)
    assert found.read() == b"picture"
    assert found.file == "train/00000000/hostname"
    assert opened == []


def test_of_a_local_dataset_only_its_folder_is_read(opened, tmp_path):
    write(tmp_path / "secret.png", encoded(noise(1), "PNG"))
    inside = write(tmp_path / "set" / "a.png", encoded(noise(2), "PNG"))
    (tmp_path / "set" / "link.png").symlink_to("../secret.png")
    assert entry(str(inside), str(tmp_path / "set")).read() == inside.read_bytes()
    for path in (tmp_path / "secret.png", tmp_path / "set" / "link.png", "hf://datasets/owner/set@main/a.png"):
        with pytest.raises(ImageError, match="outside of the dataset"):
            entry(str(path), str(tmp_path / "set")).read()


@pytest.mark.fault(
    "network",
    "the hub stops answering in the middle of an import",
    "could not be fetched: ...; remove the cause and run the same command again to resume it",
    "the pictures that were read; none is left out for it",
)
def test_an_address_that_does_not_answer_stops_the_import_and_one_that_is_gone_costs_itself(monkeypatch):
    monkeypatch.setattr(source, "WAITS", (0, 0))
    asked = []

    def fail(address, mode):
        asked.append(address)
        raise FileNotFoundError if "gone" in address else ConnectionError("429 Too Many Requests")

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open=fail))
    with pytest.raises(OSError, match="could not be fetched: 429 Too Many Requests"):
        entry("hf://datasets/owner/set@main/a.png").read()
    assert len(asked) == 3
    with pytest.raises(ImageError, match="is not in the dataset"):
        entry("hf://datasets/owner/set@main/gone.png").read()


@pytest.mark.parametrize("error", [zipfile.BadZipFile("Bad CRC-32"), zlib.error(), NotImplementedError()])
def test_a_picture_that_is_damaged_in_its_archive_costs_itself_and_no_import(monkeypatch, error):
    def fail(address, mode):
        raise error

    monkeypatch.setitem(sys.modules, "fsspec", SimpleNamespace(open=fail))
    with pytest.raises(ImageError, match="damaged in its archive"):
        entry("zip://a.png::hf://datasets/owner/set@main/a.zip").read()


def test_a_split_whose_labels_are_hidden_is_not_streamed_to_its_end_where_there_is_a_limit():
    rows = iter([{"image": b"picture", "label": -1}] * 1000)
    assert len(list(hub._entries("test", rows, NAME, "image", "label", LABELS, 10))) == 10


def test_a_row_without_a_label_is_left_out_and_the_others_are_read():
    rows = [{"image": b"picture", "label": label} for label in (0, None, -1, 1)]
    found = list(hub._entries("test", rows, NAME, "image", "label", LABELS, 1))
    assert [part.label for part in found] == [0, None, None, 1]
    with pytest.raises(ImageError, match="the row has no label"):
        found[1].read()


def test_what_is_fetched_is_limited(opened, monkeypatch):
    monkeypatch.setattr(source, "MOST_FETCHED", 10)
    with pytest.raises(ImageError, match="more than 0 MB"):
        entry("hf://datasets/owner/set@main/a.png").read()


@pytest.mark.parametrize("version", ["2.14.0", "3.6.0", "1.0", "dev"])
def test_a_library_that_runs_scripts_is_refused_before_it_is_used(monkeypatch, version):
    def forbidden(*_, **__):
        raise AssertionError("the dataset was opened")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__=version, load_dataset=forbidden))
    with pytest.raises(ValueError, match="pip install 'datasets>=4'"):
        open_hub(NAME, None, None, None, None, None, 7)


def test_the_documentation_names_the_version():
    root = Path(hub.__file__).parents[3]
    for page in ("docs/your_images.md", "pyproject.toml"):
        text = (root / page).read_text(encoding="utf-8")
        assert "pip install datasets" not in text
    assert 'hub = ["datasets>=4' in text
