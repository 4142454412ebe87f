// SPDX-License-Identifier: Apache-2.0
/* What a program finds when it starts: stack, arguments, auxiliary vector,
 * vDSO, TLS, registers, brk. No fork: the second stage is an exec of itself,
 * so this is the first test that a young kernel can pass. */
#include "tap.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static __thread int tls_data = 1234;
static __thread char tls_bss[5000];
static __thread char tls_aligned[64] __attribute__((aligned(64))) = "tls";
static char bss[200000];
static int data[3] = { 7, 8, 9 };
static const char *const relro_table[] = { "a", "b" };
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed++;
}

static void check_stack(int argc, char **argv, char **envp)
{
	uintptr_t *start = (uintptr_t *)argv - 1;
	char **end = envp;
	Elf64_auxv_t *aux;
	const char *execfn = (const char *)getauxval(AT_EXECFN);
	int nr = 0;

	tap_group("initial stack");
	is_int((uintptr_t)start % 16, 0, "argc lies on a 16-byte boundary");
	is_int(*start, argc, "argc is below argv");
	ok(argv[argc] == NULL, "argv ends with NULL");
	ok(envp == argv + argc + 1, "envp follows argv");
	while (*end)
		end++;
	for (aux = (Elf64_auxv_t *)(end + 1); aux->a_type != AT_NULL; aux++)
		nr++;
	ok(nr >= 15 && nr < 60, "auxv follows envp");
	ok((char *)aux < argv[0], "strings lie above the auxv");
	for (int i = 0; i + 1 < argc; i++)
		if (argv[i] + strlen(argv[i]) + 1 != argv[i + 1])
			argc = -1;
	ok(argc > 0, "argument strings are contiguous");
	ok(*envp == NULL ||
		   argv[argc - 1] + strlen(argv[argc - 1]) + 1 == *envp,
	   "environment strings follow the arguments");
	ok(execfn > argv[0], "the file name is the last string");
	ok(((uintptr_t)execfn + strlen(execfn) + 1 + 8) % 4096 == 0,
	   "eight zero bytes end the stack");
}

/* The kernel's own value: glibc's getauxval edits AT_HWCAP. */
static unsigned long raw_aux(unsigned long type)
{
	char **end = environ;

	while (*end)
		end++;
	for (Elf64_auxv_t *a = (Elf64_auxv_t *)(end + 1); a->a_type; a++)
		if (a->a_type == type)
			return a->a_un.a_val;
	return 0;
}

static void check_auxv(void)
{
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	const unsigned char *rnd = (void *)getauxval(AT_RANDOM);
	unsigned long nr = getauxval(AT_PHNUM);
	bool interp = false, loads = false, stack_exec = true, any = false;

	tap_group("auxiliary vector");
	is_int(getauxval(AT_PAGESZ), 4096, "AT_PAGESZ");
	is_int(getauxval(AT_PHENT), sizeof(*ph), "AT_PHENT");
	is_int(getauxval(AT_CLKTCK), 100, "AT_CLKTCK");
	is_int(getauxval(AT_FLAGS), 0, "AT_FLAGS");
	is_int(getauxval(AT_UID), getuid(), "AT_UID");
	is_int(getauxval(AT_EUID), geteuid(), "AT_EUID");
	is_int(getauxval(AT_GID), getgid(), "AT_GID");
	is_int(getauxval(AT_EGID), getegid(), "AT_EGID");
	is_int(getauxval(AT_SECURE), 0, "AT_SECURE");
	is_str((const char *)getauxval(AT_PLATFORM), "x86_64", "AT_PLATFORM");
	ok(raw_aux(AT_HWCAP) & 1, "AT_HWCAP says there is an FPU");
	ok(getauxval(AT_ENTRY) != 0, "AT_ENTRY");
	ok(getauxval(AT_MINSIGSTKSZ) >= 1024, "AT_MINSIGSTKSZ");
	for (unsigned long i = 0; i < nr; i++) {
		interp |= ph[i].p_type == PT_INTERP;
		loads |= ph[i].p_type == PT_LOAD;
		if (ph[i].p_type == PT_GNU_STACK)
			stack_exec = ph[i].p_flags & PF_X;
	}
	ok(nr > 0 && nr < 64 && loads, "AT_PHDR and AT_PHNUM");
	is_int(getauxval(AT_BASE) != 0, interp, "AT_BASE if an interpreter");
	ok(!stack_exec, "PT_GNU_STACK without execute");
	for (int i = 0; i < 16; i++)
		any |= rnd[i] != 0;
	ok(any, "AT_RANDOM points at sixteen random bytes");
}

