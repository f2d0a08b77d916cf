"""HTML of the page around the pictures: its head, where pictures are dropped, how far each is, and the downloads."""

from __future__ import annotations

from html import escape

from aireal.core.imagefile import SUFFIXES
from aireal.figures.html.bilingual import both
from aireal.figures.html.picture import language_switch
from aireal.figures.panel_text import verdict_line

from .examples import Example
from .file import File
from .service import Downloads
from .upload_store import MOST_BYTES, MOST_FILES

MEGABYTES = MOST_BYTES // 2**20
LIMITS = {  # sentences for files that are not even looked at, by the word that the browser or the server has for them
    "large": (
        f"파일이 {MEGABYTES} MB보다 큽니다. 줄여서 다시 올려 주세요.",
        f"the file is larger than {MEGABYTES} MB; scale it down first",
    ),
    "many": (
        f"한 번에 {MOST_FILES}개까지 볼 수 있습니다. 다음에 다시 올려 주세요.",
        f"more than {MOST_FILES} files at a time; take this one the next time",
    ),
    "gone": (
        "파일이 너무 오래 기다려 지워졌습니다. 다시 올려 주세요.",
        "the file waited too long and was forgotten; choose it again",
    ),
    "full": (
        "지금은 기다리는 파일이 너무 많습니다. 잠시 뒤 다시 올려 주세요.",
        "too many files are waiting at the moment; try again in a minute",
    ),
    "lost": (
        "서버에 닿지 않습니다. 명령이 아직 실행 중인지 확인해 주세요.",
        "the server does not answer; see whether the command still runs",
    ),
}
WORDS = {
    "question": (
        "이 그림은 사진일까요, AI가 만든 것일까요? 판정과 그 근거를 함께 보여 줍니다.",
        "Is this picture a photograph or AI-made? The verdict, and what it rests on.",
    ),
    "choose": ("그림 고르기", "Choose pictures"),
    "hint": (
        f"또는 여기에 끌어다 놓으세요 · {MOST_FILES}개까지, 파일마다 {MEGABYTES} MB까지",
        f"or drop them here · up to {MOST_FILES}, {MEGABYTES} MB each",
    ),
    "private": (
        "그림은 이 컴퓨터를 떠나지 않고 디스크에 저장되지 않습니다.",
        "Pictures do not leave this computer and are not stored on disk.",
    ),
    "try": (
        "또는 예시를 골라 보세요. 어떤 단계에서도 학습에 쓰지 않은 그림입니다.",
        "Or take an example. No stage was trained on these.",
    ),
    "real": ("사진", "photograph"),
    "fake": ("AI 이미지", "AI image"),
    "clear": ("지우기", "Clear"),
    "waiting": ("차례를 기다립니다", "waiting for its turn"),
    "looking": ("보는 중 …", "being looked at …"),
    "lime later": ("LIME은 다음 차례", "LIME comes later"),
    "hiding": ("LIME이 조각을 가려 보며 확률 변화를 재는 중입니다 …", "LIME hides pieces and measures what happens …"),
    "stands": ("판정은 이미 나왔습니다.", "The verdict stands already."),
    "soon": ("목록이 더 바뀌지 않으면 일찍 끝납니다.", "This ends early once the list has settled."),
    "download": ("내려받기", "Download"),
    "png": ("그림 (PNG)", "Panel (PNG)"),
    "json": ("측정값 (JSON)", "Record (JSON)"),
    "html": ("페이지 (HTML)", "Page (HTML)"),
}


def word(key: str) -> str:
    return both(*WORDS[key])


def page_head() -> str:
    return f'<div class="masthead"><h1>aireal</h1>{language_switch()}<p>{word("question")}</p></div>'


def drop_zone(examples: list[Example]) -> str:
    """The field that takes files, by mouse, touch and keyboard, and the examples; `drop.js` answers it."""
    tried = (
        f"""<p class="try" id="try">{word("try")}</p>
<ul class="examples" aria-labelledby="try">{"".join(_example(k, one) for k, one in enumerate(examples))}</ul>"""
        if examples
        else ""
    )
    return f"""<div class="drop" data-drop data-most-bytes="{MOST_BYTES}" data-most-files="{MOST_FILES}">
<input class="unseen" type="file" id="files" multiple accept="image/*,{",".join(sorted(SUFFIXES))}">
<label for="files"><span class="button">{word("choose")}</span><span class="hint">{word("hint")}</span></label></div>
<p class="private">{word("private")}</p>{tried}"""


