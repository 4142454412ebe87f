/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every file of Jiffy may use of the compiler: attributes and the few
 * macros that C cannot say as functions. Includes nothing but the freestanding
 * headers, so kernel and host programs share it.
 */
#ifndef JIFFY_LIB_COMPILER_H
#define JIFFY_LIB_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PACKED __attribute__((packed))
#define ALIGNED(n) __attribute__((aligned(n)))
#define SECTION(s) __attribute__((section(s)))
#define NOINLINE __attribute__((noinline))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

/* Each argument is evaluated once: it may be what another thread changes. */
#define MIN(a, b) CHOOSE_(<, a, b, __COUNTER__)
#define MAX(a, b) CHOOSE_(>, a, b, __COUNTER__)
#define CHOOSE_(op, a, b, n) CHOOSE_ONCE_(op, a, b, n)
#define CHOOSE_ONCE_(op, a, b, n)                      \
	({                                             \
		__typeof__(1 ? (a) : (b)) a_##n = (a); \
		__typeof__(1 ? (a) : (b)) b_##n = (b); \
		a_##n op b_##n ? a_##n : b_##n;        \
	})

/* Round x to a multiple of a, a power of two. Wraps like the type of x. */
#define ROUND_UP(x, a) (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define ROUND_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_UP(x) ROUND_UP((uint64_t)(x), PAGE_SIZE)
#define PAGE_DOWN(x) ROUND_DOWN((uint64_t)(x), PAGE_SIZE)

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
#define TIB(n) ((uint64_t)(n) << 40)

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Nanoseconds: a point on a clock or a length of time. */
typedef s64 nsec_t;
#define NSEC_PER_SEC 1000000000LL
#define NSEC_PER_MSEC 1000000LL
#define NSEC_PER_USEC 1000LL
#define NSEC_MAX INT64_MAX /* as a deadline: never */

/* A guest (user) address: a number that C cannot dereference. */
typedef u64 uaddr_t;

#endif
