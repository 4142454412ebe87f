/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/string.c under other names, so that it can be compared with libc's. The
 * one place that includes a .c file: the names must change before it is read.
 */
#include "lib/compiler.h"

#define memcpy k_memcpy
#define memmove k_memmove
#define memset k_memset
#define memcmp k_memcmp
#define memchr k_memchr
#define strlen k_strlen
#define strnlen k_strnlen
#define strcmp k_strcmp
#define strncmp k_strncmp
#define strchr k_strchr
#define strrchr k_strrchr

#include "lib/string.c"
