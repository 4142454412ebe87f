/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of names in indexed directories: three functions, each for names of
 * signed and of unsigned characters.
 */
#include "kernel/fs/ext4/ext4.h"
#include "kernel/kernel.h"

#define HASH_LAST 0xfffffffeU /* means the end: no name may have it */

static u32 rotate(u32 x, u32 by)
{
	return x << by | x >> (32 - by);
}

static u32 character(const char *s, bool is_unsigned)
{
	return is_unsigned ? (u8)*s : (u32)(s32)(s8)*s;
}

/* The old hash of ext3's beginnings. */
static u32 hash_legacy(const char *name, u32 len, bool is_unsigned)
{
	u32 hash, hash0 = 0x12a3fe2d, hash1 = 0x37abe8f9;

	for (; len; len--, name++) {
		hash = hash1 +
		       (hash0 ^ character(name, is_unsigned) * 7152373U);
		if (hash & 0x80000000U)
			hash -= 0x7fffffff;
		hash1 = hash0;
		hash0 = hash;
	}
	return hash0 << 1;
}

/* Up to n words of a name, big end first, padded with its length. */
static void words(const char *name, u32 len, u32 *in, u32 n, bool is_unsigned)
{
	u32 pad = len | len << 8, value, k = 0;

	pad |= pad << 16;
	value = pad;
	len = MIN(len, n * 4);
	for (u32 i = 0; i < len; i++) {
		value = character(name + i, is_unsigned) + (value << 8);
		if (i % 4 == 3) {
			in[k++] = value;
			value = pad;
		}
	}
	if (k < n)
		in[k++] = value;
	while (k < n)
		in[k++] = pad;
}

/* --- Half of MD4 ---------------------------------------------------------- */

static u32 choose(u32 x, u32 y, u32 z)
{
	return z ^ (x & (y ^ z));
}

static u32 majority(u32 x, u32 y, u32 z)
{
	return (x & y) + ((x ^ y) & z);
}

static u32 parity(u32 x, u32 y, u32 z)
{
	return x ^ y ^ z;
}

struct md4_round {
	u32 (*f)(u32 x, u32 y, u32 z);
	u32 constant;
	u8 order[8];
	u8 shift[4];
};
static const struct md4_round md4_rounds[] = {
	{ choose, 0, { 0, 1, 2, 3, 4, 5, 6, 7 }, { 3, 7, 11, 19 } },
	{ majority, 0x5a827999, { 1, 3, 5, 7, 0, 2, 4, 6 }, { 3, 5, 9, 13 } },
	{ parity, 0x6ed9eba1, { 3, 7, 2, 6, 1, 5, 0, 4 }, { 3, 9, 11, 15 } },
};

static void half_md4(u32 state[4], const u32 in[8])
{
	u32 s[4] = { state[0], state[1], state[2], state[3] };

	for (u32 r = 0; r < ARRAY_SIZE(md4_rounds); r++) {
		const struct md4_round *round = &md4_rounds[r];

		for (u32 k = 0; k < 8; k++) {
			/* a, d, c, b take turns. */
			u32 *a = &s[(4 - k % 4) % 4];
			u32 b = s[(5 - k % 4) % 4], c = s[(6 - k % 4) % 4];
			u32 d = s[(7 - k % 4) % 4];

			*a += round->f(b, c, d) + in[round->order[k]] +
			      round->constant;
			*a = rotate(*a, round->shift[k % 4]);
		}
	}
	for (u32 k = 0; k < 4; k++)
		state[k] += s[k];
}

/* --- TEA ------------------------------------------------------------------ */

static void tea(u32 state[4], const u32 in[4])
{
	u32 sum = 0, x = state[0], y = state[1];

	for (u32 k = 0; k < 16; k++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + in[0]) ^ (y + sum) ^ ((y >> 5) + in[1]);
		y += ((x << 4) + in[2]) ^ (x + sum) ^ ((x >> 5) + in[3]);
	}
	state[0] += x;
	state[1] += y;
}

/* --- Choice --------------------------------------------------------------- */

u32 ext4_hash_version(const struct ext4_sb *sb, u32 version)
{
	if (version <= EXT4_HASH_TEA && sb->is_hash_unsigned)
		version += EXT4_HASH_LEGACY_UNSIGNED;
	return version;
}

int ext4_name_hash(u32 version, const u32 seed[4], const char *name, u32 len,
		   struct ext4_hash *hash)
{
	u32 state[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	bool is_unsigned = version >= EXT4_HASH_LEGACY_UNSIGNED;
	u32 in[8];

	if (seed[0] | seed[1] | seed[2] | seed[3])
		memcpy(state, seed, sizeof(state));
	hash->minor = 0;
	switch (version) {
	case EXT4_HASH_LEGACY:
	case EXT4_HASH_LEGACY_UNSIGNED:
		hash->major = hash_legacy(name, len, is_unsigned);
		break;
	case EXT4_HASH_HALF_MD4:
	case EXT4_HASH_HALF_MD4_UNSIGNED:
		for (u32 at = 0; at < len; at += 32) {
			words(name + at, len - at, in, 8, is_unsigned);
			half_md4(state, in);
		}
		hash->major = state[1];
		hash->minor = state[2];
		break;
	case EXT4_HASH_TEA:
	case EXT4_HASH_TEA_UNSIGNED:
		for (u32 at = 0; at < len; at += 16) {
			words(name + at, len - at, in, 4, is_unsigned);
			tea(state, in);
		}
		hash->major = state[0];
		hash->minor = state[1];
		break;
	default:
		return -EINVAL;
	}
	hash->major &= ~1U;
	if (hash->major == HASH_LAST)
		hash->major -= 2;
	return 0;
}