static void check_image(void)
{
	bool zero = true;

	tap_group("image");
	for (size_t i = 0; i < sizeof(bss); i++)
		zero &= bss[i] == 0;
	ok(zero, "bss is zero");
	memset(bss, 1, sizeof(bss));
	ok(data[0] == 7 && data[2] == 9, "data is there");
	is_str(relro_table[1], "b", "relocated pointers");
	is_int(constructed, 1, "constructors ran once");
	zero = true;
	for (size_t i = 0; i < sizeof(tls_bss); i++)
		zero &= tls_bss[i] == 0;
	ok(zero, "TLS bss is zero");
	is_int(tls_data, 1234, "TLS data is there");
	ok((uintptr_t)tls_aligned % 64 == 0 && tls_aligned[0] == 't',
	   "TLS alignment");
}

static void check_registers(void)
{
	uint16_t cw = 0;
	uint32_t mxcsr = 0;
	uint64_t flags = 0, fs = 0, self = 0;

	tap_group("registers");
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	__asm__ volatile("movq %%fs:0, %0" : "=r"(self));
	is_int(cw, 0x37f, "x87 control word");
	is_int(mxcsr & ~0x3fU, 0x1f80, "MXCSR");
	is_int(flags & 0x400, 0, "direction flag clear");
	is_int(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs), 0, "ARCH_GET_FS");
	ok(fs == self && fs != 0, "FS base is the thread pointer");
	is_int(syscall(SYS_arch_prctl, ARCH_SET_FS, fs), 0, "ARCH_SET_FS");
	is_errno(syscall(SYS_arch_prctl, ARCH_SET_FS, 0xffff800000000000UL),
		 EPERM, "ARCH_SET_FS to the kernel half");
	is_errno(syscall(SYS_arch_prctl, 0x7777, fs), EINVAL,
		 "arch_prctl with a bad code");
	is_efault(syscall(SYS_arch_prctl, ARCH_GET_FS, bp),
		  "ARCH_GET_FS to bad addresses");
}

