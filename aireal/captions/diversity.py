"""How varied the sentences are, who wrote how many, and what was left out and why."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer

from .augment import Augmented
from .table import Answer

SAMPLE = 2000  # sentences of an author and language that diversity is measured on
ORDERS, EPSILON = 4, 0.1  # n-gram orders of BLEU, and what an order without a match counts as


def distinct(sentences: Sequence[str], n: int) -> float:
    """Distinct-n: different word n-grams over all word n-grams (Li et al. 2016, arXiv:1510.03055). NaN without n-grams.

    Numbers count as one and the same word: a different probability is no variety.
    """
    grams: set[tuple[str, ...]] = set()
    total = 0
    for sentence in sentences:
        words = _words(sentence)
        mine = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        grams.update(mine)
        total += len(mine)
    return len(grams) / total if total else float("nan")


def similarity(groups: Sequence[Sequence[str]]) -> float:
    """Mean cosine of character-trigram counts between siblings, over all pairs within each group; NaN without pairs.

    0: no trigram in common, 1: the same sentence.
    """
    cosines, pairs = 0.0, 0
    for group in groups:
        if len(group) < 2:
            continue
        counts = CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform(
            [" ".join(_words(text)).ljust(3) for text in group]
        )
        vectors = counts.toarray() / np.linalg.norm(counts.toarray(), axis=1, keepdims=True)
        cosines += (np.square(vectors.sum(axis=0)).sum() - len(group)) / 2  # every pair once, without the diagonal
        pairs += len(group) * (len(group) - 1) // 2
    return float(cosines / pairs) if pairs else float("nan")


def self_bleu(sentences: Sequence[str]) -> float:
    """Mean BLEU-4 of every sentence against all others: 1 when each can be put together from the others, near 0 when they share nothing.

    Zhu et al. 2018 (Texygen, arXiv:1802.01886) with the BLEU of Papineni et al. 2002 and smoothing 1 of Chen & Cherry 2014 (0.1 for an order
    without a match). It grows with the number of sentences, so only figures of like numbers compare. NaN for fewer than two. As in `distinct`,
    numbers count as one and the same word.
    """
    return (
        float(np.mean(list(bleus([_words(sentence) for sentence in sentences]))))
        if len(sentences) > 1
        else float("nan")
    )


def bleus(texts: Sequence[Sequence[str]]) -> Iterator[float]:
    """BLEU-4 of each text (a list of words) against all others, smoothed as in `self_bleu`; NLTK's `sentence_bleu` gives the same.

    Of every n-gram the two highest counts in a text are kept, so that one pass over all texts is enough.
    """
    grams = [[Counter(zip(*(words[k:] for k in range(n)))) for n in range(1, ORDERS + 1)] for words in texts]
    highest: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for gram, count in ((gram, count) for text in grams for order in text for gram, count in order.items()):
        highest[gram] = sorted([*highest[gram], count])[1:]
    lengths = Counter(map(len, texts))
    for words, orders in zip(texts, grams):
        matches = [
            sum(min(c, highest[g][0] if highest[g][1] == c else highest[g][1]) for g, c in order.items())
            for order in orders
        ]
        others = [length for length, count in lengths.items() if count > (length == len(words))]
        closest = min(others, key=lambda length: (abs(length - len(words)), length))
        yield _bleu(matches, len(words), closest)


def _bleu(matches: list[int], length: int, closest: int) -> float:
    """From the matches of each order, the length, and the length of the reference closest to it."""
    if not matches[0]:
        return 0.0
    precisions = [(match or EPSILON) / max(1, length - n) for n, match in enumerate(matches)]
    brevity = 1.0 if length > closest else math.exp(1 - closest / length)
    return brevity * math.exp(sum(map(math.log, precisions)) / ORDERS)


def diversity(rows: Sequence[Answer], sample: int = SAMPLE) -> pd.DataFrame:
    """A row an author and language: how varied the sentences are.

    Args:
        sample: how many sentences of an author and language are measured, and so many more as complete an image. Images come by the SHA-256
            of their names, so that siblings stay together and authors are measured on the same images.

    Returns:
        sentences, images, measured (the sentences that the other figures are of), different (share of different ones), distinct-1,
        distinct-2, self-BLEU, and `similarity` of the sentences about one image.
    """
    groups: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.author, row.language][row.image].append(row.sentence)
    table = []
    for (author, language), images in sorted(groups.items()):
        figures = {"sentences": sum(map(len, images.values())), "images": len(images)} | _figures(
            _drawn(images, sample)
        )
        table.append({"author": author, "language": language, **figures})
    return pd.DataFrame(table)


def _drawn(images: dict[str, list[str]], sample: int) -> list[list[str]]:
    drawn, count = [], 0
    for image in sorted(images, key=lambda name: hashlib.sha256(name.encode()).digest()):
        if count >= sample:
            break
        drawn.append(images[image])
        count += len(images[image])
    return drawn


def _figures(groups: list[list[str]]) -> dict[str, float]:
    sentences = [sentence for group in groups for sentence in group]
    different = len({" ".join(_words(sentence)) for sentence in sentences})
    return {
        "measured": len(sentences),
        "different": different / len(sentences),
        "distinct-1": distinct(sentences, 1),
        "distinct-2": distinct(sentences, 2),
        "self-BLEU": self_bleu(sentences),
        "similarity": similarity(groups),
    }


def counts(rows: Sequence[Answer]) -> pd.DataFrame:
    """Sentences by author (rows) and language (columns)."""
    found = Counter((row.author, row.language) for row in rows)
    series = pd.Series(found, dtype=int).rename_axis(["author", "language"])
    return series.unstack(fill_value=0).sort_index() if len(series) else pd.DataFrame()


def rejections(result: Augmented) -> pd.DataFrame:
    """A row a sentence (or image) that was left out: image, language, author, sentence, reason."""
    columns = ["image", "language", "author", "sentence", "reason"]
    rows = [(r.image, r.language, r.author, r.sentence, "; ".join(r.reasons)) for r in result.rejected]
    return pd.DataFrame(rows, columns=columns)


def _words(sentence: str) -> list[str]:
    return re.findall(r"#|[^\W\d_]+", re.sub(r"\d+(?:\.\d+)?%?", "#", sentence.casefold()))
