# make demo       make the environment, then run the seven notebooks on the sample dataset
# make test       make the environment with Gradio, HEIC and c2pa-python, then run ruff and the tests (among them the notebooks in `smoke`)
# make app        make the environment with Gradio, HEIC and c2pa-python, then serve the demonstration page on this machine
# make benchmark  measure our speed against the usual loops on this machine and refresh docs/speed*.md; needs the
#                 classifier of a demo and about an hour on two idle cores, most of it for LIME
# make publish    refresh notebooks/, readme_images/, metrics/, both READMEs, the cards and the examples of docs/how_to_read*.md
#                 from a finished demo
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: demo test app benchmark publish clean

demo: $(VENV)/ready
	$(PY) -m aireal demo

app: $(VENV)/ready-app
	$(PY) -m aireal app

test: $(VENV)/ready-app
	$(PY) -m ruff check .
	$(PY) scripts/time_tests.py

benchmark: $(VENV)/ready
	$(PY) benchmarks/train.py
	$(PY) benchmarks/predict.py
	$(PY) benchmarks/lime_benchmark.py
	$(PY) benchmarks/caption.py

publish: demo
	$(PY) scripts/render_how_to_read.py outputs/metrics
	$(PY) -m aireal release publish
	$(PY) scripts/set_notebook_headers.py --commit HEAD

$(VENV)/ready: requirements.txt requirements-gpu.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed. Name one with: make PYTHON=python3.12 ...")'
	@echo "Making the environment in $(VENV) (with torch; this takes some minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -e ".[test]"
	@touch $@

$(VENV)/ready-app: $(VENV)/ready
	@echo "Adding Gradio, HEIC and c2pa-python for the demonstration page ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -e ".[test,app,heif,provenance]"
	@touch $@

clean:
	rm -rf $(VENV) outputs
