/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/cpuinfo from the processor's own words (CPUID).
 */
#include "kernel/cpu/cpuid.h"

#include "kernel/fs/procfs_int.h"

struct cpu_identity {
	char vendor[13];
	char model_name[49];
	u32 family, model, stepping;
	u32 clflush_size, physical_bits, virtual_bits;
	u32 mhz;     /* 0: the processor does not say */
	u32 word[6]; /* see enum */
};

enum { /* which register of which leaf holds a group of flags */
       WORD_1D,
       WORD_1C,
       WORD_80000001D,
       WORD_80000001C,
       WORD_7B,
       WORD_7C,
};

struct flag {
	u8 word, bit;
	const char *name;
};

/* In Linux's order within a word. */
/* clang-format off */
static const struct flag flags[] = {
	{ WORD_1D, 0, "fpu" }, { WORD_1D, 1, "vme" }, { WORD_1D, 2, "de" },
	{ WORD_1D, 3, "pse" }, { WORD_1D, 4, "tsc" }, { WORD_1D, 5, "msr" },
	{ WORD_1D, 6, "pae" }, { WORD_1D, 7, "mce" }, { WORD_1D, 8, "cx8" },
	{ WORD_1D, 9, "apic" }, { WORD_1D, 11, "sep" },
	{ WORD_1D, 12, "mtrr" }, { WORD_1D, 13, "pge" },
	{ WORD_1D, 14, "mca" }, { WORD_1D, 15, "cmov" },
	{ WORD_1D, 16, "pat" }, { WORD_1D, 17, "pse36" },
	{ WORD_1D, 19, "clflush" }, { WORD_1D, 23, "mmx" },
	{ WORD_1D, 24, "fxsr" }, { WORD_1D, 25, "sse" },
	{ WORD_1D, 26, "sse2" }, { WORD_1D, 27, "ss" },
	{ WORD_1D, 28, "ht" },
	{ WORD_80000001D, 11, "syscall" }, { WORD_80000001D, 20, "nx" },
	{ WORD_80000001D, 22, "mmxext" },
	{ WORD_80000001D, 25, "fxsr_opt" },
	{ WORD_80000001D, 26, "pdpe1gb" }, { WORD_80000001D, 27, "rdtscp" },
	{ WORD_80000001D, 29, "lm" },
	{ WORD_1C, 0, "pni" }, { WORD_1C, 1, "pclmulqdq" },
	{ WORD_1C, 9, "ssse3" }, { WORD_1C, 12, "fma" },
	{ WORD_1C, 13, "cx16" }, { WORD_1C, 17, "pcid" },
	{ WORD_1C, 19, "sse4_1" }, { WORD_1C, 20, "sse4_2" },
	{ WORD_1C, 21, "x2apic" }, { WORD_1C, 22, "movbe" },
	{ WORD_1C, 23, "popcnt" }, { WORD_1C, 25, "aes" },
	{ WORD_1C, 26, "xsave" }, { WORD_1C, 28, "avx" },
	{ WORD_1C, 29, "f16c" }, { WORD_1C, 30, "rdrand" },
	{ WORD_1C, 31, "hypervisor" },
	{ WORD_80000001C, 0, "lahf_lm" }, { WORD_80000001C, 5, "abm" },
	{ WORD_80000001C, 6, "sse4a" },
	{ WORD_80000001C, 7, "misalignsse" },
	{ WORD_80000001C, 8, "3dnowprefetch" },
	{ WORD_7B, 0, "fsgsbase" }, { WORD_7B, 3, "bmi1" },
	{ WORD_7B, 5, "avx2" }, { WORD_7B, 7, "smep" },
	{ WORD_7B, 8, "bmi2" }, { WORD_7B, 9, "erms" },
	{ WORD_7B, 10, "invpcid" }, { WORD_7B, 16, "avx512f" },
	{ WORD_7B, 17, "avx512dq" }, { WORD_7B, 18, "rdseed" },
	{ WORD_7B, 19, "adx" }, { WORD_7B, 20, "smap" },
	{ WORD_7B, 21, "avx512ifma" }, { WORD_7B, 23, "clflushopt" },
	{ WORD_7B, 24, "clwb" }, { WORD_7B, 28, "avx512cd" },
	{ WORD_7B, 29, "sha_ni" }, { WORD_7B, 30, "avx512bw" },
	{ WORD_7B, 31, "avx512vl" },
	{ WORD_7C, 1, "avx512vbmi" }, { WORD_7C, 2, "umip" },
	{ WORD_7C, 3, "pku" }, { WORD_7C, 4, "ospke" },
	{ WORD_7C, 6, "avx512_vbmi2" }, { WORD_7C, 8, "gfni" },
	{ WORD_7C, 9, "vaes" }, { WORD_7C, 10, "vpclmulqdq" },
	{ WORD_7C, 11, "avx512_vnni" }, { WORD_7C, 12, "avx512_bitalg" },
	{ WORD_7C, 14, "avx512_vpopcntdq" },
	{ WORD_7C, 22, "rdpid" },
};
/* clang-format on */

