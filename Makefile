# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer: they set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4
# Of the contracts those that compute; the others are about files.
NUMBERS := tests/methods tests/networks tests/losses tests/training $(addprefix tests/contract/test_, \
	first_losses.py instance_norms.py methods.py metrics.py sizes.py)
READY := $(VENV)/.ready
QUIET := --quiet --disable-pip-version-check
# As the commands do for themselves (reskin.cli.start): beside other programs waiting threads sleep soon.
ifndef OMP_WAIT_POLICY
export GOMP_SPINCOUNT ?= 10000
endif

.PHONY: demo test sweep engines numbers two-processes check fix slow gpu bench bench-methods bench-ratios bench-scaling toy-table paper-tables style-table two-people real real-films docs size study-demo study-figures exposures unit-tones e2e studio-shots studio-figures parity setup lock bench-stripes video-table bench-film bench-activations bench-memory

setup: $(READY)

$(READY): pyproject.toml requirements.lock constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'reskin needs Python 3.11 or newer; this is ' + sys.version.split()[0] + '. Type: make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(QUIET) --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt torch
	$(BIN)/python -m pip install $(QUIET) --no-deps --no-build-isolation -e .
	touch $@

# Everything but torch, whose builds differ by machine, with the hashes of all its files.
lock:                ## write requirements.lock anew after a change of pyproject.toml or constraints.txt
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install $(QUIET) uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --extra dev --constraints constraints.txt \
		--override .ci/lock-overrides.txt pyproject.toml .ci/lock.in --output-file requirements.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" --extra cpu --extra onnx --constraints requirements.lock \
		--override .ci/lock-overrides.txt pyproject.toml --output-file requirements-engines.lock

demo: $(READY)       ## draw two clips, learn, translate a third, report: about six minutes
	$(BIN)/reskin demo --out demo

test: $(READY)       ## the fast tests
	$(PYTEST)

sweep: $(READY)      ## the other cases of tests that have many, and longer tests; .ci/run runs them too
	$(PYTEST) -m "sweep and not slow and not gpu and not e2e"

engines: $(READY)    ## every test of engines, with OpenVINO and ONNX Runtime, which this installs (300 MB)
	$(BIN)/python -m pip install $(QUIET) --require-hashes --no-deps -r requirements-engines.lock
	$(PYTEST) -m "not slow and not gpu and not e2e" tests/contract/test_engines.py tests/inference tests/translation/test_engines_in_films.py

numbers: $(READY)    ## the fast tests that compute, for runs under other instruction sets (ATEN_CPU_CAPABILITY=default)
	$(PYTEST) $(NUMBERS)

two-processes: $(READY)  ## every method in two processes; the fast tests have a small one
	$(BIN)/python -m pytest -m slow tests/contract -k two_processes

check: $(READY)      ## lint, format and types
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

fix: $(READY)        ## format, and mend what the linter can
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

slow: $(READY)       ## tests that learn or fuzz
	$(BIN)/python -m pytest -q -m "slow and not e2e"

bench: $(READY)      ## speed on this machine, written as JSON
	$(BIN)/python benchmarks/bench.py --out build/bench.json

bench-ratios: $(READY) ## how many times faster than plain PyTorch: training, pictures, frames
	$(BIN)/python -m benchmarks.ratios --out build/bench-ratios.json

bench-scaling: $(READY) ## two processes against one: shards and Ray, which is left out where it is not installed
	$(BIN)/python -m benchmarks.scaling --out build/bench-scaling.json

bench-methods: $(READY)  ## a training step and an output of every method, Gatys too
	$(BIN)/python benchmarks/methods.py --out build/bench-methods.json
	$(BIN)/python benchmarks/styles.py --out build/bench-gatys.json

bench-stripes: $(READY)  ## a large frame whole and in stripes: memory, time, difference
	$(BIN)/python -m benchmarks.stripes --threads 1 --out build/bench-stripes.json

toy-table: $(READY)  ## every method on the same drawn worlds → docs/results/toy.md
	$(BIN)/python -m benchmarks.toy

