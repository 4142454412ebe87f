/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/generation. Reading gives a line of text, "COUNTER ID"; poll() has
 * POLLPRI if the counter has changed since the file was opened or last read
 * from its start; the first page can be mapped, read-only, so that a look costs
 * no system call.
 */
#include "kernel/dev/generation.h"

#include "kernel/dev/random.h"
#include "kernel/kernel.h"
#include "kernel/linux/mman.h"
#include "kernel/mm/mm.h"
#include "kernel/vfs/file.h"

#define TEXT_MAX 64

static struct {
	u8 id[GENERATION_ID_SIZE];
	struct mutex lock;
	struct object *object;	      /* made for the first mapping */
	struct generation_page *page; /* where it is for the kernel */
	struct waitq changed;
} generation;

void generation_init(void)
{
	kernel.generation = 1;
	random_bytes(generation.id, sizeof(generation.id));
	waitq_init(&generation.changed);
}

static void fill_page(struct generation_page *p)
{
	p->counter = kernel.generation;
	memcpy(p->id, generation.id, sizeof(p->id));
}

/* Nobody else runs. */
void generation_change(const u8 id[GENERATION_ID_SIZE])
{
	memcpy(generation.id, id, sizeof(generation.id));
	kernel.generation++;
	if (generation.page)
		fill_page(generation.page);
}

void generation_tell(void)
{
	waitq_wake_events(&generation.changed, EV_PRI, ~0U);
}

static u32 make_text(char *buf)
{
	u32 n = (u32)fmt_format(buf, TEXT_MAX, "%lu ", kernel.generation);

	for (int i = 0; i < GENERATION_ID_SIZE; i++)
		n += (u32)fmt_format(buf + n, TEXT_MAX - n, "%02x",
				     generation.id[i]);
	n += (u32)fmt_format(buf + n, TEXT_MAX - n, "\n");
	return n;
}

static s64 generation_read(struct file *f, struct uio *u, u64 *pos)
{
	u64 seen = kernel.generation;
	char text[TEXT_MAX];
	u32 len = make_text(text);
	s64 n;

	if (*pos >= len)
		return 0;
	n = uio_put(u, text + *pos, MIN(u->left, len - *pos));
	if (n < 0)
		return n;
	if (*pos == 0)
		f->data = (void *)(uintptr_t)seen;
	*pos += (u64)n;
	return n;
}

static u32 generation_poll(struct file *f, struct poll_table *pt)
{
	bool is_new;

	poll_wait(pt, &generation.changed);
	is_new = kernel.generation != (u64)(uintptr_t)f->data;
	return EV_IN | EV_RDNORM | (is_new ? EV_PRI : 0);
}

static int make_object(void)
{
	struct object *o;
	u64 run;
	int err = object_new_cache(PAGE_SIZE, &o);

	if (err)
		return err;
	generation.page = object_address(o, 0, &run);
	if (!generation.page) {
		object_put(o);
		return -ENOMEM;
	}
	object_mark(o, 0, PAGE_SIZE, true);
	fill_page(generation.page);
	generation.object = o;
	return 0;
}

static int generation_mmap(UNUSED struct file *f, struct map_request *req)
{
	int err = 0;

	if (req->prot & PROT_WRITE)
		return -EACCES;
	req->deny_prot |= PROT_WRITE;
	mutex_lock(&generation.lock);
	if (!generation.object)
		err = make_object();
	mutex_unlock(&generation.lock);
	req->object = generation.object;
	return err;
}

static const struct file_ops generation_fops = {
	.name = "generation",
	.read = generation_read,
	.lseek = file_seek_endless,
	.poll = generation_poll,
	.mmap = generation_mmap,
	.no_splice = true,
};

int generation_open(struct file *f)
{
	f->ops = &generation_fops;
	f->data = (void *)(uintptr_t)kernel.generation;
	return 0;
}
