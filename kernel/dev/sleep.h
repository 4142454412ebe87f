/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program can say and hear of its instance's sleep: /dev/jiffy/keepawake
 * is a counter that keeps it awake while it is not 0, /dev/jiffy/notify tells a
 * line before a sleep and after a wake.
 */
#ifndef JIFFY_KERNEL_DEV_SLEEP_H
#define JIFFY_KERNEL_DEV_SLEEP_H

#include "lib/compiler.h"

struct file;

void sleep_init(void);
int keepawake_open(struct file *f);
int notify_open(struct file *f);

/* The instance will be put to sleep in ms, as far as one knows; it will not
 * after all; it is awake again. Process 0. */
void sleep_tell_soon(u32 ms);
void sleep_tell_not(void);
void sleep_tell_woken(void);

#endif
