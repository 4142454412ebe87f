// SPDX-License-Identifier: Apache-2.0
/* Core dumps: when one is written, its name and rights, what is in it. Needs
 * core_pattern to be "core", as it is unless somebody changed it. */
#include "tap.h"

#include <elf.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>

#define MARK 0x4a1f4a1f12345678UL

static volatile unsigned long marker = MARK;
static unsigned long *kept, *left_out, *shared;
static int pipe_fds[2];
static int which_signal = SIGSEGV;

static void *second_thread(void *arg)
{
	tap_post(pipe_fds[1]);
	for (;;)
		pause();
	return arg;
}

static int no_core(void)
{
	raise(SIGABRT);
	return 0;
}

static void allow_core(rlim_t size)
{
	struct rlimit r = { size, size };

	must(setrlimit(RLIMIT_CORE, &r) == 0);
}

static int plain_core(void)
{
	allow_core(RLIM_INFINITY);
	raise(which_signal);
	return 0;
}

static int undumpable(void)
{
	allow_core(RLIM_INFINITY);
	prctl(PR_SET_DUMPABLE, 0);
	raise(SIGABRT);
	return 0;
}

static int small_core(void)
{
	allow_core(8192);
	raise(SIGABRT);
	return 0;
}

static int handled(void)
{
	allow_core(RLIM_INFINITY);
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	return 5;
}

