/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is /dev/kvm what it seems? Some hosts have one that interprets the guest's
 * kernel, a thousand times slower than the processor. So a loop is run, and its
 * time looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cleanup.h"
#include "monitor/machine.h"

/* In real mode: mov $5000, %cx; loop .; hlt. A processor needs microseconds. */
static const uint8_t code[] = { 0xb9, 0x88, 0x13, 0xe2, 0xfe, 0xf4 };
#define CODE_AT 0x1000
#define TOO_LONG_NS 3000000ULL

static bool set_registers(int cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE_AT, .rflags = 2 };

	if (ioctl(cpu, KVM_GET_SREGS, &sregs))
		return false;
	sregs.cs.base = sregs.cs.selector = 0;
	return ioctl(cpu, KVM_SET_SREGS, &sregs) == 0 &&
	       ioctl(cpu, KVM_SET_REGS, &regs) == 0;
}

/* True if it came to the hlt in time. */
static bool runs(int kvm, int cpu)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run;
	uint64_t from, first = UINT64_MAX;
	bool ok = true;

	if (size < (int)sizeof(*run))
		return false;
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu,
		   0);
	if (run == MAP_FAILED)
		return false;
	/* The second time nothing is made any more. */
	for (int i = 0; i < 2 && ok; i++) {
		from = clock_now_ns();
		ok = set_registers(cpu) && ioctl(cpu, KVM_RUN, 0) == 0 &&
		     run->exit_reason == KVM_EXIT_HLT;
		first = clock_now_ns() - from;
	}
	munmap(run, (size_t)size);
	return ok && first < TOO_LONG_NS;
}

static bool probe(int kvm)
{
	cleanup_close int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	cleanup_close int cpu = -1;
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = CODE_AT, .memory_size = 4096
	};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool ok;

	if (vm < 0 || page == MAP_FAILED)
		return false;
	memcpy(page, code, sizeof(code));
	region.userspace_addr = (uintptr_t)page;
	ok = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
	cpu = ok ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
	ok = cpu >= 0 && runs(kvm, cpu);
	munmap(page, 4096);
	return ok;
}

/* May a process of that uid, with the file's group at most, open it? */
static bool may_open(int kvm, uid_t uid, gid_t *group)
{
	struct stat st;

	*group = (gid_t)-1;
	if (uid == (uid_t)-1) /* ours */
		return true;
	if (fstat(kvm, &st))
		return false;
	if ((st.st_mode & 0006) == 0006)
		return true;
	*group = st.st_gid;
	return (st.st_mode & 0060) == 0060 && st.st_gid != 0;
}

bool kvm_is_usable(uid_t uid, gid_t *group, const char **why)
{
	cleanup_close int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	*group = (gid_t)-1;
	*why = NULL;
	if (kvm < 0)
		*why = errno == ENOENT ? "no /dev/kvm"
				       : "/dev/kvm may not be opened";
	else if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		*why = "/dev/kvm has another version";
	else if (!may_open(kvm, uid, group))
		*why = "/dev/kvm is for root alone";
	else if (!probe(kvm))
		*why = "/dev/kvm does not run code at the processor's speed";
	return !*why;
}
