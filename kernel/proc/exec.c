/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec. Theory of operation: first everything that can fail is done with the
 * old program intact: arguments are copied, the files opened and checked. Then
 * the other threads are ended. From there on an error kills the process. A
 * process with memory of its own is emptied in place; one that shares it (a
 * vfork child) gets a new space, in which its thread goes on in exec_entry()
 * while a lent host thread returns to its owner.
 */
#include "kernel/ipc/aio.h"
#include "kernel/cpu/fpu.h"
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/linux/mount.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/mm.h"
#include "kernel/plat/plat.h"
#include "kernel/proc/exec.h"
#include "kernel/proc/exec_int.h"
#include "kernel/proc/proc_int.h"
#include "kernel/vfs/inode.h"

#define BINPRM_SIZE 256 /* how much of a "#!" line counts */
#define MAX_REWRITES 5

/* --- Opening ------------------------------------------------------------- */

int exec_open(int dirfd, const char *name, u32 lookup, struct file **f)
{
	struct path p;
	int err = path_lookup(dirfd, name, lookup, &p);

	if (err)
		return err;
	if (inode_is(p.dentry->inode, TYPE_LNK))
		err = -ELOOP; /* was not to be followed */
	else if (!inode_is(p.dentry->inode, TYPE_REG))
		err = -EACCES;
	if (!err && (p.mount->flags & LINUX_MS_NOEXEC))
		err = -EACCES;
	if (!err)
		err = inode_permission(p.dentry->inode, MAY_EXEC);
	if (!err) {
		err = path_open_at(&p, O_RDONLY | O_LARGEFILE, f);
		if (err == -EACCES) /* may be run without being readable */
			err = file_new(&p, p.dentry->inode->fops,
				       O_RDONLY | O_LARGEFILE, f);
	}
	path_put(&p);
	return err;
}

static void image_put(struct exec_image *img)
{
	kfree(img->phdrs);
	img->phdrs = NULL;
	if (img->file)
		file_put(img->file);
	img->file = NULL;
}

static void set_main(struct exec_state *st, struct file *f)
{
	struct file *old = st->main.file;

	if (old && st->denies_write)
		atomic_fetch_add(&old->inode->writers, 1);
	st->denies_write = false;
	image_put(&st->main);
	st->main.file = f;
}

static void state_free(struct exec_state *st)
{
	if (!st)
		return;
	set_main(st, NULL);
	image_put(&st->interp);
	cred_put(st->cred);
	exec_args_free(&st->args);
	kfree(st->path);
	kfree(st);
}

/* Read exactly n bytes. */
static int read_all(struct file *f, void *buf, u64 n, u64 pos)
{
	s64 got = file_read_kernel(f, buf, n, pos);

	if (got < 0)
		return (int)got;
	return (u64)got == n ? 0 : -ENOEXEC;
}

static int read_image(struct exec_image *img, const char *head, size_t n)
{
	u64 size;
	int err = elf_parse_header(head, n, &img->elf);

	if (err)
		return err;
	size = (u64)img->elf.phnum * ELF_PHDR_SIZE;
	img->phdrs = kmalloc(size);
	if (!img->phdrs)
		return -ENOMEM;
	err = read_all(img->file, img->phdrs, size, img->elf.phoff);
	return err ? err : elf_parse_phdrs(img->phdrs, &img->elf);
}

/* --- Preparing ----------------------------------------------------------- */

/* An interpreter failed: name it to whoever asked. */
static int blame(struct exec_state *st, const char *interp, int err)
{
	if (st->outside)
		str_copy(st->outside->blame, EXEC_BLAME_SIZE, interp);
	return err;
}

static int read_interp(struct exec_state *st, char *name)
{
	struct exec_image *main = &st->main;
	u64 n = main->elf.interp_size;
	char head[ELF_HEADER_SIZE];
	int err;

	err = read_all(main->file, name, n, main->elf.interp_offset);
	if (err)
		return err;
	if (name[n - 1] != '\0')
		return -ENOEXEC;
	err = exec_open(AT_FDCWD, name, LOOKUP_FOLLOW, &st->interp.file);
	if (err)
		return blame(st, name, err);
	if (read_all(st->interp.file, head, sizeof(head), 0) ||
	    read_image(&st->interp, head, sizeof(head)))
		return blame(st, name, -ELIBBAD);
	return 0;
}

static int prepare_elf(struct exec_state *st, const char *head, size_t n)
{
	char *name;
	int err = read_image(&st->main, head, n);

	if (err || st->main.elf.interp_size == 0)
		return err;
	name = kmalloc(ELF_INTERP_MAX);
	if (!name)
		return -ENOMEM;
	err = read_interp(st, name);
	kfree(name);
	return err;
}

/* The file is a script: go on with its interpreter. */
static int rewrite_script(struct exec_state *st, const char *script,
			  const char *interp, const char *arg)
{
	struct file *f;
	int err = exec_args_script(&st->args, interp, arg, script);

	if (err)
		return err;
	err = exec_open(AT_FDCWD, interp, LOOKUP_FOLLOW, &f);
	if (err)
		return blame(st, interp, err);
	set_main(st, f);
	return 0;
}

