// SPDX-License-Identifier: Apache-2.0
/* Faults and signal frames: si_code and si_addr, the register context and
 * edits to it, vector state, alternate stacks, jumps out of handlers. */
#include "tap.h"

#include <immintrin.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static sigjmp_buf out;
static volatile int sig_got, code_got, on_alt, trapno, errcode;
static void *volatile addr_got;
static volatile unsigned long rip_got, cr2_got;
static char alt[64 * 1024];

static void leave(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;
	char here;

	sig_got = sig;
	code_got = si->si_code;
	addr_got = si->si_addr;
	rip_got = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	trapno = (int)uc->uc_mcontext.gregs[REG_TRAPNO];
	errcode = (int)uc->uc_mcontext.gregs[REG_ERR];
	cr2_got = (unsigned long)uc->uc_mcontext.gregs[REG_CR2];
	on_alt = &here >= alt && &here < alt + sizeof(alt);
	siglongjmp(out, 1);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn,
				.sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &sa, NULL);
}

/* Runs a statement that faults. */
#define fault(stmt)                           \
	do {                                  \
		sig_got = code_got = 0;       \
		addr_got = NULL;              \
		if (sigsetjmp(out, 1) == 0) { \
			stmt;                 \
		}                             \
	} while (0)
#define is_fault(sig, code, name) \
	is_int(sig_got * 100000 + code_got, (sig)*100000 + (code), name)

extern char div_insn[], ud_insn[], int3_insn[], hlt_insn[];

static void check_faults(void)
{
	char *p = mmap(NULL, 2 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	volatile float zero = 0;
	unsigned csr;

	tap_group("faults");
	munmap(p + PG, PG);
	fault(p[5] = 1);
	is_fault(SIGSEGV, SEGV_ACCERR, "write to read-only");
	ok(addr_got == p + 5 && cr2_got == (unsigned long)p + 5, "si_addr");
	ok(trapno == 14 && (errcode & 6) == 6, "trap 14, error user|write");
	fault((void)*(volatile char *)(p + PG + 9));
	is_fault(SIGSEGV, SEGV_MAPERR, "read of nothing");
	ok(addr_got == p + PG + 9, "si_addr");
	is_int(errcode, 4, "error user");
	fault(__asm__ volatile("call *%0" : : "r"(p + 3)));
	is_fault(SIGSEGV, SEGV_ACCERR, "running data");
	ok(addr_got == p + 3 && rip_got == (unsigned long)p + 3,
	   "si_addr, RIP");
	fault(__asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n"
			       "div_insn:\tdivl %%ecx"
			       :
			       :
			       : "eax", "ecx", "edx"));
	is_fault(SIGFPE, FPE_INTDIV, "integer division by zero");
	ok(addr_got == div_insn && rip_got == (unsigned long)div_insn,
	   "si_addr is the instruction");
	fault(__asm__ volatile("ud_insn:\tud2"));
	is_fault(SIGILL, ILL_ILLOPN, "ud2");
	ok(addr_got == ud_insn, "si_addr");
	fault(__asm__ volatile("int3\nint3_insn:\tnop"));
	is_fault(SIGTRAP, SI_KERNEL, "int3");
	is_int(rip_got, (unsigned long)int3_insn, "RIP is behind it");
	fault(__asm__ volatile("hlt_insn:\thlt"));
	is_fault(SIGSEGV, SI_KERNEL, "a privileged instruction");
	ok(addr_got == NULL && rip_got == (unsigned long)hlt_insn,
	   "no si_addr, RIP at it");
	is_int(trapno, 13, "trap 13");
	fault(__asm__ volatile("int $0x21"));
	is_fault(SIGSEGV, SI_KERNEL, "a gate that is not for us");
	fault(__asm__ volatile("movq $0x8000000000000000, %%rax\n\t"
			       "movb $0, (%%rax)"
			       :
			       :
			       : "rax"));
	is_fault(SIGSEGV, SI_KERNEL, "non-canonical address");
	fault(__asm__ volatile("movb $0, 0xffffffffff000000"));
	is_fault(SIGSEGV, SEGV_MAPERR, "kernel half");
	csr = _mm_getcsr();
	_mm_setcsr(csr & ~_MM_MASK_DIV_ZERO);
	fault(zero = 1 / zero);
	is_fault(SIGFPE, FPE_FLTDIV, "SSE division by zero");
	_mm_setcsr(csr);
	munmap(p, PG);
}

