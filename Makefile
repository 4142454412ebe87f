# SPDX-License-Identifier: Apache-2.0
# Builds Jiffy into $(O). Plain, not recursive; `make help` lists targets.

O ?= build
CC ?= gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
SAN ?=

.DEFAULT_GOAL := all
include files.mk
include mk/flags.mk
include mk/kernel.mk
include mk/host.mk
include $(wildcard mk/guest.mk)
include $(wildcard mk/check.mk)
include $(wildcard mk/bench.mk)
include $(wildcard mk/install.mk)

.PHONY: all clean help
all: $(ALL_TARGETS) ## build everything into build/

clean: ## remove build products
	$(Q)rm -rf $(O)

help: ## this list
	$(Q)grep -hE '^[a-z][a-z0-9-]*:.*## ' Makefile mk/*.mk | \
		sed -E 's/:.*## /\t/' | sort | expand -t 24
