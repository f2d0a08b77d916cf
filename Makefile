# make demo     environment, requirements, the seven notebooks on the sample dataset
# make test     environment, requirements, Gradio, tests, the seven notebooks in `smoke`
# make app      environment, requirements, Gradio, the demonstration page on this machine
# make benchmark  our speed against the loop people write, on this machine; refreshes docs/speed.md (two idle cores: about half an hour, most of it LIME's; needs the classifier of a demo)
# make publish  refresh notebooks/, readme_images/, metrics/ and both READMEs from a finished demo
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
	OMP_NUM_THREADS=1 $(PY) -m pytest -q -n logical --maxprocesses 4 --dist loadfile

benchmark: $(VENV)/ready
	$(PY) benchmarks/train.py
	$(PY) benchmarks/predict.py
	$(PY) benchmarks/lime_benchmark.py
	$(PY) benchmarks/caption.py

publish: demo
	$(PY) -m aireal publish

$(VENV)/ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ...")'
	@echo "Making the environment in $(VENV) (torch and its friends: some minutes the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -e ".[test]"
	@touch $@

$(VENV)/ready-app: $(VENV)/ready
	@echo "Adding Gradio for the demonstration page ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -e ".[test,app]"
	@touch $@

clean:
	rm -rf $(VENV) outputs
