/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces as the program sees them: areas sorted by address over the
 * platform's mappings. An mm may be shared by processes (CLONE_VM, vfork).
 * All calls that change mappings act on the current thread's mm.
 */
#ifndef JIFFY_KERNEL_MM_MM_H
#define JIFFY_KERNEL_MM_MM_H

#include "kernel/mm/object.h"
#include "kernel/proc/lock.h"
#include "lib/list.h"
#include "lib/rbtree.h"

struct file;
struct process;
struct thread;

enum area_flags {
	AREA_READ = 1, /* same bits as PROT_* and enum plat_prot */
	AREA_WRITE = 2,
	AREA_EXEC = 4,
	AREA_SHARED = 1 << 4,
	AREA_GROWSDOWN = 1 << 5,
	AREA_STACK = 1 << 6,
	AREA_HEAP = 1 << 7, /* brk */
	AREA_VDSO = 1 << 8,
	AREA_LOCKED = 1 << 9,
	AREA_DONTFORK = 1 << 10,
	AREA_WIPEONFORK = 1 << 11,
	AREA_NORESERVE = 1 << 12,
	AREA_SHM = 1 << 13,	/* SysV attach */
	AREA_PATCHED = 1 << 14, /* text with patched sites */
	AREA_CLEAN = 1 << 15,	/* see area_is_tracked() */
	AREA_DONTDUMP = 1 << 16,
};
#define AREA_PROT (AREA_READ | AREA_WRITE | AREA_EXEC)
#define MM_AREAS_MAX 65530	       /* Linux's vm.max_map_count */
#define MM_STACK_GAP (256 * PAGE_SIZE) /* kept free below a growing stack */

struct area {
	struct rb_node node;
	uaddr_t start, end;
	u32 flags;	       /* enum area_flags */
	u32 max_prot;	       /* PROT_* bits mprotect may set */
	struct object *object; /* NULL: anonymous private; reference held */
	u64 offset;	       /* in the object, of start */
	uaddr_t backed_end; /* of an object's area: what lies past it is a hole
			     * (the object ends before the area does) */
	struct file *file;  /* for /proc/maps, or NULL; reference held */
	struct mm *mm;
	struct list object_node;       /* in object->mappings */
	void (*close)(struct area *a); /* SysV detach, or NULL */
	void (*open)(struct area *a);  /* area was duplicated (fork, split) */
	void *private_data;
};

struct mm {
	struct ref ref; /* one per process */
	struct plat_space *space;
	struct mutex lock; /* areas and everything below */
	struct rb_root areas;
	u32 nareas;
	struct area *last_found; /* cache */
	u64 total_pages;	 /* of all areas: VmSize */
	u64 data_pages;		 /* private, writable, not stack: RLIMIT_DATA */
	u64 locked_pages;
	u32 default_flags; /* AREA_LOCKED after mlockall(MCL_FUTURE) */
	bool lock_onfault; /* ... but pages come in when they are used */
	uaddr_t mmap_top;  /* areas are placed downwards from here */
	uaddr_t gap_top;   /* gaps above it are ... */
	u64 gap_max;	   /* ... at most so long: where to search next */
	uaddr_t brk_start, brk;
	uaddr_t stack_top;
	u64 stack_limit;
	struct list threads_hint; /* unused on `process` */
	u64 peak_rss;
	nsec_t measured_at;    /* monotonic: mm_measure() */
	u32 looked_at_image;   /* since mm_rest() last forgot it ... */
	nsec_t rested_at;      /* ... at this time (monotonic) */
	uaddr_t retry_address; /* the last fault that had no visible cause, */
	nsec_t retried_since;  /* when it was the first such, (monotonic) */
	u32 nretries;	       /* and how often since */
	u64 generation; /* of the instance, when its memory was its own */
	struct patch_state *patches; /* cpu/patch.c: stubs of this space */
	struct mm *fork_parent; /* locked until the copy is made: mm_fork() */
};

/* A new, empty mm bound to no space yet; NULL: no memory. */
struct mm *mm_new(void);
void mm_get(struct mm *mm);
/* The last put drops areas' references; the space must be gone or current. */
void mm_put(struct mm *mm);
/* A copy of the current mm's areas for fork; the platform copies the pages (and
 * wipes or leaves out what the program asked for: it was told by plat_advise).
 * The current mm stays locked, so that areas and pages agree, until the child
 * runs mm_fork_finish() or the copy is put. */
int mm_fork(struct mm **child);
/* Child side of fork, running in the new space. */
void mm_fork_finish(struct mm *mm);
/* Unmap everything of the current space (exec) and choose where areas go. */
void mm_reset(struct mm *mm);
/* The program's stack, [top - limit, top), mapped whole with Linux's guard gap
 * below (untouched memory costs nothing); sets stack_top and stack_limit. */
