// SPDX-License-Identifier: Apache-2.0
/* Restartable sequences: glibc's registration, one's own, what fork, vfork and
 * the end of a thread do to it, and that an interrupted sequence is aborted. */
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/time.h>

#define AREA_SIZE 32
#define UNREGISTER RSEQ_FLAG_UNREGISTER

static long rseq(volatile void *area, unsigned size, int flags, unsigned sig)
{
	return syscall(SYS_rseq, area, size, flags, sig);
}

static volatile struct rseq *own_area(void)
{
	return (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static bool is_live(volatile struct rseq *rs)
{
	return rs->cpu_id < 4096 && rs->cpu_id_start < 4096;
}

static void check_errors(void)
{
	volatile struct rseq *rs = own_area();
	static _Alignas(64) char other[64];

	tap_group("errors");
	ok(is_live(rs), "registered by the libc");
	is_errno(rseq(rs, AREA_SIZE, 0, RSEQ_SIG), EBUSY, "a second time");
	is_errno(rseq(rs, AREA_SIZE, 0, 1), EPERM, "with another signature");
	is_errno(rseq(other, AREA_SIZE, 0, RSEQ_SIG), EINVAL, "another area");
	is_errno(rseq(other, AREA_SIZE, UNREGISTER, RSEQ_SIG), EINVAL,
		 "unregister another area");
	is_errno(rseq(rs, AREA_SIZE, UNREGISTER, 1), EPERM,
		 "unregister with another signature");
	is_errno(rseq(rs, AREA_SIZE, 2, RSEQ_SIG), EINVAL, "a bad flag");
	is_int(rseq(rs, AREA_SIZE, UNREGISTER, RSEQ_SIG), 0, "unregister");
	ok(!is_live(rs), "the area says so");
	is_errno(rseq(rs, AREA_SIZE, UNREGISTER, RSEQ_SIG), EINVAL,
		 "unregister again");
	is_errno(rseq(other + 4, AREA_SIZE, 0, RSEQ_SIG), EINVAL,
		 "not aligned");
	is_errno(rseq(other, 8, 0, RSEQ_SIG), EINVAL, "too small");
	is_errno(rseq((void *)0xffff800000000000UL, AREA_SIZE, 0, RSEQ_SIG),
		 EFAULT, "in the kernel half");
	is_int(rseq(rs, AREA_SIZE, 0, RSEQ_SIG), 0, "register anew");
	ok(is_live(rs), "it lives");
}

static int in_child(void)
{
	return is_live(own_area()) &&
	       rseq(own_area(), AREA_SIZE, 0, RSEQ_SIG) < 0 && errno == EBUSY;
}

static int exec_in_child(void)
{
	execl("/bin/true", "true", NULL);
	return 9;
}

static void check_children(void)
{
	volatile struct rseq *rs = own_area();
	int status = 0;
	pid_t pid;

	tap_group("children");
	is_int(tap_child(in_child), 1, "a forked child inherits it");
	is_int(tap_child(exec_in_child), 0, "and execs");
	pid = vfork();
	if (pid == 0)
		_exit(rseq(rs, AREA_SIZE, UNREGISTER, RSEQ_SIG) < 0 &&
		      errno == EINVAL);
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 1, "a vfork child has none");
	ok(is_live(rs), "the parent's is as before");
	is_errno(rseq(rs, AREA_SIZE, 0, RSEQ_SIG), EBUSY,
		 "and still registered");
	is_int(system("true"), 0, "system()");
}

/* Leaves with its area registered. */
static void *with_area(void *area)
{
	volatile struct rseq *rs = own_area();

	if (!is_live(rs) || rseq(rs, AREA_SIZE, UNREGISTER, RSEQ_SIG) ||
	    rseq(area, AREA_SIZE, 0, RSEQ_SIG) || !is_live(area))
		return NULL;
	syscall(SYS_exit, 0);
	return NULL;
}

static void check_threads(void)
{
	int good = 0;

	tap_group("threads");
	for (int i = 0; i < 200; i++) {
		void *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		volatile struct rseq *rs = area;
		pthread_t t;

		must(pthread_create(&t, NULL, with_area, area) == 0);
		must(pthread_join(t, NULL) == 0);
		good += rs->cpu_id_start < 4096;
		must(munmap(area, 4096) == 0);
		/* be moved or preempted without the area */
		sched_yield();
	}
	is_int(good, 200, "two hundred threads end with an area of their own");
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

/* Spin inside of a sequence; only its abort leads out. */
static bool spin_until_aborted(void)
{
	volatile struct rseq *rs = own_area();

	__asm__ goto(".pushsection .data.rseq_cs, \"aw\"\n"
		     "	.balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     "	.popsection\n"
		     "	leaq 3b(%%rip), %%rax\n"
		     "	movq %%rax, 8(%0)\n"
		     "1:	pause\n"
		     "	jmp 1b\n"
		     "2:	nop\n"
		     "	.pushsection .text.rseq_abort, \"ax\"\n"
		     "	.byte 0x0f, 0xb9, 0x3d\n"
		     "	.long 0x53053053\n"
		     "4:	jmp %l[aborted]\n"
		     "	.popsection\n"
		     :
		     : "r"(rs)
		     : "rax", "memory"
		     : aborted);
	return false;
aborted:
	return true;
}

static void check_abort(void)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	int aborts = 0;

	tap_group("sequences");
	if (!is_live(own_area()))
		return; /* nothing would end the loop */
	signal(SIGALRM, on_alarm);
	must(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 100; i++)
		aborts += spin_until_aborted();
	must(setitimer(ITIMER_REAL, &never, NULL) == 0);
	is_int(aborts, 100, "interrupted ones are aborted");
	ok(is_live(own_area()), "the processor is known");
}

int main(void)
{
	check_errors();
	check_children();
	check_threads();
	check_abort();
	return tap_done();
}
