"""A zip as it was downloaded: read where it is, and never unpacked under the names in it."""

from __future__ import annotations

import copy
import unicodedata
import zipfile

import pytest

from aireal.cli import main
from aireal.dataset.importing import zip_archive
from helpers.images import encoded, write
from helpers.importing import items, left_out, picture, run_import, tree


def pack(path, names: list[str], junk: dict[str, bytes] | None = None):
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, encoded(picture(number), "PNG"))
        for name, content in (junk or {}).items():
            archive.writestr(name, content)
    return path


def names_of(top: str = "set/", count: int = 8) -> list[str]:
    return [f"{top}{label}/{number}.png" for label in ("0_real", "1_fake") for number in range(count)]


@pytest.mark.people_have(
    "a zip as it was downloaded, with what a Mac leaves in it", "read", "read where it is; nothing is unpacked"
)
def test_a_zip_is_imported_like_its_folder(tmp_path):
    archive = pack(tmp_path / "set.zip", names_of(), {"__MACOSX/set/0_real/._0.png": b"junk", "set/read.txt": b"x"})
    assert run_import(archive, tmp_path / "from_zip") == 0
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "unpacked/set")
    assert run_import(tmp_path / "unpacked/set", tmp_path / "from_folder") == 0
    pictures = [
        {k: v for k, v in tree(tmp_path / root).items() if k != "import.json"} for root in ("from_zip", "from_folder")
    ]
    assert pictures[0] == pictures[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["from_folder", "from_zip", "set.zip", "unpacked"]


def test_a_zipped_root_is_imported_by_its_manifest(small_root, tmp_path):
    with zipfile.ZipFile(tmp_path / "shared.zip", "w") as archive:
        for path in sorted(small_root.root.rglob("*")):
            archive.write(path, f"root/{path.relative_to(small_root.root).as_posix()}")
    assert run_import(tmp_path / "shared.zip", tmp_path / "again") == 0
    before = {(i.path, i.split, i.group) for i in items(small_root.root)}
    assert {(i.file, i.split, i.group) for i in items(tmp_path / "again")} == before


def test_a_table_that_is_no_manifest_does_not_stand_in_the_way(tmp_path):
    archive = pack(tmp_path / "set.zip", names_of(""), {"manifest.csv": b"file,md5\n0_real/0.png,1\n"})
    assert run_import(archive, tmp_path / "root") == 0
    assert len(items(tmp_path / "root")) == 16


def test_the_paths_of_a_manifest_in_a_zip_are_found_however_they_are_written(tmp_path):
    stored = [unicodedata.normalize("NFD", f"사진/{n}.png") for n in range(8)]
    written = [f"./사진/{n}.png" if n % 2 else f"사진\\{n}.png" for n in range(8)]
    rows = "".join(f"{path},{n % 2}\n" for n, path in enumerate(written))
    archive = pack(tmp_path / "set.zip", stored, {"manifest.csv": f"path,label\n{rows}".encode()})
    assert run_import(archive, tmp_path / "root") == 0
    assert len(items(tmp_path / "root")) == 8


def test_a_damaged_picture_of_any_packing_is_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_LZMA) as archive:
        for number, name in enumerate(names_of()):
            archive.writestr(name, encoded(picture(number, 60), "PNG"))
        start = archive.getinfo("set/1_fake/3.png").header_offset
    content = bytearray((tmp_path / "set.zip").read_bytes())
    content[start + 60 : start + 400] = b"\xff" * 340
    write(tmp_path / "set.zip", bytes(content))
    assert run_import(tmp_path / "set.zip", tmp_path / "root") == 1
    assert "damaged inside the zip" in left_out(tmp_path / "root")["set/1_fake/3.png"]


NO_ZIP = {
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 9\n",
    "web page": b"<!DOCTYPE html><html>Google Drive can't scan this file for viruses",
    "RAR archive": b"Rar!\x1a\7\1\0" + bytes(90),
    "gzip archive": b"\x1f\x8b\x08" + bytes(90),
}


@pytest.mark.people_have(
    "a Git LFS pointer, a host's warning page or another archive, called .zip", "refused", "by the name of what it is"
)
@pytest.mark.parametrize("what", NO_ZIP)
def test_another_file_called_zip_is_refused_by_name(tmp_path, capsys, what):
    write(tmp_path / "set.zip", NO_ZIP[what])
    assert main(["dataset", "import", str(tmp_path / "set.zip"), "--to", str(tmp_path / "root")]) == 2
    assert f"set.zip is a {what}" in capsys.readouterr().err


@pytest.mark.people_have("a zip of zips, or a folder with real.zip and fake.zip", "refused", "unpack them first")
@pytest.mark.parametrize("source", [".", "set.zip"])
def test_archives_inside_are_named(tmp_path, capsys, source):
    (tmp_path / "in").mkdir()
    pack(tmp_path / "in/real.zip", ["a.png"])
    pack(tmp_path / "in/set.zip", [], {"data/inner.zip": (tmp_path / "in/real.zip").read_bytes()})
    assert main(["dataset", "import", str(tmp_path / "in" / source), "--to", str(tmp_path / "root")]) == 2
    assert "(*.zip (" in (said := capsys.readouterr().err)
    assert "unpack them first" in said


def test_a_zip_of_which_nothing_is_left_says_why(tmp_path, capsys):
    archive = pack(tmp_path / "set.zip", [f"/{name}" for name in names_of()])
    assert main(["dataset", "import", str(archive), "--to", str(tmp_path / "root")]) == 2
    assert "their names lead out of the zip: 16 entries" in capsys.readouterr().err


