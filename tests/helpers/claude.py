"""Tools of the tests of Claude's flow: rows, quick retries, a client of the mock server, and kills at any moment."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import anthropic
import httpx2
from PIL import Image

from aireal.captions.augment import Augmented, Plan, augment_table
from aireal.captions.claude.mock import MockServer
from aireal.captions.claude.retry import RetryPolicy
from aireal.captions.language.grammar import render
from aireal.captions.table import CaptionRow
from aireal.core.journal import Journal
from aireal.evidence.record import REGIONS, Cues, EvidenceRecord

KEY = "sk-test-key-that-must-never-show"
QUICK = RetryPolicy(first=0.001, longest=0.01, settle=0.001, patience=4)


def make_rows(folder: Path, count: int = 1, side: int = 64) -> list[CaptionRow]:
    """Rows that differ in class, number, region and picture; the number of row i is 60.01 + 0.13 i."""
    rows = []
    for i in range(count):
        label, probability, region = ("fake", "real")[i % 2], round(60.01 + 0.13 * i % 39, 2), REGIONS[i % 9]
        record = EvidenceRecord(
            f"비밀_{i}.png", label, probability, 0.5, region, (0.1, 0.1), Cues("white", "bright", "smooth", "moderate")
        )
        Image.new("RGB", (side, side), (i % 256, i // 256, 120)).save(folder / f"{i}.png")
        rows.append(
            CaptionRow(
                record.image,
                "train",
                f"{i}.png",
                record,
                {language: render(record, language) for language in ("ko", "en")},
            )
        )
    return rows


def client_of(
    server: MockServer, transport: httpx2.BaseTransport | None = None, timeout: float = 20.0
) -> anthropic.Anthropic:
    """The real SDK's client, quick to retry."""
    http = httpx2.Client(transport=transport or httpx2.HTTPTransport(), base_url=server.url, timeout=timeout)
    return anthropic.Anthropic(api_key=KEY, base_url=server.url, http_client=http, max_retries=1, timeout=timeout)


def run(rows: list[CaptionRow], folder: Path, client: anthropic.Anthropic, n: int = 2, **plan) -> Augmented:
    """A whole run. Table, cost and rejections go to folder/out; overlays and journal.jsonl lie in `folder`."""
    settings = {"journal_path": folder / "journal.jsonl", "retry": QUICK, "say": lambda line: None}
    settings |= {"max_usd": 100.0, "now": False}
    complete = Plan("claude", n, folder=folder, client=client, **(settings | plan))
    return augment_table(rows, folder / "out" / "data_answer_add.csv", complete)


def tables(folder: Path) -> list[bytes]:
    return [
        (folder / "out" / f"data_answer_add.{suffix}").read_bytes()
        for suffix in ("csv", "xlsx", "jsonl", "rejected.json")
    ]


def paid(server: MockServer) -> Counter:
    """How often each question was paid; a custom_id ends in the question's key."""
    counts: Counter = Counter()
    for name, count in server.paid.items():
        counts[name.rpartition("-")[2]] += count
    return counts


def events(folder: Path) -> Counter:
    lines = (folder / "journal.jsonl").read_text("utf-8").splitlines()
    return Counter(json.loads(line)["event"] for line in lines)


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the code may catch it."""


class Life:
    """Counts the moments of a run and kills it at one of them.

    Moments are after every request, in the middle of every line of the journal, and after it. Nothing changes between
    two moments.
    """

    def __init__(self, monkeypatch, ends_at: int | None = None):
        self.moments, self.ends_at = 0, ends_at
        whole = Journal.add

        def add(journal: Journal, *entries: dict) -> list[int]:
            self.moment(lambda: self._tear(journal, entries))
            places = whole(journal, *entries)
            self.moment()
            return places

        monkeypatch.setattr(Journal, "add", add)

    def moment(self, last_act=lambda: None) -> None:
        self.moments += 1
        if self.ends_at is not None and self.moments >= self.ends_at:
            if self.moments == self.ends_at:
                last_act()
            raise Killed

    def _tear(self, journal: Journal, entries: tuple[dict, ...]) -> None:
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode()
        with journal.path.open("ab") as file:
            file.write(text[: -len(text) // 3])

    def transport(self) -> httpx2.BaseTransport:
        life = self

        class Mortal(httpx2.HTTPTransport):
            def handle_request(self, request):
                response = super().handle_request(request)
                life.moment()
                return response

        return Mortal()
