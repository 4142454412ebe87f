# SPDX-License-Identifier: Apache-2.0
# jiffy-kernel: the library OS for platform `process`.

KERNEL_ALL := $(KERNEL_SRCS) $(LIB_SRCS) $(LIB_KERNEL_SRCS)
KERNEL_OBJS := $(patsubst %,$(O)/kernel-obj/%.o,$(basename $(KERNEL_ALL)))
KERNEL_LDS := kernel/plat/process/kernel.lds
ALL_TARGETS += $(O)/jiffy-kernel

# A kernel with the lock order checker, heap poison and checks of undefined
# behaviour, beside copies of the other programs, in $(O)/debug.
DEBUG_CFLAGS := -DJIFFY_DEBUG -DCONFIG_HEAP_POISON=1 -fsanitize=undefined \
	-fsanitize-undefined-trap-on-error -fno-sanitize=alignment,null,shift-base \
	-Wframe-larger-than=4096
ifeq ($(DEBUG),1)
KERNEL_CFLAGS += $(DEBUG_CFLAGS)
endif

$(O)/kernel-obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/kernel-obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  AS  $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

LINK_KERNEL = $(CC) -nostdlib -static -no-pie -Wl,--build-id=sha1 \
	-Wl,-z,max-page-size=4096,-z,noexecstack,--no-warn-rwx-segments \
	-Wl,--gc-sections,--no-relax -Wl,-T,$(KERNEL_LDS) -o $@

$(O)/jiffy-kernel: $(KERNEL_OBJS) $(KERNEL_LDS)
	@echo "  LD  $@"
	$(Q)$(LINK_KERNEL) $(KERNEL_OBJS)

# The vDSO that programs see: a shared object linked into the kernel's text.
VDSO_SO := $(O)/kernel-obj/vdso.so
VDSO_CFLAGS := $(filter-out -fpie -ffunction-sections -fdata-sections \
	-fvisibility=hidden -fno-asynchronous-unwind-tables,$(KERNEL_CFLAGS)) \
	-fPIC -fasynchronous-unwind-tables -fno-jump-tables

$(VDSO_SO): $(VDSO_SRCS) $(VDSO_LDS) kernel/cpu/vdso.h
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(VDSO_CFLAGS) -Wno-missing-prototypes -nostdlib -shared \
		-Wl,-soname,linux-vdso.so.1,--hash-style=both,-Bsymbolic \
		-Wl,--build-id=none,-z,max-page-size=4096,-z,noexecstack \
		-Wl,--no-warn-rwx-segments -Wl,-T,$(VDSO_LDS) -o $@ \
		$(VDSO_SRCS)
	$(Q)strip -S $@

$(O)/kernel-obj/kernel/cpu/vdso_image.o: $(VDSO_SO)
$(O)/kernel-obj/kernel/cpu/vdso_image.o: KERNEL_CFLAGS += \
	-DVDSO_SO='"$(VDSO_SO)"'

.PHONY: debug
debug: all ## a debug kernel with the lock order checker in build/debug
	@mkdir -p $(O)/debug
	$(Q)$(MAKE) --no-print-directory O=$(O)/debug DEBUG=1 \
		$(O)/debug/jiffy-kernel
	$(Q)cp $(O)/jiffy $(O)/jiffy-image $(O)/jiffy-monitor $(O)/jiffy-keeper \
		$(O)/debug/
	$(Q)ln -sfn ../guest-root $(O)/debug/guest-root

.PHONY: powercut
powercut: all ## a kernel whose volumes lose power, in build/powercut
	@mkdir -p $(O)/powercut
	$(Q)$(MAKE) --no-print-directory O=$(O)/powercut POWERCUT=1 \
		$(O)/powercut/jiffy-kernel
	$(Q)cp $(O)/jiffy $(O)/jiffy-image $(O)/jiffy-monitor $(O)/jiffy-keeper \
		$(O)/powercut/

# Linked in another order, it is another build with other addresses.
.PHONY: other
other: all $(O)/other/jiffy-kernel ## another build of the kernel, in build/other
	$(Q)cp $(O)/jiffy $(O)/jiffy-image $(O)/jiffy-monitor $(O)/jiffy-keeper \
		$(O)/other/
$(O)/other/jiffy-kernel: $(KERNEL_OBJS) $(KERNEL_LDS)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(LINK_KERNEL) $$(printf '%s\n' $(KERNEL_OBJS) | tac)

# The same core on platform `pc`. Of kernel/cpu only the exits differ. It is not
# part of `all`, which fetches no source package (lwIP's, for the network).
.PHONY: pc
pc: $(O)/jiffy-kernel-pc ## the kernel of platform pc

# tcp_connect() is a name of the kernel's, too.
LWIP_CFLAGS := -Dtcp_connect=lwip_tcp_connect -Ikernel/plat/pc/lwip -I$(LWIP_DIR)/src/include
LWIP_OBJS := $(patsubst %.c,$(O)/kernel-pc-obj/lwip/%.o,$(LWIP_SRCS))
PC_OBJS := $(patsubst %,$(O)/kernel-pc-obj/%.o,$(basename $(PC_SRCS) \
	kernel/cpu/entry.S))
PC_CORE := $(filter-out $(O)/kernel-obj/kernel/plat/% \
	$(O)/kernel-obj/kernel/cpu/entry.o,$(KERNEL_OBJS))
PC_LDS := kernel/plat/pc/kernel.lds

$(LWIP_DIR):
	tools/fetch-source lwip $@

$(addprefix $(O)/kernel-pc-obj/kernel/plat/pc/,net.o netaddr.o sockdata.o socket.o vnet.o): \
	KERNEL_CFLAGS += $(LWIP_CFLAGS)
$(addprefix $(O)/kernel-pc-obj/kernel/plat/pc/,net.o netaddr.o sockdata.o socket.o vnet.o): | $(LWIP_DIR)

# Its warnings are not ours.
$(LWIP_OBJS): | $(LWIP_DIR)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out $(WARNINGS),$(KERNEL_CFLAGS)) $(LWIP_CFLAGS) \
		-MMD -MP -c -o $@ $(@:$(O)/kernel-pc-obj/lwip/%.o=$(LWIP_DIR)/src/%.c)

$(O)/kernel-pc-obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/kernel-pc-obj/%.o: %.S
	@mkdir -p $(@D)
	@echo "  AS  $<"
	$(Q)$(CC) $(KERNEL_CFLAGS) -DJIFFY_PLAT_PC -MMD -MP -c -o $@ $<

# The file with the symbols is for debuggers; the other one is loaded.
$(O)/jiffy-kernel-pc: $(O)/jiffy-kernel-pc.debug
	$(Q)strip -o $@ $<
$(O)/jiffy-kernel-pc.debug: KERNEL_LDS := $(PC_LDS)
$(O)/jiffy-kernel-pc.debug: $(PC_OBJS) $(LWIP_OBJS) $(PC_CORE) $(PC_LDS)
	@echo "  LD  $@"
	$(Q)$(LINK_KERNEL) $(PC_OBJS) $(LWIP_OBJS) $(PC_CORE)
-include $(PC_OBJS:.o=.d) $(LWIP_OBJS:.o=.d)

.PHONY: kernel-objs
kernel-objs: $(KERNEL_OBJS) ## compile the kernel's objects without linking

-include $(KERNEL_OBJS:.o=.d)
