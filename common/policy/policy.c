/* policy.c - loading the data files, and what a domain is. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unicase.h>
#include <uninorm.h>

#include "common/policy/policy_impl.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define FILE_BYTES_MAX (1u << 20)
#define ITEMS_MAX 20000

static const struct {
	const char *name, *text;
} built_in[] = {
#include "common/policy/data.inc"
};

/* What a file's lines are turned into. */
enum shape { SHAPE_FOLDED, SHAPE_LOWER, SHAPE_DOMAIN };
static const struct {
	const char *file, *section; /* section "" before any [section] */
	enum shape shape;
	size_t offset;
} lists[] = {
	{ "signup-phrases.txt", "strong", SHAPE_FOLDED, offsetof(struct cv_policy, signup_strong) },
	{ "signup-phrases.txt", "medium", SHAPE_FOLDED, offsetof(struct cv_policy, signup_medium) },
	{ "no-reply.txt",       "",       SHAPE_FOLDED, offsetof(struct cv_policy, no_reply)      },
	{ "free-mail.txt",      "",       SHAPE_DOMAIN, offsetof(struct cv_policy, free_mail)     },
	{ "secrecy-marks.txt",  "",       SHAPE_LOWER,  offsetof(struct cv_policy, marks)         },
	{ "secrecy-decoys.txt", "",       SHAPE_LOWER,  offsetof(struct cv_policy, decoys)        },
};

void
policy_lower(struct cv_str s, struct cv_buf *out)
{
	size_t n = 0;
	uint8_t *low = u8_tolower((const uint8_t *)s.p, s.n, "", UNINORM_NFC, NULL, &n);
	if (low)
		cv_buf_add(out, low, n);
	else if (s.n)
		cv_buf_str(out, s); /* not UTF-8: as it is */
	free(low);
}

static void
add(struct policy_list *list, struct cv_str item)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 32;
		list->items = cv_realloc(list->items, list->cap * sizeof *list->items);
	}
	list->items[list->n++] = item;
}

static enum cv_status
add_line(struct cv_policy *p, struct policy_list *list, enum shape shape, struct cv_str line,
         struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(4096);
	enum cv_status status = CV_OK;
	if (list->n >= ITEMS_MAX)
		status = cv_fail(err, CV_LIMIT, "more than %d entries", ITEMS_MAX);
	else if (shape == SHAPE_FOLDED)
		status = cv_fold(line, &text);
	else if (shape == SHAPE_DOMAIN)
		status = cv_domain_to_ascii(line, &text, err);
	else
		policy_lower(line, &text);
	if (!status)
		add(list, cv_arena_str(&p->arena, cv_buf_view(&text)));
	cv_buf_done(&text);
	return status;
}

static struct policy_list *
list_for(struct cv_policy *p, const char *file, struct cv_str section, enum shape *shape_out)
{
	for (size_t i = 0; i < CV_COUNT(lists); i++) {
		if (strcmp(lists[i].file, file) || !cv_str_eq_z(section, lists[i].section))
			continue;
		*shape_out = lists[i].shape;
		return (struct policy_list *)(void *)((char *)p + lists[i].offset);
	}
	return NULL;
}

static enum cv_status
read_lines(struct cv_policy *p, const char *file, struct cv_str text, struct cv_err *err)
{
	struct cv_str line, section = CV_STR("");
	for (unsigned number = 1; cv_str_split(&text, '\n', &line); number++) {
		line = cv_str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (line.p[0] == '[' && line.p[line.n - 1] == ']') {
			section = cv_str_sub(line, 1, line.n - 1);
			continue;
		}
		enum shape shape;
		struct policy_list *list = list_for(p, file, section, &shape);
		struct cv_err why = {0};
		enum cv_status status = list ? add_line(p, list, shape, line, &why)
			: cv_fail(&why, CV_INVALID, "no section [%.*s] here", CV_STR_ARGS(section));
		if (status)
			return cv_fail(err, status, "%s:%u: %s", file, number, why.text);
	}
	return CV_OK;
}

static enum cv_status
read_file(struct cv_policy *p, const char *dir, const char *name, struct cv_err *err)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "rbe");
	if (!f)
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", path);
	struct cv_buf text = CV_BUF_INIT(FILE_BYTES_MAX);
	char piece[8192];
	for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
		cv_buf_add(&text, piece, n);
	bool failed = ferror(f);
	fclose(f);
	enum cv_status status = CV_OK;
	if (failed)
		status = cv_fail(err, CV_TEMPFAIL, "cannot read %s", path);
	else if (text.full)
		status = cv_fail(err, CV_LIMIT, "%s is larger than %u bytes", path, FILE_BYTES_MAX);
	else
		status = read_lines(p, name, cv_buf_view(&text), err);
	cv_buf_done(&text);
	return status;
}

static enum cv_status
load_suffixes(struct cv_policy *p, const char *text, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(text ? text : ""), word;
	while (cv_str_split(&rest, ' ', &word)) {
		word = cv_str_trim(word);
		if (word.n && word.p[0] == '.')
			word = cv_str_sub(word, 1, word.n);
		if (!word.n)
			continue;
		enum cv_status status = add_line(p, &p->suffixes, SHAPE_DOMAIN, word, err);
		if (status)
			return status;
	}
	return CV_OK;
}

enum cv_status
cv_policy_load(const char *dir, const char *official_suffixes, struct cv_policy **out,
               struct cv_err *err)
{
	struct cv_policy *p = cv_calloc(1, sizeof *p);
	enum cv_status status = load_suffixes(p, official_suffixes, err);
	for (size_t i = 0; !status && i < CV_COUNT(built_in); i++)
		status = dir ? read_file(p, dir, built_in[i].name, err)
			: read_lines(p, built_in[i].name, cv_str_z(built_in[i].text), err);
	if (status) {
		cv_policy_free(p);
		return status;
	}
	*out = p;
	return CV_OK;
}

void
cv_policy_free(struct cv_policy *p)
{
	if (!p)
		return;
	struct policy_list *all[] = { &p->suffixes, &p->signup_strong, &p->signup_medium,
		&p->no_reply, &p->free_mail, &p->marks, &p->decoys };
	for (size_t i = 0; i < CV_COUNT(all); i++)
		free(all[i]->items);
	free(p->allowed);
	cv_arena_done(&p->arena);
	free(p);
}

/* ---- domains ---- */

static bool
is_in(const struct policy_list *list, struct cv_str domain, bool or_below)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool found = false;
	if (domain.n && domain.n <= CV_DOMAIN_INPUT_MAX &&
	    !cv_domain_to_ascii(domain, &ascii, NULL))
		for (size_t i = 0; !found && i < list->n; i++)
			found = or_below ? cv_domain_is_below(cv_buf_view(&ascii), list->items[i])
				: cv_str_eq(cv_buf_view(&ascii), list->items[i]);
	cv_buf_done(&ascii);
	return found;
}

bool
cv_policy_is_official(const struct cv_policy *p, struct cv_str domain)
{
	return is_in(&p->suffixes, domain, true);
}

bool
cv_policy_is_free_mail(const struct cv_policy *p, struct cv_str domain)
{
	return is_in(&p->free_mail, domain, false);
}
