# SPDX-License-Identifier: Apache-2.0
# What the CLI and the daemon share: records of instances, specs, volumes,
# templates, starting monitors and talking to them.
ENGINE_SRCS += engine/clone.c
ENGINE_SRCS += engine/control.c
ENGINE_SRCS += engine/create.c
ENGINE_SRCS += engine/guest_command.c
ENGINE_SRCS += engine/guest_files.c
ENGINE_SRCS += engine/instance.c
ENGINE_SRCS += engine/launch.c
ENGINE_SRCS += engine/libexec.c
ENGINE_SRCS += engine/logfile.c
ENGINE_SRCS += engine/names.c
ENGINE_SRCS += engine/ports.c
ENGINE_SRCS += engine/scale.c
ENGINE_SRCS += engine/spec.c
ENGINE_SRCS += engine/template.c
ENGINE_SRCS += engine/units.c
ENGINE_SRCS += engine/volume_store.c
ENGINE_SRCS += engine/volumes.c

JIFFY_SRCS += $(ENGINE_SRCS)
JIFFY_IMAGE_SRCS += $(ENGINE_SRCS)
