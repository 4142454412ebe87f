/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter, made by hand from hostcalls.h. From outside the host-call
 * section every call traps: it is the program's. From inside, a call that is
 * not listed, or not with these arguments, kills the process, which ends the
 * instance.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "kernel/kernel.h"
#include "kernel/plat/process/host.h"

#define FILTER_MAX 512
/* Jumps to the two ends of the program, filled in last: the shorter it is, the
 * sooner the host has made it machine code at each start. */
#define TO_KILL 0xfe
#define TO_ALLOW 0xff

struct filter {
	struct sock_filter code[FILTER_MAX];
	u16 n;
};

typedef void rule_fn(struct filter *f);

static void emit(struct filter *f, u16 code, u32 k, u8 jt, u8 jf)
{
	kassert(f->n < FILTER_MAX);
	f->code[f->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void load(struct filter *f, u32 offset)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void load_arg(struct filter *f, int i)
{
	load(f, (u32)(offsetof(struct seccomp_data, args) + 8UL * (u32)i));
}

static void ret(struct filter *f, u32 action)
{
	emit(f, BPF_RET | BPF_K, action, 0, 0);
}

static void allow(struct filter *f)
{
	ret(f, SECCOMP_RET_ALLOW);
}

/* The loaded word must be v, or the process dies. */
static void require(struct filter *f, u32 v)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, v, 0, TO_KILL);
}

/* The loaded word must have no bit outside the mask. */
static void require_mask(struct filter *f, u32 mask)
{
	emit(f, BPF_JMP | BPF_JSET | BPF_K, ~mask, TO_KILL, 0);
}

/* Arguments the host takes as 64 bits: nothing hides in the upper half. */
static void require_small(struct filter *f, int i)
{
	load(f, (u32)(offsetof(struct seccomp_data, args) + 8UL * (u32)i + 4));
	require(f, 0);
}

/* The loaded word must be one of these. */
static void require_one_of(struct filter *f, const u32 *v, u8 n)
{
	for (u8 i = 0; i < n; i++)
		emit(f, BPF_JMP | BPF_JEQ | BPF_K, v[i], n - i - 1,
		     i == n - 1 ? TO_KILL : 0);
}

static void rule_any(struct filter *f)
{
	allow(f);
}

static void rule_futex(struct filter *f)
{
	static const u32 ops[] = {
		FUTEX_WAIT_BITSET_PRIVATE,
		FUTEX_WAKE_PRIVATE,
		FUTEX_WAIT_BITSET,
		FUTEX_WAKE,
	};

	load_arg(f, 1);
	require_one_of(f, ops, ARRAY_SIZE(ops));
	allow(f);
}

static void rule_mmap(struct filter *f)
{
	require_small(f, 2);
	load_arg(f, 2);
	require_mask(f, PROT_READ | PROT_WRITE | PROT_EXEC);
	require_small(f, 3);
	load_arg(f, 3);
	require_mask(f, MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS |
				MAP_NORESERVE);
	allow(f);
}

static void rule_mprotect(struct filter *f)
{
	require_small(f, 2);
	load_arg(f, 2);
	require_mask(f, PROT_READ | PROT_WRITE | PROT_EXEC);
	allow(f);
}

/* Not MADV_MERGEABLE (a side channel), nor the ones that hurt the machine. */
static void rule_madvise(struct filter *f)
{
	static const u32 advice[] = {
		MADV_DONTNEED,	 MADV_FREE,	      MADV_REMOVE,
		MADV_HUGEPAGE,	 MADV_NOHUGEPAGE,     MADV_WILLNEED,
		MADV_DONTFORK,	 MADV_DOFORK,	      MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_POPULATE_WRITE, MADV_COLLAPSE,
	};

	load_arg(f, 2);
	require_one_of(f, advice, ARRAY_SIZE(advice));
	allow(f);
}

static void rule_tgkill(struct filter *f)
{
	load_arg(f, 2);
	require(f, HOST_SIGKICK);
	allow(f);
}

static void rule_clone(struct filter *f)
{
	static const u32 flags[] = { HOST_CLONE_THREAD, HOST_CLONE_PROCESS };

	require_small(f, 0);
	load_arg(f, 0);
	require_one_of(f, flags, ARRAY_SIZE(flags));
	allow(f);
}

static void rule_prctl(struct filter *f)
{
	load_arg(f, 0);
	require(f, PR_SET_PDEATHSIG);
	load_arg(f, 1);
	require(f, 9);
	allow(f);
}

/* Not the caller's stdin, stdout and stderr, which may be sockets of others. */
static void require_not_stdio(struct filter *f)
{
	load_arg(f, 0);
	emit(f, BPF_JMP | BPF_JGT | BPF_K, 2, 0, TO_KILL);
}

/* Only to close a descriptor without freeing its number: it is the image's
 * then. */
static void rule_dup3(struct filter *f)
{
	load_arg(f, 0);
	require(f, (u32)plat_state.image_fd);
	load_arg(f, 2);
	require(f, 02000000); /* O_CLOEXEC */
	allow(f);
}

static void rule_shutdown(struct filter *f)
{
	require_not_stdio(f);
	allow(f);
}

/* Positions of stdin, stdout and stderr are their owner's. */
static void rule_volume(struct filter *f)
{
	require_not_stdio(f);
	allow(f);
}

