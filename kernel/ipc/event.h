/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors one waits on: eventfd, timerfd, signalfd. Each *_new() makes
 * a file with one reference; flags may hold O_NONBLOCK.
 */
#ifndef JIFFY_KERNEL_IPC_EVENT_H
#define JIFFY_KERNEL_IPC_EVENT_H

#include "lib/compiler.h"

struct file;

int eventfd_new(u32 initial, bool is_semaphore, u32 flags, struct file **f);

bool file_is_eventfd(const struct file *f);
/* Count one more, unless it is full. */
void eventfd_signal(struct file *f);

/* Times in nanoseconds; value 0 disarms. */
struct timerfd_spec {
	nsec_t interval;
	nsec_t value;
};
int timerfd_new(int clock, u32 flags, struct file **f);
/* -EINVAL if f is no timerfd. is_absolute: value is on the timer's clock. */
int timerfd_set(struct file *f, bool is_absolute,
		const struct timerfd_spec *spec, struct timerfd_spec *old);
int timerfd_get(struct file *f, struct timerfd_spec *now);

int signalfd_new(u64 mask, u32 flags, struct file **f);
/* -EINVAL if f is no signalfd. */
int signalfd_set(struct file *f, u64 mask);

#endif