/* Looks a symbol up in the vDSO's own tables, as libcs do. */
static void *vdso_sym(const char *name)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR), bias = 0;
	const Elf64_Ehdr *eh = (void *)base;
	const Elf64_Phdr *ph = (void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			bias = base + ph[i].p_offset - ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (void *)(base + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (void *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = (void *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (void *)(bias + dyn->d_un.d_ptr);
	}
	for (uint32_t i = 0; sym && str && hash && i < hash[1]; i++)
		if (sym[i].st_shndx && strcmp(str + sym[i].st_name, name) == 0)
			return (void *)(bias + sym[i].st_value);
	return NULL;
}

static bool before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec ||
	       (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec);
}

static void check_vdso(void)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	long (*gettime)(clockid_t, struct timespec *);
	long (*getcpu)(unsigned *, unsigned *, void *);
	time_t (*vtime)(time_t *);
	struct timespec a, b, c;
	unsigned cpu = 9999, node = 9999;
	time_t t0;

	tap_group("vDSO");
	ok(base && memcmp((void *)base, ELFMAG, SELFMAG) == 0, "is an ELF");
	gettime = (long (*)(clockid_t, struct timespec *))vdso_sym(
		"__vdso_clock_gettime");
	getcpu = (long (*)(unsigned *, unsigned *, void *))vdso_sym(
		"__vdso_getcpu");
	vtime = (time_t(*)(time_t *))vdso_sym("__vdso_time");
	ok(vdso_sym("__vdso_gettimeofday") != NULL, "has gettimeofday");
	ok(gettime && getcpu && vtime, "has clock_gettime, getcpu, time");
	if (!gettime || !getcpu || !vtime)
		return;
	for (int id = 0; id <= 1; id++) {
		syscall(SYS_clock_gettime, id, &a);
		is_int(gettime(id, &b), 0, "clock_gettime works");
		syscall(SYS_clock_gettime, id, &c);
		ok(before(a, b) && before(b, c), "and agrees with the call");
	}
	is_int(gettime(CLOCK_PROCESS_CPUTIME_ID, &a), 0, "a CPU clock too");
	is_int(gettime(77, &a), -EINVAL, "bad clock gives -EINVAL");
	is_int(getcpu(&cpu, &node, NULL), 0, "getcpu works");
	ok(cpu < 4096 && node < 1024, "cpu and node are small numbers");
	t0 = (time_t)syscall(SYS_time, NULL);
	ok(vtime(NULL) - t0 <= 1, "time agrees with the call");
}

static void check_brk(void)
{
	unsigned long old = (unsigned long)syscall(SYS_brk, 0), up;
	bool zero = true;
	char *p = (char *)old;

	up = old + 100001;
	tap_group("brk");
	ok(old != 0, "brk(0) tells the break");
	is_int(syscall(SYS_brk, up), up, "grows, to the byte");
	for (int i = 0; i < 100001; i++)
		zero &= p[i] == 0;
	ok(zero, "new memory is zero");
	memset(p, 5, 100001);
	is_int(syscall(SYS_brk, 1UL), up, "below the start: unchanged");
	is_int(syscall(SYS_brk, 1UL << 46), up, "much too high: unchanged");
	is_int(syscall(SYS_brk, -1UL), up, "the last byte: unchanged");
	is_int(syscall(SYS_brk, old), old, "shrinks");
	is_int(syscall(SYS_brk, up), up, "grows again");
	zero = true;
	for (unsigned long i = 4096; i < 100001; i++)
		zero &= p[i] == 0;
	ok(zero, "whole pages came back zero");
	is_int(syscall(SYS_brk, old), old, "back where it was");
}

#ifdef __GLIBC__
extern const ptrdiff_t __rseq_offset;
extern const unsigned int __rseq_size;
#endif

static void check_thread_state(void)
{
	int tid_word;
	void *head = NULL;
	size_t len = 0;

	tap_group("thread state");
	is_int(syscall(SYS_gettid), getpid(), "main thread's tid is the pid");
	is_int(syscall(SYS_set_tid_address, &tid_word), getpid(),
	       "set_tid_address returns the tid");
	is_int(syscall(SYS_get_robust_list, 0, &head, &len), 0,
	       "get_robust_list");
	is_int(len, 24, "robust list head size");
	is_errno(syscall(SYS_set_robust_list, &tid_word, 23), EINVAL,
		 "set_robust_list with a bad size");
	is_efault(syscall(SYS_get_robust_list, 0, bp, &len),
		  "get_robust_list to bad addresses");
	is_errno(syscall(SYS_get_robust_list, 0x3fffffff, &head, &len), ESRCH,
		 "get_robust_list of nobody");
#ifdef __GLIBC__
	char *rs = (char *)__builtin_thread_pointer() + __rseq_offset;
	unsigned cpu;

	ok(head != NULL, "the libc registered its robust list");
	ok(__rseq_size >= 20, "the libc registered rseq");
	memcpy(&cpu, rs + 4, sizeof(cpu));
	ok(cpu < 4096, "rseq cpu_id is a processor");
	is_errno(syscall(SYS_rseq, rs, 32, 0, 0x53053053), EBUSY,
		 "rseq a second time");
	is_errno(syscall(SYS_rseq, bss, 32, 0, 0x53053053), EINVAL,
		 "rseq at another place");
	is_errno(syscall(SYS_rseq, rs, 32, 8, 0x53053053), EINVAL,
		 "rseq with bad flags");
#endif
}

