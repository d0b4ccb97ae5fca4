/* examine.c - what the walk found, as rules: texts, links, and the policy for attachments (SPM-06).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "common/text/charset.h"
#include "spamfilter/judge.h"
#include "spamfilter/walk/walk_impl.h"

#define MANY_URLS 60

/* ---- the walk ---- */

/* The header as it came, for the scanner. */
static struct cv_str
whole_header(struct spam_mail *m)
{
	struct cv_buf header = CV_BUF_INIT(m->header_bytes + 4 * m->field_count + 16);

	for (size_t i = 0; i < m->field_count; i++) {
		cv_buf_str(&header, m->fields[i].name);
		cv_buf_c(&header, ':');
		cv_buf_str(&header, m->fields[i].value);
		cv_buf_z(&header, "\r\n");
	}
	cv_buf_z(&header, "\r\n");
	struct cv_str copy = cv_arena_str(&m->arena, cv_buf_view(&header));
	cv_buf_done(&header);
	return copy;
}

/* Three quarters of the time that is left: others look at what was found. */
static unsigned
walk_ms(const struct spam_mail *m)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	int64_t left_us = m->cpu_end_us - ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	return left_us > 4000 ? (unsigned)(left_us * 3 / 4000) : 1;
}

/* ---- texts ---- */

static const struct {
	uint64_t fact;
	enum spam_rule rule;
} fact_rules[] = {
	{SPAM_FACT(HIDDEN_TEXT),   SPAM_RULE_HIDDEN_TEXT  },
	{SPAM_FACT(ZERO_WIDTH),    SPAM_RULE_ZERO_WIDTH   },
	{SPAM_FACT(HOMOGLYPHS),    SPAM_RULE_HOMOGLYPHS   },
	{SPAM_FACT(MISLABELLED),   SPAM_RULE_CHARSET_WRONG},
	{SPAM_FACT(HTML_FORM),     SPAM_RULE_HTML_FORM    },
	{SPAM_FACT(HTML_PASSWORD), SPAM_RULE_HTML_PASSWORD},
	{SPAM_FACT(HTML_SCRIPT),   SPAM_RULE_HTML_SCRIPT  },
	{SPAM_FACT(HTML_DATA_URL), SPAM_RULE_HTML_DATA_URL},
	{SPAM_FACT(HTML_REFRESH),  SPAM_RULE_HTML_REFRESH },
	{SPAM_FACT(HTML_BASE),     SPAM_RULE_HTML_BASE    },
	{SPAM_FACT(HTML_FRAME),    SPAM_RULE_HTML_FRAME   },
	{SPAM_FACT(TRACKER),       SPAM_RULE_TRACKER      },
	{SPAM_FACT(IMAGE_ONLY),    SPAM_RULE_IMAGE_ONLY   },
	{SPAM_FACT(LIMITS),        SPAM_RULE_WALK_LIMITS  },
	{SPAM_FACT(URLS_CUT),      SPAM_RULE_WALK_LIMITS  },
	{SPAM_FACT(CUT),           SPAM_RULE_MESSAGE_CUT  },
};

static void
report_facts(struct spam_mail *m)
{
	uint64_t facts = spam_walk_facts(m->walk);

	for (size_t i = 0; i < CV_COUNT(fact_rules); i++)
		if (facts & fact_rules[i].fact)
			spam_found(m, fact_rules[i].rule, "%s", "");
	if (facts & SPAM_FACT(COSTLY))
		spam_found(m, SPAM_RULE_TOO_COSTLY, "reading its parts");
}

/* ---- links ---- */

static const struct {
	unsigned flag;
	enum spam_rule rule;
} url_rules[] = {
	{SPAM_URL_MISMATCH,  SPAM_RULE_URL_MISMATCH },
	{SPAM_URL_IP_ODD,    SPAM_RULE_URL_IP_ODD   },
	{SPAM_URL_IP,        SPAM_RULE_URL_IP       },
	{SPAM_URL_USERINFO,  SPAM_RULE_URL_USERINFO },
	{SPAM_URL_MIXED,     SPAM_RULE_URL_MIXED    },
	{SPAM_URL_SHORTENER, SPAM_RULE_URL_SHORTENER},
	{SPAM_URL_REDIRECT,  SPAM_RULE_URL_REDIRECT },
	{SPAM_URL_PASSWORD,  SPAM_RULE_HTML_PASSWORD},
};

void
spam_report_urls(struct spam_mail *m)
{
	const struct spam_url *urls;
	size_t n = spam_walk_urls(m->walk, &urls);

	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < CV_COUNT(url_rules); r++) {
			if (!(urls[i].flags & url_rules[r].flag))
				continue;
			if (url_rules[r].flag == SPAM_URL_MISMATCH)
				spam_found(m, url_rules[r].rule, "%.*s reads as %.*s",
					CV_STR_ARGS(urls[i].host), CV_STR_ARGS(urls[i].shown_host));
			else
				spam_found(m, url_rules[r].rule, "%.*s", CV_STR_ARGS(urls[i].host));
		}
	if (n > MANY_URLS)
		spam_found(m, SPAM_RULE_URLS_MANY, "%zu", n);
}

/* ---- attachments ---- */

#define OPTION(name) offsetof(struct spamfilter_options, name)
#define DOCUMENTS                                                                                  \
	(1u << SPAM_FILE_OLE | 1u << SPAM_FILE_OOXML | 1u << SPAM_FILE_ODF | 1u << SPAM_FILE_RTF)
#define ARCHIVES                                                                                   \
	(1u << SPAM_FILE_ZIP | 1u << SPAM_FILE_7Z | 1u << SPAM_FILE_RAR | 1u << SPAM_FILE_CAB)
#define ANY (~0u)