static int deny_write(struct exec_state *st)
{
	int err = exe_deny_write(st->main.file);

	st->denies_write = err == 0;
	return err;
}

static int find_format(struct exec_state *st, const char *path)
{
	char head[BINPRM_SIZE];
	char *script = kstrdup(path);
	char *interp, *arg;
	s64 n;
	int err = script ? 0 : -ENOMEM;

	for (int i = 0; !err; i++) {
		if (i > MAX_REWRITES) {
			err = -ELOOP;
			break;
		}
		err = deny_write(st);
		if (err)
			break;
		n = file_read_kernel(st->main.file, head, sizeof(head), 0);
		if (n < 0) {
			err = (int)n;
			break;
		}
		if (n < 2 || head[0] != '#' || head[1] != '!') {
			err = prepare_elf(st, head, (size_t)n);
			break;
		}
		err = script_parse(head, (size_t)n, sizeof(head), &interp,
				   &arg);
		if (!err)
			err = rewrite_script(st, script, interp, arg);
		kfree(script);
		script = err ? NULL : kstrdup(interp);
		if (!err && !script)
			err = -ENOMEM;
	}
	kfree(script);
	return err;
}

/* The new program's credentials: the set-id bits of the file count unless the
 * mount or the process says otherwise. */
static int prepare_cred(struct exec_state *st)
{
	const struct file *f = st->main.file;
	const struct inode *i = f->inode;
	u32 mode = i->mode;

	st->cred = cred_copy(cred_current());
	if (!st->cred)
		return -ENOMEM;
	if ((f->path.mount->flags & LINUX_MS_NOSUID) ||
	    process_current()->no_new_privs)
		mode = 0;
	st->is_secure = cred_exec(st->cred, mode, i->uid, i->gid);
	return 0;
}

static void set_comm(struct exec_state *st, const char *path)
{
	const char *name = strrchr(path, '/');

	str_copy(st->comm, sizeof(st->comm), name ? name + 1 : path);
}

/* st->args is filled; st has taken over file and path. */
static int prepare(struct exec_state *st)
{
	int err;

	set_comm(st, st->path);
	err = find_format(st, st->path);
	return err ? err : prepare_cred(st);
}

/* --- The point of no return ---------------------------------------------- */

/* End all other threads; the caller becomes the leader. -EAGAIN: somebody else
 * was first, the caller is to go, too. */
static int kill_others(struct thread *self)
{
	struct process *p = self->proc;
	struct thread *t, *old = NULL;
	struct waiter w;

	mutex_lock(&p->sig_lock);
	if (p->is_exiting || p->exec_thread) {
		mutex_unlock(&p->sig_lock);
		return -EAGAIN;
	}
	p->exec_thread = self;
	list_for_each (t, &p->threads, proc_node) {
		if (t != self)
			thread_set_work(t, WORK_EXIT);
	}
	mutex_unlock(&p->sig_lock);
	waiter_init(&w);
	waitq_add(&p->thread_wait, &w);
	while (atomic_load_acquire(&p->nlive) > 1 &&
	       !(thread_work(self) & WORK_EXIT))
		(void)thread_sleep(NSEC_MAX, false);
	waitq_remove(&w);
	mutex_lock(&p->lock);
	mutex_lock(&p->sig_lock);
	p->exec_thread = NULL;
	if (!p->is_exiting && p->leader != self) {
		old = p->leader;
		thread_get(self);
		p->leader = self;
	}
	mutex_unlock(&p->sig_lock);
	mutex_unlock(&p->lock);
	if (old) {
		pid_take_over(self);
		thread_put(old);
	}
	return atomic_load(&p->is_exiting) ? -EAGAIN : 0;
}

/* What of the process changes with the program, apart from memory. */
static int adopt(struct exec_state *st, struct thread *t)
{
	struct process *p = t->proc;
	struct sighand *sighand, *old_sighand = NULL;
	struct fdtable *files, *old_files = NULL;
	char *cmdline;

	if (atomic_load(&p->sighand->ref.count) > 1) {
		sighand = sighand_copy(p);
		if (!sighand)
			return -ENOMEM;
		mutex_lock(&p->sig_lock);
		old_sighand = p->sighand;
		p->sighand = sighand;
		mutex_unlock(&p->sig_lock);
		sighand_put(old_sighand);
	}
	if (p->files_shared) {
		files = fdtable_copy(p->files);
		if (!files)
			return -ENOMEM;
		mutex_lock(&p->lock);
		old_files = p->files;
		p->files = files;
		p->files_shared = false;
		mutex_unlock(&p->lock);
		fdtable_put(old_files);
	}
	if (t->fs)
		thread_set_fs(t, t->fs, true);
	p->did_exec = true; /* before closing tells anyone */
	fdtable_close_on_exec(p->files);
	signal_exec_reset(p, t);
	posix_timers_exit(p);
	aio_exit(p);
	cred_install(st->cred);
	st->cred = NULL;
	file_get(st->main.file);
	exe_set(p, st->main.file);
	st->denies_write = false; /* p's now */
	cmdline = kmalloc(st->args.argv_len);
	if (cmdline)
		memcpy(cmdline, st->args.data, st->args.argv_len);
	mutex_lock(&p->lock);
	kfree(p->cmdline);
	p->cmdline = cmdline;
	p->cmdline_len = cmdline ? st->args.argv_len : 0;
	memcpy(t->comm, st->comm, sizeof(t->comm));
	mutex_unlock(&p->lock);
	p->exit_signal = LINUX_SIGCHLD;
	p->is_dumpable = !st->is_secure;
	p->membarrier = 0;
	p->keep_caps = false;
	if (st->is_secure)
		t->pdeathsig = 0;
	t->robust_list = 0;
	t->set_child_tid = 0;
	t->clear_child_tid = 0;
	t->restart.fn = NULL;
	t->fs_base = 0;
	return 0;
}

