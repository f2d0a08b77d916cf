"""Verdict and heatmap of a picture do not depend on the machine's cores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aireal.explain.predictor import Predictor


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_bit(smoke_run, photograph, threads):
    """At the 96 pixels of `smoke`, oneDNN would share one picture's channels among threads."""
    pictures = [photograph.rotate(degrees) for degrees in range(0, 90, 6)]
    found = []
    with Predictor(smoke_run.data.model) as predictor:
        for count in (1, 2, 4):
            threads(count)
            found.append([predictor.predict(["a.png"], [picture])[0] for picture in pictures])
            assert torch.get_num_threads() == count, "what others compute is not slowed down"
    for one, *others in zip(*found):
        for other in others:
            assert one.probability_fake == other.probability_fake
            assert np.array_equal(one.heatmap, other.heatmap)
