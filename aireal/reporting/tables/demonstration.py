"""The pictures of the demonstration (`metrics/demo.json`): three of them in the README, all of them in docs/results.md.

The rule that chooses them is `stages.demo_rule`.
"""

from __future__ import annotations

from aireal.figures.style import MARKER
from aireal.stages.demo_rule import choose_in_turn, kind_of

TRUTH = {
    "en": {"fake": ", in truth an AI image", "real": ", in truth a photograph", "unknown": ""},
    "ko": {"fake": " (정답: AI 이미지)", "real": " (정답: 실제 사진)", "unknown": ""},
}
KIND = {
    "en": {"sure": "Right and sure", "uncertain": "Right, but uncertain", "wrong": "Wrong"},
    "ko": {"sure": "맞음 · 확실", "uncertain": "맞음 · 불확실", "wrong": "틀림"},
}
ALT = {
    "en": ("verdict, Grad-CAM and sentence", "LIME superpixels and list"),
    "ko": ("판정, Grad-CAM, 문장", "LIME 슈퍼픽셀과 목록"),
}
SHOWN = 3


def chosen_pictures(metrics: dict, count: int) -> list[dict]:
    """At most `count` records of the demonstration, by its rule, each with its "number"; none without a
    demonstration."""
    pictures = all_pictures(metrics)
    kinds = [kind_of(picture["label"], picture["truth"], picture["uncertain"]) for picture in pictures]
    return [pictures[place] for place in choose_in_turn(kinds, count)]


def all_pictures(metrics: dict) -> list[dict]:
    """The records of the demonstration in its order, each with its "number", by which its figures are named."""
    images = metrics.get("demo", {"images": []})["images"]
    return [{"uncertain": False, "number": number, **image} for number, image in enumerate(images, 1)]


def three_results(metrics: dict, language: str) -> str:
    """Verdict and sentence, LIME's list, the checks that failed, and the figures: of three pictures, in Markdown."""
    pictures = chosen_pictures(metrics, SHOWN)
    return "\n".join(_result(picture, language, "readme_images", *_failed(picture, language)) for picture in pictures)


def _failed(picture: dict, language: str) -> list[str]:
    """The lines of the trust whose level is poor; where they speak of the sentence, a reader must not miss them."""
    return [line for line in picture[f"trust_{language}"] if line.startswith(MARKER["poor"][0])]


def full_results(metrics: dict, language: str, images: str) -> str:
    """The same of all pictures of the demonstration, with the summary of the trust in each, in Markdown.

    Args:
        images: the folder readme_images as a link from the page.
    """
    pictures = all_pictures(metrics)
    return "\n".join(_result(picture, language, images, *_trust(picture, language)) for picture in pictures)


def _trust(picture: dict, language: str) -> list[str]:
    """The trust's summary, which is its first line, and the checks that failed."""
    return list(dict.fromkeys([*picture[f"trust_{language}"][:1], *_failed(picture, language)]))


def _result(picture: dict, language: str, images: str, *more: str) -> str:
    verdict, sentence, features = (picture[f"{name}_{language}"] for name in ("verdict", "sentence", "features"))
    quote = "<br>".join(text for text in (f"{verdict} — {sentence}", " ".join(features), *more) if text)
    return f"**{_title(picture, language)}**\n\n> {quote}\n\n{_figures(picture, language, images)}\n"


def _figures(picture: dict, language: str, images: str) -> str:
    """The result's figure and, where LIME could explain the picture, LIME's; each as wide as the page."""
    kinds = ("x", "lime") if picture[f"features_{language}"] else ("x",)
    return " ".join(f"![{alt}]({images}/{picture['number']}_{kind}.png)" for kind, alt in zip(kinds, ALT[language]))


def _title(picture: dict, language: str) -> str:
    name = f"`{picture['image']}`{TRUTH[language][picture['truth']]}"
    if picture["truth"] == "unknown":
        return name
    kind = kind_of(picture["label"], picture["truth"], picture["uncertain"])
    return f"{KIND[language][kind]}: {name}"
