/* docs.c - see docs.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/docs.h"

#include <stdlib.h>

#include "common/base/buf.h"

void
reg_docs_init(struct reg_docs *docs)
{
	*docs = (struct reg_docs){0};
	cv_map_init(&docs->map);
}

static void
doc_free(struct reg_doc *d)
{
	if (!d)
		return;
	json_decref(d->body);
	free(d);
}

void
reg_docs_done(struct reg_docs *docs)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&docs->map, &pos, &key, &value);)
		doc_free(value);
	cv_map_done(&docs->map);
}

static struct cv_str
doc_key(char kind, uint64_t a, uint64_t b, char room[17])
{
	room[0] = kind;
	for (unsigned i = 0; i < 8; i++) {
		room[1 + i] = (char)(a >> (56 - 8 * i));
		room[9 + i] = (char)(b >> (56 - 8 * i));
	}
	return cv_str(room, 17);
}

const json_t *
reg_doc_get(const struct reg_docs *docs, char kind, uint64_t a, uint64_t b)
{
	char room[17];
	const struct reg_doc *d = cv_map_get(&docs->map, doc_key(kind, a, b, room));
	return d ? d->body : NULL;
}

void
reg_doc_put(struct reg_docs *docs, char kind, uint64_t a, uint64_t b, json_t *body)
{
	char room[17];
	struct cv_str key = doc_key(kind, a, b, room);
	if (!body) {
		doc_free(cv_map_del(&docs->map, key));
		return;
	}
	struct reg_doc *d = cv_malloc(sizeof *d);
	*d = (struct reg_doc){ kind, a, b, body };
	doc_free(cv_map_put(&docs->map, key, d));
	docs->last[kind - 'A'] = CV_MAX(docs->last[kind - 'A'], a);
}

static int
by_numbers(const void *x, const void *y)
{
	const struct reg_doc *d = *(const struct reg_doc *const *)x;
	const struct reg_doc *e = *(const struct reg_doc *const *)y;
	if (d->a != e->a)
		return d->a < e->a ? -1 : 1;
	return (d->b > e->b) - (d->b < e->b);
}

size_t
reg_docs_list(const struct reg_docs *docs, char kind, const struct reg_doc ***out)
{
	struct cv_str key;
	void *value;
	size_t n = 0;
	*out = cv_calloc(docs->map.used + 1, sizeof **out);
	for (size_t pos = 0; cv_map_each(&docs->map, &pos, &key, &value);)
		if (((const struct reg_doc *)value)->kind == kind)
			(*out)[n++] = value;
	qsort(*out, n, sizeof **out, by_numbers);
	return n;
}

const char *
reg_doc_text(const json_t *body, const char *key)
{
	const char *text = json_string_value(json_object_get(body, key));
	return text ? text : "";
}

json_int_t
reg_doc_number(const json_t *body, const char *key)
{
	return json_integer_value(json_object_get(body, key));
}

bool
reg_doc_is(const json_t *body, const char *state)
{
	return !strcmp(reg_doc_text(body, "state"), state);
}