paper-tables: $(READY)  ## Tables 2 to 5 of the CycleGAN paper in form → docs/results/paper_tables.md (ARGS=--quick: minutes)
	$(BIN)/python -m benchmarks.paper_tables $(ARGS)

style-table: $(READY)  ## many looks from one picture → docs/results/styles.md (SET=name: real pictures → build/looks)
	$(BIN)/python -m benchmarks.looks $(SET)

two-people: $(READY)  ## CycleGAN, Recycle-GAN, vid2vid on two people, equal CPU time → sheet, film, numbers in build/two-people
	$(BIN)/python -m benchmarks.two_people $(ARGS)

video-table: $(READY) ## ways to translate a film on drawn worlds, equal CPU time → docs/results/video.md
	$(BIN)/python -m benchmarks.video_table $(ARGS)

bench-activations: $(READY)  ## memory and time of a training step with --checkpoint-activations and without
	$(BIN)/python -m benchmarks.activations --out build/bench-activations.json

bench-memory: $(READY)  ## does the memory of a long 1080p film grow, with every engine that is installed
	$(BIN)/python -m benchmarks.memory --out build/bench-memory.json

bench-film: $(READY) ## what a frame of a film costs, part by part
	$(BIN)/python -m benchmarks.film --out build/bench-film.json

real: $(READY)       ## on a machine with CUDA: METHODS="cyclegan cut" on SET=horse2zebra → build/real
	$(BIN)/python -m benchmarks.real $(or $(SET),horse2zebra) $(or $(METHODS),cyclegan cut ganimorph_lite)

study-demo: $(READY) ## a blind study on drawn worlds with simulated raters → build/study-demo
	$(BIN)/python -m benchmarks.study_demo

unit-tones: $(READY) ## why UNIT may swap light and dark, on drawn worlds → docs/results/unit_tones.md
	$(BIN)/python -m benchmarks.unit_tones

study-figures: $(READY) ## do the statistics of blind studies hold in simulation → docs/results/blind_study.md
	$(BIN)/python -m benchmarks.study_figures

exposures: $(READY)  ## how long Chromium shows 200 pictures of a study, seven minutes → build/exposures.json
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt "playwright>=1.55"
	RESKIN_FULL=1 $(BIN)/python -m pytest -q -s -m e2e tests/e2e/test_exposures.py

e2e: $(READY)        ## the studio in a real Chromium (apt-get install chromium); SET="e2e and not slow": the short ones
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt "playwright>=1.55"
	$(BIN)/python -m benchmarks.axe build/axe.min.js
	$(BIN)/python -m pytest -q -m "$(or $(SET),e2e)" tests/e2e

studio-shots: $(READY)  ## pictures of the studio's pages on drawn footage → docs/studio
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt "playwright>=1.55"
	$(BIN)/python -m benchmarks.studio_shots docs/studio

studio-figures: $(READY)  ## what the studio costs: CPU, memory, 1,000 and 100,000 pictures, as a table
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt "playwright>=1.55"
	$(BIN)/python -m benchmarks.studio_figures

real-films: $(READY) ## make on six pairs of real clips → docs/results/real_films.md and sheets in build/real-films
	$(BIN)/python -m benchmarks.real_films

gpu:                 ## on a machine with CUDA whose python has torch: tests, bench, what a step consists of, short training on FOLDER
	PYTHONPATH=src $(PYTHON) -m pytest -q -m gpu tests/gpu
	PYTHONPATH=src $(PYTHON) benchmarks/gpu.py --profile $(FOLDER)

docs: $(READY)       ## make the pages that are built from the code, and check the others
	$(BIN)/python docs/build.py

parity: $(READY)     ## a training step of seven methods beside the papers' equations → docs/results/parity.md
	$(BIN)/python -m benchmarks.parity

size: $(READY)       ## what is largest: files, functions, nesting, parameters; modules that import each other
	$(BIN)/python benchmarks/size.py
