"""Where many pictures come from: folders, tables, tars and addresses, each picture once and in a stable order."""

from __future__ import annotations

import csv
import io
import os
import sys
import tarfile
from pathlib import Path

import fsspec
import pytest

from aireal.core.errors import ImageError
from aireal.stages.scale.addresses import file_system
from aireal.stages.scale.list_sources import SourceList
from aireal.stages.scale.source import Source
from helpers.images import encoded, noise, write
from helpers.scale import make_pictures

COUNT = 5


@pytest.fixture
def pictures(tmp_path):
    return make_pictures(tmp_path / "in", COUNT)


def read_all(*given: object) -> list[bytes]:
    """The bytes of all pictures of the inputs, and of the same sources after a way through JSON in UTF-8."""
    sources = list(SourceList([str(text) for text in given]))
    again = [Source.from_json(source.to_json().encode().decode()) for source in sources]
    assert again == sources
    return [source.read(Path.cwd()) for source in sources]


def contents(pictures) -> list[bytes]:
    return [path.read_bytes() for path in pictures]


def make_tar(path: Path, members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_folders_and_files_are_listed_once(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_all("in", tmp_path / "in" / "000.png", "in/001.png") == [*contents(pictures), pictures[0].read_bytes()]
    assert read_all("in", "in") == contents(pictures)


@pytest.mark.people_have(
    "a table of paths for `predict --shards`: CSV, Excel or Parquet", "read", "paths are relative to the table"
)
def test_a_csv_of_paths(pictures, tmp_path):
    table = tmp_path / "list.csv"
    with table.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerows([["file_name", "note"], *([f"in/{path.name}", "x"] for path in pictures[::-1])])
    assert read_all(table) == contents(pictures[::-1])


def test_a_table_that_was_written_on_windows(pictures, tmp_path):
    assert read_all(write(tmp_path / "list.csv", b"path\nin\\000.png\n")) == contents(pictures[:1])


def test_a_parquet_of_paths_and_addresses(pictures, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    import pyarrow.parquet as parquet

    paths = ["in/000.png", str(pictures[1]), pictures[2].as_uri()]
    parquet.write_table(pa.table({"path": paths}), tmp_path / "list.parquet")
    assert read_all(tmp_path / "list.parquet") == contents(pictures[:3])
    parquet.write_table(pa.table({"other": paths}), tmp_path / "list.parquet")
    with pytest.raises(ValueError, match="has no column path, only other"):
        read_all(tmp_path / "list.parquet")
    write(tmp_path / "list.parquet", b"no Parquet")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        read_all(tmp_path / "list.parquet")


@pytest.mark.people_have("WebDataset shards (.tar)", "read", "every picture in the tar, which is not unpacked")
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_webdataset_shards(pictures, tmp_path, form):
    long = "folder/" * 20 + "사진.png" if form != tarfile.USTAR_FORMAT else "사진.png"
    members = {"a.png": pictures[0].read_bytes(), "a.cls": b"1", "a.json": b"{}", long: pictures[1].read_bytes()}
    tar = make_tar(tmp_path / "s-000.tar", members, form)
    make_tar(tmp_path / "s-001.tar", {"a.png": pictures[2].read_bytes()})
    assert read_all(tar, tmp_path / "s-001.tar") == contents(pictures[:3])
    assert next(iter(SourceList([str(tar)]))).name == f"{tar}/a.png"


def test_a_folder_of_tars_and_a_tar_behind_an_address(pictures, tmp_path):
    folder = tmp_path / "tars"
    folder.mkdir()
    tar = make_tar(folder / "s-000.tar", {"a.png": pictures[0].read_bytes()})
    assert read_all(folder) == read_all(tar.as_uri()) == read_all(folder.as_uri()) == contents(pictures[:1])


@pytest.mark.people_have(
    "a tar with links, or with names that lead out of it",
    "passed over",
    "members left out, links or with names that lead out",
)
def test_links_and_names_that_lead_out_of_a_tar_are_left_out(pictures, tmp_path):
    tar = make_tar(tmp_path / "s.tar", {"../a.png": b"x", "/etc/b.png": b"x", "C:\\c.png": b"x", "ok.png": b"fine"})
    with tarfile.open(tar, "a") as file:
        for name, kind in (
            ("link.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("fifo.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            file.addfile(info)
    sources = SourceList([str(tar)])
    assert [source.name for source in sources] == [f"{tar}/ok.png"]
    assert "6 members left out" in sources.notes[0]


@pytest.mark.people_have("a compressed or damaged tar", "refused", "unpack it to a plain .tar first; download it again")
def test_compressed_and_damaged_tars_are_one_sentence(pictures, tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w:gz") as file:
        file.add(pictures[0])
    with pytest.raises(ValueError, match=r"is compressed \(gzip\)"):
        read_all(tmp_path / "s.tar")
    tar = make_tar(tmp_path / "s.tar", {f"{n}.png": path.read_bytes() for n, path in enumerate(pictures)})
    data = bytearray(tar.read_bytes())
    header = data.index(b"3.png\0")
    write(tar, bytes(data[:header] + b"#" * 512 + data[header + 512 :]))
    with pytest.raises(ValueError, match="is damaged from byte"):
        read_all(tar)
    write(tar, b"no tar at all" * 100)
    with pytest.raises(ValueError, match="is no whole tar"):
        read_all(tar)
    with pytest.raises(ValueError, match="cannot be opened"):
        read_all(tmp_path / "none.tar")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_place_of_a_tar_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "s.tar")
    with pytest.raises(ValueError, match="is no regular file; give the tar itself"):
        read_all(tmp_path / "s.tar")


def test_a_member_of_negative_size_is_damage(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        info.pax_headers = {"size": "-1024"}
        tar.addfile(info)
    with pytest.raises(ValueError, match="is no whole tar"):
        read_all(tmp_path / "s.tar")
    with pytest.raises(ValueError, match="no place"):
        Source.from_json('{"path": "a.png", "archive": "s.tar", "offset": 0, "size": -1}')


def test_a_second_member_of_the_same_name_is_left_out_with_a_note(pictures, tmp_path):
    tar = make_tar(tmp_path / "s.tar", {"a.png": pictures[0].read_bytes()})
    with tarfile.open(tar, "a") as file:
        file.add(pictures[1], "a.png")
    sources = SourceList([str(tar)])
    assert [source.read(tmp_path) for source in sources] == contents(pictures[:1])
    assert sources.notes == ["1 pictures in tars left out: one of the same name comes before them"]


def test_a_picture_that_the_end_of_a_tar_cuts_costs_itself_alone(pictures, tmp_path):
    tar = make_tar(tmp_path / "s.tar", {f"{n}.png": path.read_bytes() for n, path in enumerate(pictures[:2])})
    sources = list(SourceList([str(tar)]))
    write(tar, tar.read_bytes()[: sources[1].offset + 9])
    assert sources[0].read(tmp_path) == pictures[0].read_bytes()
    with pytest.raises(ImageError, match="the tar ends inside this picture"):
        sources[1].read(tmp_path)


def test_addresses_are_read_by_fsspec(pictures):
    memory = fsspec.filesystem("memory")
    for path in pictures:
        memory.pipe_file(f"/bucket/{path.name}", path.read_bytes())
    memory.pipe_file("/bucket/notes.txt", b"no picture")
    try:
        assert read_all("memory://bucket") == contents(pictures)
        assert read_all("memory://bucket/000.png") == contents(pictures[:1])
        with pytest.raises(ImageError, match="does not exist; check the address"):
            Source("memory://bucket/none.png").read(Path.cwd())
        with pytest.raises(ValueError, match="no such file or folder"):
            read_all("memory://elsewhere")
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.mark.people_have("an address without the package of its service", "refused", "pip install s3fs")
def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(fsspec.registry.target if hasattr(fsspec.registry, "target") else {}, "s3", raising=False)
    with pytest.raises(ValueError, match="pip install s3fs"):
        file_system("s3://bucket/a.png")


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/a.png", "simplecache::s3://b/a.png", "memory://a::file:///etc/passwd", "sftp://h/a"]
)
def test_other_protocols_and_chains_are_refused(address):
    with pytest.raises(ValueError, match="no address that is read here"):
        file_system(address)
    with pytest.raises(ImageError, match="no address that is read here"):
        Source(address).read(Path.cwd())


def test_inputs_without_pictures_and_tables_without_paths_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="no images found"):
        read_all(write(tmp_path / "empty" / "a.md", b"x").parent)
    with pytest.raises(ValueError, match="has no column path"):
        read_all(write(tmp_path / "t.csv", b"a,b\n1,2\n"))


def test_a_tar_whose_name_is_not_utf8(tmp_path):
    raw = "사진".encode("cp949").decode("utf-8", "surrogateescape")
    make_tar(tmp_path / f"{raw}.tar", {"a.png": encoded(noise(1), "PNG")})
    assert read_all(tmp_path / f"{raw}.tar") == [encoded(noise(1), "PNG")]
