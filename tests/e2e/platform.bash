# SPDX-License-Identifier: Apache-2.0
# not_on_qemu WHAT: the test, or the rest of it, is skipped with
# JIFFY_PLATFORM=qemu, which does not have that (docs/hypervisors.md).
# shellcheck shell=bash

not_on_qemu() {
	[ "${JIFFY_PLATFORM:-}" != qemu ] || skip "platform qemu: $1"
}