static NORETURN void exec_failed(struct exec_state *st, int err)
{
	s32 status = LINUX_SIGSEGV; /* the old program is gone */

	if (st->outside)
		status = st->outside->refuse(st->outside, st->path, err);
	state_free(st);
	process_exit(status);
}

/* The space is the program's own and empty. */
static void commit(struct exec_state *st, struct thread *t, struct frame *f)
{
	struct process *p = t->proc;
	int err = adopt(st, t);

	if (!err)
		err = exec_load(st, f);
	if (err)
		exec_failed(st, err);
	fpu_reset();
	plat_set_fs_base(0);
	state_free(st);
	atomic_store_release(&p->is_vfork_done, true);
	waitq_wake(&p->exit_wait);
}

/* --- In a new space ------------------------------------------------------ */

static void exec_entry(struct thread *t)
{
	struct exec_state *st = t->exec;

	t->exec = NULL;
	process_set_space(t->proc);
	mm_reset(t->proc->mm);
	commit(st, t, plat_thread_frame(t));
	thread_enter_user(t);
}

static u32 exec_left; /* plat_thread_exit()'s word for moved threads */

static struct mm *replace_mm(struct process *p, struct mm *mm)
{
	struct mm *old;

	mutex_lock(&p->lock);
	old = p->mm;
	p->mm = mm;
	mutex_unlock(&p->lock);
	return old;
}

static int exec_move(struct exec_state *st, struct thread *t)
{
	struct process *p = t->proc;
	bool was_borrowed = t->is_borrowed;
	struct thread *parent = t->vfork_parent;
	struct mm *mm = mm_new();
	struct mm *old;
	int err;

	if (!mm)
		return -ENOMEM;
	rseq_drop(t);
	thread_release_user(t);
	old = replace_mm(p, mm);
	t->exec = st;
	t->is_borrowed = false;
	t->vfork_parent = NULL;
	/* Memory work for the old space is done by those who stay. */
	mm_run_remote(t);
	err = plat_thread_spawn(t, exec_entry, &mm->space);
	if (err) {
		(void)replace_mm(p, old);
		t->is_borrowed = was_borrowed;
		t->vfork_parent = parent;
		mm_put(mm);
		return err;
	}
	/* t runs elsewhere: only what belongs to the old space from here. */
	mm_put(old);
	if (was_borrowed)
		plat_thread_unborrow();
	plat_thread_exit(&exec_left, false);
}

/* Prepared: do it. On an error before the point of no return st is freed. */
static long exec_commit(struct exec_state *st, struct frame *f)
{
	struct thread *t = current();
	struct process *p = t->proc;
	int err = kill_others(t);

	if (!err && (t->is_borrowed || atomic_load(&p->mm->ref.count) > 1))
		err = exec_move(st, t);
	if (err) {
		state_free(st);
		return err;
	}
	rseq_drop(t);
	thread_release_user(t);
	mm_reset(p->mm);
	commit(st, t, f);
	return 0;
}

long process_exec(struct frame *f, struct file *file, char *path, uaddr_t argv,
		  uaddr_t envp)
{
	struct exec_state *st = kzalloc(sizeof(*st));
	int err;

	if (!st) {
		file_put(file);
		kfree(path);
		return -ENOMEM;
	}
	st->path = path;
	st->main.file = file;
	err = exec_args_from_user(&st->args, argv, envp);
	if (!err)
		err = prepare(st);
	if (err) {
		state_free(st);
		return err;
	}
	return exec_commit(st, f);
}

long process_exec_kernel(struct frame *f, const char *path,
			 const char *const *argv, const char *const *envp,
			 struct exec_outside *outside)
{
	struct exec_state *st = kzalloc(sizeof(*st));
	int err;

	if (!st)
		return -ENOMEM;
	st->outside = outside;
	st->path = kstrdup(path);
	err = st->path ? exec_args_from_kernel(&st->args, argv, envp) : -ENOMEM;
	if (!err)
		err = exec_open(AT_FDCWD, path, LOOKUP_FOLLOW, &st->main.file);
	if (!err)
		err = prepare(st);
	if (err) {
		state_free(st);
		return err;
	}
	return exec_commit(st, f);
}
