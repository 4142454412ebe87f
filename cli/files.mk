# SPDX-License-Identifier: Apache-2.0
# jiffy (static: needs libjansson.a) and jiffy-image (libarchive, jansson).
JIFFY_SRCS += cli/cmd_images.c
JIFFY_SRCS += cli/cmd_inspect.c
JIFFY_SRCS += cli/cmd_logs.c
JIFFY_SRCS += cli/cmd_ps.c
JIFFY_SRCS += cli/cmd_rm.c
JIFFY_SRCS += cli/cmd_rmi.c
JIFFY_SRCS += cli/cmd_run.c
JIFFY_SRCS += cli/cmd_stop.c
JIFFY_SRCS += cli/cmd_version.c
JIFFY_SRCS += cli/control.c
JIFFY_SRCS += cli/front.c
JIFFY_SRCS += cli/instance.c
JIFFY_SRCS += cli/launch.c
JIFFY_SRCS += cli/libexec.c
JIFFY_SRCS += cli/main.c
JIFFY_SRCS += cli/names.c
JIFFY_SRCS += cli/ports.c
JIFFY_SRCS += cli/source.c
JIFFY_SRCS += cli/spec.c
JIFFY_SRCS += cli/table.c
JIFFY_SRCS += cli/units.c
JIFFY_SRCS += cli/volumes.c

JIFFY_IMAGE_SRCS += cli/cmd_build.c
JIFFY_IMAGE_SRCS += cli/front.c
JIFFY_IMAGE_SRCS += cli/image_main.c
