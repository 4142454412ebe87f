/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way from the kernel to the program's memory. A bad address gives
 * -EFAULT (exception table in cpu/usercopy_asm.S; platforms call
 * usercopy_fixup() from their fault handlers). Ranges that reach USER_END are
 * refused. May sleep (the host pages in); never called with a spinning lock
 * held, as there are none; mutexes are fine.
 */
#ifndef JIFFY_KERNEL_CPU_USERCOPY_H
#define JIFFY_KERNEL_CPU_USERCOPY_H

#include "kernel/cpu/usercopy_int.h"
#include "kernel/layout.h"
#include "lib/compiler.h"

static inline bool user_range_ok(uaddr_t addr, u64 len)
{
	return len <= USER_END && addr <= USER_END - len;
}

/* 0 or -EFAULT (part may have been copied). */
int user_copy_in_slow(void *dst, uaddr_t src, size_t n);
int user_copy_out_slow(uaddr_t dst, const void *src, size_t n);
#if defined(JIFFY_UNIT_TEST) || defined(JIFFY_DEBUG)
int user_copy_in(void *dst, uaddr_t src, size_t n);
int user_copy_out(uaddr_t dst, const void *src, size_t n);
#else

static inline int user_copy_in(void *dst, uaddr_t src, size_t n)
{
	if (likely(user_range_ok(src, n)) &&
	    likely(usercopy_raw(dst, (const void *)src, n) == 0))
		return 0;
	return user_copy_in_slow(dst, src, n);
}

static inline int user_copy_out(uaddr_t dst, const void *src, size_t n)
{
	if (likely(user_range_ok(dst, n)) &&
	    likely(usercopy_raw((void *)dst, src, n) == 0))
		return 0;
	return user_copy_out_slow(dst, src, n);
}
#endif
/* The same for those who hold mm.lock: a fault is not repaired. */
int user_copy_in_locked(void *dst, uaddr_t src, size_t n);
int user_copy_out_locked(uaddr_t dst, const void *src, size_t n);
/* Bytes copied before the first bad one: for short reads and writes. */
size_t user_copy_in_some(void *dst, uaddr_t src, size_t n);
size_t user_copy_out_some(uaddr_t dst, const void *src, size_t n);
int user_zero(uaddr_t dst, size_t n);
size_t user_zero_some(uaddr_t dst, size_t n);

/* Copy a string: its length without the terminator; -EFAULT; -ENAMETOOLONG
 * when there is no terminator within size bytes. */
s64 user_string_in(char *dst, uaddr_t src, size_t size);
/* Length of a string up to max (terminator not counted): -EFAULT or
 * -ENAMETOOLONG. */
s64 user_string_len(uaddr_t src, size_t max);

/* The bytes after the first `known` of a struct of `size`, larger than the
 * kernel's, must be zero: 0, -E2BIG or -EFAULT. */
int user_check_tail(uaddr_t src, u64 size, u64 known);

/* Single words, atomic with respect to the program's own accesses. */
int user_load_u32(u32 *value, uaddr_t src);
int user_load_u64(u64 *value, uaddr_t src);
int user_store_u32(uaddr_t dst, u32 value);
int user_store_u64(uaddr_t dst, u64 value);
/* Compare and exchange: *old is what was there. 0 or -EFAULT. */
int user_cmpxchg_u32(uaddr_t dst, u32 expected, u32 desired, u32 *old);
/* Atomic op as FUTEX_WAKE_OP numbers them (0 set, 1 add, 2 or, 3 andn, 4 xor).
 */
int user_atomic_op_u32(uaddr_t dst, int op, u32 operand, u32 *old);

/* For the fault path: if rip is in the exception table, the address to go on
 * at; else 0. */
u64 usercopy_fixup(u64 rip);

/* The platform's record of the last fault of this thread that was fixed up:
 * the memory manager may be able to repair it (stack growth). */
struct plat_fault;
void usercopy_last_fault(struct plat_fault *fault);

/* user_copy_in() of a whole object. */
#define user_get(ptr, src) user_copy_in((ptr), (src), sizeof(*(ptr)))
#define user_put(dst, ptr) user_copy_out((dst), (ptr), sizeof(*(ptr)))

#endif