/* Skips the two-byte instruction that faulted and edits registers. */
static void skip(int sig, siginfo_t *si, void *ucp)
{
	greg_t *g = ((ucontext_t *)ucp)->uc_mcontext.gregs;

	(void)si;
	g[REG_RIP] += 2;
	if (sig == SIGSEGV)
		g[REG_RAX] = 0x1122334455667788;
	g[REG_R12] ^= 0xff;
}

static volatile int faults;

/* The JVM's way: make the page there, and let the instruction run again. */
static void populate(int sig, siginfo_t *si, void *ucp)
{
	(void)sig;
	(void)ucp;
	faults++;
	mprotect((void *)((uintptr_t)si->si_addr & -PG), PG, RW);
}

static long jump_target(void)
{
	return 4242;
}

static void redirect(int sig, siginfo_t *si, void *ucp)
{
	(void)sig;
	(void)si;
	((ucontext_t *)ucp)->uc_mcontext.gregs[REG_RIP] =
		(greg_t)(uintptr_t)jump_target;
}

static void check_context(void)
{
	unsigned long rax = 0, r12 = 0xf0, flags = 0;
	long ret;
	char *p;
	bool good = true;

	tap_group("context");
	handle(SIGSEGV, skip, 0);
	__asm__ volatile("xor %%eax, %%eax\n\tmov (%%rax), %%al"
			 : "=a"(rax), "+r"(r12));
	is_int(rax, 0x1122334455667788, "RAX from the handler; RIP skipped");
	register unsigned long fixed __asm__("r12") = 0xf0;
	__asm__ volatile("xor %%eax, %%eax\n\tmov (%%rax), %%al"
			 : "+r"(fixed)
			 :
			 : "rax");
	is_int(fixed, 0x0f, "R12 edited");
	handle(SIGILL, skip, 0);
	__asm__ volatile("stc\n\tud2\n\tpushfq\n\tpopq %0"
			 : "=r"(flags)
			 :
			 : "r12");
	is_int(flags & 1, 1, "flags preserved");
	p = mmap(NULL, 64 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(SIGSEGV, populate, 0);
	for (int i = 0; i < 64; i++)
		p[(size_t)i * PG + 7] = (char)i;
	for (int i = 0; i < 64; i++)
		good &= p[(size_t)i * PG + 7] == (char)i;
	ok(good && faults == 64, "64 pages opened on demand");
	handle(SIGUSR1, redirect, 0);
	munmap(p, 64 * PG);
	handle(SIGILL, redirect, 0);
	/* A call to a pad that holds ud2: the handler puts another function
	 * in its place, which returns to us. */
	__asm__ volatile("call 1f\n\tjmp 2f\n1:\tud2\n2:"
			 : "=a"(ret)
			 :
			 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			   "memory", "cc");
	is_int(ret, 4242, "RIP to another function");
	handle(SIGSEGV, leave, SA_ONSTACK);
	handle(SIGILL, leave, SA_ONSTACK);
}

static void clobber(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;
	uint16_t cw = 0;

	(void)si;
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	on_alt = cw == 0x37f && (_mm_getcsr() & 0xffc0) == 0x1f80;
	__asm__ volatile("fninit\n\tpcmpeqd %%xmm7, %%xmm7\n\t"
			 "pxor %%xmm5, %%xmm5"
			 :
			 :
			 : "xmm7", "xmm5");
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::: "xmm7", "xmm5");
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vpxorq %%zmm20, %%zmm20, %%zmm20\n\t"
				 "kxorw %%k3, %%k3, %%k3" ::
					 : "memory");
	if (sig == SIGUSR2)
		memset(&uc->uc_mcontext.fpregs->_xmm[5], 0x5a, 16);
}

