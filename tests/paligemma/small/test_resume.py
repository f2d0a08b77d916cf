"""Training of the small model's base goes on where it was stopped."""

from __future__ import annotations

import torch

from aireal.paligemma.small import synthetic
from aireal.paligemma.small.model import Shape, SyntheticDataset, build_small_paligemma
from aireal.paligemma.train import train_base


def test_a_resumed_training_has_the_weights_of_its_checkpoint(tmp_path):
    """Another process builds the model anew, with other random weights, before it loads the checkpoint."""
    shape = Shape()
    photographs = synthetic.read_photographs(None)
    draw = lambda rng, region: synthetic.draw_example(rng, photographs, region)  # noqa: E731
    pool = synthetic.make_pool(9, shape.image_size, 7, draw)
    trained, processor = build_small_paligemma(shape, 7)
    train_base(trained, processor, SyntheticDataset(pool, 8, 7), 2, 4, 1e-3, 7, tmp_path)
    anew, _ = build_small_paligemma(shape, 8)
    history = train_base(anew, processor, SyntheticDataset(pool, 8, 7), 2, 4, 1e-3, 7, tmp_path)
    assert history.resumed_from == 2
    differing = [n for n, t in trained.state_dict().items() if not torch.allclose(t, anew.state_dict()[n])]
    assert not differing