static void check_misc(void)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };
	struct utsname un;

	tap_group("uname and getrandom");
	is_int(uname(&un), 0, "uname");
	is_str(un.sysname, "Linux", "sysname");
	is_str(un.machine, "x86_64", "machine");
	ok(un.release[0] >= '4' || un.release[1] != '.', "release is recent");
	is_efault(syscall(SYS_uname, bp), "uname to bad addresses");
	is_int(getentropy(a, sizeof(a)), 0, "getentropy");
	is_int(syscall(SYS_getrandom, b, 64, 0), 64, "getrandom fills 64");
	ok(memcmp(a, b, 64) != 0, "two draws differ");
	is_int(syscall(SYS_getrandom, b, 0, 0), 0, "zero bytes");
	is_int(syscall(SYS_getrandom, b, 64, 1), 64, "GRND_NONBLOCK");
	is_errno(syscall(SYS_getrandom, b, 64, 0x80), EINVAL, "bad flag");
	is_efault(syscall(SYS_getrandom, bp, 64, 0), "bad addresses");
	is_errno(syscall(9999), ENOSYS, "unknown call");
	is_errno(syscall(-1L), ENOSYS, "call number -1");
	is_errno(syscall(0x100000000L + 9999), ENOSYS, "only 32 bits count");
	is_errno(syscall(SYS_execve, "/nonexistent", NULL, NULL), ENOENT,
		 "exec of nothing returns");
}

/* Stage two: what the exec handed over. */
static int second(int argc, char **argv, char **envp)
{
	tap_count = atoi(argv[4]);
	tap_failed = atoi(argv[5]);
	tap_group("after exec");
	is_int(argc, 6, "argc");
	is_str(argv[0], "another name", "argv[0] is what exec said");
	is_str(argv[2], "", "an empty argument");
	is_str(argv[3], "two words\n", "an argument with space and newline");
	is_str(envp[0], "ONE=1", "the environment");
	is_str(envp[1], "=", "an odd environment string");
	ok(envp[2] == NULL, "and nothing more");
	is_str((const char *)getauxval(AT_EXECFN), "/proc/self/exe",
	       "AT_EXECFN is the path given");
	check_stack(argc, argv, envp);
	check_image();
	check_registers();
	ok(fcntl(100, F_GETFD) == -1, "a close-on-exec descriptor is closed");
	ok(fcntl(101, F_GETFD) == 0, "another one is not");
	return tap_done();
}

int main(int argc, char **argv, char **envp)
{
	char nr[16], bad[16];
	char second_word[] = "second", empty[] = "", words[] = "two words\n";
	char name[] = "another name", one[] = "ONE=1", odd[] = "=";
	char *args[] = { name, second_word, empty, words, nr, bad, NULL };
	char *env[] = { one, odd, NULL };

	tap_start();
	if (argc == 6 && strcmp(argv[1], "second") == 0)
		return second(argc, argv, envp);
	check_stack(argc, argv, envp);
	check_auxv();
	check_image();
	check_registers();
	check_vdso();
	check_brk();
	check_thread_state();
	check_misc();
	dup3(2, 100, O_CLOEXEC);
	dup2(2, 101);
	snprintf(nr, sizeof(nr), "%d", tap_count);
	snprintf(bad, sizeof(bad), "%d", tap_failed);
	execve("/proc/self/exe", args, env);
	ok(false, "exec of /proc/self/exe");
	return tap_done();
}
