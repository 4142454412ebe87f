# SPDX-License-Identifier: Apache-2.0
FUZZ_TARGETS += manifest
manifest_FUZZ_SRCS := tests/fuzz/fuzz_manifest.c $(HOST_SRCS) \
	image/manifest.c image/oci.c image/ref.c
manifest_FUZZ_LIBS := -ljansson
FUZZ_TARGETS += erofs
erofs_FUZZ_SRCS := tests/fuzz/fuzz_erofs.c kernel/fs/erofs_image.c
FUZZ_TARGETS += elf
elf_FUZZ_SRCS := tests/fuzz/fuzz_elf.c kernel/proc/elf.c
FUZZ_TARGETS += firmware
firmware_FUZZ_SRCS := tests/fuzz/fuzz_firmware.c kernel/plat/pc/acpi.c \
	kernel/plat/pc/mptable.c
FUZZ_TARGETS += monitor
monitor_FUZZ_SRCS := tests/fuzz/fuzz_monitor.c monitor/broker.c monitor/core.c monitor/egress.c monitor/exec.c monitor/stdio.c \
	monitor/report.c $(HOST_SRCS)
monitor_FUZZ_LIBS := -ljansson -Wl,--wrap=socket,--wrap=connect,--wrap=bind \
	-Wl,--wrap=listen,--wrap=sendto
FUZZ_TARGETS += journal
journal_FUZZ_SRCS := tests/fuzz/fuzz_journal.c $(JOURNAL_SRCS) \
	tests/unit/stub_alloc.c tests/unit/stub_block.c \
	tests/unit/stub_log.c kernel/dev/block.c kernel/dev/wrap.c \
	kernel/proc/lock.c lib/fmt.c lib/str.c
FUZZ_TARGETS += ext4
ext4_FUZZ_SRCS := tests/fuzz/fuzz_ext4.c tests/unit/ext4_walk.c \
	$(EXT4_UNIT_SRCS)
# Its corpus is made by tests/suites/ext4-images; without, it has little to do.
FUZZ_TARGETS += ext4_image
ext4_image_FUZZ_SRCS := tests/fuzz/fuzz_ext4_image.c tests/unit/ext4_walk.c \
	$(EXT4_UNIT_SRCS)
FUZZ_TARGETS += checkpoint
checkpoint_FUZZ_SRCS := tests/fuzz/fuzz_checkpoint.c \
	$(addprefix monitor/checkpoint_,check.c host.c older.c read.c write.c \
		stored.c) $(HOST_SRCS)
checkpoint_FUZZ_LIBS := -ljansson
FUZZ_TARGETS += spec
spec_FUZZ_SRCS := tests/fuzz/fuzz_spec.c monitor/egress.c monitor/spec.c $(HOST_SRCS)
spec_FUZZ_LIBS := -ljansson
FUZZ_TARGETS += pg_startup
pg_startup_FUZZ_SRCS := tests/fuzz/fuzz_pg_startup.c gateway/pg_wire.c
FUZZ_TARGETS += proxy
proxy_FUZZ_SRCS := tests/fuzz/fuzz_proxy.c gateway/proxy.c
FUZZ_TARGETS += http1
http1_FUZZ_SRCS := tests/fuzz/fuzz_http1.c gateway/http1.c
FUZZ_TARGETS += api
api_FUZZ_SRCS := tests/fuzz/fuzz_api.c daemon/bytes.c daemon/calendar.c \
	daemon/schema.c \
	$(HOST_SRCS)
api_FUZZ_LIBS := -ljansson
FUZZ_TARGETS += http_proxy
http_proxy_FUZZ_SRCS := tests/fuzz/fuzz_http_proxy.c $(GATEWAY_PROTO_SRCS) \
	host/loop.c host/err.c host/strv.c host/xmalloc.c
http_proxy_FUZZ_LIBS := $(GATEWAY_LIBS)
FUZZ_TARGETS += channel
channel_FUZZ_SRCS := tests/fuzz/fuzz_channel.c monitor/channel.c $(HOST_SRCS)
channel_FUZZ_LIBS := -ljansson -Wl,--wrap=open