/* From the worst on: the first row that fits a file chooses what is said to its sender. */
static const struct {
	unsigned flags, kinds;
	enum spam_rule rule;
	size_t option; /* what is done about it */
} file_rules[] = {
	{SPAM_FILE_DOUBLE | SPAM_FILE_REVERSED, ANY, SPAM_RULE_ATTACHMENT_DOUBLE, OPTION(attachment_dangerous)},
	{SPAM_FILE_DANGEROUS, ANY, SPAM_RULE_ATTACHMENT_DANGEROUS, OPTION(attachment_dangerous)},
	{SPAM_FILE_AUTORUN, ANY, SPAM_RULE_MACRO_AUTORUN, OPTION(attachment_macro_auto)},
	{SPAM_FILE_MACRO, ANY, SPAM_RULE_MACRO_OFFICE, OPTION(attachment_macro)},
	{SPAM_FILE_BOMB, ANY, SPAM_RULE_ARCHIVE_BOMB, OPTION(attachment_bomb)},
	{SPAM_FILE_CONTRADICTS, ANY, SPAM_RULE_ARCHIVE_CONTRADICTS, OPTION(attachment_bomb)},
	{SPAM_FILE_ENCRYPTED, ARCHIVES, SPAM_RULE_ARCHIVE_ENCRYPTED, OPTION(attachment_encrypted)},
	{SPAM_FILE_ENCRYPTED, DOCUMENTS | 1u << SPAM_FILE_PDF, SPAM_RULE_DOCUMENT_ENCRYPTED, 0},
	{SPAM_FILE_NOT_LISTED, ANY, SPAM_RULE_ARCHIVE_UNREADABLE, OPTION(attachment_encrypted)},
	{SPAM_FILE_BROKEN, ARCHIVES, SPAM_RULE_ARCHIVE_UNREADABLE, 0},
	{SPAM_FILE_REMOTE, ANY, SPAM_RULE_DOCUMENT_REMOTE, OPTION(attachment_macro_auto)},
	{SPAM_FILE_ACTION, ANY, SPAM_RULE_DOCUMENT_ACTION, OPTION(attachment_macro_auto)},
	{SPAM_FILE_SCRIPTED, 1u << SPAM_FILE_PDF, SPAM_RULE_DOCUMENT_SCRIPT, 0},
	{SPAM_FILE_SCRIPTED, 1u << SPAM_FILE_HTML, SPAM_RULE_ATTACHMENT_HTML_SCRIPT, 0},
	{SPAM_FILE_FORM, 1u << SPAM_FILE_HTML, SPAM_RULE_ATTACHMENT_FORM, OPTION(attachment_form)},
	{SPAM_FILE_EMBEDDED, DOCUMENTS, SPAM_RULE_DOCUMENT_OBJECT, 0},
	{SPAM_FILE_MISNAMED, ANY, SPAM_RULE_ATTACHMENT_MISNAMED, 0},
};

/* What people call the file: its name, and that of the archive it is in. */
static struct cv_str
file_label(struct spam_mail *m, const struct spam_file *files, const struct spam_file *f)
{
	const char *none = "?";
	struct cv_str name = f->name.n ? f->name : cv_str_z(none);

	if (f->container == SPAM_FILE_NO_CONTAINER || !files[f->container].name.n)
		return cv_arena_printf(&m->arena, "%.*s", CV_STR_ARGS(cv_utf8_cut(name, 60)));
	const struct spam_file *in = &files[f->container];
	return cv_arena_printf(&m->arena, "%.*s (%.*s)", CV_STR_ARGS(cv_utf8_cut(name, 60)),
		CV_STR_ARGS(cv_utf8_cut(in->name, 40)));
}

static void
act(struct spam_mail *m, size_t option, struct cv_str label)
{
	struct cv_decision d;

	if (!option)
		return;
	const char *word =
		*(const char *const *)(const void *)((const char *)m->opt + option);
	for (int a = SPAM_MARK; a < SPAM_ACTIONS; a++) {
		if (strcmp(word, spam_action_word((enum spam_action)a)))
			continue;
		bool refuses = a == SPAM_REFUSE && cv_policy_named("SPM-06.attachment", label, &d);
		spam_want(m, (enum spam_action)a, refuses ? &d : NULL);
	}
}

/* The detail names kinds and extensions, never the name: that is text of the message. */
static void
report_file(struct spam_mail *m, const struct spam_file *files, const struct spam_file *f)
{
	for (size_t i = 0; i < CV_COUNT(file_rules); i++) {
		if (!(f->flags & file_rules[i].flags) || !(1u << f->kind & file_rules[i].kinds))
			continue;
		spam_found(m, file_rules[i].rule, "%s .%.*s%s", spam_file_kind_word(f->kind),
			(int)CV_MIN(f->extension.n, 16), f->extension.n ? f->extension.p : "",
			f->level ? " in an archive" : "");
		act(m, file_rules[i].option, file_label(m, files, f));
	}
}

bool
spam_attachment_word(const char *word)
{
	if (!strcmp(word, "score"))
		return true;
	for (int a = SPAM_MARK; a < SPAM_ACTIONS; a++)
		if (a != SPAM_GREYLIST && !strcmp(word, spam_action_word((enum spam_action)a)))
			return true;
	return false;
}

void
spam_examine_walk(struct spam_mail *m)
{
	const struct spam_walk_options options = {
		.cpu_ms = walk_ms(m), .is_cut = spam_body_is_cut(&m->body)};
	const struct spam_file *files;

	m->walk = spam_walk_message(whole_header(m), spam_body_view(&m->body), &options);
	report_facts(m);
	spam_report_urls(m);
	size_t n = spam_walk_files(m->walk, &files);
	for (size_t i = 0; i < n; i++)
		report_file(m, files, &files[i]);
}
