/* args.c - reads the arguments of commands; see args.h. FETCH and LIST have files of their own. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/args.h"

#include "common/base/clock.h"
#include "common/text/date.h"
#include "imapd/names.h"

static bool
arg_word(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_astring(p, &a->word[a->word_count]) && ++a->word_count;
}

static bool
arg_atom(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_atom(p, &a->word[a->word_count]) && ++a->word_count;
}

/* The rest of the line, whatever it is: the initial response of AUTHENTICATE. */
static bool
arg_initial(struct imapd_parse *p, struct imapd_args *a)
{
	a->word[a->word_count++] = cv_str_sub(p->text, p->pos, p->text.n);
	a->has_initial = true;
	p->pos = p->text.n;
	return true;
}

bool
imapd_take_name(struct imapd_parse *p, struct cv_str wire, struct cv_str *out)
{
	return p->utf8 ? imapd_name_from_utf8(wire, p->arena, out)
		       : imapd_name_from_wire(wire, p->arena, out);
}

bool
imapd_parse_mailbox(struct imapd_parse *p, struct imapd_args *a)
{
	struct cv_str wire;

	if (!imapd_parse_astring(p, &wire))
		return false;
	a->given[a->mailbox_count] = wire;
	if (!imapd_take_name(p, wire, &a->mailbox[a->mailbox_count]))
		a->is_bad_name = true;
	a->mailbox_count++;
	return true;
}

static bool
arg_set(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_set(p, &a->set);
}

static bool
arg_names(struct imapd_parse *p, struct imapd_args *a)
{
	a->names = CV_ARENA_ARRAY(p->arena, struct cv_str, IMAPD_FLAGS_MAX);
	do {
		if (a->name_count == IMAPD_FLAGS_MAX)
			return imapd_fault(p, "too many words");
		if (!imapd_parse_atom(p, &a->names[a->name_count]))
			return false;
		a->name_count++;
	} while (imapd_take(p, ' '));
	return true;
}

/* CANCELUPDATE: 1*(SP quoted), RFC 5267 5 */
static bool
arg_tags(struct imapd_parse *p, struct imapd_args *a)
{
	a->names = CV_ARENA_ARRAY(p->arena, struct cv_str, IMAPD_FLAGS_MAX);
	do {
		if (a->name_count == IMAPD_FLAGS_MAX)
			return imapd_fault(p, "too many tags");
		if (!imapd_parse_string(p, &a->names[a->name_count]))
			return false;
		a->name_count++;
	} while (imapd_take(p, ' '));
	return true;
}

