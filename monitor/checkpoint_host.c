/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a checkpoint must find again when it is woken: the kernel's build, whose
 * addresses are in its memory, and a processor with all that its programs may
 * have found and its registers hold.
 */
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/compiler.h"
#include "monitor/checkpoint.h"

#define LEAF1_OSXSAVE (1u << 27)

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void checkpoint_processor(struct checkpoint_header *h)
{
	uint32_t *f = h->features, unused;

	memset(f, 0, sizeof(h->features));
	h->xcr0 = 0;
	/* EBX of leaf 1 has numbers that differ from processor to processor. */
	if (__get_cpuid(1, &unused, &unused, &f[0], &f[1]) &&
	    f[0] & LEAF1_OSXSAVE)
		h->xcr0 = read_xcr0();
	__get_cpuid_count(7, 0, &unused, &f[2], &f[3], &f[4]);
	__get_cpuid_count(7, 1, &f[5], &unused, &unused, &unused);
	__get_cpuid(0x80000001, &unused, &unused, &f[6], &unused);
	__get_cpuid_count(13, 1, &f[7], &unused, &unused, &unused);
}

/* The first 16 digits of "01234567-89ab-cdef-...". */
uint64_t checkpoint_boot(void)
{
	char text[64] = "";
	uint64_t boot = 0;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 19)
		text[0] = '\0';
	close(fd);
	for (int i = 0; i < 19 && text[i]; i++)
		if (text[i] != '-')
			boot = boot << 4 |
			       (uint64_t)(text[i] <= '9' ? text[i] - '0'
							 : text[i] - 'a' + 10);
	return boot;
}

/* The note in len bytes of notes. True if it is there. */
static bool find_note(const uint8_t *notes, size_t len, uint8_t id[32])
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		if (n.n_namesz > len || n.n_descsz > len)
			return false;
		desc = name + ROUND_UP((size_t)n.n_namesz, 4);
		if (desc > len || n.n_descsz > len - desc)
			return false;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0) {
			memcpy(id, notes + desc, MIN(n.n_descsz, 32));
			return true;
		}
		at = desc + ROUND_UP((size_t)n.n_descsz, 4);
		if (at > len)
			return false;
	}
	return false;
}

int checkpoint_build_id(int fd, uint8_t id[32], struct err *e)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint8_t notes[1024];

	memset(id, 0, 32);
	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(e, ENOEXEC, "the kernel is not an ELF file");
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		ssize_t n;

		if (pread(fd, &ph, sizeof(ph),
			  (off_t)(eh.e_phoff + i * sizeof(ph))) != sizeof(ph))
			break;
		if (ph.p_type != PT_NOTE)
			continue;
		n = pread(fd, notes, MIN(ph.p_filesz, sizeof(notes)),
			  (off_t)ph.p_offset);
		if (n > 0 && find_note(notes, (size_t)n, id))
			return 0;
	}
	return err_set(e, ENOEXEC, "the kernel has no build ID");
}
