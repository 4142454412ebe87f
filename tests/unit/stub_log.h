/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's log in unit tests.
 */
#ifndef JIFFY_TESTS_UNIT_STUB_LOG_H
#define JIFFY_TESTS_UNIT_STUB_LOG_H

/* The last line. All go to stderr if $UNIT_LOG is set. */
extern char stub_log_last[256];

#endif
