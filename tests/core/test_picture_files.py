"""Which files of a folder are pictures of the user's."""

from __future__ import annotations

import pytest

from aireal.core.picture_files import find_images, search_images
from helpers.images import encoded, noise, write


@pytest.fixture
def jpeg() -> bytes:
    return encoded(noise(1), "JPEG")


def names(folder) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images([folder])]


def test_a_folder_gives_its_images_once_and_in_order(tmp_path, jpeg):
    for name in ("b.jpg", "a.PNG", "sub/c.webp", "notes.txt"):
        write(tmp_path / name, jpeg)
    paths = find_images([tmp_path, tmp_path / "b.jpg"])
    assert [p.name for p in paths] == ["a.PNG", "b.jpg", "c.webp"]


@pytest.mark.people_have(
    "`._*`, `__MACOSX`, `.ipynb_checkpoints`, `Thumbs.db` and a network disk's `@eaDir` beside pictures",
    "passed over",
    "passed over, because macOS, Windows or Jupyter leave such files beside pictures",
)
def test_what_systems_leave_beside_pictures_is_passed_over(tmp_path, jpeg):
    for junk in ("._cat.jpg", "__MACOSX/cat.jpg", ".ipynb_checkpoints/cat-checkpoint.jpg", "@eaDir/cat.jpg/S.jpg"):
        write(tmp_path / junk, jpeg)
    for junk in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        write(tmp_path / junk, b"x")
    write(tmp_path / "cat.jpg", jpeg)
    assert names(tmp_path) == ["cat.jpg"]
    (note,) = search_images([tmp_path]).notes()
    assert "._cat.jpg" in note
    assert "__MACOSX" in note


def test_what_overlapping_folders_pass_over_is_told_once(tmp_path, jpeg):
    write(tmp_path / "sub/._cat.jpg", jpeg)
    (note,) = search_images([tmp_path, tmp_path / "sub"]).notes()
    assert note.count("._cat.jpg") == 1


def test_a_companion_that_is_named_itself_is_taken(tmp_path, jpeg):
    hidden = write(tmp_path / ".cache/a.jpg", jpeg)
    assert find_images([hidden]) == [hidden]
    assert find_images([hidden.parent]) == [hidden]


@pytest.mark.people_have(
    "a folder that `explain` or a run wrote figures into before",
    "passed over",
    "passed over, because aireal wrote these figures",
)
def test_own_figures_are_passed_over(tmp_path, jpeg):
    write(tmp_path / "cat.jpg", jpeg)
    write(tmp_path / "cat-0a1b2c.png", jpeg)  # a picture of the user's with such a name
    for name in ("explained/cat-1a2b3c4d5e.png", "explained/overlays/cat-1a2b3c4d5e.png"):
        write(tmp_path / name, jpeg)
    for name in ("root/result/0.png", "root/gradcam/0.png", "root/data.jsonl", "root/test/0_real/0.jpg"):
        write(tmp_path / name, jpeg)
    for name in ("out/metrics/a.json", "out/readme_images/1_x.png", "out/demo/1_picture.png"):
        write(tmp_path / name, jpeg)
    assert names(tmp_path) == ["cat-0a1b2c.png", "cat.jpg", "root/test/0_real/0.jpg"]
    assert "aireal wrote these figures" in search_images([tmp_path]).notes()[0]


def test_figures_among_the_pictures_are_told_from_them(tmp_path, jpeg):
    for name in ("cat.jpg", "cat-1a2b3c4d5e.png", "dog-1a2b3c4d5e.png", "overlays/cat-1a2b3c4d5e.png"):
        write(tmp_path / name, jpeg)
    assert names(tmp_path) == ["cat.jpg", "dog-1a2b3c4d5e.png"]


def test_a_users_own_folders_of_such_names_are_taken(tmp_path, jpeg):
    for name in ("overlays/a.png", "a.png", "result/b.png", "demo/c.png"):
        write(tmp_path / name, jpeg)
    assert names(tmp_path) == ["a.png", "demo/c.png", "overlays/a.png", "result/b.png"]