/* Reserve and punch: neither cuts a file. */
static void rule_fallocate(struct filter *f)
{
	static const u32 modes[] = { 0, 3 }; /* PUNCH_HOLE | KEEP_SIZE */

	require_not_stdio(f);
	load_arg(f, 1);
	require_one_of(f, modes, ARRAY_SIZE(modes));
	allow(f);
}

static void rule_accept(struct filter *f)
{
	require_not_stdio(f);
	load_arg(f, 3);
	require(f, 02004000); /* SOCK_CLOEXEC | SOCK_NONBLOCK */
	allow(f);
}

#define HOSTOPT(level, number, set, get, name) { level, number, set, get },
static const struct hostopt {
	u8 level, number;
	bool set, get;
} hostopts[] = {
#include "kernel/plat/process/hostopts.h"
};
#undef HOSTOPT

bool filter_option_passes(int level, int number, bool get)
{
	for (u32 i = 0; i < ARRAY_SIZE(hostopts); i++) {
		const struct hostopt *o = &hostopts[i];

		if (o->level == level && o->number == number)
			return get ? o->get : o->set;
	}
	return false;
}

static u8 option_numbers(u8 level, bool get, u32 *out)
{
	u8 n = 0;

	for (u32 i = 0; i < ARRAY_SIZE(hostopts); i++) {
		if (hostopts[i].level == level &&
		    (get ? hostopts[i].get : hostopts[i].set))
			out[n++] = hostopts[i].number;
	}
	return n;
}

static void rule_sockopt(struct filter *f, bool get)
{
	u32 names[ARRAY_SIZE(hostopts)];
	u8 n = option_numbers(1, get, names);

	load_arg(f, 1);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (u8)(n + 2));
	load_arg(f, 2);
	require_one_of(f, names, n);
	allow(f);
	require(f, 6);
	n = option_numbers(6, get, names);
	load_arg(f, 2);
	require_one_of(f, names, n);
	allow(f);
}

static void rule_setsockopt(struct filter *f)
{
	require_not_stdio(f);
	rule_sockopt(f, false);
}

static void rule_getsockopt(struct filter *f)
{
	rule_sockopt(f, true);
}

static void rule_ioctl(struct filter *f)
{
	load_arg(f, 1);
	require(f, 0x541b); /* FIONREAD */
	allow(f);
}

static void rule_membarrier(struct filter *f)
{
	load_arg(f, 0);
	require(f, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
	allow(f);
}

#define HOSTCALL(name, rule, reason) { __NR_##name, rule },
static const struct hostcall_row {
	u32 nr;
	rule_fn *rule;
} hostcall_rows[] = {
#include "kernel/plat/process/hostcalls.h"
};
#undef HOSTCALL

/* Trap calls from outside the stubs. The address the filter sees is that of
 * the instruction after the call. */
static void filter_origin(struct filter *f)
{
	u32 ip = offsetof(struct seccomp_data, instruction_pointer);

	load(f, ip + 4);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, (u32)((u64)hostcall_start >> 32), 0,
	     3);
	load(f, ip);
	emit(f, BPF_JMP | BPF_JGT | BPF_K, (u32)(u64)hostcall_start, 0, 1);
	emit(f, BPF_JMP | BPF_JGT | BPF_K, (u32)(u64)hostcall_end, 0, 1);
	ret(f, SECCOMP_RET_TRAP);
	load(f, offsetof(struct seccomp_data, arch));
	require(f, AUDIT_ARCH_X86_64);
}

static u8 jump_end(const struct filter *f, u16 from, u8 to)
{
	u32 distance = (u32)(f->n - from - 1);

	if (to != TO_KILL && to != TO_ALLOW)
		return to;
	kassert(distance + 1 <= UINT8_MAX);
	return (u8)(to == TO_KILL ? distance : distance + 1);
}

/* What is not listed (x32 numbers, too) is killed. */
static void filter_end(struct filter *f)
{
	for (u16 i = 0; i < f->n; i++) {
		struct sock_filter *c = &f->code[i];

		if (BPF_CLASS(c->code) != BPF_JMP)
			continue;
		c->jt = jump_end(f, i, c->jt);
		c->jf = jump_end(f, i, c->jf);
	}
	ret(f, SECCOMP_RET_KILL_PROCESS);
	ret(f, SECCOMP_RET_ALLOW);
}

static void filter_build(struct filter *f)
{
	filter_origin(f);
	load(f, offsetof(struct seccomp_data, nr));
	for (u32 i = 0; i < ARRAY_SIZE(hostcall_rows); i++) {
		u16 at = f->n;

		emit(f, BPF_JMP | BPF_JEQ | BPF_K, hostcall_rows[i].nr,
		     hostcall_rows[i].rule == rule_any ? TO_ALLOW : 0, 0);
		if (hostcall_rows[i].rule == rule_any)
			continue;
		hostcall_rows[i].rule(f);
		f->code[at].jf = (u8)(f->n - at - 1);
	}
	filter_end(f);
}

int filter_install(void)
{
	static struct filter f;
	struct sock_fprog prog = { 0, f.code };
	s64 err;

	f.n = 0; /* of a woken kernel: it has been built before */
	filter_build(&f);
	prog.len = f.n;
	err = hostcall(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!err)
		err = hostcall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	return (int)err;
}