int mm_map_stack(uaddr_t top, u64 limit, bool is_exec);
/* Bring peak_rss up to date where that is worth its price, a message to the
 * outside: in spaces that may be big, and not too often. */
void mm_measure(struct mm *mm);
/* The current process's address space. */
struct mm *mm_current(void);

/* The current thread is about to sleep: now and then, the space lets go of what
 * looking at the image left in its page tables. */
void mm_rest_slow(struct mm *mm);
static inline void mm_rest(struct mm *mm)
{
	if (mm && unlikely(atomic_load(&mm->looked_at_image)))
		mm_rest_slow(mm);
}
/* mm: the one that looks; NULL for threads of the kernel. */
static inline void mm_look_at_image(struct mm *mm)
{
	if (mm && !atomic_load(&mm->looked_at_image))
		atomic_store(&mm->looked_at_image, 1);
}

struct map_request {
	uaddr_t addr; /* hint, or exact with MAP_FIXED */
	u64 len;
	int prot;	   /* PROT_* */
	int flags;	   /* MAP_* of mmap(2) */
	struct file *file; /* NULL: anonymous */
	u64 offset;
	u32 area_flags;	       /* extra enum area_flags */
	u32 deny_prot;	       /* PROT_* bits mprotect may not set later */
	struct object *object; /* instead of file: map this object */
	void (*close)(struct area *a);
	void (*open)(struct area *a);
	void *private_data;
};
/* mmap(): the address, or -errno with Linux's rules. */
s64 mm_map(const struct map_request *req);
int mm_unmap(uaddr_t addr, u64 len);
int mm_protect(uaddr_t addr, u64 len, int prot);
s64 mm_remap(uaddr_t old, u64 old_len, u64 new_len, int flags, uaddr_t new);
/* Show another part of a shared object in the page-aligned range. */
int mm_remap_file(uaddr_t start, u64 len, u64 pgoff, int flags);
uaddr_t mm_brk(uaddr_t brk);
int mm_advise(uaddr_t addr, u64 len, int advice);
int mm_sync(uaddr_t addr, u64 len, int flags);
int mm_resident(uaddr_t addr, u64 len, uaddr_t vec);
/* mlock and munlock of a range / of everything (flags MCL_*, 0: unlock). */
int mm_lock(uaddr_t addr, u64 len, bool lock);
/* Bring the pages of a range in, as for use: -ENOMEM if one cannot be. */
int mm_populate(uaddr_t addr, u64 len);
int mm_lock_all(int flags);
/* The range is mapped without holes: 0, -ENOMEM. */
int mm_check_range(uaddr_t addr, u64 len);
/* Unmap the SysV attachment that starts at addr: its private_data decides
 * where it ends. 0, -EINVAL. */
int mm_detach_shm(uaddr_t addr);

/* Area holding addr, or the next above it; mm->lock held. */
struct area *mm_area_at(struct mm *mm, uaddr_t addr);
struct area *mm_area_next(struct area *a);

/* The program faulted: true if the kernel repaired it (stack growth, a file
 * that has grown), false with *code and *sig set to what to deliver. */
struct plat_fault;
bool mm_fault(const struct plat_fault *fault, int *sig, int *code);

/* The host refused to write to these ranges of the program for us: true if that
 * was only because their areas were clean; they no longer are. */
struct plat_iovec;
bool mm_expect_writes(const struct plat_iovec *iov, int n);
/* The same after it refused to read them. No lock held. */
bool mm_expect_reads(const struct plat_iovec *iov, int n);

/* Run op in every space that maps the object (truncate): see mm/remote.c. */
void mm_object_shrunk(struct object *o, u64 new_size);
/* Called in a thread with WORK_REMOTE, in any context. */
void mm_run_remote(struct thread *t);
/* Have a thread of another space read its memory at addr into buf, write it, or
 * say which of len pages are resident (a byte each). How many bytes (pages),
 * 0: a bad address; -EIO: no thread of it came by in 50 ms, -ESRCH. No lock
 * held. */
enum mm_remote { MM_REMOTE_READ, MM_REMOTE_WRITE, MM_REMOTE_RESIDENT };
#define MM_REMOTE_MAX 4096U
int mm_remote(struct mm *mm, enum mm_remote kind, uaddr_t addr, void *buf,
	      u32 len);

/* Key of a futex word: same for all who see the same memory. */
struct futex_key {
	u64 a; /* mm or object */
	u64 b; /* address or offset */
};
/* is_private: FUTEX_PRIVATE_FLAG. 0, -EFAULT, -EINVAL (alignment). */
int mm_futex_key(uaddr_t addr, bool is_private, struct futex_key *key);

/* For /proc/PID/maps, smaps, statm. */
struct mm_usage {
	u64 size, rss, shared, text, data, stack, locked; /* bytes */
};
void mm_usage(struct mm *mm, struct mm_usage *u);

#endif
