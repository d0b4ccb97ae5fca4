/* tokens.c - see tokens.h: the message taken apart. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/tokens.h"

#include "common/text/address.h"
#include "common/text/charset.h"
#include "common/text/encode.h"
#include "common/text/encoded_word.h"
#include "common/text/html.h"
#include "common/text/mime.h"
#include "spamfilter/classify/token_set.h"

#define PARTS_MAX   50u /* whose structure is looked at */
#define DECODED_MAX (SPAM_TOKENS_TEXT_MAX * CV_CHARSET_GROWTH)
#define HOPS_MAX    4u

struct source {
	uint32_t index;
	bool is_html;
	enum cv_mime_encoding encoding;
	struct cv_str charset;
	struct cv_buf raw;
};

struct spam_tokenizer {
	struct cv_arena *arena, own;
	struct spam_token_how how;
	struct spam_token_set set;
	struct cv_mime_scan *scan;
	struct source sources[SPAM_TOKENS_SOURCES];
	size_t source_count, body_bytes;
	unsigned fields, hops, parts, files;
	bool is_body, has_results, has_from, has_message_id, has_html, has_plain;
	char from_domain[256];
};

/* ---- parts ---- */

static void
add_small(struct spam_token_set *set, const char *kind, struct cv_str text)
{
	struct cv_buf small = CV_BUF_INIT(SPAM_TOKENS_FIELD_MAX);

	text = cv_str_trim(text);
	for (size_t i = 0; i < text.n && i < 200; i++)
		cv_buf_c(&small, (char)cv_lower((unsigned char)text.p[i]));
	spam_token_add(set, kind, cv_buf_view(&small));
	cv_buf_done(&small);
}

static void
add_file(struct spam_tokenizer *t, const struct cv_mime_part *part)
{
	struct cv_str name = cv_mime_filename(&t->own, part);
	size_t dots = 0, last = name.n;

	if (!name.n && !cv_str_eq_z(part->disposition, "attachment"))
		return;
	t->files++;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == '.') {
			last = i;
			dots++;
		}
	add_small(&t->set, "ext", cv_str_sub(name, last, CV_MIN(name.n, last + 12)));
	if (dots > 1)
		spam_token_add_count(&t->set, "dots", dots);
	spam_token_add_text(&t->set, "file", cv_str_sub(name, 0, CV_MIN(last, 200u)));
}

static bool
is_text(const struct cv_mime_part *part)
{
	return cv_str_eq_z(part->at.type, "text") &&
	       !cv_str_eq_z(part->disposition, "attachment") &&
	       (cv_str_eq_z(part->at.subtype, "plain") || cv_str_eq_z(part->at.subtype, "html"));
}

static void
see_part(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str block)
{
	struct spam_tokenizer *t = ctx;
	struct cv_str media;

	(void)block;
	if (t->parts++ >= PARTS_MAX)
		return;
	media = cv_arena_printf(&t->own, "%.*s/%.*s", CV_STR_ARGS(cv_str_sub(part->at.type, 0, 60)),
		CV_STR_ARGS(cv_str_sub(part->at.subtype, 0, 60)));
	spam_token_add(&t->set, index ? "part" : "type", media);
	add_small(&t->set, "cte", cv_str_sub(part->encoding_name, 0, 20));
	add_file(t, part);
	if (!is_text(part) || t->source_count == SPAM_TOKENS_SOURCES)
		return;
	add_small(&t->set, "charset", cv_str_sub(part->at.charset, 0, 30));
	struct source *s = &t->sources[t->source_count++];
	s->index = index;
	s->is_html = cv_str_eq_z(part->at.subtype, "html");
	s->encoding = part->at.encoding;
	s->charset = cv_arena_str(&t->own, cv_str_sub(part->at.charset, 0, CV_CHARSET_NAME_MAX));
	cv_buf_init(&s->raw, SPAM_TOKENS_TEXT_MAX);
	t->has_html |= s->is_html;
	t->has_plain |= !s->is_html;
}

static void
see_bytes(void *ctx, uint32_t index, const struct cv_mime_part *part, struct cv_str bytes)
{
	struct spam_tokenizer *t = ctx;

	(void)part;
	for (size_t i = t->source_count; i > 0; i--) {
		struct source *s = &t->sources[i - 1];
		if (s->index == index) {
			cv_buf_str(&s->raw, cv_str_sub(bytes, 0, SPAM_TOKENS_TEXT_MAX - s->raw.n));
			return;
		}
	}
}

