"""Metrics of the sentences: how varied they are, how many each author wrote, and which were rejected and why."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice, zip_longest

import numpy as np
import pandas as pd
from sacrebleu.metrics import BLEU
from sklearn.feature_extraction.text import CountVectorizer

from .result import Augmented
from .table import Answer

SAMPLE = 2000  # sentences of an author and language that diversity is measured on
FOLDS = 20  # of self-BLEU


def distinct(sentences: Sequence[str], n: int) -> float:
    """Distinct-n: different word n-grams over all word n-grams (Li et al. 2016, arXiv:1510.03055). NaN without n-grams.

    Numbers count as one and the same word, since a different probability is no variety.
    """
    different: set[tuple[str, ...]] = set()
    total = 0
    for sentence in sentences:
        words = _words(sentence)
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        different.update(grams)
        total += len(grams)
    return len(different) / total if total else float("nan")


def similarity(groups: Sequence[Sequence[str]]) -> float:
    """Mean cosine of character-trigram counts over all pairs of sentences within each group; NaN without pairs.

    0: no trigram in common, 1: the same sentence.
    """
    cosines, pairs = 0.0, 0
    for group in groups:
        if len(group) < 2:
            continue
        texts = [_masked(sentence).ljust(3) for sentence in group]
        counts = CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform(texts).toarray()
        vectors = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        cosines += (np.square(vectors.sum(axis=0)).sum() - len(group)) / 2  # each pair once, without the diagonal
        pairs += len(group) * (len(group) - 1) // 2
    return float(cosines / pairs) if pairs else float("nan")


def self_bleu(sentences: Sequence[str], folds: int = FOLDS) -> float:
    """Mean BLEU-4 of each sentence against the others, 0 to 1 (Zhu et al. 2018, Texygen, arXiv:1802.01886).

    1 when each sentence can be put together from the others, 0 when they share no word. It grows with the number of
    sentences, so only equal numbers compare. NaN for fewer than two sentences.

    BLEU is sacreBLEU's, with 0.1 matches for an order without a match (smoothing 1 of Chen & Cherry 2014). It gets the
    words of `_words`, in which numbers count as one and the same word, and no tokenizer of its own, since sacreBLEU has
    none for Korean that needs no dictionary.

    Args:
        folds: the sentences are dealt into so many folds, and those of a fold are scored against the sentences of all
            other folds. Up to `folds` sentences this is each sentence against all others. Above, it leaves out a
            twentieth of the references, and the n-grams of the references are counted once a fold.
    """
    if len(sentences) < 2:
        return float("nan")
    texts = [_masked(sentence) for sentence in sentences]
    scores = []
    for fold in range(min(folds, len(texts))):
        references = [[text] for i, text in enumerate(texts) if i % folds != fold]
        scores += _bleu_scores(texts[fold::folds], references)
    return float(np.mean(scores))


def _bleu_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """sacreBLEU's BLEU-4 of each text, 0 to 1, against the same references."""
    options = {
        "tokenize": "none",
        "smooth_method": "floor",
        "smooth_value": 0.1,
        "effective_order": True,
        "force": True,
    }
    bleu = BLEU(references=references, **options)  # counts the n-grams of the references once
    return [bleu.corpus_score([text], None).score / 100 for text in texts]


def diversity(rows: Sequence[Answer], sample: int = SAMPLE) -> pd.DataFrame:
    """Metrics of variety, a row an author and language, all on equally many sentences: more of them lower distinct-n
    and raise self-BLEU.

    Args:
        sample: the largest number of sentences of an author and language that are measured; the author with the fewest
            sentences sets the number. Images are ordered by the SHA-256 of their names, so that authors are measured
            on the same images, and give a sentence in turn.

    Returns:
        Columns `sentences`, `images`, `measured` (the number of sentences that the next four are computed on),
        `different` (share of different sentences), `distinct-1`, `distinct-2`, `self-BLEU`, and `similarity` of the
        sentences about one image (of whole images with about `sample` sentences).
    """
    groups: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.author, row.language][row.image].append(row.sentence)
    totals = {key: sum(map(len, images.values())) for key, images in groups.items()}
    measured = min(sample, *totals.values()) if totals else 0
    table = []
    for (author, language), images in sorted(groups.items()):
        row = {"author": author, "language": language, "sentences": totals[author, language], "images": len(images)}
        table.append(row | _metrics(_in_turn(images, measured)) | {"similarity": similarity(_sample(images, sample))})
    return pd.DataFrame(table)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _in_turn(images: dict[str, list[str]], count: int) -> list[str]:
    """`count` sentences: one of each image, then a second of each, and so on."""
    by_image = [sorted(images[image], key=_digest) for image in sorted(images, key=_digest)]
    in_turn = (sentence for turn in zip_longest(*by_image) for sentence in turn if sentence is not None)
    return list(islice(in_turn, count))


def _sample(images: dict[str, list[str]], count: int) -> list[list[str]]:
    """The sentences of whole images, at least `count` where there are so many."""
    groups, total = [], 0
    for image in sorted(images, key=_digest):
        if total >= count:
            break
        groups.append(images[image])
        total += len(images[image])
    return groups


def _metrics(sentences: list[str]) -> dict[str, float]:
    return {
        "measured": len(sentences),
        "different": len(set(map(_masked, sentences))) / len(sentences),
        "distinct-1": distinct(sentences, 1),
        "distinct-2": distinct(sentences, 2),
        "self-BLEU": self_bleu(sentences),
    }


def counts(rows: Sequence[Answer]) -> pd.DataFrame:
    """Sentences by author (rows) and language (columns)."""
    by_author = Counter((row.author, row.language) for row in rows)
    series = pd.Series(by_author, dtype=int).rename_axis(["author", "language"])
    return series.unstack(fill_value=0).sort_index() if len(series) else pd.DataFrame()


def rejections(result: Augmented) -> pd.DataFrame:
    """The sentences and images that were left out, a row each: image, language, author, sentence, reason."""
    columns = ["image", "language", "author", "sentence", "reason"]
    rows = [(r.image, r.language, r.author, r.sentence, "; ".join(r.reasons)) for r in result.rejected]
    return pd.DataFrame(rows, columns=columns)


def _words(sentence: str) -> list[str]:
    """The words of a sentence in lower case, without punctuation; "#" for every number."""
    return re.findall(r"#|[^\W\d_]+", re.sub(r"\d+(?:\.\d+)?%?", "#", sentence.casefold()))


def _masked(sentence: str) -> str:
    return " ".join(_words(sentence))
