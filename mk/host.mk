# SPDX-License-Identifier: Apache-2.0
# Host programs: jiffy and jiffy-monitor (static, small), jiffy-image.

$(O)/host-obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(HOST_CFLAGS) $(HOST_DEFS) -MMD -MP -c -o $@ $<

host_objs = $(patsubst %.c,$(O)/host-obj/%.o,$(1))

# $(call host_program,name,sources,libraries,link flags)
define host_program
ALL_TARGETS += $$(O)/$(1)
$$(O)/$(1): $$(call host_objs,$(2))
	@echo "  LD  $$@"
	$$(Q)$$(CC) $$(HOST_CFLAGS) $(4) -o $$@ $$^ $(3)
-include $$(patsubst %.o,%.d,$$(call host_objs,$(2)))
endef

STATIC_SMALL := -static -Wl,--gc-sections

# Programs on the path of a cold start are linked with musl where it is
# installed: it starts in a third of glibc's time. The kernel's headers and
# jansson's are glibc-free, so they may be used; host/fortify.c has the rest.
MUSL_CC := $(if $(SAN),,$(shell command -v musl-gcc))
MUSL_INCLUDE := $(O)/gen/musl-include
$(MUSL_INCLUDE)/.made:
	@mkdir -p $(@D)
	$(Q)ln -sfn /usr/include/linux $(@D)/linux
	$(Q)ln -sfn /usr/include/asm-generic $(@D)/asm-generic
	$(Q)ln -sfn /usr/include/x86_64-linux-gnu/asm $(@D)/asm
	$(Q)for h in jansson jansson_config; do ln -sfn \
		$$(find /usr/include -name $$h.h | head -n 1) \
		$(@D)/$$h.h; done
	$(Q)touch $@

$(O)/musl-obj/%.o: %.c $(MUSL_INCLUDE)/.made
	@mkdir -p $(@D)
	@echo "  CC  $< (musl)"
	$(Q)$(MUSL_CC) $(HOST_CFLAGS) $(HOST_DEFS) -ffunction-sections \
		-fdata-sections -idirafter $(MUSL_INCLUDE) -MMD -MP -c -o $@ $<

musl_objs = $(patsubst %.c,$(O)/musl-obj/%.o,$(1) host/fortify.c)

# $(call musl_program,name,sources)
define musl_program
ALL_TARGETS += $$(O)/$(1)
$$(O)/$(1): $$(call musl_objs,$(2))
	@echo "  LD  $$@ (musl)"
	$$(Q)$$(MUSL_CC) $$(HOST_CFLAGS) $$(STATIC_SMALL) \
		-Wl,--wrap=memcpy -o $$@ $$^ \
		$$$$($$(CC) -print-file-name=libjansson.a)
-include $$(patsubst %.o,%.d,$$(call musl_objs,$(2)))
endef

# $(call small_program,name,sources): static, by musl if possible
small_program = $(if $(MUSL_CC),$(call musl_program,$(1),$(2)),$(call \
	host_program,$(1),$(2),-ljansson,$(STATIC_SMALL)))

ifneq ($(JIFFY_SRCS),)
$(eval $(call small_program,jiffy,$(JIFFY_SRCS) $(HOST_SRCS)))
endif
ifneq ($(JIFFY_IMAGE_SRCS),)
$(eval $(call host_program,jiffy-image,$(JIFFY_IMAGE_SRCS) $(HOST_SRCS),-larchive -ljansson,))
endif
ifneq ($(DAEMON_SRCS),)
$(eval $(call host_program,jiffyd,$(DAEMON_SRCS) $(GATEWAY_SRCS) $(ENGINE_SRCS) $(IMAGE_STORE_SRCS) $(LOOP_SRCS) $(HOST_SRCS),-ljansson -lsqlite3 $(GATEWAY_LIBS) -pthread,))
endif
ifneq ($(MONITOR_SRCS),)
$(eval $(call small_program,jiffy-monitor,$(MONITOR_SRCS) $(HOST_SRCS) $(LIB_SRCS)))
endif

ifneq ($(KEEPER_SRCS),)
$(eval $(call small_program,jiffy-keeper,$(KEEPER_SRCS)))
endif

$(O)/gen/syscall_names.c: kernel/sys/table.h
	@mkdir -p $(@D)
	$(Q){ echo '#include "monitor/syscall_names.h"'; \
	echo 'static const char *const names[512] = {'; \
	sed -nE 's/^(SYS|STUB)\( *([0-9]+), *([a-z0-9_]+),.*/[\2] = "\3",/p' $<; \
	echo '};'; \
	echo 'const char *syscall_name(size_t n)'; \
	echo '{ return n < 512 ? names[n] : NULL; }'; } >$@

$(O)/host-obj/$(O)/gen/%.o: $(O)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -c -o $@ $<
