# SPDX-License-Identifier: Apache-2.0
MONITOR_SRCS := monitor/boot.c monitor/broker.c monitor/control.c \
	monitor/core.c monitor/stdio.c \
	monitor/dns.c monitor/launch.c monitor/limit.c monitor/main.c \
	monitor/report.c monitor/spec.c monitor/state.c monitor/symbols.c \
	monitor/volume.c \
	$(O)/gen/syscall_names.c
