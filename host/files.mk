# SPDX-License-Identifier: Apache-2.0
# Helpers of the host programs. json.c needs jansson.
HOST_SRCS += host/cgroup.c
HOST_SRCS += host/err.c
HOST_SRCS += host/io.c
HOST_SRCS += host/json.c
HOST_SRCS += host/log.c
HOST_SRCS += host/opt.c
HOST_SRCS += host/proc.c
HOST_SRCS += host/sha256.c
HOST_SRCS += host/signame.c
HOST_SRCS += host/strv.c
HOST_SRCS += host/xmalloc.c
# Event loops, for the daemon.
LOOP_SRCS := host/jobs.c host/loop.c
