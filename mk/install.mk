# SPDX-License-Identifier: Apache-2.0
# Installation.
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: install demo docs
install: all ## into DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/jiffy \
		$(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(O)/jiffy $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(O)/jiffy-monitor $(O)/jiffy-image $(O)/jiffy-kernel \
		$(O)/jiffy-keeper \
		$(DESTDIR)$(PREFIX)/libexec/jiffy/
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/

demo: all ## the main job: nginx as an instance, its page, timings
	@tools/demo $(O)
