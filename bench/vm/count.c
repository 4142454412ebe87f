/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin of QEMU's emulator: counts the instructions that a guest executes,
 * for each translated block, in a file that others map. Argument: counts=PATH.
 * The few functions of the plugin interface (version 1) are declared here, as
 * distributions do not ship its header. For guests of one processor.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define BLOCKS_MAX (1u << 20)

struct qemu_plugin_tb;
enum { INLINE_ADD_U64 };
typedef void (*translated_fn)(uint64_t id, struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn fn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					      void *at, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

/* The file: little-endian words. */
static struct counts {
	uint64_t instructions, nblocks;
	struct {
		uint64_t address, instructions; /* executed so far */
	} blocks[BLOCKS_MAX];
} * counts;

EXPORT int qemu_plugin_version = 1;

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	uint64_t n = qemu_plugin_tb_n_insns(tb), at = counts->nblocks;

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64,
						 &counts->instructions, n);
	if (at == BLOCKS_MAX)
		return;
	counts->blocks[at].address = qemu_plugin_tb_vaddr(tb);
	qemu_plugin_register_vcpu_tb_exec_inline(
		tb, INLINE_ADD_U64, &counts->blocks[at].instructions, n);
	counts->nblocks = at + 1;
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc,
			       char **argv)
{
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "counts=", 7) != 0)
		return -1;
	fd = open(argv[0] + 7, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*counts)))
		return -1;
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	close(fd);
	if (counts == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
