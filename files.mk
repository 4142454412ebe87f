# SPDX-License-Identifier: Apache-2.0
# Every folder lists its own sources; this file lists the folders.
include lib/files.mk
include $(wildcard tests/powercut/files.mk)
include kernel/files.mk
include $(wildcard host/files.mk)
include $(wildcard monitor/files.mk)
include $(wildcard keeper/files.mk)
include $(wildcard image/files.mk)
include $(wildcard gateway/files.mk)
include $(wildcard engine/files.mk)
include $(wildcard cli/files.mk)
include $(wildcard daemon/files.mk)
include $(wildcard tests/unit/files.mk)
include $(wildcard tests/guest/files.mk)
include $(wildcard tests/fuzz/files.mk)
include $(wildcard bench/files.mk)
