/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF and the auxiliary vector's tags, from the UAPI headers.
 */
#ifndef JIFFY_KERNEL_LINUX_ELF_H
#define JIFFY_KERNEL_LINUX_ELF_H

#include <linux/auxvec.h>
#include <linux/elf.h>

#endif
