/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has changed what, and when: a line of JSON a request that was not only
 * for reading, in a file of the store that is bounded. Lines are not synced: a
 * power cut may take the last.
 */
#ifndef JIFFY_DAEMON_AUDIT_H
#define JIFFY_DAEMON_AUDIT_H

#include "daemon/api.h"

#define AUDIT_FILE "audit.log" /* in the store; the one before: audit.log.1 */
#define AUDIT_FILE_MAX (4u << 20)

/* Note a request that was handled. */
void audit_note(const struct call *c);

#endif
