/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building as an ordinary user: inside a user namespace where the user is root
 * and has the user numbers that /etc/subuid grants, so that files can have
 * owners.
 */
#ifndef JIFFY_IMAGE_USERNS_H
#define JIFFY_IMAGE_USERNS_H

#include "host/err.h"

/* Enter such a namespace, for the rest of this process. Single-threaded
 * callers only. Nothing happens when the caller is root. Returns -errno, and
 * nothing has changed, when the machine does not allow it: newuidmap is not
 * installed, or there is no range for the user. */
int userns_enter(struct err *e);

#endif
