"""The command lines of READMEs and docs/, as a reader would paste them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from aireal.config import REPOSITORY

PAGES = sorted(
    [*REPOSITORY.glob("README*.md"), *REPOSITORY.glob("CONTRIBUTING*.md"), *(REPOSITORY / "docs").rglob("*.md")]
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^ {4}(?:python|\.venv|pip|make) .*$", re.MULTILINE)
SPAN = re.compile(r"`((?:\.venv/bin/)?python -m aireal [^`]+)`")
SHELLS = ("", "bash", "sh", "console")
PROMPT = re.compile(r"^(?:\w*\$\s+|!)")
SEPARATORS = {"&&", "||", ";", "|"}
ASSIGNMENT = re.compile(r"^\w+=")


@dataclass(frozen=True)
class Command:
    """One command of a page.

    Args:
        page: the file.
        words: the command and its arguments, without variables before it.
    """

    page: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}: {shlex.join(self.words)}"

    def arguments_of(self, *module: str) -> tuple[str, ...] | None:
        """The words behind `module`, such as ("-m", "aireal"); None where the command does not run it."""
        for start in range(len(self.words) - len(module) + 1):
            if self.words[start : start + len(module)] == module:
                return self.words[start + len(module) :]
        return None


def blocks(page: Path, languages: tuple[str, ...]) -> list[str]:
    """The fenced blocks of a page in one of some languages; "" is a fence that names none."""
    text = page.read_text(encoding="utf-8")
    return [block for _, language, block in FENCE.findall(text) if language in languages]


def commands(page: Path) -> list[Command]:
    """All commands of the fenced and indented blocks of a page, in its order."""
    text = "\n".join([*blocks(page, SHELLS), *INDENTED.findall(page.read_text(encoding="utf-8"))])
    lines = [PROMPT.sub("", line.strip()) for line in text.replace("\\\n", " ").splitlines()]
    return [command for line in lines if is_command(line) for command in split(page, line)]


def spans(page: Path) -> list[Command]:
    """The commands of `aireal` that stand with arguments within a sentence of a page."""
    found = (" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", page.read_text(encoding="utf-8"))))
    return [command for line in found for command in split(page, line)]


def is_command(line: str) -> bool:
    """Whether a line starts a program that the tests know; other lines are trees, tables and formulas."""
    first = next((word for word in line.split() if not ASSIGNMENT.match(word)), "")
    name = first.rsplit("/", 1)[-1]
    return name in {"python", "python3", "pip", "make", "uv", "aireal", "accelerate", "torchrun", "srun"}


def split(page: Path, line: str) -> list[Command]:
    """The commands of one line: without comment, brackets of optional parts, and variables before the command."""
    lexer = shlex.shlex(re.sub(r"[\[\]](?=[-\s]|$)", " ", line), posix=True, punctuation_chars="&;|")
    lexer.whitespace_split, lexer.commenters = True, "#"
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in SEPARATORS:
            found.append([])
        elif found[-1] or not ASSIGNMENT.match(word):
            found[-1].append(word)
    return [Command(page, tuple(words)) for words in found if words]
