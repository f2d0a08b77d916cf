"""HTML of the page around the pictures: head, drop zone, overview of the files, progress and downloads."""

from __future__ import annotations

from html import escape

from aireal.core.imagefile import readable_suffixes
from aireal.figures.html.bilingual import both
from aireal.figures.html.picture import language_switch
from aireal.figures.panel_text import verdict_line
from aireal.stages.elsewhere import elsewhere_lines

from .examples import Example
from .file import File
from .service import Downloads
from .upload_store import MAX_BYTES, MAX_FILES

MEGABYTES = MAX_BYTES // 2**20
UPLOAD_ERRORS = {  # Korean and English by the key that browser and server use
    "large": (
        f"파일이 {MEGABYTES} MB보다 큽니다. 줄여서 다시 올려 주세요.",
        f"the file is larger than {MEGABYTES} MB. Scale it down first.",
    ),
    "many": (
        f"한 번에 {MAX_FILES}개까지 볼 수 있습니다. 다음에 다시 올려 주세요.",
        f"there are more than {MAX_FILES} files. Add this one next time.",
    ),
    "folder": (
        "이 폴더에는 그림이 없습니다. 그림이나 그림이 든 폴더를 골라 주세요.",
        "there is no picture in this folder. Choose pictures, or a folder that holds some.",
    ),
    "unreadable": (
        "브라우저가 이것을 읽지 못합니다. 폴더라면 그 안의 그림을 골라 주세요.",
        "the browser cannot read this. Choose it again; if it is a folder, choose its pictures.",
    ),
    "failed": (
        "이 그림은 처리하지 못했습니다. 다른 형식(JPEG, PNG)으로 저장해 다시 올려 주세요.",
        "this picture could not be processed. Save it anew as JPEG or PNG, and choose that.",
    ),
    "slow": (
        "파일을 올리는 데 너무 오래 걸렸습니다. 다시 올려 주세요.",
        "the upload took too long. Choose the file again.",
    ),
    "gone": (
        "파일이 너무 오래 기다려 지워졌습니다. 다시 올려 주세요.",
        "the file waited too long and was removed. Choose it again.",
    ),
    "full": (
        "지금은 기다리는 파일이 너무 많습니다. 잠시 뒤 다시 올려 주세요.",
        "too many files are waiting. Try again in a minute.",
    ),
    "lost": (
        "서버에 닿지 않습니다. 명령이 아직 실행 중인지 확인해 주세요.",
        "the server does not answer. Check that the command still runs.",
    ),
}
WORDS = {
    "question": (
        "이 그림은 사진일까요, AI가 만든 것일까요? 판정과 그 근거를 함께 보여 줍니다.",
        "Is this picture a photograph or AI-made? The verdict, and what it rests on.",
    ),
    "choose": ("그림 고르기", "Choose pictures"),
    "hint": (
        f"또는 그림이나 폴더를 여기에 끌어다 놓으세요 · {MAX_FILES}개까지, 파일마다 {MEGABYTES} MB까지",
        f"or drop them or a folder here · up to {MAX_FILES}, {MEGABYTES} MB each",
    ),
    "private": (
        "그림은 이 컴퓨터를 떠나지 않고 디스크에 저장되지 않습니다.",
        "Pictures do not leave this computer and are not stored on disk.",
    ),
    "try": (
        "또는 예시를 골라 보세요. 어떤 단계에서도 학습에 쓰지 않은 그림입니다.",
        "Or try an example. No stage was trained on these pictures.",
    ),
    "real": ("사진", "photograph"),
    "fake": ("AI 이미지", "AI image"),
    "clear": ("지우기", "Clear"),
    "waiting": ("차례를 기다립니다", "waiting for its turn"),
    "looking": ("보는 중 …", "being analysed …"),
    "lime later": ("LIME은 다음 차례", "LIME comes later"),
    "hiding": (
        "LIME이 조각을 가려 보며 확률 변화를 재는 중입니다 …",
        "LIME hides pieces and measures how the probability changes …",
    ),
    "stands": ("판정은 이미 나왔습니다.", "The verdict is already there."),
    "soon": ("목록이 더 바뀌지 않으면 일찍 끝납니다.", "LIME ends early once its list no longer changes."),
    "download": ("내려받기", "Download"),
    "png": ("그림 (PNG)", "Panel (PNG)"),
    "json": ("측정값 (JSON)", "Record (JSON)"),
    "html": ("페이지 (HTML)", "Page (HTML)"),
}


def word(key: str) -> str:
    """A text of WORDS in both languages."""
    return both(*WORDS[key])


def page_head() -> str:
    """Title, question and the buttons for the language."""
    return f'<div class="masthead"><h1>aireal</h1>{language_switch()}<p>{word("question")}</p></div>'


def drop_zone(examples: list[Example], record: dict | None = None) -> str:
    """The field for files, by mouse, touch and keyboard, and the examples; `drop.js` handles its events.

    Args:
        record: what was measured of the classifier on pictures from elsewhere (`stages.elsewhere`).
    """
    caution = f'<p class="private">{both(*elsewhere_lines(record))}</p>' if record else ""
    return f"""<div class="drop" data-drop data-max-bytes="{MAX_BYTES}" data-max-files="{MAX_FILES}">
<input class="unseen" type="file" id="files" multiple accept="{",".join(sorted(readable_suffixes()))}">
<label for="files"><span class="button">{word("choose")}</span><span class="hint">{word("hint")}</span></label></div>
<p class="private">{word("private")}</p>{caution}{_examples(examples) if examples else ""}"""


