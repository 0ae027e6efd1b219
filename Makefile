# Makefile - the few commands one needs; CMake does the work, and all of it lies in build*/
PREFIX    ?= /usr/local
JOBS      ?= $(shell nproc)
FUZZ_RUNS ?= 100000
MODEL     ?= build/digits.bin

QCC       := build/tools/qcc
configure := cmake --log-level=WARNING --preset
.PHONY: all test demo install format update check-format tidy fuzz deps clean test-%

# Where the kernels that demo compiles are cached, instead of the user's home.
with_cache := XDG_CACHE_HOME=$(CURDIR)/build/cache

all:
	@$(configure) release
	@cmake --build build -j $(JOBS) --target qcc libqcc-rt qcc-llvm

deps:
	@tools/install-deps.sh

test: deps
	@$(MAKE) --no-print-directory check-format test-release test-asan \
	    || { echo "tests failed, see above"; exit 1; }
	@echo "all tests passed"

test-%:
	@$(configure) $* -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
	@cmake --build --preset $* -j $(JOBS)
	@ctest --preset $* -j $(JOBS) --no-tests=error

demo: deps all
	@$(MAKE) --no-print-directory $(MODEL)
	$(with_cache) $(QCC) -p pipelines/ptq_int8.yaml $(MODEL) --data models/digits/data.yaml

# The model is made in build/, because what qcc makes of it lies beside it. It carries the samples
# that it is calibrated with; it is evaluated on others.
build/digits.bin: models/digits/digits.onnx models/digits/calib.yaml
	$(with_cache) $(QCC) import models/digits/digits.onnx --calib models/digits/calib.yaml \
	    --samples 256 -o $@

install: all
	cmake --install build --prefix $(PREFIX)

format:
	tests/check_format.sh -i

# Golden files and docs/ops.md as the program now makes them; the diff is what to review.
update:
	@$(configure) release
	@cmake --build build -j $(JOBS) --target test_golden test_ops_doc
	@QCC_UPDATE=1 ctest --preset release -R '^test_(golden|ops_doc)$$'

check-format:
	@tests/check_format.sh

tidy:
	@$(configure) debug
	@cmake --build build-debug -j $(JOBS) # for the headers that are generated
	run-clang-tidy-19 -quiet -p build-debug -j $(JOBS) \
	    '^$(CURDIR)/(ir|passes|frontend|backend|runtime|tools)/'

fuzz:
	@$(configure) fuzz -DCMAKE_COMPILE_WARNING_AS_ERROR=ON
	@cmake --build --preset fuzz -j $(JOBS)
	tests/fuzz/run.sh build-fuzz $(FUZZ_RUNS)

clean:
	rm -rf build build-debug build-asan build-tsan build-fuzz
