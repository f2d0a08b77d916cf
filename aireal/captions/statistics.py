"""How varied the sentences are, who wrote how many, and what was left out and why."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer

from .augment import Augmented
from .table import Answer


def distinct(sentences: Sequence[str], n: int) -> float:
    """Distinct-n: different word n-grams over all word n-grams (Li et al. 2016, arXiv:1510.03055). NaN without n-grams.

    Numbers count as one and the same word: a different probability is no variety.
    """
    grams: set[tuple[str, ...]] = set()
    total = 0
    for sentence in sentences:
        words = _words(sentence)
        mine = [tuple(words[i:i + n]) for i in range(len(words) - n + 1)]
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
        counts = CountVectorizer(analyzer="char", ngram_range=(3, 3)).fit_transform([" ".join(_words(text)).ljust(3) for text in group])
        vectors = counts.toarray() / np.linalg.norm(counts.toarray(), axis=1, keepdims=True)
        cosines += (np.square(vectors.sum(axis=0)).sum() - len(group)) / 2  # every pair once, without the diagonal
        pairs += len(group) * (len(group) - 1) // 2
    return float(cosines / pairs) if pairs else float("nan")


def diversity(rows: Sequence[Answer]) -> pd.DataFrame:
    """A row an author and language: sentences, images, share of different ones, distinct-1, distinct-2, and `similarity` of the
    sentences about one image."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[row.author, row.language][row.image].append(row.sentence)
    table = []
    for (author, language), images in sorted(groups.items()):
        sentences = [sentence for group in images.values() for sentence in group]
        masked = {" ".join(_words(sentence)) for sentence in sentences}
        table.append({
            "author": author, "language": language, "sentences": len(sentences), "images": len(images),
            "different": len(masked) / len(sentences), "distinct-1": distinct(sentences, 1), "distinct-2": distinct(sentences, 2),
            "similarity": similarity(list(images.values())),
        })
    return pd.DataFrame(table)


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