__attribute__((target("avx"))) static bool keep_avx(void)
{
	unsigned char v[32], back[32];

	for (int i = 0; i < 32; i++)
		v[i] = (unsigned char)(i * 7 + 1);
	__asm__ volatile("vmovdqu %1, %%ymm7\n\t"
			 "movl %2, %%eax\n\tmovl %3, %%edi\n\t"
			 "movl %4, %%esi\n\tsyscall\n\t"
			 "vmovdqu %%ymm7, %0\n\tvzeroupper"
			 : "=m"(back)
			 : "m"(v), "i"(SYS_tkill), "r"((int)getpid()),
			   "i"(SIGUSR1)
			 : "xmm7", "rax", "rdi", "rsi", "rcx", "r11", "memory");
	return memcmp(v, back, 32) == 0;
}

__attribute__((target("avx512f"))) static bool keep_avx512(void)
{
	unsigned char v[64], back[64];
	unsigned k = 0xa5a5, kback = 0;

	for (int i = 0; i < 64; i++)
		v[i] = (unsigned char)(i * 5 + 3);
	__asm__ volatile("vmovdqu64 %2, %%zmm20\n\tkmovw %3, %%k3\n\t"
			 "movl %4, %%eax\n\tmovl %5, %%edi\n\t"
			 "movl %6, %%esi\n\tsyscall\n\t"
			 "vmovdqu64 %%zmm20, %0\n\tkmovw %%k3, %1"
			 : "=m"(back), "=&r"(kback)
			 : "m"(v), "r"(k), "i"(SYS_tkill), "r"((int)getpid()),
			   "i"(SIGUSR1)
			 : "rax", "rdi", "rsi", "rcx", "r11", "memory");
	return memcmp(v, back, 64) == 0 && kback == k;
}

static void check_vector(void)
{
	unsigned char v[16] = "0123456789abcde", back[16];
	uint16_t cw = 0x27f, cw_back = 0;
	unsigned csr = _mm_getcsr();
	double pi = 3.25, got = 0;

	tap_group("FPU and vector state");
	handle(SIGUSR1, clobber, 0);
	handle(SIGUSR2, clobber, 0);
	_mm_setcsr(0x3f80 | 0x2000);
	__asm__ volatile("fldcw %3\n\tfldl %4\n\tmovups %5, %%xmm7\n\t"
			 "movl %6, %%eax\n\tmovl %7, %%edi\n\t"
			 "movl %8, %%esi\n\tsyscall\n\t"
			 "movups %%xmm7, %0\n\tfnstcw %1\n\tfstpl %2"
			 : "=m"(back), "=m"(cw_back), "=m"(got)
			 : "m"(cw), "m"(pi), "m"(v), "i"(SYS_tkill),
			   "r"((int)getpid()), "i"(SIGUSR1)
			 : "xmm7", "rax", "rdi", "rsi", "rcx", "r11", "memory");
	ok(memcmp(v, back, 16) == 0, "XMM survives a handler");
	ok(got == pi && cw_back == cw, "x87 register and control word too");
	is_int(_mm_getcsr(), 0x3f80, "MXCSR too");
	ok(on_alt, "the handler starts with the defaults");
	_mm_setcsr(csr);
	__asm__ volatile("fninit");
	__asm__ volatile("pxor %%xmm5, %%xmm5\n\t"
			 "movl %1, %%eax\n\tmovl %2, %%edi\n\t"
			 "movl %3, %%esi\n\tsyscall\n\tmovups %%xmm5, %0"
			 : "=m"(back)
			 : "i"(SYS_tkill), "r"((int)getpid()), "i"(SIGUSR2)
			 : "xmm5", "rax", "rdi", "rsi", "rcx", "r11", "memory");
	ok(back[0] == 0x5a && back[15] == 0x5a, "an edit of XMM in the frame");
	ok(!__builtin_cpu_supports("avx") || keep_avx(), "YMM survives");
	ok(!__builtin_cpu_supports("avx512f") || keep_avx512(),
	   "ZMM and masks survive");
}

static volatile int alt_errno, alt_flags, nested_alt;

static void look_alt(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, now;
	char here;

	(void)si;
	on_alt = &here >= alt && &here < alt + sizeof(alt);
	alt_errno = sigaltstack(&ss, NULL) == 0 ? 0 : errno;
	sigaltstack(NULL, &now);
	alt_flags = now.ss_flags;
	nested_alt += uc->uc_stack.ss_sp == alt && on_alt;
	if (sig == SIGUSR1)
		raise(SIGUSR2);
}

