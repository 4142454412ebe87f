// SPDX-License-Identifier: Apache-2.0
/* What a program has in its registers, flags and red zone stays there, whenever
 * the kernel comes between: at page faults all the time, while another thread
 * wants the processor and a timer sends signals. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "tap.h"

#define PAGE 4096UL
#define PAGES 64UL
#define ROUNDS 600
#define RED_ZONE 16 /* words */

#define load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)

struct registers {
	uint64_t rax, rcx, rsi, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t flags, red_zone;
};
#define FLAGS 0x8d5UL	   /* the arithmetic ones */
#define INTERRUPTS 0x200UL /* as they are: not to be changed in ring 0 */

static int is_over; /* atomic */
static int signals; /* atomic */

/* Assembly has their places. */
_Static_assert(sizeof(struct registers) == 104, "touch()");

/* All as in *want, then a store to each of `n` bytes a page apart, which may
 * fault; what all is then goes to *got. red_zone is whether the words below the
 * stack pointer are all rax. */
void touch(const struct registers *want, struct registers *got, char *p,
	   uint64_t n);
__asm__(".text\n"
	".globl touch\n"
	"touch:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	push %rsi\n"
	"	push %rdx\n"
	"	push %rcx\n"
	"	mov %rdi, %rbx\n"
	"	mov 0(%rbx), %rax\n"
	"	mov $16, %ecx\n"
	"1:	neg %rcx\n"
	"	mov %rax, (%rsp,%rcx,8)\n"
	"	neg %rcx\n"
	"	dec %rcx\n"
	"	jnz 1b\n"
	"	mov (%rsp), %rbp\n" /* n */
	"	mov 8(%rbx), %rcx\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %r8\n"
	"	mov 32(%rbx), %r9\n"
	"	mov 40(%rbx), %r10\n"
	"	mov 48(%rbx), %r11\n"
	"	mov 56(%rbx), %r12\n"
	"	mov 64(%rbx), %r13\n"
	"	mov 72(%rbx), %r14\n"
	"	mov 80(%rbx), %r15\n"
	"	mov 8(%rsp), %rdi\n"  /* p */
	"2:	mov 88(%rbx), %rax\n" /* the flags */
	"	lea -256(%rsp), %rsp\n"
	"	push %rax\n"
	"	popfq\n"
	"	lea 256(%rsp), %rsp\n"
	"	mov 0(%rbx), %rax\n"
	"	movb $1, (%rdi)\n"
	"	lea -256(%rsp), %rsp\n"
	"	pushfq\n"
	"	pop %rdx\n"
	"	lea 256(%rsp), %rsp\n"
	"	lea 4096(%rdi), %rdi\n"
	"	cmp 0(%rbx), %rax\n"
	"	jne 3f\n"
	"	cmp 8(%rbx), %rcx\n"
	"	jne 3f\n"
	"	cmp 48(%rbx), %r11\n"
	"	jne 3f\n"
	"	and $0xad5, %edx\n"
	"	cmp 88(%rbx), %rdx\n"
	"	jne 3f\n"
	"	dec %rbp\n"
	"	jnz 2b\n"
	"3:	mov 16(%rsp), %rbp\n" /* got */
	"	mov %rax, 0(%rbp)\n"
	"	mov %rcx, 8(%rbp)\n"
	"	mov %rsi, 16(%rbp)\n"
	"	mov %r8, 24(%rbp)\n"
	"	mov %r9, 32(%rbp)\n"
	"	mov %r10, 40(%rbp)\n"
	"	mov %r11, 48(%rbp)\n"
	"	mov %r12, 56(%rbp)\n"
	"	mov %r13, 64(%rbp)\n"
	"	mov %r14, 72(%rbp)\n"
	"	mov %r15, 80(%rbp)\n"
	"	mov %rdx, 88(%rbp)\n"
	"	movq $1, 96(%rbp)\n"
	"	mov $16, %ecx\n"
	"4:	neg %rcx\n"
	"	cmp %rax, (%rsp,%rcx,8)\n"
	"	je 5f\n"
	"	movq $0, 96(%rbp)\n"
	"5:	neg %rcx\n"
	"	dec %rcx\n"
	"	jnz 4b\n"
	"	add $24, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n");

static void fill(struct registers *r, uint64_t seed)
{
	uint64_t *p = (uint64_t *)r;

	for (size_t i = 0; i < sizeof(*r) / sizeof(*p); i++) {
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		p[i] = seed;
	}
	r->flags = (r->flags & FLAGS) | INTERRUPTS;
	r->red_zone = 1;
}

/* Which one is not as it was; -1: none. */
static int different(const struct registers *a, const struct registers *b)
{
	const uint64_t *p = (const uint64_t *)a, *q = (const uint64_t *)b;

	for (size_t i = 0; i < sizeof(*a) / sizeof(*p); i++)
		if (p[i] != q[i])
			return (int)i;
	return -1;
}

static int work(char *p, uint64_t n, uint64_t seed)
{
	struct registers want, got;

	fill(&want, seed);
	touch(&want, &got, p, n);
	return different(&want, &got);
}

static void *other(void *arg)
{
	static char page[PAGE];
	int bad = -1;

	for (uint64_t i = 0; !load(&is_over) && bad < 0; i++)
		bad = work(page, 1, i);
	*(int *)arg = bad;
	return NULL;
}

static void on_alarm(int sig)
{
	(void)sig;
	__atomic_fetch_add(&signals, 1, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	uint64_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	int bad = -1, other_bad = -1;
	pthread_t t;
	char *p;

	tap_start();
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED);
	signal(SIGVTALRM, on_alarm);
	must(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
	must(pthread_create(&t, NULL, other, &other_bad) == 0);
	for (uint64_t i = 0; (i < rounds || !load(&signals)) && bad < 0; i++) {
		must(madvise(p, PAGES * PAGE, MADV_DONTNEED) == 0);
		bad = work(p, PAGES, i);
	}
	store(&is_over, 1);
	must(pthread_join(t, NULL) == 0);
	is_int(bad, -1, "at page faults and signals");
	is_int(other_bad, -1, "when another thread comes between");
	return tap_done();
}