def _example(number: int, example: Example) -> str:
    title = both(f"예시 {number + 1}", f"Example {number + 1}")
    return (
        f'<li><button type="button" data-example="{number}"><img src="{example.thumbnail}" alt="" width="96" height="96">'
        f"<span>{title}<br>{word(example.truth)}</span></button></li>"
    )


def overview(files: list[File]) -> str:
    """How far each file is, with links to the pictures, and one line for screen readers that changes rarely."""
    rows = "".join(f"<li>{_row(number, file)}</li>" for number, file in enumerate(files))
    return f"""<div class="overview"><ol>{rows}</ol><button type="button" class="quiet" data-clear>{word("clear")}</button></div>
<p class="unseen" role="status">{_summary(files)}</p>"""


def _summary(files: list[File]) -> str:
    verdicts, whole, failed = (
        sum(map(bool, column)) for column in zip(*((f.looked, f.downloads, f.error) for f in files))
    )
    return both(
        f"파일 {len(files)}개: 판정 {verdicts}개, 완료 {whole}개, 쓸 수 없는 파일 {failed}개.",
        f"Files: {len(files)}; verdicts: {verdicts}; complete: {whole}; cannot be used: {failed}.",
    )


def _row(number: int, file: File) -> str:
    name = f'<span class="name">{escape(file.name)}</span>'
    if file.error:
        return (
            f'<i class="blank" aria-hidden="true">!</i><span>{name}<span class="bad">{_error(file.error)}</span></span>'
        )
    state = f'<span class="state">{both(*_state(file))}</span>'
    if not file.looked:
        return f'<i class="blank" aria-hidden="true">…</i><span>{name}{state}</span>'
    return f'<img src="{file.looked.thumbnail}" alt="" width="44" height="44"><span><a href="#picture-{number}">{name}</a>{state}</span>'


def _error(error: str) -> str:
    """A sentence of LIMITS in both languages; the one of `aireal explain` as it is."""
    return both(*LIMITS[error]) if error in LIMITS else f'<bdi lang="en">{escape(error)}</bdi>'


def _state(file: File) -> tuple[str, str]:
    if not file.looked:
        return in_line(file.ahead) if file.ahead else WORDS["looking" if file.working else "waiting"]
    ko, en = (verdict_line(file.looked.found.seen.record, language) for language in ("ko", "en"))
    if file.downloads:
        return ko, en
    percent = f"LIME {file.progress:.0%}"
    more = in_line(file.ahead) if file.ahead else (percent, percent) if file.working else WORDS["lime later"]
    return f"{ko} · {more[0]}", f"{en} · {more[1]}"


def in_line(ahead: int) -> tuple[str, str]:
    """That other visitors' work comes first."""
    return f"대기열: 앞에 작업 {ahead}개가 있습니다", f"in line: {ahead} job{'s' * (ahead > 1)} before this one"


def lime_later() -> str:
    """The place of LIME's view while other pictures, or the start of the work, come first."""
    return f'<div class="waits"><p>{word("lime later")}</p><p class="note">{word("stands")}</p></div>'


def lime_waits(ahead: int, progress: float) -> str:
    """The place of LIME's view while it is made, or another visitor's work is: how far it is."""
    text = both(*in_line(ahead)) if ahead else word("hiding")
    bar = f'<progress max="1" value="{progress:.2f}" aria-label="LIME"></progress>'
    return f'<div class="waits"><p>{text}</p>{bar}<p class="note">{word("stands")} {word("soon")}</p></div>'


def no_lime(note: str) -> str:
    """Why there is no LIME view."""
    return f'<div class="waits"><p><bdi lang="en">{escape(note)}</bdi></p></div>'


def download_links(found: Downloads) -> str:
    """Links that hold what they give, so that nothing waits on a disk for being fetched."""
    links = "".join(
        f'<a class="button" download="{escape(found.stem)}.{kind}" href="{getattr(found, kind)}">{word(kind)}</a>'
        for kind in ("png", "json", "html")
    )
    return f'<div class="downloads"><span>{word("download")}</span>{links}</div>'