static void check_altstack(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;

	tap_group("alternate stack");
	handle(SIGUSR1, look_alt, SA_ONSTACK);
	handle(SIGUSR2, look_alt, SA_ONSTACK);
	sigaltstack(NULL, &old);
	ok(old.ss_sp == alt && old.ss_flags == 0, "reads back");
	raise(SIGUSR1);
	ok(on_alt && alt_flags == SS_ONSTACK, "SA_ONSTACK");
	is_int(alt_errno, EPERM, "cannot be changed while in use");
	is_int(nested_alt, 2, "a nested one goes on there");
	handle(SIGUSR2, look_alt, 0);
	raise(SIGUSR2);
	ok(!on_alt, "without SA_ONSTACK on the ordinary one");
	ss.ss_size = 100;
	is_errno(sigaltstack(&ss, NULL), ENOMEM, "too small");
	ss.ss_flags = 0x77;
	is_errno(sigaltstack(&ss, NULL), EINVAL, "bad flags");
	is_efault(syscall(SYS_sigaltstack, bp, NULL), "bad addresses");
	is_efault(syscall(SYS_sigaltstack, NULL, bp), "old to bad addresses");
	ss.ss_flags = SS_DISABLE;
	is_int(sigaltstack(&ss, NULL), 0, "SS_DISABLE");
	sigaltstack(NULL, &old);
	is_int(old.ss_flags, SS_DISABLE, "is off");
	ss = (stack_t){ .ss_sp = alt, .ss_size = sizeof(alt) };
	sigaltstack(&ss, NULL);
}

#define SIGNALS 1000

static volatile int async_hits;
static volatile bool stop;

static void count(int sig, siginfo_t *si, void *ucp)
{
	(void)sig;
	(void)si;
	(void)ucp;
	async_hits++;
	syscall(SYS_futex, &async_hits, 1, 1, NULL, NULL, 0);
}

static void *hammer(void *arg)
{
	pid_t tid = *(pid_t *)arg;

	for (int i = 0; i < SIGNALS; i++) {
		int before = async_hits;

		syscall(SYS_tgkill, getpid(), tid, SIGURG);
		while (async_hits == before)
			syscall(SYS_futex, &async_hits, 0, before, NULL, NULL,
				0);
	}
	stop = true;
	return NULL;
}

/* Go's way: signals at any instruction of a busy loop; every register, the
 * flags and the red zone must come back. */
static void check_async(void)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);
	pthread_t t;
	unsigned long bad = 0, rounds = 0;

	tap_group("asynchronous");
	handle(SIGURG, count, SA_RESTART | SA_ONSTACK);
	async_hits = 0;
	pthread_create(&t, NULL, hammer, &tid);
	while (!stop) {
		unsigned long a = rounds * 0x9e3779b97f4a7c15UL, b = a, c = a;

		__asm__ volatile("mov %0, -64(%%rsp)\n\t"
				 "mov $200, %%ecx\n"
				 "1:\tadd $3, %1\n\tmovq %1, %%xmm3\n\t"
				 "movq %%xmm3, %2\n\tsub %1, %2\n\tjnz 2f\n\t"
				 "dec %%ecx\n\tjnz 1b\n\tsub $600, %1\n"
				 "2:\tmov -64(%%rsp), %0"
				 : "+&r"(a), "+&r"(b), "=&r"(c)
				 :
				 : "rcx", "xmm3", "cc", "memory");
		bad += a != b || c != 0;
		rounds++;
	}
	pthread_join(t, NULL);
	is_int(async_hits, SIGNALS, "every signal ran its handler");
	is_int(bad, 0, "registers and red zone survive 1,000 signals");
}

