/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of AF_UNIX sockets: in the file system (the inode points at the socket)
 * or abstract (a table). One lock covers table, inode->sock and the list of
 * all sockets; no data path takes it.
 */
#include "kernel/kernel.h"
#include "kernel/linux/fcntl.h"
#include "kernel/mm/heap.h"
#include "kernel/net/unix.h"
#include "kernel/vfs/vfs.h"

#define BUCKETS 256
#define FAMILY_LEN 2U

static struct {
	struct mutex lock;
	bool is_started;
	struct list buckets[BUCKETS]; /* struct unix_name.node */
	struct list all;	      /* struct unix_sock.all_node */
	u32 next_auto;
} table;

static void table_lock(void)
{
	mutex_lock(&table.lock);
	if (table.is_started)
		return;
	for (u32 i = 0; i < BUCKETS; i++)
		list_init(&table.buckets[i]);
	list_init(&table.all);
	table.is_started = true;
}

void unix_name_get(struct unix_name *n)
{
	ref_get(&n->ref);
}

void unix_name_put(void *p)
{
	struct unix_name *n = p;

	if (ref_put(&n->ref))
		kfree(n);
}

void unix_name_addr(const struct unix_name *n, struct sock_addr *a)
{
	a->family = AF_UNIX;
	a->len = FAMILY_LEN;
	if (n) {
		memcpy(a->bytes, &n->addr, n->len);
		a->len = n->len;
	}
}

/* A name of these bytes; a path gets its terminator. */
static int name_new(const struct sock_addr *a, struct unix_name **out)
{
	struct unix_name *n;

	if (a->len <= FAMILY_LEN || a->len > sizeof(n->addr) ||
	    a->family != AF_UNIX)
		return -EINVAL;
	n = kzalloc(sizeof(*n) + 1);
	if (!n)
		return -ENOMEM;
	ref_init(&n->ref);
	list_init(&n->node);
	memcpy(&n->addr, a->bytes, a->len);
	n->len = a->len;
	if (n->addr.path[0]) {
		u64 len = strnlen(n->addr.path, a->len - FAMILY_LEN);

		memset(n->addr.path + len, 0, UNIX_PATH_MAX - len);
		n->len = FAMILY_LEN + (u32)len + 1;
	}
	n->hash = str_hash(n->addr.path, n->len - FAMILY_LEN);
	*out = n;
	return 0;
}

static struct unix_name *table_find(const struct unix_name *want, u32 type)
{
	struct unix_name *n;

	list_for_each (n, &table.buckets[want->hash % BUCKETS], node) {
		if (n->hash == want->hash && n->len == want->len &&
		    (type == 0 || n->owner->type == type) &&
		    memcmp(&n->addr, &want->addr, n->len) == 0)
			return n;
	}
	return NULL;
}