/* Two threads, one of them faults, with memory of all kinds. */
static int rich_core(void)
{
	pthread_t t;

	allow_core(RLIM_INFINITY);
	kept = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	left_out = mmap((void *)0x200000000, 8192, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap((void *)0x210000000, 8192, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*kept = MARK + 1;
	*left_out = MARK + 2;
	*shared = MARK + 3;
	must(madvise(left_out, 8192, MADV_DONTDUMP) == 0);
	must(pipe(pipe_fds) == 0);
	must(pthread_create(&t, NULL, second_thread, NULL) == 0);
	must(tap_await(pipe_fds[0]));
	*(volatile int *)bad_ptr = 1;
	return 0;
}

static int filtered_core(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY);

	must(fd >= 0 && write(fd, "0x1\n", 4) == 4);
	return rich_core();
}

/* The status of a child that runs fn. */
static int status_of(int (*fn)(void))
{
	int status = 0;
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(fn());
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static char *image;
static size_t image_size;

static bool load_core(void)
{
	struct stat st;
	int fd = open("core", O_RDONLY);

	if (fd < 0)
		return false;
	fstat(fd, &st);
	image_size = (size_t)st.st_size;
	image = mmap(NULL, image_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return image != MAP_FAILED;
}

static const Elf64_Phdr *phdr(int i)
{
	const Elf64_Ehdr *h = (const void *)image;

	return i < h->e_phnum ? (const Elf64_Phdr *)(image + h->e_phoff) + i
			      : NULL;
}

/* The word at a program's address, or 0 if the core does not have it. */
static unsigned long core_word(const volatile void *at)
{
	uintptr_t a = (uintptr_t)at;
	const Elf64_Phdr *p;

	for (int i = 0; (p = phdr(i)); i++)
		if (p->p_type == PT_LOAD && a >= p->p_vaddr &&
		    a + 8 <= p->p_vaddr + p->p_filesz &&
		    p->p_offset + (a - p->p_vaddr) + 8 <= image_size)
			return *(unsigned long *)(image + p->p_offset +
						  (a - p->p_vaddr));
	return 0;
}

/* The n-th note of a type, or NULL; its size. */
static const void *note(unsigned type, int n, size_t *size)
{
	const Elf64_Phdr *p = phdr(0);
	const char *at, *end;

	if (!p || p->p_type != PT_NOTE)
		return NULL;
	at = image + p->p_offset;
	end = at + p->p_filesz;
	while (at < end) {
		const Elf64_Nhdr *h = (const void *)at;
		const char *data = at + sizeof(*h) + ((h->n_namesz + 3) & ~3U);

		if (h->n_type == type && n-- == 0) {
			*size = h->n_descsz;
			return data;
		}
		at = data + ((h->n_descsz + 3) & ~3U);
	}
	return NULL;
}

static void check_when(void)
{
	struct stat st;
	int s;

	tap_group("when");
	s = status_of(no_core);
	ok(WIFSIGNALED(s) && !WCOREDUMP(s), "not by default");
	is_errno(access("core", F_OK), ENOENT, "no file");
	s = status_of(undumpable);
	ok(WIFSIGNALED(s) && !WCOREDUMP(s), "not when not dumpable");
	is_int(WEXITSTATUS(status_of(handled)), 5, "not when ignored");
	which_signal = SIGTERM;
	s = status_of(plain_core);
	ok(WTERMSIG(s) == SIGTERM && !WCOREDUMP(s), "not by SIGTERM");
	is_errno(access("core", F_OK), ENOENT, "still no file");
	which_signal = SIGQUIT;
	s = status_of(plain_core);
	ok(WTERMSIG(s) == SIGQUIT && WCOREDUMP(s), "by SIGQUIT");
	is_int(stat("core", &st), 0, "a file");
	is_int(st.st_mode, S_IFREG | 0600, "only for its owner");
	must(unlink("core") == 0 && symlink("elsewhere", "core") == 0);
	s = status_of(plain_core);
	ok(WCOREDUMP(s) && lstat("core", &st) == 0 && S_ISREG(st.st_mode),
	   "a link in the way is replaced");
	must(unlink("core") == 0 && mkdir("core", 0700) == 0);
	s = status_of(plain_core);
	ok(WTERMSIG(s) == SIGQUIT && !WCOREDUMP(s), "not over a directory");
	rmdir("core");
	s = status_of(small_core);
	ok(WCOREDUMP(s) && stat("core", &st) == 0 && st.st_size <= 8192,
	   "cut at the limit");
	unlink("core");
}

static void check_notes(void)
{
	const struct elf_prstatus *first, *other;
	const struct elf_prpsinfo *ps;
	const siginfo_t *si;
	const Elf64_auxv_t *aux;
	const unsigned long *files;
	size_t n = 0;

	first = note(NT_PRSTATUS, 0, &n);
	is_int(n, sizeof(*first), "NT_PRSTATUS");
	ok(first && first->pr_cursig == SIGSEGV, "with the signal");
	other = note(NT_PRSTATUS, 1, &n);
	ok(other && other->pr_pid != first->pr_pid, "of the other thread");
	ok(!note(NT_PRSTATUS, 2, &n), "and no more");
	ok(note(NT_FPREGSET, 1, &n) && n == 512, "two NT_FPREGSET");
	ok(note(NT_X86_XSTATE, 1, &n) && n >= 576, "two NT_X86_XSTATE");
	ps = note(NT_PRPSINFO, 0, &n);
	ok(ps && n == sizeof(*ps) && !strcmp(ps->pr_fname, "core"),
	   "NT_PRPSINFO");
	si = note(NT_SIGINFO, 0, &n);
	ok(si && n == sizeof(*si) && si->si_signo == SIGSEGV &&
		   si->si_addr == bad_ptr,
	   "NT_SIGINFO");
	aux = note(NT_AUXV, 0, &n);
	ok(aux && n >= 10 * sizeof(*aux), "NT_AUXV");
	files = note(NT_FILE, 0, &n);
	ok(files && files[0] >= 3 && files[1] == 4096, "NT_FILE");
}

static void check_contents(void)
{
	const Elf64_Ehdr *h;
	int s = status_of(rich_core);

	tap_group("contents");
	/* the addresses that the child got, as it was forked from here */
	left_out = (void *)0x200000000;
	shared = (void *)0x210000000;
	ok(WTERMSIG(s) == SIGSEGV && WCOREDUMP(s), "a fault dumps core");
	if (!load_core())
		return;
	h = (const void *)image;
	ok(!memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_type == ET_CORE &&
		   h->e_machine == EM_X86_64,
	   "an ELF core");
	check_notes();
	is_int(core_word(&marker), MARK, "data of the program");
	is_int(core_word(&kept), core_word(&kept), "its variables");
	is_int(core_word((void *)core_word(&kept)), MARK + 1,
	       "anonymous memory");
	is_int(core_word(left_out), 0, "not with MADV_DONTDUMP");
	is_int(core_word(shared), MARK + 3, "shared memory");
	munmap(image, image_size);
	unlink("core");
	s = status_of(filtered_core);
	if (!load_core())
		return;
	is_int(core_word(shared), 0, "not with the filter 1");
	is_int(core_word(&marker), MARK, "but private memory");
	munmap(image, image_size);
	unlink("core");
}

static void check_filter(void)
{
	char text[16] = "";
	int fd = open("/proc/self/coredump_filter", O_RDWR);

	tap_group("coredump_filter");
	is_int(read(fd, text, 15), 9, "is read");
	is_str(text, "00000033\n", "is 33");
	is_int(pwrite(fd, "7", 1, 0), 1, "written");
	is_int(pread(fd, text, 15, 0), 9, "read");
	is_str(text, "00000007\n", "again");
	is_errno(pwrite(fd, "x", 1, 0), EINVAL, "nonsense");
	is_int(pwrite(fd, "0x33", 4, 0), 4, "as it was");
	close(fd);
}

int main(void)
{
	struct rlimit r;

	/* Not tap_start(), which would forbid core files for good. */
	alarm(TAP_SECONDS);
	getrlimit(RLIMIT_CORE, &r);
	r.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &r);
	tap_dir();
	check_when();
	check_contents();
	check_filter();
	return tap_done();
}
