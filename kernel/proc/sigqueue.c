/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of pending signals with their siginfo, and dispositions. Plain data
 * structures: the callers hold process.sig_lock.
 */
#include "kernel/mm/heap.h"
#include "kernel/proc/proc_int.h"
#include "lib/string.h"

/* Signals a fault raises: taken before all others, as Linux does. */
#define FAULT_SIGNALS                                     \
	(SIG_BIT(LINUX_SIGSEGV) | SIG_BIT(LINUX_SIGBUS) | \
	 SIG_BIT(LINUX_SIGILL) | SIG_BIT(LINUX_SIGTRAP) | \
	 SIG_BIT(LINUX_SIGFPE) | SIG_BIT(LINUX_SIGSYS))
#define DEFAULT_IGNORED                                    \
	(SIG_BIT(LINUX_SIGCHLD) | SIG_BIT(LINUX_SIGCONT) | \
	 SIG_BIT(LINUX_SIGURG) | SIG_BIT(LINUX_SIGWINCH))

void sigpending_init(struct sigpending *s)
{
	s->set = 0;
	list_init(&s->queue);
}

void sigpending_add(struct sigpending *s, int sig, struct sigqueue *q)
{
	s->set |= SIG_BIT(sig);
	if (q)
		list_append(&s->queue, &q->node);
}

bool sigpending_has_entry(const struct sigpending *s, int sig)
{
	struct sigqueue *q;

	list_for_each (q, &s->queue, node) {
		if (q->info.si_signo == sig)
			return true;
	}
	return false;
}

int sigpending_next(const struct sigpending *s, u64 set)
{
	u64 ready = s->set & set;

	if (ready & FAULT_SIGNALS)
		ready &= FAULT_SIGNALS;
	return ready ? __builtin_ctzl(ready) + 1 : 0;
}

struct sigqueue *sigpending_take(struct sigpending *s, int sig)
{
	struct sigqueue *q, *first = NULL;

	s->set &= ~SIG_BIT(sig);
	list_for_each (q, &s->queue, node) {
		if (q->info.si_signo != sig)
			continue;
		if (first) { /* one more: stays pending */
			s->set |= SIG_BIT(sig);
			break;
		}
		first = q;
	}
	if (first)
		list_del(&first->node);
	return first;
}

u32 sigpending_flush(struct sigpending *s, u64 set)
{
	struct sigqueue *q, *next;
	u32 n = 0;

	list_for_each_safe (q, next, &s->queue, node) {
		if (!(set & SIG_BIT(q->info.si_signo)))
			continue;
		list_del(&q->node);
		if (q->owner)
			n++;
		kfree(q);
	}
	s->set &= ~set;
	return n;
}

void signal_drop_pending(struct process *p, struct sigpending *s)
{
	u32 n = sigpending_flush(s, ~0UL);

	if (p)
		p->nsigqueue -= n;
}

bool signal_default_ignored(int sig)
{
	return (DEFAULT_IGNORED & SIG_BIT(sig)) != 0;
}

bool signal_action_ignores(const struct linux_sigaction *sa, int sig)
{
	return sa->handler == LINUX_SIG_IGN ||
	       (sa->handler == LINUX_SIG_DFL && signal_default_ignored(sig));
}

/* --- Dispositions -------------------------------------------------------- */

struct sighand *sighand_new(void)
{
	struct sighand *s = kzalloc(sizeof(*s));

	if (s)
		ref_init(&s->ref);
	return s;
}

struct sighand *sighand_copy(struct process *p)
{
	struct sighand *s = kmalloc(sizeof(*s));

	if (!s)
		return NULL;
	mutex_lock(&p->sig_lock);
	memcpy(s->action, p->sighand->action, sizeof(s->action));
	mutex_unlock(&p->sig_lock);
	ref_init(&s->ref);
	return s;
}

void sighand_put(struct sighand *s)
{
	if (s && ref_put(&s->ref))
		kfree(s);
}

void sighand_clear(struct sighand *s)
{
	for (int i = 0; i < SIG_MAX; i++) {
		if (s->action[i].handler != LINUX_SIG_IGN)
			memset(&s->action[i], 0, sizeof(s->action[i]));
	}
}

void signal_exec_reset(struct process *p, struct thread *t)
{
	mutex_lock(&p->sig_lock);
	for (int i = 0; i < SIG_MAX; i++) {
		struct linux_sigaction *sa = &p->sighand->action[i];

		if (sa->handler != LINUX_SIG_IGN)
			sa->handler = LINUX_SIG_DFL;
		sa->flags = 0;
		sa->restorer = 0;
		sa->mask = 0;
	}
	mutex_unlock(&p->sig_lock);
	t->altstack.sp = 0;
	t->altstack.size = 0;
	t->altstack.flags = LINUX_SS_DISABLE;
}
