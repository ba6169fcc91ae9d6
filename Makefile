# `make help` lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help

NPM ?= npm
NODE ?= node

# npm writes this file at the end of an install: it is older than the lock file when the install is out of date.
INSTALLED := node_modules/.package-lock.json

.PHONY: help setup build demo test lint format clean conformance matrix bench fuzz profile pack chromium llvm rigs sanitize

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install the dependencies that package-lock.json names

$(INSTALLED): package-lock.json
	@$(NODE) -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
		|| { echo "setup: Node 20.19 or newer is needed, and \"$(NODE)\" is $$($(NODE) --version 2>/dev/null || echo missing)" >&2; exit 1; }
	@$(NPM) ci --no-progress </dev/null \
		|| { echo "setup: npm ci failed (see above). It needs the npm registry, and a package-lock.json that agrees with package.json: after editing package.json, run \"npm install\"." >&2; exit 1; }
	@touch $@

build: setup ## compile the TypeScript sources into dist/
	@$(NODE) scripts/build.mjs

demo: build ## compile the OCR pipeline and read an image with it: TARGET=wasm|native CPU=level
	@$(NODE) dist/examples/ocr/demo.js $(if $(TARGET),--target "$(TARGET)") $(if $(CPU),--cpu "$(CPU)")

test: setup lint build chromium llvm rigs ## lint, build and run every test; the last line is "N passed, N failed, N skipped"
	@$(NODE) dist/scripts/test.js

lint: setup ## check format, lint rules and the build scripts' types
	@$(NPM) run --silent lint

format: setup ## rewrite the sources in the project's format
	@$(NPM) run --silent format

clean: ## remove dist/
	@$(NODE) scripts/clean.mjs

conformance: build $(if $(filter guarded memcheck aarch64,$(TARGET)),llvm rigs) ## run a conformance suite: SUITE=folder, TARGET=reference|wasm|native|c|wasm+native|guarded|memcheck|aarch64 (default: the first two)
	@$(NODE) dist/tests/conformance/run.js $(if $(SUITE),--suite "$(SUITE)") $(if $(TARGET),--target "$(TARGET)")

sanitize: build llvm rigs ## run native code of the suite under memcheck, with guards around all memory: ONLY=pattern
	@$(NODE) dist/tests/conformance/run.js --target memcheck $(if $(ONLY),--only "$(ONLY)")

matrix: build ## run every op on every dtype and the suite, and rewrite docs/operators.md from what passed
	@$(NODE) dist/tests/conformance/matrix.js

# A model of the caller's own, for bench and profile.
OWN_MODEL = $(if $(MODEL),--model "$(MODEL)" $(foreach size,$(DIM),--dim "$(size)"))

bench: build ## run the benchmarks: TARGET=wasm|native CPU=level ONLY=pattern MODEL=file.onnx DIM='name=size ...' TIER=strict|relaxed THREADS=n JSON=file COMPARE=file; PEER=all|jax-js|tfjs|litert in Chromium
ifdef PEER
	@$(NODE) dist/tests/benchmarks/browser-peers/run.js $(if $(filter-out all,$(PEER)),--peer "$(PEER)") $(if $(ONLY),--only "$(ONLY)") $(if $(TIER),--tier "$(TIER)") $(if $(JSON),--json "$(JSON)")
else
	@$(NODE) dist/tests/benchmarks/run.js $(OWN_MODEL) $(if $(TARGET),--target "$(TARGET)") $(if $(CPU),--cpu "$(CPU)") $(if $(ONLY),--only "$(ONLY)") $(if $(TIER),--tier "$(TIER)") $(if $(THREADS),--threads "$(THREADS)") $(if $(JSON),--json "$(JSON)") $(if $(COMPARE),--compare "$(COMPARE)")
endif

profile: build ## time every step of benchmark rows: TARGET=wasm|native CPU=level ONLY=pattern MODEL=file.onnx DIM='name=size ...' TIER=strict|relaxed
	@$(NODE) dist/tests/benchmarks/profile.js $(OWN_MODEL) $(if $(TARGET),--target "$(TARGET)") $(if $(CPU),--cpu "$(CPU)") $(if $(ONLY),--only "$(ONLY)") $(if $(TIER),--tier "$(TIER)")

fuzz: build ## fuzz with coverage as guide: TARGET=loader|onnx|text|npy SECONDS=n SEED=n
	@$(NODE) dist/tests/fuzz/coverage/run.js $(if $(TARGET),--target "$(TARGET)") $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(SEED),--seed "$(SEED)")

# .npmrc keeps npm from running install scripts, and npm's own prepack with them, so the clean build is spelled out here.
pack: setup ## build afresh and make the npm package
	@$(NODE) scripts/clean.mjs
	@$(NODE) scripts/build.mjs
	@$(NPM) pack

# Debian's Chromium, for the browser tests; CHROMIUM=/path names another, SKIP_BROWSER=1 does without.
chromium: build
	@$(NODE) dist/scripts/chromium.js

# Debian's libLLVM, for the tests of native code; PSIONIC_LLVM=/path names another, SKIP_LLVM=1 does without.
llvm: build
	@$(NODE) dist/scripts/llvm.js

# gcc, valgrind, and an emulator and gcc for aarch64, from Debian, for the rigs that native code is watched on;
# SKIP_RIGS=1 does without.
rigs: build
	@$(NODE) dist/scripts/rigs.js