static void check_return(void)
{
	pid_t pid = tap_fork();
	struct rlimit rl;

	if (pid == 0) {
		/* rt_sigreturn with a stack that holds no frame. */
		signal(SIGSEGV, SIG_DFL);
		__asm__ volatile("mov $0x10, %%rsp\n\tmov $15, %%eax\n\tsyscall"
				 :
				 :
				 : "rax", "memory");
		_exit(1);
	}
	tap_group("hostile frames");
	is_int(tap_wait(pid), 1000 + SIGSEGV, "sigreturn without a frame");
	pid = tap_fork();
	if (pid == 0) {
		/* A handler that cannot run: its stack is not there. */
		handle(SIGUSR1, count, 0);
		signal(SIGSEGV, SIG_DFL);
		__asm__ volatile("mov $0x10, %%rsp\n\tmov $200, %%eax\n\t"
				 "syscall\n\tud2"
				 :
				 : "D"((long)getpid()), "S"((long)SIGUSR1)
				 : "rax", "memory");
		_exit(1);
	}
	is_int(tap_wait(pid), 1000 + SIGSEGV, "no room for a frame");
	pid = tap_fork();
	if (pid == 0) {
		sigset_t all;

		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		*(volatile char *)bad_ptr = 1;
		_exit(1);
	}
	is_int(tap_wait(pid), 1000 + SIGSEGV, "a fault while blocked kills");
	pid = tap_fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_IGN);
		*(volatile char *)bad_ptr = 1;
		_exit(1);
	}
	is_int(tap_wait(pid), 1000 + SIGSEGV, "a fault while ignored kills");
	is_int(getrlimit(RLIMIT_STACK, &rl), 0, "and we are still here");
}

/* Flags that no sane program has set across a call. Thirty times, so that the
 * site is patched; everything in assembly, as C may do anything. */
#define AC 0x40000UL
#define NT 0x4000UL
#define DF 0x400UL
#define TF 0x100UL

static long call_with(unsigned long set, long nr, const void *arg,
		      unsigned long *after)
{
	unsigned long flags;
	long ret;

	asm volatile("sub $256, %%rsp\n"
		     "pushfq\n"
		     "or %[set], (%%rsp)\n"
		     "popfq\n"
		     "mov $30, %%ebx\n"
		     "1: mov %[arg], %%rdi\n"
		     "mov %[nr], %%rax\n"
		     "cmp $0x12345678, %%eax\n"
		     "syscall\n"
		     "dec %%ebx\n"
		     "jnz 1b\n"
		     "pushfq\n"
		     "mov (%%rsp), %[flags]\n"
		     "not %[set]\n"
		     "and %[set], (%%rsp)\n"
		     "popfq\n"
		     "add $256, %%rsp\n"
		     : "=&a"(ret), [flags] "=&r"(flags), [set] "+&r"(set)
		     : [nr] "r"(nr), [arg] "r"(arg)
		     : "rbx", "rcx", "rdi", "r11", "memory", "cc");
	*after = flags & (AC | NT | DF | TF);
	return ret;
}

static volatile int nsteps;

static void on_step(int sig)
{
	nsteps += sig == SIGTRAP;
}

static int odd_flags_child(void)
{
	static const unsigned long odd[] = { AC, NT, DF, AC | NT | DF };
	char buf[512];
	unsigned long after;

	for (int i = 0; i < 4; i++) {
		must(call_with(odd[i], SYS_getpid, NULL, &after) == getpid());
		must(after == odd[i]);
		must(call_with(odd[i], SYS_uname, buf + 1, &after) == 0);
		must(after == odd[i]);
		must(strcmp(buf + 1, "Linux") == 0);
	}
	signal(SIGTRAP, on_step);
	must(call_with(TF, SYS_getpid, NULL, &after) == getpid());
	must(nsteps >= 30);
	return 0;
}

static int unaligned_child(void)
{
	signal(SIGBUS, SIG_DFL);
	asm volatile("pushfq\n"
		     "orq $0x40000, (%%rsp)\n"
		     "popfq\n"
		     "mov 1(%%rsp), %%rax\n" ::
			     : "rax", "memory");
	return 0;
}

static void check_odd_flags(void)
{
	tap_group("odd flags");
	is_int(tap_child(odd_flags_child), 0, "survive calls");
	is_int(tap_child(unaligned_child), 1000 + SIGBUS,
	       "unaligned access with AC is SIGBUS");
}

int main(void)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	tap_start();
	sigaltstack(&ss, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		handle(sigs[i], leave, SA_ONSTACK);
	check_faults();
	check_context();
	check_vector();
	check_altstack();
	check_async();
	check_return();
	check_odd_flags();
	return tap_done();
}
