/* policy.c - loading the data files, and what a domain is. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <unicase.h>
#include <uninorm.h>

#include "common/policy/policy_impl.h"
#include "common/text/domain.h"
#include "common/text/fold.h"

#define FILE_BYTES_MAX (1u << 20)
#define WEIGHT_MAX 1000 /* points of a sign */
#define ITEMS_MAX 20000

static const struct {
	const char *name, *text;
} built_in[] = {
#include "common/policy/data.inc"
};

/* What a file's lines are turned into. */
enum shape { SHAPE_FOLDED, SHAPE_LOWER, SHAPE_DOMAIN, SHAPE_PAIR, SHAPE_WEIGHT, SHAPE_SIGNUP,
	SHAPE_PHISHING };
/* AT: the list's offset, or the phrases' group. */
static const struct row {
	const char *file, *section; /* section "" before any [section] */
	enum shape shape;
	size_t at;
} lists[] = {
	{ "no-reply.txt",           "no-reply", SHAPE_FOLDED, offsetof(struct cv_policy, no_reply)  },
	{ "no-reply.txt",           "service",  SHAPE_FOLDED, offsetof(struct cv_policy, service)   },
	{ "no-reply.txt",           "office",   SHAPE_FOLDED, offsetof(struct cv_policy, office)    },
	{ "surnames.txt",           "",         SHAPE_FOLDED, offsetof(struct cv_policy, surnames)  },
	{ "signup-services.txt",    "",         SHAPE_DOMAIN, offsetof(struct cv_policy, services)  },
	{ "free-mail.txt",          "",         SHAPE_DOMAIN, offsetof(struct cv_policy, free_mail) },
	{ "free-mail-typos.txt",    "",         SHAPE_PAIR,   offsetof(struct cv_policy, typos)     },
	{ "advertising-labels.txt", "",         SHAPE_FOLDED, offsetof(struct cv_policy, labels)    },
	{ "secrecy-marks.txt",      "",         SHAPE_LOWER,  offsetof(struct cv_policy, marks)     },
	{ "secrecy-decoys.txt",     "",         SHAPE_LOWER,  offsetof(struct cv_policy, decoys)    },
	{ "signup-phrases.txt",     "letter",   SHAPE_SIGNUP, GROUP_LETTER                          },
	{ "signup-phrases.txt",     "credentials", SHAPE_SIGNUP, GROUP_CREDENTIALS                  },
	{ "signup-phrases.txt",     "generic",  SHAPE_SIGNUP, GROUP_GENERIC                         },
	{ "signup-phrases.txt",     "action",   SHAPE_SIGNUP, GROUP_ACTION                          },
	{ "signup-phrases.txt",     "footer",   SHAPE_SIGNUP, GROUP_FOOTER                          },
	{ "signup-phrases.txt",     "organization", SHAPE_LOWER,
		offsetof(struct cv_policy, organizations) },
	{ "signup-weights.txt",     "",         SHAPE_WEIGHT, 0                                     },
	{ "phishing-phrases.txt",   "mailbox",  SHAPE_PHISHING, GROUP_MAILBOX                       },
	{ "phishing-phrases.txt",   "threat",   SHAPE_PHISHING, GROUP_THREAT                        },
	{ "phishing-phrases.txt",   "act",      SHAPE_PHISHING, GROUP_ACT                           },
	{ "phishing-phrases.txt",   "secret",   SHAPE_PHISHING, GROUP_SECRET                        },
	{ "phishing-phrases.txt",   "personal", SHAPE_PHISHING, GROUP_PERSONAL                      },
	{ "phishing-phrases.txt",   "tax",      SHAPE_PHISHING, GROUP_TAX                           },
	{ "phishing-phrases.txt",   "it",       SHAPE_PHISHING, GROUP_IT                            },
	{ "phishing-phrases.txt",   "bank",     SHAPE_PHISHING, GROUP_BANK                          },
	{ "phishing-phrases.txt",   "courier",  SHAPE_PHISHING, GROUP_COURIER                       },
	{ "phishing-phrases.txt",   "invoice",  SHAPE_PHISHING, GROUP_INVOICE                       },
	{ "phishing-phrases.txt",   "urgent",   SHAPE_PHISHING, GROUP_URGENT                        },
	{ "phishing-phrases.txt",   "warn",     SHAPE_PHISHING, GROUP_WARN                          },
	{ "phishing-phrases.txt",   "bulk",     SHAPE_PHISHING, GROUP_BULK                          },
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

/* "gmial.com gmail.com", kept so, in A-labels where they are domains at all. */
static enum cv_status
add_pair(struct cv_str line, struct cv_buf *out, struct cv_err *err)
{
	struct cv_str wrong, rest = line;
	(void)cv_str_split(&rest, ' ', &wrong);
	rest = cv_str_trim(rest);
	if (!wrong.n || !rest.n || cv_str_find(rest, ' ', 0) < rest.n)
		return cv_fail(err, CV_INVALID, "a line is 'wrong-domain right-domain'");
	enum cv_status status = cv_domain_to_ascii(wrong, out, err);
	cv_buf_c(out, ' ');
	return status ? status : cv_domain_to_ascii(rest, out, err);
}

/* "no-reply 31", "reply -40": what a sign is worth. */
static enum cv_status
add_weight(struct cv_policy *p, struct cv_str line, struct cv_err *err)
{
	struct cv_str word, rest = line;
	uint64_t points;
	(void)cv_str_split(&rest, ' ', &word);
	rest = cv_str_trim(rest);
	bool is_against = rest.n && rest.p[0] == '-';
	unsigned sign = policy_signup_sign(word);
	if (sign == CV_SIGNUP_SIGNS ||
	    cv_str_u64(cv_str_sub(rest, is_against, rest.n), WEIGHT_MAX, &points))
		return cv_fail(err, CV_INVALID, "a line is 'sign points', up to %d", WEIGHT_MAX);
	p->signup_weights[sign] = is_against ? -(int)points : (int)points;
	return CV_OK;
}

static enum cv_status
add_line(struct cv_policy *p, const struct row *row, struct policy_list *list, struct cv_str line,
         struct cv_err *err)
{
	struct cv_buf text = CV_BUF_INIT(4096);
	enum cv_status status = CV_OK;
	if (row->shape == SHAPE_WEIGHT)
		return add_weight(p, line, err);
	if (list && list->n >= ITEMS_MAX)
		status = cv_fail(err, CV_LIMIT, "more than %d entries", ITEMS_MAX);
	else if (row->shape == SHAPE_DOMAIN)
		status = cv_domain_to_ascii(line, &text, err);
	else if (row->shape == SHAPE_PAIR)
		status = add_pair(line, &text, err);
	else if (row->shape == SHAPE_LOWER)
		policy_lower(line, &text);
	else
		status = cv_fold(line, &text);
	if (!status && list)
		add(list, cv_arena_str(&p->arena, cv_buf_view(&text)));
	else if (!status)
		status = policy_phrases_add(row->shape == SHAPE_SIGNUP ? &p->signup : &p->phishing,
			&p->arena, cv_buf_view(&text), (unsigned)row->at, err);
	if (!status && list && row->shape == SHAPE_LOWER) {
		cv_buf_reset(&text);
		status = cv_fold(line, &text);
		add(list == &p->marks ? &p->plain_marks : &p->plain_decoys,
		    cv_arena_str(&p->arena, cv_buf_view(&text)));
	}
	cv_buf_done(&text);
	return status;
}

/* The row of FILE's SECTION; SPACE holds those that are made here: "strong confirm". */
static const struct row *
row_for(const char *file, struct cv_str section, struct row *space)
{
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		if (!strcmp(lists[i].file, file) && cv_str_eq_z(section, lists[i].section))
			return &lists[i];
	struct cv_str word, rest = section;
	if (strcmp(file, "signup-phrases.txt") || !cv_str_split(&rest, ' ', &word))
		return NULL;
	bool strong = cv_str_eq_z(word, "strong");
	for (unsigned i = 0; i < CV_SIGNUP_CLASSES; i++)
		if ((strong || cv_str_eq_z(word, "medium")) &&
		    cv_str_eq_z(rest, cv_signup_class_word((enum cv_signup_class)i))) {
			*space = (struct row){ file, "", SHAPE_SIGNUP,
				(strong ? GROUP_STRONG : GROUP_MEDIUM) + i };
			return space;
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
		struct row space;
		const struct row *row = row_for(file, section, &space);
		bool is_list = row && row->shape < SHAPE_WEIGHT;
		struct policy_list *list =
			is_list ? (struct policy_list *)(void *)((char *)p + row->at) : NULL;
		struct cv_err why = {0};
		enum cv_status status = row ? add_line(p, row, list, line, &why)
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
	static const struct row suffix = { .shape = SHAPE_DOMAIN };
	struct cv_str rest = cv_str_z(text ? text : ""), word;
	while (cv_str_split(&rest, ' ', &word)) {
		word = cv_str_trim(word);
		if (word.n && word.p[0] == '.')
			word = cv_str_sub(word, 1, word.n);
		if (!word.n)
			continue;
		enum cv_status status = add_line(p, &suffix, &p->suffixes, word, err);
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
	struct policy_list *all[] = { &p->suffixes, &p->no_reply, &p->service, &p->office,
		&p->services, &p->surnames, &p->organizations, &p->free_mail, &p->typos,
		&p->labels, &p->marks, &p->decoys, &p->plain_marks, &p->plain_decoys };
	for (size_t i = 0; i < CV_COUNT(all); i++)
		free(all[i]->items);
	policy_phrases_done(&p->signup);
	policy_phrases_done(&p->phishing);
	free(p->allowed);
	cv_arena_done(&p->arena);
	free(p);
}

/* ---- domains ---- */

bool
policy_is_in(const struct policy_list *list, struct cv_str domain, bool or_below)
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
	return policy_is_in(&p->suffixes, domain, true);
}

bool
cv_policy_is_free_mail(const struct cv_policy *p, struct cv_str domain)
{
	return policy_is_in(&p->free_mail, domain, false);
}
