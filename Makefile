# Everything a stranger needs: `make demo` and `make test`. Both make .venv once, from pinned versions.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo demo-short test docs lint format results parity bench bench-graders alphamaze deepseekmath clean
demo: .venv/ready
	$(BIN)/quintet train --recipe recipes/demo.toml

demo-short: .venv/ready
	$(BIN)/quintet train --recipe recipes/demo.toml --small

# a process for each core, a file to each; on one core it is the same as without
test: .venv/ready
	$(BIN)/python -m pytest -n auto --dist loadfile

# the documentation site, in build/site; open build/site/index.html
docs: .venv/ready
	$(BIN)/python -m website

# docs/results.md: five algorithms, two tasks, three seeds (about 40 minutes on two cores), and their peak memory
results: .venv/ready
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.results

# docs/recipes/alphamaze.md: the maze recipe over three seeds and the kinds of demonstrations; interrupted, it goes on from
# the last checkpoints
alphamaze: .venv/ready
	$(BIN)/python -m benchmarks.alphamaze

# docs/recipes/deepseekmath.md: RFT, Online RFT, GRPO by outcome and by process, iterative GRPO, three seeds (about 40 minutes on
# one quiet core; what is done already is not done again)
deepseekmath: .venv/ready
	$(BIN)/python -m benchmarks.deepseekmath

# docs/tasks-cargo.md: answers in Rust graded in a second, beside the usual way
bench-graders: .venv/ready
	$(BIN)/python -m benchmarks.graders

# docs/parity.md: the losses, gradients and advantages of TRL on the same numbers, from an environment that has TRL
parity: .venv-parity/ready
	OMP_NUM_THREADS=1 .venv-parity/bin/python -m pytest parity

# benchmarks/results: Quintet beside TRL 1.16.0 and 1.9.2 on this machine, which should have nothing else to do (about two hours)
bench: .venv/ready .venv-parity/ready .venv-trl-1.9.2/ready
	$(BIN)/python -m benchmarks.versus_trl

lint: .venv/ready
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright --pythonpath $(BIN)/python

format: .venv/ready
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# torch first: asked for by itself and by its exact version, the CPU build is what pip takes where one is offered
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Quintet needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Quintet itself is imported from this folder: its dependencies are among TRL's
.venv-parity/ready: constraints-parity.txt
	$(PYTHON) -m venv .venv-parity
	.venv-parity/bin/pip install --quiet --disable-pip-version-check --constraint constraints-parity.txt torch
	.venv-parity/bin/pip install --quiet --disable-pip-version-check --requirement constraints-parity.txt
	@touch $@

.venv-trl-1.9.2/ready: constraints-parity.txt
	$(PYTHON) -m venv .venv-trl-1.9.2
	.venv-trl-1.9.2/bin/pip install --quiet --disable-pip-version-check --constraint constraints-parity.txt torch
	grep -v '^trl==' constraints-parity.txt > .venv-trl-1.9.2/constraints.txt
	.venv-trl-1.9.2/bin/pip install --quiet --disable-pip-version-check --constraint .venv-trl-1.9.2/constraints.txt trl==1.9.2 requests  # which its GRPO imports and does not ask for
	@touch $@

clean:
	rm -rf .venv .venv-parity .venv-trl-1.9.2 build *.egg-info
