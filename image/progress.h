/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line on a terminal that says what a build is doing and for how long.
 * Silent when stderr is not a terminal, or for the first half second.
 */
#ifndef JIFFY_IMAGE_PROGRESS_H
#define JIFFY_IMAGE_PROGRESS_H

#include "lib/compiler.h"

/* Turn it on or off; off erases the line. */
void progress_start(const char *title);
void progress_stop(void);

/* Say what is done now. */
void progress_step(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Update the seconds. For proc_run's callback and long loops. */
void progress_tick(void);

#endif
