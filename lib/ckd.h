/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked arithmetic for numbers from outside: true means it overflowed and
 * *result holds the wrapped value. The names are C23's <stdckdint.h>.
 */
#ifndef JIFFY_LIB_CKD_H
#define JIFFY_LIB_CKD_H

#define ckd_add(result, a, b) __builtin_add_overflow((a), (b), (result))
#define ckd_sub(result, a, b) __builtin_sub_overflow((a), (b), (result))
#define ckd_mul(result, a, b) __builtin_mul_overflow((a), (b), (result))

#endif
