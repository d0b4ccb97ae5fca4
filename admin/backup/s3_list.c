/* s3_list.c - see s3_list.h. Bytes only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/s3_list.h"

#define KEY_MAX   1024u
#define TOKEN_MAX 2000u

/* The text of the first <TAG>...</TAG> in S; its end in *END_OUT. */
static bool
element(struct cv_str s, const char *tag, struct cv_str *text_out, size_t *end_out)
{
	char open[64], close_[64];
	snprintf(open, sizeof open, "<%s>", tag);
	snprintf(close_, sizeof close_, "</%s>", tag);
	size_t from = cv_str_search(s, cv_str_z(open));
	if (from >= s.n)
		return false;
	from += strlen(open);
	struct cv_str rest = cv_str_sub(s, from, s.n);
	size_t n = cv_str_search(rest, cv_str_z(close_));
	if (n >= rest.n)
		return false;
	*text_out = cv_str_sub(rest, 0, n);
	*end_out = from + n + strlen(close_);
	return true;
}

/* Names of ours need no character references; an ampersand is somebody else's object. */
static bool
is_plain(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x21 || s.p[i] == '&' || s.p[i] == '<')
			return false;
	return s.n > 0 && s.n <= KEY_MAX;
}

/* Tokens may hold "&amp;", "&#x3D;" and so on; the five names are enough for what servers send. */
static bool
put_token(struct cv_str s, struct cv_buf *out)
{
	static const struct {
		const char *name;
		char c;
	} names[] = {
		{"&amp;",  '&' },
		{"&lt;",   '<' },
		{"&gt;",   '>' },
		{"&quot;", '"' },
		{"&apos;", '\''}
	};
	for (size_t i = 0; i < s.n;) {
		size_t j = 0;
		struct cv_str rest = cv_str_sub(s, i, s.n);
		while (s.p[i] == '&' && j < CV_COUNT(names) &&
			!cv_str_has_prefix(rest, names[j].name))
			j++;
		if (s.p[i] == '&' && j == CV_COUNT(names))
			return false;
		cv_buf_c(out, s.p[i] == '&' ? names[j].c : s.p[i]);
		i += s.p[i] == '&' ? strlen(names[j].name) : 1;
	}
	return out->n > 0 && !out->full;
}

bool
backup_s3_list(struct cv_str xml, struct backup_s3_page *page, struct cv_buf *token,
	backup_list_fn *fn, void *arg)
{
	struct cv_str text, key, size;
	size_t end, ignored;
	uint64_t n;
	if (cv_str_search(xml, CV_STR("<ListBucketResult")) >= xml.n)
		return false;
	page->is_cut = element(xml, "IsTruncated", &text, &end) && cv_str_eq_z(text, "true");
	if (page->is_cut &&
		(!element(xml, "NextContinuationToken", &text, &end) || !put_token(text, token)))
		return false;
	while (!page->is_stopped && element(xml, "Contents", &text, &end)) {
		xml = cv_str_sub(xml, end, xml.n);
		if (!element(text, "Key", &key, &ignored) ||
			!element(text, "Size", &size, &ignored) || cv_str_u64(size, INT64_MAX, &n))
			return false;
		if (is_plain(key) && key.n > page->above)
			page->is_stopped = !fn(arg, cv_str_sub(key, page->above, key.n), n);
	}
	return true;
}

enum cv_status
backup_s3_walk(size_t above, backup_s3_fetch_fn *fetch, void *fetch_arg, backup_list_fn *fn,
	void *arg, struct cv_err *err)
{
	struct cv_buf page = CV_BUF_INIT(BACKUP_S3_PAGE_BYTES);
	struct cv_buf token = CV_BUF_INIT(TOKEN_MAX), next = CV_BUF_INIT(TOKEN_MAX);
	struct backup_s3_page p = {.is_cut = true};
	enum cv_status status = CV_OK;
	for (unsigned i = 0; !status && p.is_cut && !p.is_stopped && i < BACKUP_S3_PAGES; i++) {
		p = (struct backup_s3_page){.above = above};
		cv_buf_reset(&page);
		cv_buf_reset(&next);
		status = fetch(fetch_arg, cv_buf_view(&token), &page, err);
		if (!status && page.full)
			status = cv_fail(err, CV_LIMIT, "a page of the storage's list is too long");
		if (!status && !backup_s3_list(cv_buf_view(&page), &p, &next, fn, arg))
			status = cv_fail(err, CV_CORRUPT, "the storage's list cannot be read");
		if (!status && p.is_cut && cv_str_eq(cv_buf_view(&token), cv_buf_view(&next)))
			status = cv_fail(err, CV_CORRUPT, "the storage's list goes in a circle");
		cv_buf_reset(&token);
		cv_buf_str(&token, cv_buf_view(&next));
	}
	cv_buf_done(&page);
	cv_buf_done(&token);
	cv_buf_done(&next);
	if (!status && p.is_cut && !p.is_stopped)
		status = cv_fail(err, CV_LIMIT, "the storage's list has more than %u pages",
			BACKUP_S3_PAGES);
	return status;
}

void
backup_s3_error(struct cv_str xml, char *out, size_t room)
{
	struct cv_str word;
	size_t end;
	out[0] = '\0';
	if (element(xml, "Code", &word, &end) && is_plain(word) && word.n < room)
		snprintf(out, room, "%.*s", (int)word.n, word.p);
}