/* Keeps what is of use here. */
static void
take_id(struct imapd_id *id, struct cv_str name, struct cv_str value)
{
	const struct {
		const char *name;
		struct cv_str *value;
	} rows[] = {
		{"x-originating-ip",   &id->ip            },
		{"x-originating-port", &id->port          },
		{"x-connected-ip",     &id->connected_ip  },
		{"x-connected-port",   &id->connected_port},
		{"x-session-id",       &id->session       },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (cv_str_ieq_z(name, rows[i].name))
			*rows[i].value = value;
}

/* ID: NIL or ("name" "value" ...); RFC 2971 limits. */
static bool
arg_id(struct imapd_parse *p, struct imapd_args *a)
{
	struct cv_str name, value;
	unsigned count = 0;

	if (imapd_take_word(p, "NIL"))
		return true;
	if (!imapd_need(p, '(', "NIL or a list was expected"))
		return false;
	while (!imapd_take(p, ')')) {
		if (++count > 30)
			return imapd_fault(p, "too many fields");
		if (count > 1 && !imapd_parse_sp(p))
			return false;
		if (!imapd_parse_string(p, &name) || !imapd_parse_sp(p) ||
			!imapd_parse_nstring(p, &value))
			return false;
		if (name.n > 30 || value.n > 1024)
			return imapd_fault(p, "a field is too long");
		take_id(&a->id, name, value);
	}
	return true;
}

/* "(uidvalidity modseq [known-uids] [(numbers uids)])" of RFC 7162 3.2.5. The pairs only spare
 * octets where history is gone: they are read and not needed. */
static bool
parse_qresync(struct imapd_parse *p, struct imapd_qresync *q)
{
	struct imapd_set unused;
	uint64_t uidvalidity;
	bool has_more;

	if (!imapd_need(p, '(', "a parenthesis is missing") ||
		!imapd_parse_number(p, UINT32_MAX, &uidvalidity) || !imapd_parse_sp(p) ||
		!imapd_parse_number(p, INT64_MAX, &q->modseq))
		return false;
	q->is_given = true;
	q->uidvalidity = (uint32_t)uidvalidity;
	has_more = imapd_take(p, ' ');
	if (has_more && imapd_peek(p) != '(') {
		if (!imapd_parse_set(p, &q->known) || q->known.is_saved)
			return imapd_fault(p, "UIDs were expected");
		q->has_known = true;
		has_more = imapd_take(p, ' ');
	}
	if (has_more && p->uid_only)
		return imapd_fault_numbers(p); /* RFC 9586 3.7 */
	if (has_more &&
		(!imapd_need(p, '(', "a parenthesis is missing") || !imapd_parse_set(p, &unused) ||
			!imapd_parse_sp(p) || !imapd_parse_set(p, &unused) ||
			!imapd_need(p, ')', "a parenthesis is missing")))
		return false;
	return imapd_need(p, ')', "a parenthesis is missing");
}

static bool
arg_select(struct imapd_parse *p, struct imapd_args *a)
{
	if (!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	do {
		if (imapd_take_prefix(p, "QRESYNC ")) {
			if (!parse_qresync(p, &a->qresync))
				return false;
		} else if (!imapd_take_word(p, "CONDSTORE")) {
			return imapd_fault(p, "an unknown option of SELECT");
		}
		a->condstore = true;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

/* CREATE name (USE (\Sent)) */
static bool
arg_create(struct imapd_parse *p, struct imapd_args *a)
{
	struct cv_str word;

	if (!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	if (!imapd_take_word(p, "USE") || !imapd_parse_sp(p) || !imapd_take(p, '('))
		return imapd_fault(p, "an unknown option of CREATE");
	while (!imapd_take(p, ')')) {
		if (!imapd_need(p, '\\', "a special use is missing") || !imapd_parse_atom(p, &word))
			return false;
		word = cv_str(word.p - 1, word.n + 1);
		enum cv_special_use use = imapd_use_of(word);
		if (use == CV_USE_NONE || a->use != CV_USE_NONE)
			return imapd_fault(p, "not one known special use");
		a->use = use;
		if (!imapd_take(p, ' ') && imapd_peek(p) != ')')
			return imapd_fault(p, "a parenthesis is missing");
	}
	return imapd_need(p, ')', "a parenthesis is missing");
}

bool
imapd_parse_status_items(struct imapd_parse *p, unsigned *out)
{
	static const struct {
		const char *word;
		unsigned item;
	} rows[] = {
		{"MESSAGES",      IMAPD_STATUS_MESSAGES     },
		{"RECENT",        IMAPD_STATUS_RECENT       },
		{"UIDNEXT",       IMAPD_STATUS_UIDNEXT      },
		{"UIDVALIDITY",   IMAPD_STATUS_UIDVALIDITY  },
		{"UNSEEN",        IMAPD_STATUS_UNSEEN       },
		{"HIGHESTMODSEQ", IMAPD_STATUS_HIGHESTMODSEQ},
		{"SIZE",          IMAPD_STATUS_SIZE         },
		{"DELETED-STORAGE", IMAPD_STATUS_DELETED_STORAGE},
		{"DELETED",       IMAPD_STATUS_DELETED      },
		{"MAILBOXID",     IMAPD_STATUS_MAILBOXID    },
		{"APPENDLIMIT",   IMAPD_STATUS_APPENDLIMIT  },
	};

	if (!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	do {
		size_t i = 0;
		while (i < CV_COUNT(rows) && !imapd_take_word(p, rows[i].word))
			i++;
		if (i == CV_COUNT(rows))
			return imapd_fault(p, "an unknown status item");
		*out |= rows[i].item;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

static bool
arg_status(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_status_items(p, &a->status_items);
}

static bool
parse_flag(struct imapd_parse *p, struct imapd_flag_list *list)
{
	struct cv_str word;
	bool is_system = imapd_take(p, '\\');

	if (!imapd_parse_atom(p, &word))
		return false;
	if (is_system) {
		uint32_t flag = imapd_flag_of(cv_str(word.p - 1, word.n + 1));
		if (!flag)
			return imapd_fault(p, "not a flag that can be set");
		list->flags |= flag;
		return true;
	}
	if (word.n > CV_KEYWORD_BYTES_MAX)
		return imapd_fault(p, "a keyword is too long");
	for (size_t i = 0; i < list->keyword_count; i++)
		if (cv_str_ieq(list->keywords[i], word))
			return true;
	if (list->keyword_count == IMAPD_FLAGS_MAX)
		return imapd_fault(p, "too many keywords");
	if (!list->keywords)
		list->keywords = CV_ARENA_ARRAY(p->arena, struct cv_str, IMAPD_FLAGS_MAX);
	list->keywords[list->keyword_count++] = word;
	return true;
}

bool
imapd_parse_flags(struct imapd_parse *p, struct imapd_flag_list *out)
{
	*out = (struct imapd_flag_list){0};
	if (!imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	if (imapd_take(p, ')'))
		return true;
	do {
		if (!parse_flag(p, out))
			return false;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

/* STORE: [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] flags, with or without parentheses. */
static bool
arg_store(struct imapd_parse *p, struct imapd_args *a)
{
	struct imapd_store_args *s = a->store = CV_ARENA_NEW(p->arena, struct imapd_store_args);

	if (imapd_take(p, '(')) {
		if (!imapd_take_prefix(p, "UNCHANGEDSINCE "))
			return imapd_fault(p, "an unknown option of STORE");
		if (!imapd_parse_number(p, INT64_MAX, &s->unchanged_since) ||
			!imapd_need(p, ')', "a parenthesis is missing") || !imapd_parse_sp(p))
			return false;
		s->has_unchanged_since = true;
	}
	s->op = imapd_take(p, '+')   ? CV_STORE_ADD
		: imapd_take(p, '-') ? CV_STORE_REMOVE
				     : CV_STORE_SET;
	if (imapd_take_word(p, "FLAGS.SILENT"))
		s->is_silent = true;
	else if (!imapd_take_word(p, "FLAGS"))
		return imapd_fault(p, "only FLAGS can be stored");
	if (!imapd_parse_sp(p))
		return false;
	if (imapd_peek(p) == '(')
		return imapd_parse_flags(p, &s->flags);
	do {
		if (!parse_flag(p, &s->flags))
			return false;
	} while (imapd_take(p, ' '));
	return true;
}

static bool
parse_date_time(struct imapd_parse *p, struct cv_append *item)
{
	struct cv_str text;
	struct cv_date date;

	if (!imapd_parse_string(p, &text))
		return false;
	if (cv_date_parse_imap(text, &date))
		return imapd_fault(p, "a date and time is not well formed");
	item->internal_secs = date.unix_secs;
	item->internal_zone = (int16_t)date.zone_min;
	return true;
}

/* URL SP astring; as a literal it went to a spool like a message. */
static bool
parse_cat_url(struct imapd_parse *p, struct cv_str *out)
{
	struct cv_spool *spool;
	size_t n;

	if (imapd_peek(p) != '{')
		return imapd_parse_astring(p, out) &&
		       (out->n <= IMAPD_URL_MAX || imapd_fault(p, "a URL is too long"));
	if (!imapd_parse_message(p, &spool))
		return false;
	if (spool->size_bytes > IMAPD_URL_MAX)
		return imapd_fault(p, "a URL is too long");
	char *text = cv_arena_alloc(p->arena, IMAPD_URL_MAX);
	if (cv_spool_read(spool, 0, text, IMAPD_URL_MAX, &n, NULL))
		return imapd_fault(p, "a URL could not be kept");
	*out = cv_str(text, n);
	return true;
}

/* Behind "CATENATE (" (RFC 4469 5): TEXT {n} and URL astring, in any order. */
static bool
parse_catenate(struct imapd_parse *p, struct imapd_catenate *list)
{
	size_t max = p->spool_count + IMAPD_URLS_MAX;

	list->parts = CV_ARENA_ARRAY(p->arena, struct imapd_cat_part, max);
	do {
		if (list->count == max)
			return imapd_fault(p, "too many parts");
		struct imapd_cat_part *part = &list->parts[list->count++];
		if (imapd_take_prefix(p, "TEXT ")) {
			if (!imapd_parse_message(p, &part->text))
				return false;
		} else if (!imapd_take_prefix(p, "URL ")) {
			return imapd_fault(p, "TEXT or URL is missing");
		} else if (!parse_cat_url(p, &part->url)) {
			return false;
		}
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing");
}

/* What is appended, from the flags on, to the end of its literal or list. */
static bool
parse_append_data(struct imapd_parse *p, struct imapd_append_args *append)
{
	struct cv_append *item = &append->items[append->count];

	if (imapd_take_prefix(p, "CATENATE (")) {
		if (!append->catenates)
			append->catenates = CV_ARENA_ARRAY(
				p->arena, struct imapd_catenate, p->spool_count + IMAPD_URLS_MAX);
		return parse_catenate(p, &append->catenates[append->count]);
	}
	/* UTF8 (~{n}): the older way to say that headers are UTF-8 (RFC 6855 4). */
	bool is_utf8 = p->utf8 && imapd_take_prefix(p, "UTF8 (");
	return imapd_parse_message(p, &item->message) &&
	       (!is_utf8 || imapd_need(p, ')', "a parenthesis is missing"));
}

/* APPEND: one or more of [(flags)] ["date"] {message}. */
static bool
arg_append(struct imapd_parse *p, struct imapd_args *a)
{
	struct imapd_append_args *append = a->append =
		CV_ARENA_NEW(p->arena, struct imapd_append_args);
	size_t max = p->spool_count + IMAPD_URLS_MAX;

	append->items = CV_ARENA_ARRAY(p->arena, struct cv_append, max);
	do {
		struct imapd_flag_list flags = {0};
		if (append->count == max)
			return imapd_fault(p, "too many messages");
		struct cv_append *item = &append->items[append->count];
		item->internal_secs = cv_wall_secs();
		item->internal_zone = CV_ZONE_VIETNAM;
		if (imapd_peek(p) == '(' && (!imapd_parse_flags(p, &flags) || !imapd_parse_sp(p)))
			return false;
		if (imapd_peek(p) == '"' && (!parse_date_time(p, item) || !imapd_parse_sp(p)))
			return false;
		if (!parse_append_data(p, append))
			return false;
		item->flags =
			(struct cv_flag_change){.flags = flags.flags,
				.keywords = flags.keywords,
				.keyword_count = flags.keyword_count};
		append->count++;
	} while (imapd_take(p, ' '));
	return true;
}

/* size [first:last]; what the numbers may be is the command's to say (RFC 10022 4) */
static bool
arg_batches(struct imapd_parse *p, struct imapd_args *a)
{
	struct imapd_batches *b = &a->batches;
	uint64_t n[3] = {0};

	bool ok = imapd_parse_number(p, UINT32_MAX, &n[0]);
	if (ok && imapd_take(p, ' ')) {
		b->has_range = true;
		ok = imapd_parse_number(p, UINT32_MAX, &n[1]) &&
		     imapd_need(p, ':', "a range was expected") &&
		     imapd_parse_number(p, UINT32_MAX, &n[2]);
	}
	b->size = (uint32_t)n[0];
	b->first = (uint32_t)n[1];
	b->last = (uint32_t)n[2];
	if (ok && (!b->size || (b->has_range && (!b->first || !b->last))))
		return imapd_fault(p, "batches are counted from 1");
	return ok;
}

static bool
arg_list(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_list(p, a, false);
}

static bool
arg_lsub(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_list(p, a, true);
}

static bool
arg_search(struct imapd_parse *p, struct imapd_args *a)
{
	return imapd_parse_search(p, &a->search);
}

/* [RETURN (...) ](keys) charset search-keys */
static bool
arg_sort(struct imapd_parse *p, struct imapd_args *a)
{
	a->search = CV_ARENA_NEW(p->arena, struct imapd_search);
	a->sort = CV_ARENA_NEW(p->arena, struct imapd_sort);
	if (!imapd_parse_returns(p, a->search) || !imapd_parse_sort(p, a->sort) ||
		!imapd_parse_sp(p))
		return false;
	a->search->program = cv_str_sub(p->text, p->pos, p->text.n);
	a->search->is_utf8 = p->utf8;
	if (!imapd_parse_charset_search(p, a->search))
		return false;
	if (a->sort->by_relevancy && !a->search->has_fuzzy)
		return imapd_fault(p, "RELEVANCY needs FUZZY"); /* RFC 6203 6 */
	return true;
}

/* algorithm charset search-keys */
static bool
arg_thread(struct imapd_parse *p, struct imapd_args *a)
{
	static const char *const names[] = {
		[IMAPD_THREAD_ORDEREDSUBJECT] = "ORDEREDSUBJECT",
		[IMAPD_THREAD_REFERENCES] = "REFERENCES",
		[IMAPD_THREAD_REFS] = "REFS",
	};
	size_t i = 0;

	while (i < CV_COUNT(names) && !imapd_take_word(p, names[i]))
		i++;
	if (i == CV_COUNT(names))
		return imapd_fault(p, "an unknown threading algorithm");
	a->thread = (enum imapd_thread_how)i;
	a->search = CV_ARENA_NEW(p->arena, struct imapd_search);
	return imapd_parse_sp(p) && imapd_parse_charset_search(p, a->search);
}

/* The rest is not looked at: SETQUOTA is refused whatever it says. */
static bool
arg_rest(struct imapd_parse *p, struct imapd_args *a)
{
	(void)a;
	p->pos = p->text.n;
	return true;
}

static const struct {
	const char *word;
	bool (*parse)(struct imapd_parse *p, struct imapd_args *args);
} words[] = {
	{"mailbox", imapd_parse_mailbox},
	{"set",     arg_set            },
	{"fetch",   imapd_parse_fetch  },
	{"store",   arg_store          },
	{"search",  arg_search         },
	{"esearch", imapd_parse_esearch},
	{"tags",    arg_tags           },
	{"notify",  imapd_parse_notify },
	{"sort",    arg_sort           },
	{"thread",  arg_thread         },
	{"append",  arg_append         },
	{"list",    arg_list           },
	{"lsub",    arg_lsub           },
	{"status",  arg_status         },
	{"word",    arg_word           },
	{"atom",    arg_atom           },
	{"initial", arg_initial        },
	{"names",   arg_names          },
	{"id",      arg_id             },
	{"select",  arg_select         },
	{"create",  arg_create         },
	{"rest",    arg_rest           },
	{"getmetadata", imapd_parse_getmetadata},
	{"setmetadata", imapd_parse_setmetadata},
	{"batches", arg_batches        },
};

static bool
parse_word(struct imapd_parse *p, struct cv_str word, struct imapd_args *out)
{
	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_eq_z(word, words[i].word))
			return words[i].parse(p, out);
	cv_die("no grammar word %.*s", CV_STR_ARGS(word));
}

bool
imapd_parse_args(struct imapd_parse *p, const char *grammar, struct imapd_args *out)
{
	struct cv_str rest = cv_str_z(grammar), word;

	while (rest.n && cv_str_split(&rest, ' ', &word)) {
		bool may_miss = word.p[0] == '?';
		if (may_miss && imapd_at_end(p))
			continue;
		word = cv_str_sub(word, may_miss, word.n);
		if (!imapd_parse_sp(p) || !parse_word(p, word, out))
			return false;
	}
	return imapd_at_end(p) || imapd_fault(p, "something is left at the end");
}
