"""What names of folders and files say about the class of the pictures in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from aireal.core.file_names import composed

from .source import CLASS_NAMES, SPLIT_NAMES

# Words that say it wherever they stand, and words that say it only beside a folder of the other class.
PLAIN = (
    {"real", "reals", "authentic", "genuine", "실제", "진짜"},
    {"fake", "fakes", "ai", "aigc", "synthetic", "synthesized", "synthesised", "generated", "deepfake", "deepfakes"}
    | {"가짜", "생성", "합성"},
)
BESIDE = (
    {"human", "humans", "nature", "natural", "photo", "photos", "photograph", "photographs", "camera", "pristine"}
    | {"original", "originals", "사진", "실사"},
    {"artificial", "manipulated", "gan", "gans", "diffusion"},
)
NEGATIONS = {"not", "non", "no", "un"}
OTHER_MEANING = {"esrgan", "basicvsr"}  # Real-ESRGAN scales pictures up
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[가-힣]+")
JOINED = re.compile(r"(real|fake|ai)(?=(?:generated|images?|imgs?|pics?|pictures?|photos?|art|faces?|data)+$)")
# folders that an archive or a habit puts around the ones that matter
WRAPPERS = {"data", "dataset", "datasets", "image", "images", "imgs", "pictures", "archive", "input", "download"}
GENERATOR = re.compile(
    r"(i?ddpm|i?ddim|i?adm|pndm|ldm|glide|dall.?e|mid.?journey|mj|stable.?diffusion|sd[-_ ]?(v|xl|\d)|vq.?(dm|gan)|"
    r"wukong|flux|imagen|firefly|kandinsky|pix.?art|if|deepfloyd|sora|kling|veo|runway|pika|seedream|recraft|ideogram|"
    r"(pro|big|style|star|cycle|gau|att|diff|projected|info|dc|w|sn|mmd|rel|s3|cramer)?[-_ ]?gan|diffusion|deepfakes?|"
    r"face.?swap|face2face|neural.?textures|imle|crn|seeingdark)(?![a-z])",
    re.IGNORECASE,
)


def words_of(name: str) -> list[str]:
    """The words of a name in small letters: `AiArtData` gives ai, art, data; `training_real` training, real."""
    return [word.casefold() for word in WORD.findall(composed(name))]


def class_of_name(name: str, beside_other: bool = False) -> int | None:
    """0 or 1 where a name's words say one class, else None.

    Args:
        beside_other: words count that say it only beside a folder of the other class, as human beside ai.
    """
    if (label := CLASS_NAMES.get(composed(name).casefold())) is not None:
        return label
    words = words_of(name)
    said = _said(words, PLAIN)
    if beside_other and not said:
        said = _said(words, BESIDE)
    if len(said) != 1 or NEGATIONS & set(words) or OTHER_MEANING & set(words):
        return None
    return said.pop()


def _said(words: Sequence[str], vocabulary: tuple[set[str], set[str]]) -> set[int]:
    found = {label for label in (0, 1) for word in words if _says(word, vocabulary[label])}
    joined = {match[1] for word in words if (match := JOINED.match(word))}
    return found | {label for label in (0, 1) if joined & vocabulary[label]}


def _says(word: str, vocabulary: set[str]) -> bool:
    """Korean words stand without a space before what they belong to: 실제사진."""
    return word in vocabulary or any(part in word for part in vocabulary if not part.isascii())


def class_of_path(path: str) -> int | None:
    """The class that the innermost telling part of a path says: of the file's name, or of a folder."""
    place = PurePosixPath(path.replace("\\", "/"))
    parts = (place.stem, *reversed(place.parent.parts))
    telling = (part for part in parts if not is_wrapper(part))  # human_ai says both classes
    return next((label for part in telling if (label := class_of_name(part)) is not None), None)


def is_wrapper(name: str) -> bool:
    """Whether a folder only wraps others: `archive`, or one whose name says both classes, as real_vs_fake."""
    words = words_of(name)
    return composed(name).casefold() in WRAPPERS or len(_said(words, PLAIN) | _said(words, BESIDE)) == 2


def is_generator(name: str) -> bool:
    """Whether a folder has the name of a known image generator."""
    return bool(GENERATOR.match(composed(name)))


def split_of_name(name: str) -> str:
    """The split that the words of a class folder's name say (`training_real`), or ""."""
    return next((SPLIT_NAMES[word] for word in words_of(name) if word in SPLIT_NAMES), "")