static int find_path(const struct unix_name *n, struct sock **sk)
{
	struct path p;
	int err;

	err = path_lookup(AT_FDCWD, n->addr.path, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = inode_permission(p.dentry->inode, MAY_WRITE);
	if (!err) {
		table_lock();
		*sk = p.dentry->inode->sock;
		if (*sk)
			sock_get(*sk);
		else
			err = -ECONNREFUSED;
		mutex_unlock(&table.lock);
	}
	path_put(&p);
	return err;
}

static int find_abstract(const struct unix_name *want, u32 type,
			 struct sock **sk)
{
	struct unix_name *n;

	table_lock();
	n = table_find(want, type);
	if (!n)
		n = table_find(want, 0);
	*sk = n ? n->owner : NULL;
	if (*sk)
		sock_get(*sk);
	mutex_unlock(&table.lock);
	return *sk ? 0 : -ECONNREFUSED;
}

int unix_find(const struct sock_addr *a, u32 type, struct sock **sk)
{
	struct unix_name *n;
	int err = name_new(a, &n);

	if (err)
		return err;
	if (n->addr.path[0])
		err = find_path(n, sk);
	else
		err = find_abstract(n, type, sk);
	unix_name_put(n);
	if (!err && (*sk)->type != type) {
		sock_put(*sk);
		err = -EPROTOTYPE;
	}
	return err;
}

/* sk->lock held. */
static int bind_path(struct unix_sock *u, struct unix_name *n)
{
	int err = path_mknod(AT_FDCWD, n->addr.path, TYPE_SOCK | 0777, 0,
			     &u->path);

	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	u->has_path = true;
	table_lock();
	u->path.dentry->inode->sock = &u->sk;
	n->owner = &u->sk;
	atomic_store_release(&u->name, n);
	mutex_unlock(&table.lock);
	return 0;
}

static int bind_abstract(struct unix_sock *u, struct unix_name *n)
{
	int err = 0;

	table_lock();
	if (table_find(n, u->sk.type)) {
		err = -EADDRINUSE;
	} else {
		n->owner = &u->sk;
		list_append(&table.buckets[n->hash % BUCKETS], &n->node);
		atomic_store_release(&u->name, n);
	}
	mutex_unlock(&table.lock);
	return err;
}

int unix_autobind(struct sock *sk, bool only_passcred)
{
	struct unix_sock *u = unix_of(sk);
	struct unix_name *n = NULL;
	struct sock_addr a;
	int err = 0;

	if (only_passcred && !(atomic_load(&sk->flags) & SF_PASS))
		return 0;
	if (atomic_load_acquire(&u->name))
		return 0;
	mutex_lock(&sk->lock);
	for (u32 tries = 0; !u->name && tries < 0x100000; tries++) {
		u32 nr = atomic_fetch_add(&table.next_auto, 1) & 0xfffff;

		a.family = AF_UNIX;
		a.un.path[0] = 0;
		fmt_format(a.un.path + 1, 6, "%05x", nr);
		a.len = FAMILY_LEN + 6;
		err = name_new(&a, &n);
		if (!err)
			err = bind_abstract(u, n);
		if (err && n)
			unix_name_put(n);
		if (err != -EADDRINUSE)
			break;
	}
	mutex_unlock(&sk->lock);
	return err == -EADDRINUSE ? -ENOSPC : err;
}

int unix_bind(struct sock *sk, const struct sock_addr *a)
{
	struct unix_sock *u = unix_of(sk);
	struct unix_name *n;
	int err;

	if (a->len == FAMILY_LEN && a->family == AF_UNIX)
		return unix_autobind(sk, false);
	err = name_new(a, &n);
	if (err)
		return err;
	mutex_lock(&sk->lock);
	if (u->name)
		err = -EINVAL;
	else if (n->addr.path[0])
		err = bind_path(u, n);
	else
		err = bind_abstract(u, n);
	mutex_unlock(&sk->lock);
	if (err)
		unix_name_put(n);
	return err;
}

int unix_name_get_addr(struct sock *sk, bool peer, struct sock_addr *a)
{
	struct unix_name *n;

	mutex_lock(&sk->lock);
	if (peer && !sk->peer) {
		mutex_unlock(&sk->lock);
		return -ENOTCONN;
	}
	n = atomic_load_acquire(&unix_of(peer ? sk->peer : sk)->name);
	unix_name_addr(n, a);
	mutex_unlock(&sk->lock);
	return 0;
}

void unix_enlist(struct unix_sock *u)
{
	table_lock();
	list_append(&table.all, &u->all_node);
	mutex_unlock(&table.lock);
}

void unix_unname(struct unix_sock *u)
{
	table_lock();
	list_del(&u->all_node);
	if (u->name && u->name->owner == &u->sk)
		list_del(&u->name->node);
	if (u->has_path && u->path.dentry->inode->sock == &u->sk)
		u->path.dentry->inode->sock = NULL;
	mutex_unlock(&table.lock);
	if (u->has_path)
		path_put(&u->path);
	u->has_path = false;
}

static void show_one(struct fmt_buf *out, const struct unix_sock *u)
{
	const struct sock *sk = &u->sk;
	const struct unix_name *n = u->name;
	u32 st = sk->state == SS_CONNECTED ? 3 : 1;

	fmt_buf_add(out, "%016lx: %08X %08X %08X %04X %02X %5lu", (u64)sk,
		    atomic_load(&sk->ref.count), 0,
		    sk->state == SS_LISTEN ? 0x10000 : 0, sk->type, st,
		    sk->ino);
	if (n) {
		u32 len = n->len - FAMILY_LEN;

		fmt_buf_put(out, " ", 1);
		if (n->addr.path[0])
			fmt_buf_put(out, n->addr.path, len - 1);
		for (u32 i = 0; !n->addr.path[0] && i < len; i++)
			fmt_buf_put(out,
				    n->addr.path[i] ? &n->addr.path[i] : "@",
				    1);
	}
	fmt_buf_put(out, "\n", 1);
}

void unix_walk(void (*fn)(void *arg, struct unix_sock *u), void *arg)
{
	struct unix_sock *u;

	table_lock();
	list_for_each (u, &table.all, all_node)
		fn(arg, u);
	mutex_unlock(&table.lock);
}

void unix_show(struct fmt_buf *out)
{
	struct unix_sock *u;

	fmt_buf_add(out, "Num       RefCount Protocol Flags    Type St "
			 "Inode Path\n");
	table_lock();
	list_for_each (u, &table.all, all_node)
		show_one(out, u);
	mutex_unlock(&table.lock);
}
