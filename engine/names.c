/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance names: checking and making up.
 */
#include "engine/names.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/compiler.h"

/* clang-format off */
static const char *const adjectives[] = {
	"able", "agile", "amber", "bold", "brave", "bright", "brisk", "calm",
	"clear", "clever", "cosy", "crisp", "deft", "eager", "early", "fair",
	"fleet", "fresh", "gentle", "glad", "golden", "grand", "green", "handy",
	"happy", "honest", "jolly", "keen", "kind", "light", "lively", "lucky",
	"mellow", "merry", "mild", "neat", "nimble", "noble", "patient",
	"plain", "prompt", "proud", "quick", "quiet", "rapid", "ready", "rosy",
	"sharp", "silent", "silver", "smart", "snug", "solid", "spry", "steady",
	"sunny", "swift", "tidy", "vivid", "warm", "wise", "witty", "young",
	"zesty",
};

static const char *const nouns[] = {
	"badger", "beaver", "bee", "bison", "cedar", "crane", "cricket",
	"curlew", "dolphin", "dove", "eagle", "elk", "falcon", "fern", "finch",
	"firefly", "fox", "gecko", "hare", "hawk", "hazel", "heron", "ibex",
	"ibis", "jay", "kestrel", "kite", "lark", "linnet", "lynx", "magpie",
	"maple", "marten", "mole", "moth", "newt", "oak", "orca", "osprey",
	"otter", "owl", "panda", "petrel", "pine", "plover", "puffin", "quail",
	"raven", "robin", "rowan", "salmon", "seal", "shrew", "sparrow",
	"squid", "stork", "swallow", "swan", "swift", "tern", "thrush",
	"trout", "willow", "wren",
};
/* clang-format on */

int name_check(const char *name, struct err *e)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!strchr(first, name[i]) &&
		    (i == 0 || !strchr("_.-", name[i])))
			len = 0;
	if (!len || len > NAME_MAX_LEN)
		return err_set(e, EINVAL,
			       "'%.70s' is not a name (letters, digits, _ . -, "
			       "at most %d)",
			       name, NAME_MAX_LEN);
	return 0;
}

static void random_bytes(void *buf, size_t len)
{
	while (getrandom(buf, len, 0) != (ssize_t)len)
		;
}

void name_generate(char name[NAME_SIZE])
{
	uint16_t bytes[2];

	random_bytes(bytes, sizeof(bytes));
	snprintf(name, NAME_SIZE, "%s-%s",
		 adjectives[bytes[0] % ARRAY_SIZE(adjectives)],
		 nouns[bytes[1] % ARRAY_SIZE(nouns)]);
}

void id_generate(char id[ID_SIZE])
{
	uint64_t bytes;

	random_bytes(&bytes, sizeof(bytes));
	snprintf(id, ID_SIZE, "%012llx",
		 (unsigned long long)(bytes & 0xffffffffffff));
}
