/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter, run by an interpreter: it lets through exactly what
 * hostcalls.h lists, from the stubs only, with the arguments its rules allow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

struct plat_state plat_state = { .image_fd = 9 };

__asm__(".pushsection .text\n"
	".balign 16\n"
	".globl hostcall_start, hostcall_end\n"
	"hostcall_start: .skip 256\n"
	"hostcall_end: .skip 16\n"
	".popsection");

static struct sock_filter program[BPF_MAXINSNS];
static unsigned int program_len;

/* Stands in for the host: keeps what is installed. */
s64 hostcall_raw(u64 a1, UNUSED u64 a2, u64 a3, UNUSED u64 a4, UNUSED u64 a5,
		 UNUSED u64 a6, long nr)
{
	const struct sock_fprog *prog = (const void *)(uintptr_t)a3;

	if (nr != __NR_seccomp)
		return 0;
	assert_int_equal(a1, SECCOMP_SET_MODE_FILTER);
	program_len = prog->len;
	memcpy(program, prog->filter, prog->len * sizeof(program[0]));
	return 0;
}

void kpanic(const char *fmt, ...)
{
	fail_msg("%s", fmt);
	__builtin_unreachable();
}

static uint32_t run(const struct seccomp_data *d)
{
	uint32_t acc = 0;

	for (unsigned int pc = 0;; pc++) {
		const struct sock_filter *i = &program[pc];
		bool taken;

		assert_true(pc < program_len);
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof(*d));
			memcpy(&acc, (const char *)d + i->k, 4);
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = acc == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = acc > i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			taken = acc & i->k;
			break;
		default:
			fail_msg("unexpected instruction %#x", i->code);
			return 0;
		}
		pc += taken ? i->jt : i->jf;
	}
}

static struct seccomp_data call(uint32_t nr, const uint64_t *args)
{
	struct seccomp_data d = {
		.nr = (int)nr,
		.arch = AUDIT_ARCH_X86_64,
		.instruction_pointer = (uintptr_t)hostcall_start + 16,
	};

	if (args)
		memcpy(d.args, args, sizeof(d.args));
	return d;
}

static uint32_t verdict(uint32_t nr, const uint64_t *args)
{
	struct seccomp_data d = call(nr, args);

	return run(&d);
}

#define rule_any 0
#define rule_futex 1
#define rule_mmap 1
#define rule_mprotect 1
#define rule_madvise 1
#define rule_tgkill 1
#define rule_clone 1
#define rule_prctl 1
#define rule_dup3 1
#define rule_shutdown 1
#define rule_accept 1
#define rule_setsockopt 1
#define rule_getsockopt 1
#define rule_ioctl 1
#define rule_membarrier 1
#define rule_volume 1
#define rule_fallocate 1
#define HOSTCALL(name, rule, reason) { __NR_##name, #name, rule },
static const struct {
	uint32_t nr;
	const char *name;
	bool has_rule;
} rows[] = {
#include "kernel/plat/process/hostcalls.h"
};
#undef HOSTCALL

static bool is_listed(uint32_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].nr == nr)
			return true;
	return false;
}

static void lets_through_what_is_listed(UNUSED void **state)
{
	for (uint32_t nr = 0; nr < 1024; nr++) {
		if (!is_listed(nr))
			assert_int_equal(verdict(nr, NULL),
					 SECCOMP_RET_KILL_PROCESS);
		assert_int_equal(verdict(nr | 0x40000000u, NULL),
				 SECCOMP_RET_KILL_PROCESS);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t args[6] = { 0, ~0UL, ~0UL, ~0UL, ~0UL, ~0UL };

		/* With senseless arguments only those without a rule pass. */
		assert_int_equal(verdict(rows[i].nr, args),
				 rows[i].has_rule ? SECCOMP_RET_KILL_PROCESS
						  : SECCOMP_RET_ALLOW);
	}
}

