# SPDX-License-Identifier: Apache-2.0
# Benchmarks: paired with a rival in one run; see bench/run.
.PHONY: bench
bench: all ## every benchmark, a table and build/bench/NAME.json
	@tools/install-packages bench
	@bench/run $(O)

bench-%: all
	@tools/install-packages bench
	@bench/run $(O) $*
