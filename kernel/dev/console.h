/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instance's standard input and output: plain outside descriptors
 * ("host files"), or, when the operator gave a terminal, one console tty.
 */
#ifndef JIFFY_KERNEL_DEV_CONSOLE_H
#define JIFFY_KERNEL_DEV_CONSOLE_H

#include "lib/compiler.h"

struct file;
struct process;

/* Once, in process 0: start the console tty and its thread if the operator gave
 * a terminal; hook into the life of sessions. */
int console_start(void);

/* Open descriptors 0-2 of p: pid 1 before its first program, with these numbers
 * free. Called once after console_start() by p's own thread or as process 0;
 * /dev must be mounted. With a console tty, p's session gets it as controlling
 * terminal. */
int console_open_stdio(struct process *p);

/* Open of /dev/console and /dev/tty0 (chrdev table). */
int console_open(struct file *f);

/* From the monitor: the terminal has a new size; send sig to the foreground
 * group, or to pid 1 without a tty. */
void console_winsize(unsigned int rows, unsigned int cols);
void console_signal(int sig);

#endif
