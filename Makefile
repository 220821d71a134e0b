# SPDX-License-Identifier: BSD-3-Clause
# A thin face on meson and ninja. `make help` lists the targets.

BUILD ?= build
DESTDIR ?=
PREFIX ?= /usr/local

.PHONY: all build setup check check-long bench bench-peers demo install clean help

all: build

help:
	@echo 'make           set up what the build needs and build into $(BUILD)/'
	@echo 'make demo      the main job: DPDK, qemu-io and a QEMU guest on devices that are not there'
	@echo 'make check     every test, with all their set-up'
	@echo 'make check-long  the longer ones'
	@echo 'make bench     measurements, as ratios within one run; JSON in $(BUILD)/bench.json'
	@echo 'make bench-peers  page tables beside Linux'"'"'s own code for them; JSON in $(BUILD)/bench-peers.json'
	@echo 'make install   into $$DESTDIR$$PREFIX (PREFIX=$(PREFIX))'

setup:
	@scripts/setup

build: setup
	@test -f $(BUILD)/build.ninja || meson setup --prefix=$(PREFIX) $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet

demo:
	@scripts/setup --tests
	@$(MAKE) --no-print-directory build
	@scripts/demo

check:
	@scripts/setup --tests
	@scripts/check

check-long:
	@scripts/setup --tests
	@scripts/check --long

bench: build
	@scripts/bench $(BUILD)

bench-peers: build
	@scripts/bench $(BUILD) --json $(BUILD)/bench-peers.json peers

install: build
	@DESTDIR=$(abspath $(DESTDIR)) meson install -C $(BUILD) --no-rebuild --quiet

clean:
	rm -rf $(BUILD) build-*
