/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal names as people and images write them: "SIGTERM", "term", "15",
 * "SIGRTMIN+3".
 */
#ifndef JIFFY_HOST_SIGNAME_H
#define JIFFY_HOST_SIGNAME_H

/* The number of a signal, 1 to 64, or -EINVAL. */
int signame_parse(const char *name);

#endif
