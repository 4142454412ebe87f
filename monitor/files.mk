# SPDX-License-Identifier: Apache-2.0
CHECKPOINT_SRCS := monitor/checkpoint_check.c monitor/checkpoint_host.c \
	monitor/checkpoint_maps.c monitor/checkpoint_objects.c \
	monitor/checkpoint_older.c monitor/checkpoint_pages.c \
	monitor/checkpoint_read.c monitor/checkpoint_runs.c \
	monitor/checkpoint_stored.c monitor/checkpoint_write.c monitor/task.c
MONITOR_SRCS := $(CHECKPOINT_SRCS) monitor/checkpoint_fds.c \
	monitor/clone.c monitor/keeper.c monitor/kernels.c monitor/resume.c \
	monitor/snapshot.c monitor/sync.c \
	monitor/suspend.c monitor/boot.c monitor/broker.c monitor/channel.c monitor/control.c \
	monitor/core.c monitor/logfile.c monitor/egress.c monitor/exec.c monitor/stdio.c monitor/idle.c monitor/sleep.c \
	monitor/stateless.c monitor/turn.c monitor/events.c monitor/group.c \
	monitor/export.c monitor/kvm.c monitor/machine.c monitor/qemu.c \
	monitor/dns.c monitor/launch.c monitor/limit.c monitor/main.c \
	monitor/report.c monitor/spec.c monitor/state.c monitor/symbols.c \
	monitor/volume.c \
	$(O)/gen/syscall_names.c
