/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands given as one string: a JSON array, or words quoted as in a shell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"
#include "host/json.h"
#include "host/xmalloc.h"
#include "image/build.h"

static int json_words(const char *text, struct strv *words, struct err *e)
{
	cleanup_free char *wrapped = xasprintf("{\"command\":%s}", text);
	cleanup_json json_t *obj = NULL;
	int r;

	r = json_parse("command", wrapped, strlen(wrapped), &obj, e);
	return r ? r : json_get_strv(obj, "", "command", words, e);
}

/* Copy one word from *text to out without its quotes. */
static int take_word(const char **text, char *out, struct err *e)
{
	const char *p = *text;
	char quote = 0;

	for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
		if (quote && *p == quote) {
			quote = 0;
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
		} else if (*p == '\\' && quote != '\'' && p[1]) {
			*out++ = *++p;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
	*text = p;
	if (quote)
		return err_set(e, EINVAL, "a %c without its partner", quote);
	return 0;
}

int build_words(const char *text, struct strv *words, struct err *e)
{
	cleanup_free char *word = xmalloc(strlen(text) + 1);
	int r;

	text += strspn(text, " \t\n");
	if (*text == '[')
		return json_words(text, words, e);
	while (*text) {
		r = take_word(&text, word, e);
		if (r < 0)
			return r;
		strv_add(words, word);
		text += strspn(text, " \t\n");
	}
	return 0;
}