@pytest.mark.people_have(
    "a zip with names that lead out of it, or links",
    "passed over",
    "left out, because they are links or their names lead out of the zip",
)
def test_names_that_lead_out_of_the_zip_are_left_out(tmp_path, capsys):
    evil = [
        "../evil.png",
        "/0_real/evil.png",
        "C:\\0_real\\evil.png",
        "set/0_real/../../../evil.png",
        "..\\0_real\\e.png",
    ]
    archive = pack(
        tmp_path / "deep/er/set.zip" if (tmp_path / "deep/er").mkdir(parents=True) is None else None, names_of()
    )
    with zipfile.ZipFile(archive, "a") as opened:
        for name in evil:
            opened.writestr(name, encoded(picture(99), "PNG"))
        link = zipfile.ZipInfo("set/0_real/link.png")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    assert run_import(archive, tmp_path / "root") == 0
    assert "lead out of the zip: 6 entries" in capsys.readouterr().out
    assert len(items(tmp_path / "root")) == 16
    assert not [path for path in tmp_path.rglob("*e*.png") if "root" not in path.parts]


@pytest.mark.people_have("a zip bomb", "refused", "is made to fill a disk")
def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(zip_archive, "SMALL_ENOUGH", 10**7)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for label in ("0_real", "1_fake"):
            archive.writestr(f"{label}/0.bmp", bytes(2 * 10**7))
    assert run_import(bomb, tmp_path / "root") == 2
    assert "is made to fill a disk: its" in capsys.readouterr().err


def test_entries_that_share_their_bytes_are_refused(tmp_path, capsys):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("0_real/0.png", encoded(picture(1), "PNG"))
        for number in range(1, 40):
            twin = copy.copy(archive.filelist[0])
            twin.filename = f"1_fake/{number}.png"
            archive.filelist.append(twin)
    assert run_import(bomb, tmp_path / "root") == 2
    assert "is made to fill a disk" in capsys.readouterr().err


def test_one_file_that_is_too_large_is_left_out_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_archive, "MOST_BYTES", 20_000)
    archive = pack(tmp_path / "set.zip", names_of(), {"set/0_real/huge.bmp": bytes(30_000)})
    assert run_import(archive, tmp_path / "root") == 1
    assert "more than any picture needs" in left_out(tmp_path / "root")["set/0_real/huge.bmp"]
    assert len(items(tmp_path / "root")) == 16


@pytest.mark.fault(
    "files",
    "a zip whose download was cut off",
    "set.zip is no whole zip; download it again",
    "the import does not begin",
)
@pytest.mark.people_have(
    "a zip that was cut off while it was downloaded, or one part of several",
    "refused",
    "is no whole zip; download it again",
)
def test_a_cut_zip_and_a_part_of_one_are_one_sentence(tmp_path, capsys):
    whole = pack(tmp_path / "set.zip", names_of()).read_bytes()
    write(tmp_path / "set.zip", whole[:-100])
    assert run_import(tmp_path / "set.zip", tmp_path / "root") == 2
    assert "set.zip is no whole zip; download it again" in capsys.readouterr().err
    write(tmp_path / "set.z01", whole[:100])
    assert run_import(tmp_path / "set.zip", tmp_path / "root") == 2
    assert "zip -s 0 set.zip --out whole.zip" in capsys.readouterr().err


@pytest.mark.fault(
    "files",
    "a picture that is damaged inside of a zip",
    "damaged inside the zip, in the list of what was left out",
    "the rest is imported",
)
def test_a_file_damaged_inside_the_zip_is_listed(tmp_path):
    archive = pack(tmp_path / "set.zip", names_of())
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo("set/1_fake/3.png").header_offset
    content[start + 200 : start + 210] = bytes(10)
    write(archive, bytes(content))
    assert run_import(archive, tmp_path / "root") == 1
    assert "damaged inside the zip" in left_out(tmp_path / "root")["set/1_fake/3.png"]


@pytest.mark.people_have("an encrypted zip", "refused", "is encrypted; unpack it with its password")
def test_an_encrypted_zip_is_one_sentence(tmp_path, capsys):
    content = bytearray(pack(tmp_path / "set.zip", names_of()).read_bytes())
    content[content.rfind(b"PK\x01\x02") + 8] |= 1
    write(tmp_path / "set.zip", bytes(content))
    assert run_import(tmp_path / "set.zip", tmp_path / "root") == 2
    assert "is encrypted" in capsys.readouterr().err


@pytest.mark.people_have("a zip of Korean Windows, whose names are in code page 949", "read", "the names are right")
def test_a_zip_of_korean_windows_has_readable_names(tmp_path):
    archive = pack(tmp_path / "set.zip", [name.replace("set/", "AAAA/") for name in names_of()])
    write(archive, archive.read_bytes().replace(b"AAAA/", "사진".encode("cp949") + b"/"))
    assert run_import(archive, tmp_path / "root") == 0
    assert all(item.file.startswith("사진/") for item in items(tmp_path / "root"))


def test_a_zip_is_no_folder_to_evaluate(smoke_run, small_root, tmp_path, capsys):
    import shutil

    shutil.copytree(smoke_run.data.model, small_root.root / "data" / "model")
    archive = str(pack(tmp_path / "set.zip", names_of()))
    assert (
        main(["evaluate", archive, "--root", str(small_root.root), "--profile", "sample", "--out", str(tmp_path)]) == 2
    )
    assert "unpack it, and give the folder" in capsys.readouterr().err
