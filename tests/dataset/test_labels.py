"""Words by which people label pictures."""

from __future__ import annotations

import pytest

from aireal.dataset.labels import label_of


@pytest.mark.parametrize(
    "word, label",
    [
        *(
            (word, 0)
            for word in (
                0,
                "0",
                " 0.0 ",
                "0,0",
                "0.000000e+00",
                "REAL",
                "0_real",
                "Human",
                "photo",
                "real images",
                "실제 사진",
                "진짜",
            )
        ),
        *(
            (word, 1)
            for word in (
                1,
                "1.",
                "1.00E+00",
                "1_fake",
                "AI-generated",
                "ai",
                "Fake Images",
                "생성",
                "AI 이미지",
                "가짜",
                "１",
            )
        ),
        *(
            (word, None)
            for word in ("", "2", "01", "0_fake", "1_real", "1e3", "maybe", "True", None, "이미지", -1, 0.5)
        ),
    ],
)
def test_words_for_labels(word, label):
    assert label_of(word) == label