static void read_model(struct cpu_identity *id)
{
	u32 a, b, c, d, family;

	__cpuid(1, a, b, c, d);
	id->stepping = a & 15;
	family = (a >> 8) & 15;
	id->family = family == 15 ? family + ((a >> 20) & 255) : family;
	id->model = (a >> 4) & 15;
	if (family == 6 || family == 15)
		id->model |= ((a >> 16) & 15) << 4;
	id->clflush_size = ((b >> 8) & 255) * 8;
	id->word[WORD_1C] = c;
	id->word[WORD_1D] = d;
}

static void read_name(struct cpu_identity *id)
{
	u32 words[12];

	memset(words, 0, sizeof(words));
	for (u32 i = 0; i < 3; i++)
		__cpuid(0x80000002 + i, words[i * 4], words[i * 4 + 1],
			words[i * 4 + 2], words[i * 4 + 3]);
	memcpy(id->model_name, words, sizeof(words));
	id->model_name[48] = '\0';
}

static void read_identity(struct cpu_identity *id)
{
	u32 a, b, c, d, max, max_extended;

	memset(id, 0, sizeof(*id));
	__cpuid(0, max, b, c, d);
	memcpy(id->vendor, &b, 4);
	memcpy(id->vendor + 4, &d, 4);
	memcpy(id->vendor + 8, &c, 4);
	read_model(id);
	if (max >= 7) {
		__cpuid_count(7, 0, a, b, c, d);
		id->word[WORD_7B] = b;
		id->word[WORD_7C] = c;
	}
	if (max >= 0x16) {
		__cpuid(0x16, a, b, c, d);
		id->mhz = a & 0xffff;
	}
	__cpuid(0x80000000, max_extended, b, c, d);
	if (max_extended >= 0x80000001) {
		__cpuid(0x80000001, a, b, c, d);
		id->word[WORD_80000001C] = c;
		id->word[WORD_80000001D] = d;
	}
	if (max_extended >= 0x80000004)
		read_name(id);
	if (max_extended >= 0x80000008) {
		__cpuid(0x80000008, a, b, c, d);
		id->physical_bits = a & 255;
		id->virtual_bits = 48; /* LA57 is not used here */
	}
}

static void put_flags(struct fmt_buf *out, const struct cpu_identity *id)
{
	fmt_buf_add(out, "flags\t\t:");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (id->word[flags[i].word] >> flags[i].bit & 1)
			fmt_buf_add(out, " %s", flags[i].name);
	fmt_buf_add(out, "\n");
}

static void put_cpu(struct fmt_buf *out, const struct cpu_identity *id, u32 n)
{
	fmt_buf_add(out, "processor\t: %u\nvendor_id\t: %s\n", n, id->vendor);
	fmt_buf_add(out, "cpu family\t: %u\nmodel\t\t: %u\n", id->family,
		    id->model);
	fmt_buf_add(out, "model name\t: %s\nstepping\t: %u\n",
		    id->model_name[0] ? id->model_name : "unknown",
		    id->stepping);
	fmt_buf_add(out, "cpu MHz\t\t: %u.000\n", id->mhz);
	fmt_buf_add(out, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\n",
		    kernel.ncpus, n);
	fmt_buf_add(out,
		    "cpu cores\t: %u\napicid\t\t: %u\n"
		    "initial apicid\t: %u\n",
		    kernel.ncpus, n, n);
	fmt_buf_add(out, "fpu\t\t: yes\nfpu_exception\t: yes\n"
			 "cpuid level\t: 13\nwp\t\t: yes\n");
	put_flags(out, id);
	fmt_buf_add(out, "bugs\t\t:\nbogomips\t: %u.00\n", id->mhz * 2);
	fmt_buf_add(out, "clflush size\t: %u\ncache_alignment\t: %u\n",
		    id->clflush_size, id->clflush_size);
	fmt_buf_add(out,
		    "address sizes\t: %u bits physical, %u bits virtual\n"
		    "power management:\n\n",
		    id->physical_bits, id->virtual_bits);
}

int procfs_show_cpuinfo(struct fmt_buf *out, UNUSED const struct pseudo_node *n)
{
	struct cpu_identity id;

	read_identity(&id);
	for (u32 i = 0; i < kernel.ncpus && !out->is_cut; i++)
		put_cpu(out, &id, i);
	return 0;
}
