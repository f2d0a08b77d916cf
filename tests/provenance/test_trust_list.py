"""A trust list as a file: what is accepted, and one sentence for what is not."""

from __future__ import annotations

import os

import pytest

from aireal.provenance import c2pa_library
from aireal.provenance.trust_list import read_trust_list
from helpers.signing import make_signer

BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def test_a_list_has_its_name_its_date_and_its_size(tmp_path):
    path = tmp_path / "lists.pem"
    path.write_text("# C2PA\n" + "".join(f"Subject: {name}\n{make_signer(name).root}\n" for name in "AB"))
    os.utime(path, (1_769_860_800, 1_769_860_800))  # 2026-01-31, noon
    found = read_trust_list(path)
    assert (found.file.name, found.file.date, found.file.certificates) == ("lists.pem", "2026-01-31", 2)


def test_two_lists_of_one_name_differ_in_the_name_that_resumption_compares(tmp_path):
    names = set()
    for _ in range(2):
        (tmp_path / "a.pem").write_text(make_signer().root)
        names.add(read_trust_list(tmp_path / "a.pem").name)
    assert len(names) == 2


@pytest.mark.people_have("a trust list that is no list of certificates", "refused", "holds no certificate")
@pytest.mark.parametrize(
    "text, sentence", [("hello", "holds no certificate; give a file of PEM"), (BROKEN, "holds a broken certificate")]
)
def test_another_file_is_refused_in_one_sentence(tmp_path, text, sentence):
    (tmp_path / "list.pem").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_trust_list(tmp_path / "list.pem")


def test_a_missing_file_and_a_missing_library_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="none.pem cannot be read .*; check the path"):
        read_trust_list(tmp_path / "none.pem")
    (tmp_path / "list.pem").write_text(make_signer().root)
    monkeypatch.setattr(c2pa_library, "load", lambda: None)
    with pytest.raises(ValueError, match="not read without c2pa-python: pip install"):
        read_trust_list(tmp_path / "list.pem")
