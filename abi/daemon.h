/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where jiffyd is found: its unix socket in the store speaks the API over HTTP.
 */
#ifndef JIFFY_ABI_DAEMON_H
#define JIFFY_ABI_DAEMON_H

#define DAEMON_SOCKET "jiffyd.sock"
/* "no" in the environment of `jiffy`: it was called for the daemon, or for a
 * wake, and does what it is told by itself. */
#define DAEMON_ENV "JIFFY_DAEMON"

#endif