static void traps_calls_from_elsewhere(UNUSED void **state)
{
	const uint64_t start = (uintptr_t)hostcall_start;
	const uint64_t end = (uintptr_t)hostcall_end;
	const uint64_t outside[] = {
		0,
		1,
		start,
		start - 1,
		end + 1,
		start + (1UL << 32),
		start - (1UL << 32),
		0xffffffffff600002UL,
		UINT64_MAX,
		start & 0xffffffff,
	};

	for (uint32_t nr = 0; nr < 1024; nr++) {
		struct seccomp_data d = call(nr, NULL);

		for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
			d.instruction_pointer = outside[i];
			assert_int_equal(run(&d), SECCOMP_RET_TRAP);
			d.arch = AUDIT_ARCH_I386;
			assert_int_equal(run(&d), SECCOMP_RET_TRAP);
			d.arch = AUDIT_ARCH_X86_64;
		}
		d.instruction_pointer = start + 16;
		d.arch = AUDIT_ARCH_I386;
		assert_int_equal(run(&d), SECCOMP_RET_KILL_PROCESS);
	}
	{
		struct seccomp_data d = call(__NR_getppid, NULL);

		d.instruction_pointer = end;
		assert_int_equal(run(&d), SECCOMP_RET_ALLOW);
	}
}