struct spam_tokenizer *
spam_tokenizer_new(struct cv_arena *arena, const struct spam_token_how *how)
{
	struct spam_tokenizer *t = cv_calloc(1, sizeof *t);

	t->arena = arena;
	t->how = *how;
	spam_token_set_init(&t->set, how);
	t->scan = cv_mime_begin(&t->own);
	cv_mime_only_parts(t->scan);
	cv_mime_watch_headers(t->scan, see_part, t);
	cv_mime_watch(t->scan, see_bytes, t);
	return t;
}

/* ---- fields ---- */

/* Fields whose presence says nothing, or which filters and mailboxes add. A star takes all that
 * begin so. */
static const char *const silent_fields[] = {"received", "from", "to", "subject", "date", "cc",
	"message-id", "mime-version", "content-type", "content-transfer-encoding", "return-path",
	"delivered-to", "envelope-to", "x-original-to", "authentication-results", "received-spf",
	"dkim-signature", "status", "x-status", "x-uid*", "x-keywords", "x-imap*", "content-length",
	"lines", "x-congvu*", "x-spam*", "x-bogosity", "x-crm114*", "x-dspam*", "x-rspam*",
	"x-mozilla*", "x-gmail*", "x-virus*", "x-amavis*", "x-evolution*", "x-folder", "xref",
	"x-sieve", "x-fetchmail*", "delivery-date", "x-pyzor*", "x-razor*",
	"x-text-classification"};

static bool
is_silent(struct cv_str name)
{
	for (size_t i = 0; i < CV_COUNT(silent_fields); i++) {
		const char *row = silent_fields[i];
		size_t n = strlen(row);
		if (row[n - 1] != '*' ? cv_str_ieq_z(name, row)
				      : cv_str_ieq(cv_str_sub(name, 0, n - 1), cv_str(row, n - 1)))
			return true;
	}
	return false;
}

static void
add_words_of(struct spam_tokenizer *t, const char *kind, struct cv_str value)
{
	struct cv_buf text = CV_BUF_INIT(4 * SPAM_TOKENS_FIELD_MAX);

	cv_words_decode(value, CV_STR_EMPTY, &text);
	spam_token_add_text(&t->set, kind, cv_buf_view(&text));
	cv_buf_done(&text);
}

/* Shouting and marks: how a subject is written. */
static void
see_subject(struct spam_tokenizer *t, struct cv_str value)
{
	unsigned marks = 0, large = 0, small = 0;

	add_words_of(t, "s", value);
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];
		marks += c == '!' || c == '$' || c == '%' || c == '*';
		large += c >= 'A' && c <= 'Z';
		small += c >= 'a' && c <= 'z';
	}
	bool is_coded = cv_words_is_coded(value);
	spam_token_add_count(&t->set, is_coded ? "s!coded" : "s!", is_coded ? 0 : marks);
	if (!is_coded && large > 5)
		spam_token_add(&t->set, "s!", large > small ? CV_STR("loud") : CV_STR("mixed"));
	if (cv_str_has_iprefix(cv_str_trim(value), "re:"))
		spam_token_add(&t->set, "s!", CV_STR("reply"));
}

static void
see_address(struct spam_tokenizer *t, const char *kind, struct cv_str value)
{
	struct cv_addr_list list;
	char host_kind[16], name_kind[16], local_kind[16];

	cv_addr_list_parse(&t->own, value, &list);
	snprintf(host_kind, sizeof host_kind, "%s@", kind);
	snprintf(name_kind, sizeof name_kind, "%s\"", kind);
	snprintf(local_kind, sizeof local_kind, "%s<", kind);
	for (size_t i = 0; i < list.n && i < 3; i++) {
		const struct cv_addr *a = &list.items[i];
		if (a->kind != CV_ADDR_MAILBOX)
			continue;
		add_words_of(t, name_kind, cv_str_sub(a->name, 0, 500));
		add_small(&t->set, local_kind, cv_str_sub(a->mailbox, 0, 64));
		spam_token_add_host(&t->set, host_kind, a->host);
	}
	spam_token_add_count(&t->set, kind, list.n);
}