def _examples(examples: list[Example]) -> str:
    items = "".join(_example(number, example) for number, example in enumerate(examples))
    return f"""<p class="try" id="try">{word("try")}</p>
<ul class="examples" aria-labelledby="try">{items}</ul>"""


def _example(number: int, example: Example) -> str:
    title = both(f"예시 {number + 1}", f"Example {number + 1}")
    thumbnail = f'<img src="{example.thumbnail}" alt="" width="96" height="96">'
    return f"""<li><button type="button" data-example="{number}">{thumbnail}
<span>{title}<br>{word(example.truth)}</span></button></li>"""


def overview(files: list[File]) -> str:
    """The state of each file with a link to its picture, and a status line for screen readers that changes rarely."""
    rows = "".join(f"<li>{_row(number, file)}</li>" for number, file in enumerate(files))
    return f"""<div class="overview"><ol>{rows}</ol>
<button type="button" class="quiet" data-clear>{word("clear")}</button></div>
<p class="unseen" role="status">{_summary(files)}</p>"""


def _summary(files: list[File]) -> str:
    verdicts = sum(file.explanation is not None for file in files)
    complete = sum(file.downloads is not None for file in files)
    failed = sum(bool(file.error) for file in files)
    return both(
        f"파일 {len(files)}개: 판정 {verdicts}개, 완료 {complete}개, 쓸 수 없는 파일 {failed}개.",
        f"Files: {len(files)}; verdicts: {verdicts}; complete: {complete}; cannot be used: {failed}.",
    )


def _row(number: int, file: File) -> str:
    name = f'<span class="name">{escape(file.name)}</span>'
    if file.error:
        error = f'<span class="bad">{_error(file.error)}</span>'
        return f'<i class="blank" aria-hidden="true">!</i><span>{name}{error}</span>'
    state = f'<span class="state">{both(*_state(file))}</span>'
    if not file.explanation:
        return f'<i class="blank" aria-hidden="true">…</i><span>{name}{state}</span>'
    thumbnail = f'<img src="{file.explanation.thumbnail}" alt="" width="44" height="44">'
    return f'{thumbnail}<span><a href="#picture-{number}">{name}</a>{state}</span>'


def _error(error: str) -> str:
    """A message of UPLOAD_ERRORS in both languages; the message of `aireal explain` as it is, in English."""
    return both(*UPLOAD_ERRORS[error]) if error in UPLOAD_ERRORS else f'<bdi lang="en">{escape(error)}</bdi>'


def _state(file: File) -> tuple[str, str]:
    """Verdict and progress of a file, in Korean and English."""
    if not file.explanation:
        return queue_position(file.jobs_ahead) if file.jobs_ahead else WORDS["looking" if file.stage else "waiting"]
    ko, en = (verdict_line(file.explanation.record, language) for language in ("ko", "en"))
    if file.downloads:
        return ko, en
    lime_ko, lime_en = _lime_state(file)
    return f"{ko} · {lime_ko}", f"{en} · {lime_en}"


def _lime_state(file: File) -> tuple[str, str]:
    if file.jobs_ahead:
        return queue_position(file.jobs_ahead)
    percent = f"LIME {file.progress:.0%}"
    return (percent, percent) if file.stage else WORDS["lime later"]


def queue_position(jobs_ahead: int) -> tuple[str, str]:
    """How many jobs of other visitors come first, in Korean and English."""
    plural = "s" if jobs_ahead > 1 else ""
    return (f"대기열: 앞에 작업 {jobs_ahead}개가 있습니다", f"in line: {jobs_ahead} job{plural} before this one")


def lime_later() -> str:
    """Shown in place of LIME's view until its job is submitted."""
    return f'<div class="waits"><p>{word("lime later")}</p><p class="note">{word("stands")}</p></div>'


def lime_waits(jobs_ahead: int, progress: float) -> str:
    """Shown in place of LIME's view while its job waits or runs: the queue or a progress bar (`progress` in 0..1)."""
    text = both(*queue_position(jobs_ahead)) if jobs_ahead else word("hiding")
    bar = f'<progress max="1" value="{progress:.2f}" aria-label="LIME"></progress>'
    return f'<div class="waits"><p>{text}</p>{bar}<p class="note">{word("stands")} {word("soon")}</p></div>'


def no_lime(note: str) -> str:
    """Shown in place of LIME's view where there is none: the reason."""
    return f'<div class="waits"><p><bdi lang="en">{escape(note)}</bdi></p></div>'


def download_links(downloads: Downloads) -> str:
    """Links that hold the files themselves as data URIs, so that nothing is stored on the disk."""
    stem = escape(downloads.stem)
    links = "".join(
        f'<a class="button" download="{stem}.{kind}" href="{getattr(downloads, kind)}">{word(kind)}</a>'
        for kind in ("png", "json", "html")
    )
    return f'<div class="downloads"><span>{word("download")}</span>{links}</div>'
