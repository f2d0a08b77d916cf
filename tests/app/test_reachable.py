"""In Colab and Kaggle a browser cannot open the page: the command says what to do, before it loads anything."""

from __future__ import annotations

import pytest

from aireal.app.launch import launch_app
from aireal.cli import main
from aireal.core.notebook_service import SIGNS


@pytest.fixture
def in_service(monkeypatch, request):
    for sign in SIGNS.values():
        monkeypatch.delenv(sign, raising=False)
    monkeypatch.setenv(SIGNS[request.param], "x")
    return request.param


@pytest.mark.people_have(
    "`aireal app` in Colab or Kaggle, whose 127.0.0.1 no browser can open",
    "refused",
    "the page answers only browsers on its own machine, and Colab's machine is not yours. "
    "Run `!python -m aireal explain FOLDER --report` in a cell, then …",
)
@pytest.mark.parametrize(
    ("in_service", "way"), [("Colab", "files.download("), ("Kaggle", "Output")], indirect=["in_service"]
)
def test_the_command_says_how_to_see_it_there(in_service, way, capsys):
    assert main(["app", "--profile", "smoke"]) == 2
    said = capsys.readouterr().err
    assert f"{in_service}'s machine is not yours" in said
    assert "aireal explain FOLDER --report" in said
    assert way in said
    assert "make app" in said


@pytest.mark.parametrize("in_service", ["Colab"], indirect=True)
def test_a_named_port_is_served_all_the_same(in_service, monkeypatch):
    pytest.importorskip("gradio", reason="the page needs Gradio: pip install -c constraints.txt -e '.[app]'")

    def reached(*_):
        raise KeyError("loading")

    monkeypatch.setattr("aireal.app.launch.open_explainer", reached)
    with pytest.raises(KeyError, match="loading"):
        launch_app(None, port=0)
