/* lists.c - see lists.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/walk/lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"

#define FILE_BYTES_MAX (1u << 20)
#define WORDS_MAX      20000
#define WORD_MAX       253

static const struct {
	const char *name, *text;
} built_in[] = {
#include "spamfilter/walk/lists.inc"
};

static const char *
built_in_text(const char *name)
{
	for (size_t i = 0; i < CV_COUNT(built_in); i++)
		if (!strcmp(built_in[i].name, name))
			return built_in[i].text;
	return "";
}

static struct spam_list *
find_list(struct spam_lists *l, struct cv_str section)
{
	for (size_t i = 0; i < l->count; i++)
		if (cv_str_eq(l->lists[i].section, section))
			return &l->lists[i];
	if (l->count == SPAM_LIST_SECTIONS)
		return NULL;
	l->lists[l->count].section = cv_arena_str(&l->arena, section);
	return &l->lists[l->count++];
}

static enum cv_status
add_word(struct spam_lists *l, struct spam_list *list, struct cv_str word, struct cv_err *err)
{
	char *copy = cv_arena_z(&l->arena, word);

	if (word.n > WORD_MAX)
		return cv_fail(err, CV_LIMIT, "longer than %d octets", WORD_MAX);
	if (list->n >= WORDS_MAX)
		return cv_fail(err, CV_LIMIT, "more than %d words", WORDS_MAX);
	for (size_t i = 0; i < word.n; i++)
		copy[i] = (char)cv_lower((unsigned char)copy[i]);
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 64;
		list->words = cv_realloc(list->words, list->cap * sizeof *list->words);
	}
	list->words[list->n++] = cv_str(copy, word.n);
	return CV_OK;
}

static enum cv_status
read_lines(struct spam_lists *l, const char *name, struct cv_str text, struct cv_err *err)
{
	struct cv_str line, section = CV_STR("");

	for (unsigned number = 1; cv_str_split(&text, '\n', &line); number++) {
		struct cv_err why = {0};
		line = cv_str_trim(line);
		if (!line.n || line.p[0] == '#')
			continue;
		if (line.p[0] == '[' && line.p[line.n - 1] == ']') {
			section = cv_str_sub(line, 1, line.n - 1);
			continue;
		}
		struct spam_list *list = find_list(l, section);
		enum cv_status status =
			list ? add_word(l, list, line, &why)
			     : cv_fail(&why, CV_LIMIT, "more than %d sections", SPAM_LIST_SECTIONS);
		if (status)
			return cv_fail(err, status, "%s:%u: %s", name, number, why.text);
	}
	return CV_OK;
}

static enum cv_status
read_file(const char *path, struct cv_buf *text, struct cv_err *err)
{
	FILE *f = fopen(path, "rbe");
	char piece[8192];

	if (!f)
		return cv_fail_errno(err, CV_NOT_FOUND, errno, "cannot read %s", path);
	for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;)
		cv_buf_add(text, piece, n);
	bool failed = ferror(f);
	fclose(f);
	if (failed)
		return cv_fail(err, CV_TEMPFAIL, "cannot read %s", path);
	if (text->full)
		return cv_fail(err, CV_LIMIT, "%s is larger than %u bytes", path, FILE_BYTES_MAX);
	return CV_OK;
}

static int
compare_words(const void *a, const void *b)
{
	return cv_str_cmp(*(const struct cv_str *)a, *(const struct cv_str *)b);
}

enum cv_status
spam_lists_read(const char *name, const char *file, struct spam_lists **out, struct cv_err *err)
{
	struct spam_lists *l = cv_calloc(1, sizeof *l);
	struct cv_buf text = CV_BUF_INIT(FILE_BYTES_MAX);
	enum cv_status status = CV_OK;

	if (file && file[0])
		status = read_file(file, &text, err);
	else
		cv_buf_z(&text, built_in_text(name));
	if (!status)
		status = read_lines(l, file && file[0] ? file : name, cv_buf_view(&text), err);
	cv_buf_done(&text);
	if (status) {
		spam_lists_free(l);
		return status;
	}
	l->is_built_in = !file || !file[0];
	for (size_t i = 0; i < l->count; i++)
		qsort(l->lists[i].words, l->lists[i].n, sizeof(struct cv_str), compare_words);
	*out = l;
	return CV_OK;
}

void
spam_lists_free(struct spam_lists *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		free(l->lists[i].words);
	cv_arena_done(&l->arena);
	free(l);
}

bool
spam_lists_has(const struct spam_lists *l, const char *section, struct cv_str word)
{
	for (size_t i = 0; l && i < l->count; i++)
		if (cv_str_eq_z(l->lists[i].section, section))
			return bsearch(&word, l->lists[i].words, l->lists[i].n, sizeof word,
				       compare_words) != NULL;
	return false;
}
