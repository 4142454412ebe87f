/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to the program's memory: range checks, and a second try when the
 * memory manager can repair the fault (stack growth, a file that has grown).
 */
#include "kernel/cpu/usercopy.h"

#include "kernel/cpu/usercopy_int.h"
#include "kernel/kernel.h"
#include "kernel/mm/mm.h"
#include "kernel/proc/process.h"

/* A repair takes mm.lock: debug builds check at every access. */
#ifdef JIFFY_DEBUG
static void check_locks(void)
{
	struct mm *mm = current()->proc ? current()->proc->mm : NULL;

	if (mm)
		lock_might_take(&mm->lock);
}
#else
static inline void check_locks(void)
{
}
#endif

struct extable_entry {
	u64 from, to;
};
extern const struct extable_entry extable_start[], extable_end[];

u64 usercopy_fixup(u64 rip)
{
	for (const struct extable_entry *e = extable_start; e < extable_end;
	     e++) {
		if (e->from == rip)
			return e->to;
	}
	return 0;
}

static bool repair(void)
{
	struct plat_fault fault;
	int sig, code;

	usercopy_last_fault(&fault);
	if (fault.address >= USER_END)
		return false;
	return mm_fault(&fault, &sig, &code);
}

/* Copy; `user` is the side that may fault. Bytes copied. */
static size_t copy_some(char *dst, const char *src, size_t n)
{
	size_t left = n;

	for (int tries = 0; tries < 2;) {
		size_t now =
			usercopy_raw(dst + (n - left), src + (n - left), left);

		if (likely(now == 0))
			return n;
		tries = now < left ? 0 : tries + 1;
		left = now;
		if (!repair())
			break;
	}
	return n - left;
}

size_t user_copy_in_some(void *dst, uaddr_t src, size_t n)
{
	check_locks();
	if (unlikely(!user_range_ok(src, n)))
		n = src < USER_END ? USER_END - src : 0;
	return copy_some(dst, (const char *)src, n);
}

size_t user_copy_out_some(uaddr_t dst, const void *src, size_t n)
{
	check_locks();
	if (unlikely(!user_range_ok(dst, n)))
		n = dst < USER_END ? USER_END - dst : 0;
	return copy_some((char *)dst, src, n);
}

/* The first try met a fault or a bad range. */
int user_copy_in_slow(void *dst, uaddr_t src, size_t n)
{
	check_locks();
	if (!user_range_ok(src, n))
		return -EFAULT;
	return user_copy_in_some(dst, src, n) == n ? 0 : -EFAULT;
}

int user_copy_out_slow(uaddr_t dst, const void *src, size_t n)
{
	check_locks();
	if (!user_range_ok(dst, n))
		return -EFAULT;
	return user_copy_out_some(dst, src, n) == n ? 0 : -EFAULT;
}

#ifdef JIFFY_DEBUG
int user_copy_in(void *dst, uaddr_t src, size_t n)
{
	return user_copy_in_slow(dst, src, n);
}

int user_copy_out(uaddr_t dst, const void *src, size_t n)
{
	return user_copy_out_slow(dst, src, n);
}
#endif

int user_copy_in_locked(void *dst, uaddr_t src, size_t n)
{
	return user_range_ok(src, n) &&
			       usercopy_raw(dst, (const void *)src, n) == 0
		       ? 0
		       : -EFAULT;
}

int user_copy_out_locked(uaddr_t dst, const void *src, size_t n)
{
	return user_range_ok(dst, n) && usercopy_raw((void *)dst, src, n) == 0
		       ? 0
		       : -EFAULT;
}

size_t user_zero_some(uaddr_t dst, size_t n)
{
	size_t left;

	check_locks();
	if (unlikely(!user_range_ok(dst, n)))
		n = dst < USER_END ? USER_END - dst : 0;
	left = n;
	for (int tries = 0; tries < 2;) {
		size_t now = usercopy_zero_raw((char *)dst + (n - left), left);

		if (likely(now == 0))
			return n;
		tries = now < left ? 0 : tries + 1;
		left = now;
		if (!repair())
			break;
	}
	return n - left;
}

int user_zero(uaddr_t dst, size_t n)
{
	if (!user_range_ok(dst, n))
		return -EFAULT;
	return user_zero_some(dst, n) == n ? 0 : -EFAULT;
}

s64 user_string_in(char *dst, uaddr_t src, size_t size)
{
	size_t max = size;
	s64 n;

	check_locks();
	if (src >= USER_END)
		return -EFAULT;
	max = MIN(max, USER_END - src);
	n = usercopy_string_raw(dst, (const void *)src, max);
	if (n == -EFAULT && repair())
		n = usercopy_string_raw(dst, (const void *)src, max);
	if (n == (s64)max)
		return max < size ? -EFAULT : -ENAMETOOLONG;
	return n;
}

s64 user_string_len(uaddr_t src, size_t size)
{
	size_t max = size;
	s64 n;

	check_locks();
	if (src >= USER_END)
		return -EFAULT;
	max = MIN(max, USER_END - src);
	n = usercopy_strlen_raw((const void *)src, max);
	if (n == -EFAULT && repair())
		n = usercopy_strlen_raw((const void *)src, max);
	if (n == (s64)max)
		return max < size ? -EFAULT : -ENAMETOOLONG;
	return n;
}

/* Run a word access that gives 0 or -EFAULT, once more after a repair. */
#define WITH_REPAIR(addr, size, access)                      \
	({                                                   \
		int err_ = -EFAULT;                          \
		check_locks();                               \
		if (likely(user_range_ok((addr), (size)))) { \
			err_ = (access);                     \
			if (unlikely(err_) && repair())      \
				err_ = (access);             \
		}                                            \
		err_;                                        \
	})

int user_load_u32(u32 *value, uaddr_t src)
{
	return WITH_REPAIR(src, 4, usercopy_load32_raw(value, src));
}

int user_load_u64(u64 *value, uaddr_t src)
{
	return WITH_REPAIR(src, 8, usercopy_load64_raw(value, src));
}

int user_store_u32(uaddr_t dst, u32 value)
{
	return WITH_REPAIR(dst, 4, usercopy_store32_raw(dst, value));
}

int user_store_u64(uaddr_t dst, u64 value)
{
	return WITH_REPAIR(dst, 8, usercopy_store64_raw(dst, value));
}

int user_cmpxchg_u32(uaddr_t dst, u32 expected, u32 desired, u32 *old)
{
	return WITH_REPAIR(dst, 4,
			   usercopy_cmpxchg32_raw(dst, expected, desired, old));
}

static u32 atomic_op(int op, u32 old, u32 operand)
{
	switch (op) {
	case 0:
		return operand;
	case 1:
		return old + operand;
	case 2:
		return old | operand;
	case 3:
		return old & ~operand;
	default:
		return old ^ operand;
	}
}

int user_atomic_op_u32(uaddr_t dst, int op, u32 operand, u32 *old)
{
	u32 expected, seen;
	int err;

	if (op < 0 || op > 4)
		return -ENOSYS;
	err = user_load_u32(&seen, dst);
	do {
		if (err)
			return err;
		expected = seen;
		err = user_cmpxchg_u32(dst, expected,
				       atomic_op(op, expected, operand), &seen);
	} while (err || seen != expected);
	*old = seen;
	return 0;
}

int user_check_tail(uaddr_t src, u64 size, u64 known)
{
	u8 byte;

	for (u64 i = known; i < size; i++) {
		if (user_get(&byte, src + i))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}