static void
see_from(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_addr_list list;

	if (t->has_from)
		return;
	t->has_from = true;
	see_address(t, "f", value);
	cv_addr_list_parse(&t->own, value, &list);
	if (list.n && list.items[0].kind == CV_ADDR_MAILBOX)
		snprintf(t->from_domain, sizeof t->from_domain, "%.*s",
			(int)CV_MIN(list.items[0].host.n, 255u),
			list.items[0].host.n ? list.items[0].host.p : "");
}

/* Whom an answer goes to matters where it is not the author. */
static void
see_reply_to(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_addr_list list;

	cv_addr_list_parse(&t->own, value, &list);
	if (!list.n || list.items[0].kind != CV_ADDR_MAILBOX)
		return;
	bool is_same = t->has_from && cv_str_ieq_z(list.items[0].host, t->from_domain);
	spam_token_add(&t->set, "reply", is_same ? CV_STR("same") : CV_STR("other"));
	if (!is_same)
		spam_token_add_host(&t->set, "r@", list.items[0].host);
}

static void
see_recipients(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_addr_list list;

	cv_addr_list_parse(&t->own, value, &list);
	spam_token_add_count(&t->set, "to", list.n);
}

static void
see_message_id(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_str id;

	if (!cv_msgid_next(&value, &id))
		return;
	t->has_message_id = true;
	size_t at = cv_str_find(id, '@', 0);
	struct cv_str host = cv_str_sub(id, at + 1, id.n);
	spam_token_add_host(&t->set, "mid", host);
	spam_token_add_count(&t->set, "mid~", at);
	if (host.n && cv_str_ieq_z(host, t->from_domain))
		spam_token_add(&t->set, "mid", CV_STR("=from"));
}

/* Programs by their name; versions change too often. */
static void
see_mailer(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_buf name = CV_BUF_INIT(200);

	for (size_t i = 0; i < value.n && name.n < 60 && !name.full; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (cv_is_digit(c) || c == '(' || c == '/')
			break;
		cv_buf_c(&name, (char)cv_lower(c));
	}
	spam_token_add(&t->set, "mailer", cv_str_trim(cv_buf_view(&name)));
	cv_buf_done(&name);
	spam_token_add_text(&t->set, "mailer", cv_str_sub(value, 0, 100));
}

/* What follows KEYWORD, which stands between blanks. */
static struct cv_str
word_after(struct cv_str value, const char *keyword)
{
	struct cv_str word;
	bool is_next = false;

	for (size_t i = 0; i < value.n;) {
		while (i < value.n && strchr(" \t\r\n", value.p[i]))
			i++;
		size_t start = i;
		while (i < value.n && !strchr(" \t\r\n;()", value.p[i]))
			i++;
		word = cv_str_sub(value, start, i);
		if (is_next)
			return word;
		is_next = cv_str_ieq_z(word, keyword);
		if (i < value.n && strchr(";()", value.p[i]))
			i++;
	}
	return CV_STR_EMPTY;
}

static bool
has_own_hosts(const struct spam_tokenizer *t)
{
	const char *const *own = t->how.own_hosts;

	return (own[0] && own[0][0]) || (own[1] && own[1][0]);
}

static bool
is_own_host(const struct spam_tokenizer *t, struct cv_str host)
{
	for (size_t i = 0; host.n && i < CV_COUNT(t->how.own_hosts); i++)
		if (t->how.own_hosts[i] && cv_str_ieq_z(host, t->how.own_hosts[i]))
			return true;
	return false;
}

/* The hosts a message says it came through, other than our own. */
static void
see_received(struct spam_tokenizer *t, struct cv_str value)
{
	struct cv_str by = word_after(value, "by"), from;

	if (is_own_host(t, by))
		return;
	if (t->hops++ >= HOPS_MAX)
		return;
	from = word_after(value, "from");
	if (from.n && from.p[0] == '[')
		spam_token_add(&t->set, "hop", CV_STR("[number]"));
	else
		spam_token_add_host(&t->set, "hop", from);
	spam_token_add_host(&t->set, "hopby", by);
	add_small(&t->set, "hopwith", word_after(value, "with"));
}

static void
see_date(struct spam_tokenizer *t, struct cv_str value)
{
	size_t end = value.n, at;

	value = cv_str_trim(value);
	end = cv_str_find(value, '(', 0);
	value = cv_str_trim(cv_str_sub(value, 0, end));
	for (at = value.n; at > 0 && value.p[at - 1] != ' '; at--)
		;
	add_small(&t->set, "zone", cv_str_sub(value, at, CV_MIN(value.n, at + 6)));
}

