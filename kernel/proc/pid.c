/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of ids: threads and processes by number, all processes in order.
 * A number is free when no thread, process, group or session carries it.
 */
#include "kernel/kernel.h"
#include "kernel/proc/proc_int.h"

#define PID_BUCKETS 1024

static struct {
	struct mutex lock;
	struct list threads[PID_BUCKETS];   /* struct thread.tid_node */
	struct list processes[PID_BUCKETS]; /* struct process.pid_node */
	struct list all; /* struct process.all_node, ascending */
	s32 last;
	bool has_wrapped;
	u32 nprocesses, nthreads;
} pids;

void pid_init(void)
{
	list_init(&pids.all);
}

/* The list of an id. Made when first looked at: a start touches few. */
static struct list *list_of(struct list *table, s32 id)
{
	struct list *l = &table[(u32)id % PID_BUCKETS];

	if (!l->next)
		list_init(l);
	return l;
}

static struct thread *find_thread(s32 tid)
{
	struct list *head = list_of(pids.threads, tid);
	struct thread *t;

	list_for_each (t, head, tid_node) {
		if (t->tid == tid)
			return t;
	}
	return NULL;
}

static struct process *find_process(s32 pid)
{
	struct list *head = list_of(pids.processes, pid);
	struct process *p;

	list_for_each (p, head, pid_node) {
		if (p->pid == pid)
			return p;
	}
	return NULL;
}

static bool id_in_use(s32 id)
{
	struct process *p;

	if (find_thread(id) || find_process(id))
		return true;
	if (!pids.has_wrapped)
		return false;
	list_for_each (p, &pids.all, all_node) {
		if (atomic_load(&p->pgid) == id || atomic_load(&p->sid) == id)
			return true;
	}
	return false;
}

/* The next free id, or 0. */
static s32 id_alloc(void)
{
	for (s32 tries = 0; tries < PID_MAX; tries++) {
		if (++pids.last >= PID_MAX) {
			pids.last = PID_RESERVED;
			pids.has_wrapped = true;
		}
		if (!id_in_use(pids.last))
			return pids.last;
	}
	return 0;
}

static void insert_ordered(struct process *p)
{
	struct list *pos = pids.all.prev;

	/* New ids are nearly always the highest. */
	while (pos != &pids.all &&
	       list_entry(pos, struct process, all_node)->pid > p->pid)
		pos = pos->prev;
	list_push(pos, &p->all_node);
}

/* Threads, and processes nobody has waited for, whose real uid is uid. */
static u32 count_user(u32 uid)
{
	struct process *p;
	struct thread *t;
	u32 n = 0;

	for (u32 i = 0; i < PID_BUCKETS; i++) {
		list_for_each (t, list_of(pids.threads, (s32)i), tid_node)
			n += atomic_load(&t->uid) == uid;
	}
	list_for_each (p, &pids.all, all_node)
		n += p->is_zombie && p->leader && p->leader->uid == uid;
	return n;
}

int pid_link(struct thread *t, struct process *p, u64 limit)
{
	s32 id = 0;

	mutex_lock(&pids.lock);
	/* The count is slow: only where it may matter. */
	if ((u64)pids.nthreads + pids.nprocesses < limit ||
	    count_user(t->uid) < limit)
		id = id_alloc();
	if (id == 0) {
		mutex_unlock(&pids.lock);
		return -EAGAIN;
	}
	t->tid = id;
	list_append(list_of(pids.threads, id), &t->tid_node);
	pids.nthreads++;
	if (p) {
		p->pid = id;
		list_append(list_of(pids.processes, id), &p->pid_node);
		insert_ordered(p);
		pids.nprocesses++;
	}
	mutex_unlock(&pids.lock);
	return 0;
}

void pid_unlink_thread(struct thread *t)
{
	mutex_lock(&pids.lock);
	if (list_linked(&t->tid_node)) {
		list_del(&t->tid_node);
		pids.nthreads--;
	}
	mutex_unlock(&pids.lock);
}

void pid_unlink_process(struct process *p)
{
	mutex_lock(&pids.lock);
	if (list_linked(&p->pid_node)) {
		list_del(&p->pid_node);
		list_del(&p->all_node);
		pids.nprocesses--;
	}
	mutex_unlock(&pids.lock);
}

void pid_take_over(struct thread *t)
{
	mutex_lock(&pids.lock);
	list_del(&t->tid_node);
	t->tid = t->proc->pid;
	list_append(list_of(pids.threads, t->tid), &t->tid_node);
	mutex_unlock(&pids.lock);
}

struct thread *thread_find(s32 tid)
{
	struct thread *t;

	mutex_lock(&pids.lock);
	t = find_thread(tid);
	if (t)
		thread_get(t);
	mutex_unlock(&pids.lock);
	return t;
}

struct process *process_init_still(void)
{
	return find_process(1);
}

struct process *process_find(s32 pid)
{
	struct process *p;

	mutex_lock(&pids.lock);
	p = find_process(pid);
	if (p)
		process_get(p);
	mutex_unlock(&pids.lock);
	return p;
}

struct process *process_next(s32 after_pid)
{
	struct process *p, *found = NULL;

	mutex_lock(&pids.lock);
	list_for_each (p, &pids.all, all_node) {
		if (p->pid > after_pid) {
			process_get(p);
			found = p;
			break;
		}
	}
	mutex_unlock(&pids.lock);
	return found;
}

struct process *pid_walk(struct process *after)
{
	struct list *next;

	mutex_lock(&pids.lock);
	next = after ? after->all_node.next : pids.all.next;
	mutex_unlock(&pids.lock);
	if (next == &pids.all)
		return NULL;
	return list_entry(next, struct process, all_node);
}

u32 process_count(void)
{
	return atomic_load(&pids.nprocesses);
}

u32 thread_count(void)
{
	return atomic_load(&pids.nthreads);
}