#define HIGH (1UL << 32)
static const struct {
	uint32_t nr;
	uint64_t args[6];
	bool passes;
} cases[] = {
	{ __NR_futex, { 0, 9 }, true },
	{ __NR_futex, { 0, 1 }, true },
	{ __NR_futex, { 0, 9 | 128 }, true }, /* PRIVATE */
	{ __NR_futex, { 0, 1 | 128 }, true },
	{ __NR_futex, { 0, 0 }, false },       /* WAIT */
	{ __NR_futex, { 0, 6 }, false },       /* LOCK_PI */
	{ __NR_futex, { 0, 9 | 256 }, false }, /* CLOCK_REALTIME */
	{ __NR_mmap, { 0, 4096, 7, 0x4032, 5 }, true },
	{ __NR_mmap, { 0, 4096, 3, 0x11, 5 }, true },
	{ __NR_mmap, { 0, 4096, 8, 0x11, 5 }, false },
	{ __NR_mmap, { 0, 4096, HIGH | 3, 0x11, 5 }, false },
	{ __NR_mmap, { 0, 4096, 3, HIGH | 0x11, 5 }, false },
	{ __NR_mmap, { 0, 4096, 3, 0x40022 }, false }, /* HUGETLB */
	{ __NR_mmap, { 0, 4096, 3, 0x2022 }, false },  /* LOCKED */
	{ __NR_mmap, { 0, 4096, 3, 0x8022 }, false },  /* POPULATE */
	{ __NR_mmap, { 0, 4096, 3, 0x122 }, false },   /* GROWSDOWN */
	{ __NR_mmap, { 0, 4096, 3, 0x28 }, false },    /* DROPPABLE */
	{ __NR_mprotect, { 0, 4096, 7 }, true },
	{ __NR_mprotect, { 0, 4096, 0x01000001 }, false },
	{ __NR_mprotect, { 0, 4096, HIGH }, false },
	{ __NR_madvise, { 0, 4096, 4 }, true },
	{ __NR_madvise, { 0, 4096, 23 }, true },   /* POPULATE_WRITE */
	{ __NR_madvise, { 0, 4096, 25 }, true },   /* COLLAPSE */
	{ __NR_madvise, { 0, 4096, 12 }, false },  /* MERGEABLE */
	{ __NR_madvise, { 0, 4096, 20 }, false },  /* COLD */
	{ __NR_madvise, { 0, 4096, 100 }, false }, /* HWPOISON */
	{ __NR_tgkill, { 1, 1, 34 }, true },
	{ __NR_tgkill, { 1, 1, 0 }, false },
	{ __NR_tgkill, { 1, 1, 9 }, false },
	{ __NR_tgkill, { 1, 1, 19 }, false },
	{ __NR_clone, { HOST_CLONE_THREAD }, true },
	{ __NR_clone, { HOST_CLONE_PROCESS }, true },
	{ __NR_clone, { 17 }, false }, /* not the monitor's child */
	{ __NR_clone, { HOST_CLONE_PROCESS & ~0x400UL }, false },
	{ __NR_clone, { HOST_CLONE_PROCESS | 0x10000000 }, false },
	{ __NR_clone, { HOST_CLONE_PROCESS | 0x00800000 }, false },
	{ __NR_clone, { HOST_CLONE_PROCESS | 0x1000 }, false }, /* PIDFD */
	{ __NR_clone, { HOST_CLONE_PROCESS | HIGH }, false },
	{ __NR_prctl, { 1, 9 }, true },
	{ __NR_prctl, { 1, 0 }, false },  /* no death signal */
	{ __NR_prctl, { 4, 1 }, false },  /* DUMPABLE */
	{ __NR_prctl, { 22, 2 }, false }, /* SECCOMP */
	{ __NR_prctl, { 36, 1 }, false }, /* CHILD_SUBREAPER */
	{ __NR_accept4, { 5, 0, 0, 02004000 }, true },
	{ __NR_accept4, { 5, 0, 0, 0 }, false },
	{ __NR_accept4, { 0, 0, 0, 02004000 }, false },
	{ __NR_dup3, { 9, 2, 02000000 }, true }, /* the image */
	{ __NR_dup3, { 9, 77, 02000000 }, true },
	{ __NR_dup3, { 8, 2, 02000000 }, false },
	{ __NR_dup3, { 1, 9, 02000000 }, false },
	{ __NR_dup3, { 9, 2, 0 }, false },
	{ __NR_preadv2, { 5, 0, 1, 4096 }, true },
	{ __NR_preadv2, { 0, 0, 1, 4096 }, false },
	{ __NR_pwritev, { 5, 0, 1, 4096 }, true },
	{ __NR_pwritev, { 1, 0, 1, 4096 }, false },
	{ __NR_pwritev, { 2, 0, 1, 4096 }, false },
	{ __NR_fdatasync, { 5 }, true },
	{ __NR_fdatasync, { 1 }, false },
	{ __NR_fallocate, { 5, 0, 0, 4096 }, true },
	{ __NR_fallocate, { 5, 3, 0, 4096 }, true },
	{ __NR_fallocate, { 5, 1, 0, 4096 }, false },  /* past the end */
	{ __NR_fallocate, { 5, 8, 0, 4096 }, false },  /* COLLAPSE_RANGE */
	{ __NR_fallocate, { 5, 16, 0, 4096 }, false }, /* ZERO_RANGE */
	{ __NR_fallocate, { 1, 0, 0, 4096 }, false },
	{ __NR_shutdown, { 5, 2 }, true },
	{ __NR_shutdown, { 1, 2 }, false },
	{ __NR_setsockopt, { 5, 1, 2 }, true },	  /* REUSEADDR */
	{ __NR_setsockopt, { 5, 1, 26 }, false }, /* ATTACH_FILTER */
	{ __NR_setsockopt, { 5, 1, 25 }, false }, /* BINDTODEVICE */
	{ __NR_setsockopt, { 5, 1, 36 }, false }, /* MARK */
	{ __NR_setsockopt, { 5, 0, 2 }, false },  /* IPPROTO_IP */
	{ __NR_setsockopt, { 5, 6, 1 }, true },	  /* TCP_NODELAY */
	{ __NR_setsockopt, { 5, 6, 13 }, false }, /* CONGESTION */
	{ __NR_setsockopt, { 5, 6, 19 }, false }, /* REPAIR */
	{ __NR_setsockopt, { 5, 6, 31 }, false }, /* ULP */
	{ __NR_setsockopt, { 2, 6, 1 }, false },
	{ __NR_getsockopt, { 5, 1, 4 }, true },	  /* ERROR */
	{ __NR_getsockopt, { 5, 1, 17 }, false }, /* PEERCRED */
	{ __NR_getsockopt, { 5, 1, 77 }, false }, /* PEERPIDFD */
	{ __NR_ioctl, { 5, 0x541b }, true },	  /* FIONREAD */
	{ __NR_ioctl, { 0, 0x5412 }, false },	  /* TIOCSTI */
	{ __NR_ioctl, { 0, 0x5452 }, false },	  /* FIOASYNC */
	{ __NR_membarrier, { 32 }, true },
	{ __NR_membarrier, { 1 }, false }, /* of all processes */
};

static void rules_look_at_arguments(UNUSED void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t got = verdict(cases[i].nr, cases[i].args);

		if (got != (cases[i].passes ? SECCOMP_RET_ALLOW
					    : SECCOMP_RET_KILL_PROCESS))
			fail_msg("case %zu, call %u: %#x", i, cases[i].nr, got);
	}
}

static int install(UNUSED void **state)
{
	return filter_install();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_through_what_is_listed),
		cmocka_unit_test(traps_calls_from_elsewhere),
		cmocka_unit_test(rules_look_at_arguments),
	};

	return cmocka_run_group_tests(tests, install, NULL);
}
