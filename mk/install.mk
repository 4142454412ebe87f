# SPDX-License-Identifier: Apache-2.0
# Installation.
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: install demo docs
install: all ## into DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/jiffy \
		$(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(O)/jiffy $(O)/jiffyd $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(O)/jiffy-monitor $(O)/jiffy-image $(O)/jiffy-kernel \
		$(O)/jiffy-keeper \
		$(DESTDIR)$(PREFIX)/libexec/jiffy/
	[ ! -e $(O)/jiffy-kernel-pc ] || install -m 755 $(O)/jiffy-kernel-pc \
		$(DESTDIR)$(PREFIX)/libexec/jiffy/
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 daemon/jiffyd.socket \
		$(DESTDIR)$(PREFIX)/lib/systemd/system/
	sed 's#@PREFIX@#$(PREFIX)#' daemon/jiffyd.service.in \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/jiffyd.service

demo: all ## the main job: nginx as an instance, its page, timings
	@tools/demo $(O)