static void
add_result(struct spam_tokenizer *t, const char *method, struct cv_str word)
{
	char kind[16];

	if (!word.n)
		return;
	snprintf(kind, sizeof kind, "au:%s", method);
	add_small(&t->set, kind, cv_str_sub(word, 0, 12));
}

static struct cv_str
result_word(struct cv_str value, const char *method)
{
	char key[16];

	snprintf(key, sizeof key, "%s=", method);
	for (size_t at = 0; at < value.n;) {
		struct cv_str rest = cv_str_sub(value, at, value.n);
		size_t found = cv_str_isearch(rest, cv_str_z(key));
		if (found >= rest.n)
			return CV_STR_EMPTY;
		if (found && strchr("; \t\r\n", rest.p[found - 1])) {
			size_t end = found + strlen(key), start = end;
			while (end < rest.n && cv_is_alpha((unsigned char)rest.p[end]))
				end++;
			return cv_str_sub(rest, start, end);
		}
		at += found + 1;
	}
	return CV_STR_EMPTY;
}

/* Only our own word counts: the first field of our host, or the topmost when nobody is us. */
static void
see_results(struct spam_tokenizer *t, struct cv_str value)
{
	static const char *const methods[] = {"spf", "dkim", "dmarc"};
	struct cv_str id = cv_str_trim(cv_str_sub(value, 0, cv_str_find(value, ';', 0)));

	if (t->has_results || t->how.has_results || (has_own_hosts(t) && !is_own_host(t, id)))
		return;
	t->has_results = true;
	for (size_t i = 0; i < CV_COUNT(methods); i++)
		add_result(t, methods[i], result_word(value, methods[i]));
}

static const struct {
	const char *name;
	void (*see)(struct spam_tokenizer *t, struct cv_str value);
} fields[] = {
	{"subject",                see_subject   },
	{"from",		   see_from      },
	{"reply-to",               see_reply_to  },
	{"to",		     see_recipients},
	{"cc",		     see_recipients},
	{"message-id",             see_message_id},
	{"x-mailer",               see_mailer    },
	{"user-agent",             see_mailer    },
	{"received",               see_received  },
	{"date",		   see_date      },
	{"authentication-results", see_results   },
};

void
spam_tokenizer_field(struct spam_tokenizer *t, struct cv_str name, struct cv_str value)
{
	cv_mime_feed(t->scan, name);
	cv_mime_feed(t->scan, CV_STR(":"));
	cv_mime_feed(t->scan, value);
	cv_mime_feed(t->scan, CV_STR("\r\n"));
	if (t->fields++ >= SPAM_TOKENS_FIELDS)
		return;
	value = cv_str_trim(cv_str_sub(value, 0, SPAM_TOKENS_FIELD_MAX));
	if (!is_silent(name))
		add_small(&t->set, "h", cv_str_sub(name, 0, 40));
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		if (cv_str_ieq_z(name, fields[i].name)) {
			fields[i].see(t, value);
			return;
		}
}

void
spam_tokenizer_body(struct spam_tokenizer *t, struct cv_str bytes)
{
	if (!t->is_body) {
		t->is_body = true;
		cv_mime_feed(t->scan, CV_STR("\r\n"));
	}
	bytes = cv_str_sub(bytes, 0, SPAM_TOKENS_BODY_MAX - t->body_bytes);
	t->body_bytes += bytes.n;
	cv_mime_feed(t->scan, bytes);
}

/* ---- texts ---- */

static void
decode(const struct source *s, struct cv_buf *out)
{
	struct cv_buf bytes = CV_BUF_INIT(SPAM_TOKENS_TEXT_MAX);
	struct cv_str raw = cv_buf_view(&s->raw);

	if (s->encoding == CV_MIME_BASE64) {
		struct cv_base64_reader r = {0};
		cv_base64_read(&r, raw, &bytes);
		cv_base64_read_end(&r, &bytes);
		raw = cv_buf_view(&bytes);
	} else if (s->encoding == CV_MIME_QP) {
		struct cv_qp_reader r = {0};
		cv_qp_read(&r, raw, &bytes);
		cv_qp_read_end(&r, &bytes);
		raw = cv_buf_view(&bytes);
	}
	/* An unknown charset still yields its ASCII. */
	(void)cv_charset_to_utf8(s->charset, raw, out);
	cv_buf_done(&bytes);
}

