"""Paths that somebody else's table names stay inside the folder that the user named."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from aireal.app.examples import load_examples
from aireal.captions.table import read_rows
from aireal.config import DatasetRoot
from aireal.core.errors import ImageError
from aireal.core.imagefile import sha256
from aireal.core.inside import Inside
from aireal.dataset.importing.csv_table import csv_entries
from aireal.dataset.manifest import read_manifest
from aireal.evidence.record import Cues, EvidenceRecord
from aireal.paligemma.data import overlay_rows
from aireal.reporting.html.gallery import as_json, explained_entries
from aireal.stages.scale.list_sources import SourceList
from aireal.stages.scale.table_places import TablePlaces
from helpers.images import SAMPLE, encoded, noise, write
from helpers.importing import items, run_import

RECORD = EvidenceRecord(
    "1.png", "fake", 98.67, 0.9867, "top-left", (0.1, 0.1), Cues("white", "bright", "smooth", "sharp")
)
OUTSIDE = (
    "../private/diary.png",
    "a/../../private/diary.png",
    "{private}",
    "C:\\diary.png",
    "\\\\host\\a.png",
    "link.png",
)
OUTSIDE += ("linked/diary.png", "linked\\diary.png", "..\\private\\diary.png")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with a picture and links, beside a folder with a private picture."""
    write(tmp_path / "private" / "diary.png", encoded(noise(1), "PNG"))
    write(tmp_path / "set" / "good.png", encoded(noise(2), "PNG"))
    (tmp_path / "set" / "link.png").symlink_to("../private/diary.png")
    (tmp_path / "set" / "linked").symlink_to("../private")
    return tmp_path / "set"


def hostile(folder: Path) -> list[str]:
    return [name.format(private=folder.parent / "private" / "diary.png") for name in OUTSIDE]


def test_only_what_lies_in_the_folder_is_named(folder):
    (folder / "own.png").symlink_to("good.png")
    for name in ("good.png", "a/../good.png", "new/file.png", "own.png", "with space.png"):
        assert Inside(folder).path(name) == folder / name
    for name in hostile(folder):
        with pytest.raises(ValueError, match="leads out of"):
            Inside(folder).path(name)


def test_a_folder_that_is_reached_by_a_link_is_itself(folder, tmp_path):
    (tmp_path / "short").symlink_to(folder)
    assert Inside(tmp_path / "short").path("good.png").is_file()
    assert Inside(tmp_path / "short", absolute=True).path(str(folder / "good.png")) == folder / "good.png"


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_a_manifest_names_no_file_outside_of_its_root(folder, number):
    header = "path,sha256,label,split,group\n"
    (folder / "manifest.csv").write_text(f"{header}good.png,,0,test,a\n{hostile(folder)[number]},,1,test,b\n")
    with pytest.raises(ValueError, match=r"manifest.csv line 3: .* leads out of .*remove the row"):
        read_manifest(folder / "manifest.csv")


def test_the_demonstration_pictures_beside_the_root_are_allowed_and_nothing_else(folder):
    assert [item for item in read_manifest(SAMPLE / "manifest.csv") if item.path.startswith("../")]
    for path in ("../private/diary.png", "../proposal_images/../private/diary.png", "/etc/hostname"):
        (folder / "manifest.csv").write_text(f"path,sha256,label,split,group\n{path},,0,proposal,a\n")
        with pytest.raises(ValueError, match="line 2"):
            load_examples(DatasetRoot.at(folder))


def test_a_manifest_with_a_path_twice_is_refused(folder):
    row = "good.png,,{},test,a\n"
    (folder / "manifest.csv").write_text("path,sha256,label,split,group\n" + row.format(0) + row.format(1))
    with pytest.raises(ValueError, match="line 3: the path good.png is there twice"):
        read_manifest(folder / "manifest.csv")


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_an_imported_table_names_no_file_outside_of_its_folder(folder, number):
    name = hostile(folder)[number]
    (folder / "table.csv").write_text(f"path,label\ngood.png,0\n{name},1\n")
    if name.startswith("C:") and sys.platform != "win32":  # a file of that name in the folder, which does not exist
        assert not list(csv_entries(folder / "table.csv"))[1].content.exists()
        return
    with pytest.raises(ValueError, match=r"table.csv line 3: .* lies outside of .*--base"):
        list(csv_entries(folder / "table.csv"))


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_a_table_for_shards_names_no_file_outside_of_its_folder(folder, number):
    name = hostile(folder)[number]
    table = write(folder / "table.csv", f"path\ngood.png\n{name}\n".encode())
    if name.startswith("C:") and sys.platform != "win32":  # a file of that name, which does not exist
        with pytest.raises(ImageError, match="does not exist"):
            list(SourceList([str(table)]))[1].read(folder)
        return
    with pytest.raises(ValueError, match=r"table.csv line 3: .* lies outside of .*--base"):
        list(SourceList([str(table)]))
    if "host" not in name:
        assert len(list(SourceList([str(table)], base=str(folder.parent)))) == 2


