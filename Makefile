# pairmill: `make help` lists the targets.  Variants: DEBUG=1, SANITIZE=address,undefined, SANITIZE=thread, FAULTS=1, CC=clang.
SHELL   := /bin/bash
CC      ?= gcc
comma   := ,
VARIANT := $(or $(subst $(comma),-,$(SANITIZE)),$(if $(FAULTS),faults),$(if $(DEBUG),debug),release)
B       := build/$(if $(filter clang%,$(CC)),clang-)$(VARIANT)

PACKAGES := libzmq lmdb libjpeg libzstd openblas jansson libsodium libxxhash libutf8proc msgpack libseccomp spng zlib
MISSING  := $(shell for p in $(PACKAGES); do pkg-config --exists $$p 2>/dev/null || echo $$p; done)

# gcc's maybe-uninitialized cannot follow `rc = rc ? rc : f(&x)`; the sanitizers check what it would.
WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef \
          -Wpointer-arith -Wvla -Wconversion -Wno-sign-conversion \
          $(if $(filter clang%,$(CC)),,-Wno-maybe-uninitialized) -Werror
OPT    := $(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all,$(if $(DEBUG),-O0,-O3))
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
CFLAGS_ALL = -std=c17 -D_GNU_SOURCE -g $(OPT) $(WARN) -fPIC -fvisibility=hidden -ffp-contract=off -pthread -I. \
          -MMD -MP $(if $(SANITIZE),-DPM_SANITIZED) $(if $(FAULTS),-DPM_FAULTS) $(shell pkg-config --cflags $(PACKAGES)) $(CFLAGS)
LIBS    = $(shell pkg-config --libs $(filter-out libseccomp spng libjpeg openblas,$(PACKAGES))) -lm -pthread

objs    = $(patsubst %.c,$B/%.o,$(wildcard $(addsuffix /*.c,$1)))
COMMON  = $(call objs,common)
ROOMS   = $(filter-out %_main.o $B/ops/main.o,$(call objs,common detector sceneparse recipes shards broker workers ops))
CLIENT  = $(call objs,common recipes shards)
UNIT    = $(call objs,tests/unit)
E2E     = $(call objs,tests/e2e)

all: $B/pairmill $B/pairmill-decode $B/libpairmill.so ## all: build the programs and the trainers' library (the default)

# A missing library is named once, before the compiler can complain about its header.
packages-present:
	@$(if $(MISSING),echo "pairmill needs $(MISSING) (pkg-config names): run scripts/install-packages build" >&2; exit 1,:)

$B/%.o: %.c | packages-present
	@mkdir -p $(@D)
	@$(if $(SHOW),echo "CC $<",:)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$B/recipes/wordpiece_vocabulary.o: recipes/vocab.txt
$B/ops/report_page.o: ops/report.css

# The commit, in a file that changes with it alone, so that what tells it is built anew then and only then.
$B/commit: always
	+@mkdir -p $(@D) && { echo '$(COMMIT)' | cmp -s - $@ || echo '$(COMMIT)' >$@; }
$B/ops/cmd_version.o: CFLAGS += -DPM_COMMIT='"$(COMMIT)"'
$B/ops/cmd_version.o: $B/commit

$B/pairmill: $B/ops/main.o $(ROOMS)
	$(CC) $(OPT) -o $@ $^ $(LIBS) -lspng -ljpeg

$B/pairmill-decode: $(addprefix $B/workers/decode_,main.o image.o jpeg.o png.o) $B/common/err.o
	$(CC) $(OPT) -o $@ $^ $(shell pkg-config --libs libseccomp spng libjpeg)

$B/libpairmill.so: $(CLIENT)
	$(CC) $(OPT) -shared -Wl,--as-needed -o $@ $^ $(LIBS)

$B/tests/unit-tests: $(UNIT) $(ROOMS) | $B/pairmill-decode
$B/tests/e2e-tests: $(E2E) $(ROOMS)
$B/tests/fault-tests: $(call objs,tests/fault) $B/tests/e2e/mill.o $(ROOMS) | $B/pairmill $B/pairmill-decode
$B/tests/%-tests:
	$(CC) $(OPT) -o $@ $^ $(LIBS) -lspng -ljpeg -lcriterion

$B/tests/bench/%: $B/tests/bench/%.o $(ROOMS)
	$(CC) $(OPT) -o $@ $^ $(LIBS) -lspng -ljpeg

# libFuzzer targets: tests/fuzz/NAME.c becomes build/fuzz/NAME, with what it needs of the rooms.
FUZZ_SCENEPARSE := $(wildcard sceneparse/*.c) $(addprefix common/,err.c buf.c file.c)
FUZZ_WEIGHTS    := $(addprefix detector/,weights.c safetensors.c caffemodel.c torch_file.c zip.c state_dict.c \
                   pickle.c pickle_call.c pickle_names.c pickle_value.c pickle_array.c) $(addprefix common/,err.c buf.c file.c half.c)
build/fuzz/fuzz_sceneparse build/fuzz/fuzz_sceneparse_model: FUZZED = $(FUZZ_SCENEPARSE)
build/fuzz/fuzz_weights: FUZZED = $(FUZZ_WEIGHTS)

build/fuzz/%: tests/fuzz/%.c $(FUZZ_SCENEPARSE) $(FUZZ_WEIGHTS) $(wildcard sceneparse/*.h detector/*.h common/*.h)
	@mkdir -p $(@D)
	clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -ffp-contract=off \
	  -I. $(CFLAGS) -o $@ $< $(FUZZED) -lutf8proc -ljansson -lsodium -lz

fuzz: ## fuzz: random captions, model and weight files against their readers, under clang's sanitizers
	@scripts/install-packages fuzz
	@$(MAKE) -s $(addprefix build/fuzz/fuzz_,sceneparse sceneparse_model weights)
	scripts/fuzz

demo: ## demo: install, build, grind a sample corpus, feed a trainer, write demo/out/report.html
	@scripts/install-packages demo
	@scripts/build all
	@scripts/demo

test: ## test: install what the tests need and run them all
	@scripts/install-packages test
	@scripts/test

unit: $B/tests/unit-tests ## unit: build and run the unit tests of this variant
	$B/tests/unit-tests -j2

parity: ## parity: compare the networks with torch on the same weights and images
	@scripts/install-packages parity
	@$(MAKE) -s all
	/usr/bin/python3 tests/parity/parity.py --program $B/pairmill

retrain: ## retrain: train the shipped parser model again from PAIRMILL_TEST_DATA and compare the bytes
	@scripts/install-packages retrain
	@$(MAKE) -s all
	scripts/retrain

format: ## format: lay out every source file by .clang-format
	git ls-files '*.c' '*.h' | xargs clang-format -i

lint: ## lint: banned functions, layout, and headers that compile alone
	scripts/lint

clean: ## clean: delete everything built
	rm -rf build

help: ## help: list the targets
	@sed -n 's/^[a-z0-9-]*:.*## \([a-z0-9-]*\): \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

e2e: all $B/tests/e2e-tests ## e2e: run the end-to-end tests, which start the real programs
	$B/tests/e2e-tests -j2

faults: ## faults: crash a build at every fault point in turn (builds the FAULTS=1 variant)
	@$(MAKE) -s FAULTS=1 build/faults/tests/fault-tests
	build/faults/tests/fault-tests -j2
.PHONY: retrain fuzz all demo test e2e faults parity packages-present always unit format lint clean help
-include $(shell find $B -name '*.d' 2>/dev/null)
