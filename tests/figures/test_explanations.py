"""Figures of selection, occlusion, agreement and sanity check show everything that was measured."""

from __future__ import annotations

from aireal.explain.faithfulness.sanity import cascading_randomisation
from aireal.explain.faithfulness.select_method import select_heatmap
from aireal.figures import explanations as figures
from helpers.measured import measured_records
from helpers.planted_models import RedNet, pictures, redness


def test_figures_show_every_candidate_control_image_and_step():
    model, images, groups = RedNet().eval(), pictures(4), list("abcd")
    selection = select_heatmap(model, images, redness, [1] * 4, groups, seed=1, methods=["gradcam", "layercam"])
    labels = [text.get_text() for text in figures.plot_heatmap_choice(selection).axes[0].get_yticklabels()]
    assert len(labels) == sum(row["same_as"] is None for row in selection["rows"])
    assert labels[-1] == "blurred random (control)"
    other = next(row for row in selection["rows"] if row["method"] == "layercam" and row["same_as"] is None)
    in_use = {"in_use": {"method": "layercam", "layer": other["layer"]}}
    labels = [text.get_text() for text in figures.plot_heatmap_choice(selection | in_use).axes[0].get_yticklabels()]
    assert f"layercam · {other['layer']} (in use)" in labels
    assert sum("(chosen)" in label for label in labels) == 1
    assert "6 of 8" in figures.plot_occlusion(measured_records()).axes[0].get_title()
    agreement = figures.plot_agreement(measured_records(), 0.12)
    legend = [text.get_text() for text in agreement.axes[0].get_legend().get_texts()]
    assert any("two random maps: 0.12" in text for text in legend)
    assert any("verdict fake: 4 images" in text for text in legend)
    sanity = cascading_randomisation(RedNet().eval(), pictures(2), [1, 1], 96, seed=2, repeats=1)
    assert len(figures.plot_sanity(sanity).axes[0].get_xticks()) == len(sanity["steps"]) + 1