static unsigned
occurrences(struct cv_str text, const char *word)
{
	unsigned n = 0;

	for (size_t at = 0; at < text.n && n < 1000; n++) {
		struct cv_str rest = cv_str_sub(text, at, text.n);
		size_t found = cv_str_isearch(rest, cv_str_z(word));
		if (found >= rest.n)
			break;
		at += found + strlen(word);
	}
	return n;
}

static void
see_html(struct spam_tokenizer *t, struct cv_str html)
{
	static const struct {
		const char *word, *kind;
	} rows[] = {
		{"<img",         "<img"   },
		{"<a ",          "<a"     },
		{"<form",        "<form"  },
		{"<table",       "<table" },
		{"<font",        "<font"  },
		{"display:none", "hidden" },
		{"font-size:0",  "hidden0"},
		{"mso-",         "mso"    },
		{"cid:",         "cid"    },
	};
	struct cv_buf words = CV_BUF_INIT(2 * SPAM_TOKENS_TEXT_MAX);

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		unsigned n = occurrences(html, rows[i].word);
		if (n)
			spam_token_add_count(&t->set, rows[i].kind, n);
	}
	cv_html_text(html, &words);
	spam_token_add_text(&t->set, "", cv_buf_view(&words));
	cv_buf_done(&words);
}

static void
see_source(struct spam_tokenizer *t, const struct source *s)
{
	struct cv_buf text = CV_BUF_INIT(DECODED_MAX);

	decode(s, &text);
	struct cv_str view = cv_buf_view(&text);
	if (s->is_html)
		see_html(t, view);
	else
		spam_token_add_text(&t->set, "", view);
	spam_token_add_links(&t->set, view);
	cv_buf_done(&text);
}

static void
add_whole(struct spam_tokenizer *t)
{
	struct spam_token_set *set = &t->set;

	spam_token_add_count(set, "#parts", t->parts);
	spam_token_add_count(set, "#files", t->files);
	spam_token_add_count(set, "#links", set->urls);
	spam_token_add_count(set, "#words", set->words);
	spam_token_add(set, "texts",
		t->has_html    ? t->has_plain ? CV_STR("both") : CV_STR("html")
		   : t->has_plain ? CV_STR("plain")
			       : CV_STR("none"));
	/* How much of it is written with diacritics, in fifths. */
	if (set->words >= 10)
		spam_token_add_count(set, "marked", 1ull << (set->words_marked * 5 / set->words));
	if (!t->has_message_id)
		spam_token_add(set, "mid", CV_STR("none"));
	if (t->how.has_results) {
		add_result(t, "spf", cv_str_z(t->how.spf));
		add_result(t, "dkim", cv_str_z(t->how.dkim));
		add_result(t, "dmarc", cv_str_z(t->how.dmarc));
	}
}

void
spam_tokenizer_end(struct spam_tokenizer *t, struct spam_tokens *out)
{
	spam_tokenizer_body(t, CV_STR_EMPTY);
	(void)cv_mime_finish(t->scan);
	for (size_t i = 0; i < t->source_count; i++) {
		see_source(t, &t->sources[i]);
		cv_buf_done(&t->sources[i].raw);
	}
	add_whole(t);
	out->count = 0;
	out->hashes = CV_ARENA_ARRAY(t->arena, uint64_t, t->set.count + 1);
	for (size_t i = 0; i < SPAM_TOKEN_SLOTS; i++)
		if (t->set.slots[i])
			out->hashes[out->count++] = t->set.slots[i];
	spam_token_set_done(&t->set);
	cv_arena_done(&t->own);
	free(t);
}

void
spam_tokens_read(struct cv_arena *arena, const struct spam_token_how *how, struct cv_str message,
	struct spam_tokens *out)
{
	struct spam_tokenizer *t = spam_tokenizer_new(arena, how);
	struct cv_header_scan scan;
	struct cv_field field;

	cv_header_scan_init(&scan, message);
	while (cv_header_next(&scan, &field))
		spam_tokenizer_field(t, field.name, field.value);
	spam_tokenizer_body(t, cv_str_sub(message, scan.body_at, message.n));
	spam_tokenizer_end(t, out);
}