ELSEWHERE = ("s3://yours/private/diary.png", "hf://datasets/you/private/1.png", "file:///etc/x.png", "memory://a/1.png")


@pytest.mark.parametrize("row", ELSEWHERE)
def test_a_table_names_no_address_that_the_user_did_not_name(folder, row):
    table = write(folder / "table.csv", f"path\n{row}\n".encode())
    with pytest.raises(ValueError, match=r"table.csv line 2: .* lies outside of .*--base"):
        list(SourceList([str(table)]))
    base = row.rpartition("/")[0]
    assert [source.name for source in SourceList([str(table)], base=base)] == [row]


@pytest.mark.parametrize("row", ["/etc/x.png", "../other/1.png", "memory://set-2/1.png", "a/../../other/1.png"])
def test_a_table_behind_an_address_names_nothing_outside_of_its_folder(row):
    places = TablePlaces("memory://set/list.parquet")
    assert places.place("a/1.png") == places.place("memory://set/a/1.png") == "memory://set/a/1.png"
    with pytest.raises(ValueError, match="lies outside of memory://set"):
        places.place(row)


def test_an_import_copies_a_picture_from_elsewhere_only_where_the_user_named_the_place(folder, tmp_path, capsys):
    for k in range(6):
        write(tmp_path / "private" / f"{k}.png", encoded(noise(10 + k), "PNG"))
        write(folder / f"{k}.png", encoded(noise(20 + k), "PNG"))
    rows = [f"../private/{k}.png,1" for k in range(6)] + [f"{k}.png,0" for k in range(6)]
    (folder / "table.csv").write_text("\n".join(["path,label", *rows]))
    assert run_import(str(folder / "table.csv"), tmp_path / "root", "--keep-bytes") == 2
    assert "--base" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()
    assert run_import(str(folder / "table.csv"), tmp_path / "root", "--keep-bytes", "--base", str(tmp_path)) == 0
    assert len(items(tmp_path / "root")) == 12


def test_a_table_in_a_zip_names_no_file_of_the_disk(folder, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("good.png", encoded(noise(2), "PNG"))
        archive.writestr("manifest.csv", f"path,label\ngood.png,0\n{tmp_path / 'private' / 'diary.png'},1\n")
    assert run_import(str(tmp_path / "set.zip"), tmp_path / "root", "--keep-bytes") == 2
    error = capsys.readouterr().err
    assert "set.zip/manifest.csv line 3" in error
    assert "--base" in error


@pytest.mark.parametrize("number", range(len(OUTSIDE)))
def test_an_overlay_outside_of_the_products_is_neither_sent_nor_taught(folder, number):
    name = hostile(folder)[number]
    evidence = RECORD.to_json().replace('"', '""')
    columns = "image,split,overlay,caption_ko,caption_en,evidence"
    (folder / "data.csv").write_text(f'{columns}\n1.png,train,{name},a,b,"{evidence}"\n')
    with pytest.raises(ValueError, match=r"data.csv line 2: the overlay .* leads out of"):
        read_rows(folder / "data.csv")
    answer = dict.fromkeys(("image", "request_id", "label", "region", "sentence", "author"), "x")
    answer |= {"split": "train", "language": "en", "probability": "98.67", "overlay": name}
    lines = [",".join([*answer, "evidence"]), ",".join([*answer.values(), f'"{evidence}"'])]
    (folder / "data_answer_add.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="leads out of"):
        overlay_rows(DatasetRoot.at(folder), "train")


def test_a_report_shows_only_the_picture_that_was_explained_and_figures_of_its_folder(folder):
    def entries(**changed):
        digest = sha256((folder / "good.png").read_bytes())
        line = {"path": str(folder / "good.png"), "sha256": digest, "panel": "good.png", "overlay": "good.png"}
        text = json.dumps(RECORD.to_dict() | line | changed)
        (folder / "explain.jsonl").write_text(text + "\n")
        return explained_entries(folder, folder / "explain.jsonl")[0]

    shown = as_json(entries())[0]
    assert shown["picture"] and shown["panel"] and shown["overlay"]
    private = str(folder.parent / "private" / "diary.png")
    assert as_json(entries(path=private))[0]["picture"] is None, "its content is another"
    for name in hostile(folder):
        for field in ("panel", "overlay"):
            with pytest.raises(ValueError, match="cannot be shown .*leads out of"):
                entries(**{field: name})


@pytest.mark.parametrize("changed", [{"panel": 5}, {"label": "maybe"}, {"cues": []}, {"lime": [1]}, {"panel": None}])
def test_an_odd_line_of_results_is_one_sentence(folder, changed):
    line = {"path": "good.png", "sha256": "", "panel": "good.png", "overlay": None}
    (folder / "explain.jsonl").write_text(json.dumps(RECORD.to_dict() | line | changed) + "\n")
    with pytest.raises(ValueError, match="explain the picture again"):
        explained_entries(folder, folder / "explain.jsonl")
