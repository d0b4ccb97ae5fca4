/* search.c - reads search programs and judges messages by them; see search.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/search.h"

#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/encoded_word.h"
#include "common/text/fold.h"
#include "common/text/header.h"
#include "imapd/args.h"
#include "imapd/names.h"

#define FUZZY_DAYS  7 /* a date so many days off is out of reach */
#define FUZZY_SHARE 4 /* so is a size or age that is off by a share of what was asked for */

enum arg {
	ARG_NONE,
	ARG_TEXT,
	ARG_HEADER,
	ARG_FIELD,
	ARG_DAY,
	ARG_NUMBER,
	ARG_SECONDS,
	ARG_KEYWORD,
	ARG_UIDS,
	ARG_UID_AFTER,
	ARG_UID_BEFORE,
	ARG_ID,
	ARG_MODSEQ,
	ARG_OR,
	ARG_NOT,
	ARG_FUZZY,
	ARG_NEW
};

static const struct key_row {
	const char *word;
	enum imapd_key key;
	enum arg arg;
	bool is_negated;
	uint32_t flag;
} key_rows[] = {
	{"ALL",        IMAPD_KEY_AND,        ARG_NONE,    false, 0               },
	{"ANSWERED",   IMAPD_KEY_FLAG,       ARG_NONE,    false, CV_FLAG_ANSWERED},
	{"BCC",        IMAPD_KEY_HEADER,     ARG_FIELD,   false, 0               },
	{"BEFORE",     IMAPD_KEY_BEFORE,     ARG_DAY,     false, 0               },
	{"BODY",       IMAPD_KEY_BODY,       ARG_TEXT,    false, 0               },
	{"CC",         IMAPD_KEY_HEADER,     ARG_FIELD,   false, 0               },
	{"DELETED",    IMAPD_KEY_FLAG,       ARG_NONE,    false, CV_FLAG_DELETED },
	{"DRAFT",      IMAPD_KEY_FLAG,       ARG_NONE,    false, CV_FLAG_DRAFT   },
	{"EMAILID",    IMAPD_KEY_EMAILID,    ARG_ID,      false, 0               },
	{"FLAGGED",    IMAPD_KEY_FLAG,       ARG_NONE,    false, CV_FLAG_FLAGGED },
	{"FROM",       IMAPD_KEY_HEADER,     ARG_FIELD,   false, 0               },
	{"FUZZY",      IMAPD_KEY_AND,        ARG_FUZZY,   false, 0               },
	{"HEADER",     IMAPD_KEY_HEADER,     ARG_HEADER,  false, 0               },
	{"KEYWORD",    IMAPD_KEY_KEYWORD,    ARG_KEYWORD, false, 0               },
	{"LARGER",     IMAPD_KEY_LARGER,     ARG_NUMBER,  false, 0               },
	{"MODSEQ",     IMAPD_KEY_MODSEQ,     ARG_MODSEQ,  false, 0               },
	{"NEW",        IMAPD_KEY_AND,        ARG_NEW,     false, 0               },
	{"NOT",        IMAPD_KEY_NOT,        ARG_NOT,     false, 0               },
	{"OLD",        IMAPD_KEY_RECENT,     ARG_NONE,    true,  0               },
	{"OLDER",      IMAPD_KEY_OLDER,      ARG_SECONDS, false, 0               },
	{"ON",         IMAPD_KEY_ON,         ARG_DAY,     false, 0               },
	{"OR",         IMAPD_KEY_OR,         ARG_OR,      false, 0               },
	{"RECENT",     IMAPD_KEY_RECENT,     ARG_NONE,    false, 0               },
	{"SAVEDATESUPPORTED", IMAPD_KEY_AND, ARG_NONE,    false, 0               },
	{"SAVEDBEFORE", IMAPD_KEY_SAVEDBEFORE, ARG_DAY,   false, 0               },
	{"SAVEDON",    IMAPD_KEY_SAVEDON,    ARG_DAY,     false, 0               },
	{"SAVEDSINCE", IMAPD_KEY_SAVEDSINCE, ARG_DAY,     false, 0               },
	{"SEEN",       IMAPD_KEY_FLAG,       ARG_NONE,    false, CV_FLAG_SEEN    },
	{"SENTBEFORE", IMAPD_KEY_SENTBEFORE, ARG_DAY,     false, 0               },
	{"SENTON",     IMAPD_KEY_SENTON,     ARG_DAY,     false, 0               },
	{"SENTSINCE",  IMAPD_KEY_SENTSINCE,  ARG_DAY,     false, 0               },
	{"SINCE",      IMAPD_KEY_SINCE,      ARG_DAY,     false, 0               },
	{"SMALLER",    IMAPD_KEY_SMALLER,    ARG_NUMBER,  false, 0               },
	{"SUBJECT",    IMAPD_KEY_HEADER,     ARG_FIELD,   false, 0               },
	{"TEXT",       IMAPD_KEY_TEXT,       ARG_TEXT,    false, 0               },
	{"THREADID",   IMAPD_KEY_THREADID,   ARG_ID,      false, 0               },
	{"TO",         IMAPD_KEY_HEADER,     ARG_FIELD,   false, 0               },
	{"UID",        IMAPD_KEY_UIDS,       ARG_UIDS,    false, 0               },
	{"UIDAFTER",   IMAPD_KEY_UIDS,       ARG_UID_AFTER, false, 0             },
	{"UIDBEFORE",  IMAPD_KEY_UIDS,       ARG_UID_BEFORE, false, 0            },
	{"UNANSWERED", IMAPD_KEY_FLAG,       ARG_NONE,    true,  CV_FLAG_ANSWERED},
	{"UNDELETED",  IMAPD_KEY_FLAG,       ARG_NONE,    true,  CV_FLAG_DELETED },
	{"UNDRAFT",    IMAPD_KEY_FLAG,       ARG_NONE,    true,  CV_FLAG_DRAFT   },
	{"UNFLAGGED",  IMAPD_KEY_FLAG,       ARG_NONE,    true,  CV_FLAG_FLAGGED },
	{"UNKEYWORD",  IMAPD_KEY_KEYWORD,    ARG_KEYWORD, true,  0               },
	{"UNSEEN",     IMAPD_KEY_FLAG,       ARG_NONE,    true,  CV_FLAG_SEEN    },
	{"YOUNGER",    IMAPD_KEY_YOUNGER,    ARG_SECONDS, false, 0               },
};

static const unsigned key_needs[] = {
	[IMAPD_KEY_LARGER] = IMAPD_NEED_CORE,
	[IMAPD_KEY_SMALLER] = IMAPD_NEED_CORE,
	[IMAPD_KEY_BEFORE] = IMAPD_NEED_CORE,
	[IMAPD_KEY_ON] = IMAPD_NEED_CORE,
	[IMAPD_KEY_SINCE] = IMAPD_NEED_CORE,
	[IMAPD_KEY_OLDER] = IMAPD_NEED_CORE,
	[IMAPD_KEY_YOUNGER] = IMAPD_NEED_CORE,
	[IMAPD_KEY_SENTBEFORE] = IMAPD_NEED_SUMMARY,
	[IMAPD_KEY_SENTON] = IMAPD_NEED_SUMMARY,
	[IMAPD_KEY_SENTSINCE] = IMAPD_NEED_SUMMARY,
	[IMAPD_KEY_SAVEDBEFORE] = IMAPD_NEED_CORE,
	[IMAPD_KEY_SAVEDON] = IMAPD_NEED_CORE,
	[IMAPD_KEY_SAVEDSINCE] = IMAPD_NEED_CORE,
	[IMAPD_KEY_EMAILID] = IMAPD_NEED_CORE,
	[IMAPD_KEY_THREADID] = IMAPD_NEED_CORE,
	[IMAPD_KEY_HEADER] = IMAPD_NEED_SUMMARY,
	[IMAPD_KEY_BODY] = IMAPD_NEED_BODY,
	[IMAPD_KEY_TEXT] = IMAPD_NEED_BODY,
};

/* ---- reading ---- */

struct reader {
	struct imapd_parse *p;
	struct imapd_search *search;
	struct cv_str charset;
	unsigned depth, fuzzy; /* fuzzy: so many FUZZY are around the key */
	uint32_t cap;
};

static bool read_key(struct reader *r);

/* Adds a node; its index, or UINT32_MAX when there are too many. */
static uint32_t
add_node(struct reader *r, enum imapd_key key)
{
	struct imapd_search *s = r->search;

	if (s->count == IMAPD_SEARCH_NODES_MAX) {
		imapd_fault(r->p, "the search has too many keys");
		return UINT32_MAX;
	}
	if (s->count == r->cap) {
		uint32_t cap = r->cap ? r->cap * 4 : 8;
		struct imapd_search_node *grown =
			CV_ARENA_ARRAY(r->p->arena, struct imapd_search_node, cap);
		if (s->count)
			memcpy(grown, s->nodes, s->count * sizeof(*grown));
		s->nodes = grown;
		r->cap = cap;
	}
	struct imapd_search_node *node = &s->nodes[s->count];
	node->key = key;
	node->needs = (size_t)key < CV_COUNT(key_needs) ? key_needs[key] : 0;
	node->end = s->count + 1;
	node->is_fuzzy = r->fuzzy > 0;
	return s->count++;
}

/* The node's subtree ends with the newest node. */
static bool
close_node(struct reader *r, uint32_t index)
{
	r->search->nodes[index].end = r->search->count;
	return true;
}

/* A text in the search's charset, folded, and with its diacritics if these count. */
static bool
read_text(struct reader *r, struct imapd_search_node *node)
{
	struct cv_str raw;
	if (!imapd_parse_sp(r->p) || !imapd_parse_astring(r->p, &raw))
		return false;
	if (raw.n > IMAPD_SEARCH_NEEDLE_MAX)
		return imapd_fault(r->p, "a text to search for is too long");

	struct cv_buf utf8 = CV_BUF_INIT(8 * IMAPD_SEARCH_NEEDLE_MAX);
	struct cv_buf folded = CV_BUF_INIT(IMAPD_SEARCH_NEEDLE_MAX);
	struct cv_buf cased = CV_BUF_INIT(2 * IMAPD_SEARCH_NEEDLE_MAX);
	bool is_exact = r->p->is_exact && !node->is_fuzzy;
	bool ok = cv_charset_to_utf8(r->charset, raw, &utf8) != CV_LIMIT &&
		  !cv_fold(cv_buf_view(&utf8), &folded) &&
		  (!is_exact || !cv_fold_case(cv_buf_view(&utf8), &cased));
	if (ok)
		node->needle = cv_arena_str(r->p->arena, cv_buf_view(&folded));
	if (ok && is_exact)
		node->exact = cv_arena_str(r->p->arena, cv_buf_view(&cased));
	cv_buf_done(&utf8);
	cv_buf_done(&folded);
	cv_buf_done(&cased);
	return ok || imapd_fault(r->p, "a text to search for is too long");
}

static bool
read_day(struct reader *r, int64_t *out)
{
	struct cv_str word;
	if (!imapd_parse_sp(r->p) || !imapd_parse_astring(r->p, &word))
		return false;
	return !cv_date_parse_imap_day(word, out) || imapd_fault(r->p, "a date is not well formed");
}

/* MODSEQ ["/flags/\\Seen" all|priv|shared] number: what is named narrows nothing here, as MODSEQ is
 * kept per message. */
static bool
read_modseq(struct reader *r, uint64_t *out)
{
	struct cv_str unused;
	if (!imapd_parse_sp(r->p))
		return false;
	if (imapd_peek(r->p) == '"') {
		if (!imapd_parse_string(r->p, &unused) || !imapd_parse_sp(r->p))
			return false;
		if (!imapd_take_word(r->p, "all") && !imapd_take_word(r->p, "priv") &&
			!imapd_take_word(r->p, "shared"))
			return imapd_fault(r->p, "all, priv or shared was expected");
		if (!imapd_parse_sp(r->p))
			return false;
	}
	r->search->has_modseq = true;
	return imapd_parse_number(r->p, INT64_MAX, out);
}

/* UIDAFTER, UIDBEFORE (RFC 9738 3.2): what is above or below one UID. */
static bool
read_uid_side(struct reader *r, bool is_after, struct imapd_set *out)
{
	uint64_t uid;

	if (!imapd_parse_sp(r->p) || !imapd_parse_number(r->p, UINT32_MAX, &uid))
		return false;
	if (!uid)
		return imapd_fault(r->p, "a UID is not zero");
	*out = (struct imapd_set){.ranges = CV_ARENA_NEW(r->p->arena, struct imapd_range)};
	if (is_after ? uid < UINT32_MAX - 1 : uid > 1) {
		out->count = 1;
		out->ranges[0] = is_after ? (struct imapd_range){(uint32_t)uid + 1, UINT32_MAX - 1}
					  : (struct imapd_range){1, (uint32_t)uid - 1};
	}
	return true;
}

/* The column that holds the field NAME. */
static enum imapd_column
column_of(struct cv_str name)
{
	static const char *const names[] = {
		[IMAPD_COL_SUBJECT] = "Subject",
		[IMAPD_COL_FROM] = "From",
		[IMAPD_COL_TO] = "To",
		[IMAPD_COL_CC] = "Cc",
	};

	for (unsigned i = 0; i < CV_COUNT(names); i++)
		if (cv_str_ieq_z(name, names[i]))
			return i;
	return IMAPD_COLS;
}

static bool
read_field(struct reader *r, struct imapd_search_node *node, struct cv_str name)
{
	if (!read_text(r, node))
		return false;
	node->name = cv_arena_str(r->p->arena, name);
	node->column = column_of(name);
	if (node->is_fuzzy && node->needle.n)
		node->fuzzy = imapd_fuzzy_new(node->needle, r->p->arena);
	if (!cv_summary_has_field(name))
		node->needs = IMAPD_NEED_HEADER;
	return true;
}

static bool
read_body_text(struct reader *r, struct imapd_search_node *node)
{
	struct imapd_search *s = r->search;
	if (!read_text(r, node))
		return false;
	if (!node->needle.n) {
		node->key = IMAPD_KEY_AND; /* of none: every message holds an empty text */
		node->needs = 0;
		return true;
	}
	struct cv_str *texts = CV_ARENA_ARRAY(r->p->arena, struct cv_str, s->text_count + 1);
	struct cv_str *exacts = CV_ARENA_ARRAY(r->p->arena, struct cv_str, s->text_count + 1);
	const struct imapd_fuzzy **fuzzies =
		CV_ARENA_ARRAY(r->p->arena, const struct imapd_fuzzy *, s->text_count + 1);
	if (s->text_count) {
		memcpy(texts, s->texts, s->text_count * sizeof(*texts));
		memcpy(exacts, s->exacts, s->text_count * sizeof(*exacts));
		memcpy(fuzzies, s->fuzzies, s->text_count * sizeof(struct imapd_fuzzy *));
	}
	texts[s->text_count] = node->needle;
	exacts[s->text_count] = node->exact;
	s->is_exact |= node->exact.p != NULL;
	if (node->is_fuzzy)
		node->fuzzy = imapd_fuzzy_new(node->needle, r->p->arena);
	fuzzies[s->text_count] = node->fuzzy;
	s->texts = texts;
	s->exacts = exacts;
	s->fuzzies = fuzzies;
	node->text = s->text_count++;
	return true;
}

/* The argument of a key that has no keys below it, into its node. */
static bool
read_argument(struct reader *r, const struct key_row *row, uint32_t index)
{
	struct imapd_search_node node = r->search->nodes[index];
	struct cv_str name;
	bool ok = true;

	switch (row->arg) {
	case ARG_TEXT:
		ok = read_body_text(r, &node);
		break;
	case ARG_FIELD:
		ok = read_field(r, &node, cv_str_z(row->word));
		break;
	case ARG_HEADER:
		ok = imapd_parse_sp(r->p) && imapd_parse_astring(r->p, &name) &&
		     read_field(r, &node, name);
		break;
	case ARG_DAY:
		ok = read_day(r, &node.days);
		break;
	case ARG_NUMBER:
		ok = imapd_parse_sp(r->p) && imapd_parse_number(r->p, INT64_MAX, &node.number);
		break;
	case ARG_SECONDS: /* RFC 5032 3: not zero */
		ok = imapd_parse_sp(r->p) && imapd_parse_number(r->p, UINT32_MAX, &node.number);
		if (ok && !node.number)
			return imapd_fault(r->p, "no seconds at all");
		break;
	case ARG_KEYWORD:
		ok = imapd_parse_sp(r->p) && imapd_parse_atom(r->p, &node.name);
		break;
	case ARG_ID:
		ok = imapd_parse_sp(r->p) && imapd_parse_atom(r->p, &node.name);
		break;
	case ARG_UIDS:
		ok = imapd_parse_sp(r->p) && imapd_parse_set(r->p, &node.set);
		break;
	case ARG_UID_AFTER:
	case ARG_UID_BEFORE:
		ok = read_uid_side(r, row->arg == ARG_UID_AFTER, &node.set);
		break;
	case ARG_MODSEQ:
		ok = read_modseq(r, &node.number);
		break;
	default:
		node.flag = row->flag;
		break;
	}
	if (ok)
		r->search->nodes[index] = node;
	return ok;
}

static bool
read_new(struct reader *r, uint32_t and)
{
	uint32_t recent = add_node(r, IMAPD_KEY_RECENT);
	uint32_t not = add_node(r, IMAPD_KEY_NOT);
	uint32_t seen = add_node(r, IMAPD_KEY_FLAG);
	if (recent == UINT32_MAX || not == UINT32_MAX || seen == UINT32_MAX)
		return false;
	r->search->nodes[seen].flag = CV_FLAG_SEEN;
	return close_node(r, not ) && close_node(r, and);
}

/* RFC 6203 3: everything inside is matched as near as it comes. */
static bool
read_fuzzy(struct reader *r, uint32_t and)
{
	r->search->has_fuzzy = true;
	r->fuzzy++;
	bool ok = imapd_parse_sp(r->p) && read_key(r);
	r->fuzzy--;
	return ok && close_node(r, and);
}

static bool
read_row(struct reader *r, const struct key_row *row)
{
	uint32_t not = UINT32_MAX;
	if (row->is_negated && (not = add_node(r, IMAPD_KEY_NOT)) == UINT32_MAX)
		return false;
	uint32_t index = add_node(r, row->key);
	if (index == UINT32_MAX)
		return false;

	switch (row->arg) {
	case ARG_NEW:
		return read_new(r, index);
	case ARG_FUZZY:
		return read_fuzzy(r, index);
	case ARG_NOT:
		return imapd_parse_sp(r->p) && read_key(r) && close_node(r, index);
	case ARG_OR:
		return imapd_parse_sp(r->p) && read_key(r) && imapd_parse_sp(r->p) && read_key(r) &&
		       close_node(r, index);
	default:
		break;
	}
	if (!read_argument(r, row, index))
		return false;
	return row->is_negated ? close_node(r, not ) : true;
}

static bool
read_set(struct reader *r)
{
	struct imapd_set set;
	uint32_t index = add_node(r, IMAPD_KEY_SEQS);
	if (index == UINT32_MAX || !imapd_parse_set(r->p, &set))
		return false;
	r->search->nodes[index].set = set;
	return true;
}

static bool
read_group(struct reader *r)
{
	uint32_t index = add_node(r, IMAPD_KEY_AND);
	if (index == UINT32_MAX)
		return false;
	do {
		if (!read_key(r))
			return false;
	} while (imapd_take(r->p, ' '));
	return imapd_need(r->p, ')', "a parenthesis is missing") && close_node(r, index);
}

static bool
read_key_inside(struct reader *r)
{
	struct cv_str word;
	unsigned char c = imapd_peek(r->p);

	if (r->p->uid_only && (c == '*' || cv_is_digit(c)))
		return imapd_fault_numbers(r->p);
	if (c == '*' || c == '$' || cv_is_digit(c))
		return read_set(r);
	if (imapd_take(r->p, '('))
		return read_group(r);
	if (!imapd_parse_atom(r->p, &word))
		return imapd_fault(r->p, "a search key is missing");
	for (size_t i = 0; i < CV_COUNT(key_rows); i++)
		if (cv_str_ieq_z(word, key_rows[i].word))
			return read_row(r, &key_rows[i]);
	return imapd_fault(r->p, "an unknown search key");
}

static bool
read_key(struct reader *r)
{
	if (r->depth == IMAPD_SEARCH_DEPTH_MAX)
		return imapd_fault(r->p, "search keys are nested too deeply");
	r->depth++;
	bool ok = read_key_inside(r);
	r->depth--;
	return ok;
}

/* RFC 5465 7: the grammar there has no blank before the items, its examples have. */
static bool
parse_described(struct imapd_parse *p, struct imapd_search *s)
{
	if (imapd_take_prefix(p, " ("))
		p->pos--;
	return imapd_peek(p) != '(' || imapd_parse_described(p, &s->described);
}

bool
imapd_parse_returns(struct imapd_parse *p, struct imapd_search *s)
{
	static const struct {
		const char *word;
		unsigned bit;
	} rows[] = {
		{"MIN",   IMAPD_RETURN_MIN  },
		{"MAX",   IMAPD_RETURN_MAX  },
		{"COUNT", IMAPD_RETURN_COUNT},
		{"ALL",   IMAPD_RETURN_ALL  },
		{"SAVE",  IMAPD_RETURN_SAVE },
		{"PARTIAL", IMAPD_RETURN_PARTIAL},
		{"RELEVANCY", IMAPD_RETURN_RELEVANCY},
		{"CONTEXT", IMAPD_RETURN_CONTEXT},
		{"UPDATE", IMAPD_RETURN_UPDATE},
	};

	if (!imapd_take_word(p, "RETURN"))
		return true;
	if (!imapd_parse_sp(p) || !imapd_need(p, '(', "a parenthesis is missing"))
		return false;
	s->is_extended = true;
	while (!imapd_take(p, ')')) {
		size_t i = 0;
		while (i < CV_COUNT(rows) && !imapd_take_word(p, rows[i].word))
			i++;
		if (i == CV_COUNT(rows))
			return imapd_fault(p, "an unknown search result was asked for");
		s->returns |= rows[i].bit;
		if (rows[i].bit == IMAPD_RETURN_PARTIAL &&
			(!imapd_parse_sp(p) || !imapd_parse_partial(p, &s->partial)))
			return false;
		if (rows[i].bit == IMAPD_RETURN_UPDATE && !parse_described(p, s))
			return false;
		if (!imapd_take(p, ' ') && imapd_peek(p) != ')')
			return imapd_fault(p, "a parenthesis is missing");
	}
	if (!s->returns)
		s->returns = IMAPD_RETURN_ALL;
	if ((s->returns & IMAPD_RETURN_PARTIAL) && (s->returns & IMAPD_RETURN_ALL))
		return imapd_fault(p, "either all or a part of the result");
	return imapd_parse_sp(p);
}

static bool
read_keys(struct imapd_parse *p, struct imapd_search *s, struct cv_str charset)
{
	struct reader r = {.p = p, .search = s, .charset = charset};
	uint32_t all = add_node(&r, IMAPD_KEY_AND);

	s->is_bad_charset = !cv_charset_known(charset);
	do {
		if (!read_key(&r))
			return false;
	} while (imapd_take(p, ' '));
	close_node(&r, all);
	if ((s->returns & IMAPD_RETURN_RELEVANCY) && !s->has_fuzzy)
		return imapd_fault(p, "RELEVANCY needs FUZZY"); /* RFC 6203 4 */
	for (uint32_t i = 0; i < s->count; i++)
		s->needs |= s->nodes[i].needs;
	return true;
}

bool
imapd_parse_charset_search(struct imapd_parse *p, struct imapd_search *search)
{
	struct cv_str charset;

	return imapd_parse_astring(p, &charset) && imapd_parse_sp(p) &&
	       read_keys(p, search, charset);
}

bool
imapd_parse_search(struct imapd_parse *p, struct imapd_search **out)
{
	struct imapd_search *s = *out = CV_ARENA_NEW(p->arena, struct imapd_search);

	if (!imapd_parse_returns(p, s))
		return false;
	s->program = cv_str_sub(p->text, p->pos, p->text.n);
	s->is_utf8 = p->utf8;
	if (imapd_take_prefix(p, "CHARSET ")) {
		if (p->no_charset)
			return imapd_fault(p, "the charset is UTF-8 and not said");
		return imapd_parse_charset_search(p, s);
	}
	return read_keys(p, s, p->utf8 ? CV_STR("UTF-8") : CV_STR_EMPTY);
}

void
imapd_search_bind(struct imapd_search *search, const struct cv_view *view, const uint32_t *saved,
	uint32_t saved_count, struct cv_arena *arena)
{
	for (uint32_t i = 0; i < search->count; i++) {
		struct imapd_search_node *node = &search->nodes[i];
		if (node->key != IMAPD_KEY_SEQS && node->key != IMAPD_KEY_UIDS)
			continue;
		imapd_set_bind(&node->set, saved, saved_count, arena);
		imapd_set_seqs(&node->set, node->key == IMAPD_KEY_UIDS, view, arena, &node->ranges,
			&node->range_count);
	}
}

void
imapd_search_settle(struct imapd_search *search, const struct cv_view *view,
	const uint32_t *saved, uint32_t saved_count, struct cv_arena *arena)
{
	imapd_search_bind(search, view, saved, saved_count, arena);
	for (uint32_t i = 0; i < search->count; i++) {
		struct imapd_search_node *node = &search->nodes[i];
		if (node->key == IMAPD_KEY_SEQS) {
			for (uint32_t k = 0; k < node->range_count; k++) {
				struct imapd_range *r = &node->ranges[k];
				r->from = cv_view_seq(view, r->from)->uid;
				r->to = cv_view_seq(view, r->to)->uid;
			}
			node->key = IMAPD_KEY_UIDS;
			node->set.ranges = node->ranges;
			node->set.count = node->range_count;
		}
		node->set.is_saved = false;
	}
}

/* ---- judging ---- */

static bool
has_keyword(const struct imapd_candidate *c, struct cv_str name)
{
	const struct cv_keywords *names = c->keywords;
	for (uint32_t i = 0; names && i < names->count; i++)
		if (cv_str_ieq_z(name, names->names[i]))
			return c->entry->keywords >> i & 1;
	return false;
}

static bool
text_has(struct cv_str utf8, const struct imapd_search_node *node)
{
	return node->exact.p ? cv_fold_case_contains(utf8, node->exact)
			     : cv_fold_contains(utf8, node->needle);
}

/* Whether VALUE, a raw field value, holds what NODE looks for. */
static bool
value_has(struct cv_str value, const struct imapd_search_node *node)
{
	if (!cv_words_is_coded(value) && cv_str_find(value, '\n', 0) == value.n)
		return text_has(value, node);
	struct cv_buf text = CV_BUF_INIT(4 * CV_HEADER_BYTES_MAX);
	cv_words_decode(value, CV_STR_EMPTY, &text);
	bool found = text_has(cv_buf_view(&text), node);
	cv_buf_done(&text);
	return found;
}

/* SCORE, of a key inside FUZZY, as a verdict. */
static enum imapd_verdict
scored(const struct imapd_candidate *c, unsigned score)
{
	if (!score)
		return IMAPD_NO;
	if (c->relevancy) {
		c->relevancy->sum += score;
		c->relevancy->count++;
	}
	return IMAPD_YES;
}

static void
look_at_value(
	const struct imapd_fuzzy *fuzzy, struct cv_str value, struct imapd_fuzzy_found *found)
{
	struct cv_buf text = CV_BUF_INIT(4 * CV_HEADER_BYTES_MAX);
	struct cv_buf folded = CV_BUF_INIT(12 * CV_HEADER_BYTES_MAX);

	cv_words_decode(value, CV_STR_EMPTY, &text);
	if (!cv_fold(cv_buf_view(&text), &folded))
		imapd_fuzzy_look(fuzzy, cv_buf_view(&folded), found);
	cv_buf_done(&text);
	cv_buf_done(&folded);
}

/* Whether a field NAME of HEADER holds NEEDLE. */
static enum imapd_verdict
judge_fields(struct cv_str header, const struct imapd_search_node *node,
	const struct imapd_candidate *c)
{
	struct cv_header_scan scan;
	struct cv_field field;
	struct imapd_fuzzy_found found = {0};

	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &field)) {
		if (!cv_str_ieq(field.name, node->name))
			continue;
		if (node->fuzzy)
			look_at_value(node->fuzzy, field.value, &found);
		else if (!node->needle.n || value_has(field.value, node))
			return IMAPD_YES;
	}
	return node->fuzzy ? scored(c, imapd_fuzzy_score(node->fuzzy, &found)) : IMAPD_NO;
}

static enum imapd_verdict
judge_header(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	if (c->has & IMAPD_NEED_HEADER)
		return judge_fields(c->header, node, c);
	if (node->needs == IMAPD_NEED_HEADER || (c->summary->missing & CV_SUMMARY_HEADERS))
		return IMAPD_MAYBE;
	return judge_fields(c->summary->headers, node, c);
}

/* What dates and sizes are judged by, wherever it comes from. */
struct core {
	uint64_t size_bytes;
	int64_t internal_secs, sent_secs;
	int internal_zone, sent_zone;
	bool has_sent;
};

static struct core
core_of(const struct imapd_candidate *c)
{
	struct core core = {0};

	if (c->facts)
		return (struct core){c->facts->size_bytes, c->facts->internal_secs,
			c->facts->sent_secs, c->facts->internal_zone, c->facts->sent_zone,
			c->facts->flags & IMAPD_FACT_SENT};
	if (c->has & IMAPD_NEED_CORE)
		core = (struct core){.size_bytes = c->msg->size_bytes,
			.internal_secs = c->msg->internal_secs,
			.internal_zone = c->msg->internal_zone};
	if (c->has & IMAPD_NEED_SUMMARY) {
		core.sent_secs = c->summary->sent_secs;
		core.sent_zone = c->summary->sent_zone_mins;
		core.has_sent = c->summary->flags & CV_SUMMARY_HAS_SENT;
	}
	return core;
}

/* By how much A falls short of B. */
static uint64_t
short_of(uint64_t a, uint64_t b)
{
	return a < b ? b - a : 0;
}

/* RFC 6203 5: dates a week off, and sizes a quarter off, still count a little. */
static enum imapd_verdict
judge_core_near(const struct imapd_search_node *node, const struct imapd_candidate *c,
	const struct core *core)
{
	const int64_t far = 1ll << 40;
	bool is_sent = node->needs & IMAPD_NEED_SUMMARY;
	int64_t day = is_sent ? cv_date_local_days(cv_date_at(core->sent_secs, core->sent_zone))
	                      : cv_date_local_days(cv_date_at(core->internal_secs,
	                                                      core->internal_zone));
	uint64_t is = (uint64_t)(far + day), want = (uint64_t)(far + node->days);
	uint64_t age = (uint64_t)CV_MAX(c->now_secs - core->internal_secs, (int64_t)0);
	uint64_t slack = FUZZY_DAYS, off;

	switch (node->key) {
	case IMAPD_KEY_LARGER:
		off = short_of(core->size_bytes, node->number + 1);
		slack = node->number / FUZZY_SHARE + 1;
		break;
	case IMAPD_KEY_SMALLER:
		off = short_of(node->number, core->size_bytes + 1);
		slack = node->number / FUZZY_SHARE + 1;
		break;
	case IMAPD_KEY_OLDER:
		off = short_of(age, node->number);
		slack = node->number / FUZZY_SHARE + 1;
		break;
	case IMAPD_KEY_YOUNGER:
		off = short_of(node->number, age);
		slack = node->number / FUZZY_SHARE + 1;
		break;
	case IMAPD_KEY_BEFORE:
	case IMAPD_KEY_SENTBEFORE:
		off = short_of(want, is + 1);
		break;
	case IMAPD_KEY_ON:
	case IMAPD_KEY_SENTON:
		off = short_of(is, want) + short_of(want, is);
		break;
	default:
		off = short_of(is, want);
		break;
	}
	return scored(c, imapd_fuzzy_near(off, slack));
}

static bool
judge_core_exactly(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	struct core core = core_of(c);
	bool is_sent = node->needs & IMAPD_NEED_SUMMARY;
	int64_t day = is_sent ? cv_date_local_days(cv_date_at(core.sent_secs, core.sent_zone))
	                      : cv_date_local_days(cv_date_at(core.internal_secs,
	                                                      core.internal_zone));

	if (is_sent && !core.has_sent)
		return false;
	switch (node->key) {
	case IMAPD_KEY_LARGER:
		return core.size_bytes > node->number;
	case IMAPD_KEY_SMALLER:
		return core.size_bytes < node->number;
	case IMAPD_KEY_OLDER:
		return core.internal_secs <= c->now_secs - (int64_t)node->number;
	case IMAPD_KEY_YOUNGER:
		return core.internal_secs >= c->now_secs - (int64_t)node->number;
	case IMAPD_KEY_BEFORE:
	case IMAPD_KEY_SENTBEFORE:
		return day < node->days;
	case IMAPD_KEY_ON:
	case IMAPD_KEY_SENTON:
		return day == node->days;
	default:
		return day >= node->days;
	}
}

static enum imapd_verdict
judge_core(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	if (judge_core_exactly(node, c))
		return node->is_fuzzy ? scored(c, 100) : IMAPD_YES;
	struct core core = core_of(c);
	if (!node->is_fuzzy || ((node->needs & IMAPD_NEED_SUMMARY) && !core.has_sent))
		return IMAPD_NO;
	return judge_core_near(node, c, &core);
}

/* Told by the message's row alone. */
static bool
is_of_row(enum imapd_key key)
{
	return key >= IMAPD_KEY_SAVEDBEFORE && key <= IMAPD_KEY_THREADID;
}

static bool
judge_row(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	const struct cv_msg *m = c->msg;
	int64_t day = cv_date_local_days(cv_date_at(m->saved_secs, m->internal_zone));
	char id[IMAPD_OBJECTID_MAX];

	switch (node->key) {
	case IMAPD_KEY_SAVEDBEFORE:
		return day < node->days;
	case IMAPD_KEY_SAVEDON:
		return day == node->days;
	case IMAPD_KEY_SAVEDSINCE:
		return day >= node->days;
	case IMAPD_KEY_EMAILID:
		return cv_str_eq_z(node->name, imapd_email_id(m, id));
	default:
		return cv_str_eq_z(node->name, imapd_thread_id(m, id));
	}
}

/* By the columns alone, as far as they go. */
static enum imapd_verdict
judge_facts(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	unsigned bit = 1u << node->column;

	if (is_of_row(node->key))
		return IMAPD_MAYBE;
	if (node->key != IMAPD_KEY_HEADER)
		return judge_core(node, c);
	if (node->column == IMAPD_COLS || c->facts->missing & bit)
		return IMAPD_MAYBE;
	if (c->facts->absent & bit)
		return IMAPD_NO;
	struct cv_str text = imapd_facts_text(c->block, c->facts, node->column);
	if (node->fuzzy) {
		struct imapd_fuzzy_found found = {0};
		imapd_fuzzy_look(node->fuzzy, text, &found);
		return scored(c, imapd_fuzzy_score(node->fuzzy, &found));
	}
	if (!node->needle.n)
		return IMAPD_YES;
	if (cv_str_search(text, node->needle) == text.n)
		return IMAPD_NO;
	return node->exact.p ? IMAPD_MAYBE : IMAPD_YES;
}

/* What stands in a header says more of what a message is about than the same in its body. */
static unsigned
score_of_text(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	unsigned body = c->body_scores[node->text];

	if (node->key == IMAPD_KEY_BODY)
		return body;
	unsigned in_header = c->header_scores[node->text];
	return CV_MAX(in_header, body - body / 5);
}

static bool
judge_fact(const struct imapd_search_node *node, const struct imapd_candidate *c)
{
	switch (node->key) {
	case IMAPD_KEY_SEQS:
	case IMAPD_KEY_UIDS:
		return imapd_ranges_have(node->ranges, node->range_count, c->seq);
	case IMAPD_KEY_FLAG:
		return c->entry->flags & node->flag;
	case IMAPD_KEY_KEYWORD:
		return has_keyword(c, node->name);
	case IMAPD_KEY_RECENT:
		return c->is_recent;
	case IMAPD_KEY_MODSEQ:
		return c->entry->modseq >= node->number;
	case IMAPD_KEY_BODY:
		return c->in_body[node->text];
	case IMAPD_KEY_TEXT:
		return c->in_body[node->text] || c->in_header[node->text];
	default:
		return judge_row(node, c);
	}
}

static enum imapd_verdict
judge(const struct imapd_search *s, uint32_t index, const struct imapd_candidate *c)
{
	const struct imapd_search_node *node = &s->nodes[index];
	bool is_or = node->key == IMAPD_KEY_OR;

	if (node->key == IMAPD_KEY_NOT) {
		enum imapd_verdict v = judge(s, index + 1, c);
		return v == IMAPD_MAYBE ? v : v == IMAPD_YES ? IMAPD_NO : IMAPD_YES;
	}
	if (node->key == IMAPD_KEY_AND || is_or) {
		enum imapd_verdict decides = is_or ? IMAPD_YES : IMAPD_NO;
		enum imapd_verdict all = is_or ? IMAPD_NO : IMAPD_YES;
		for (uint32_t child = index + 1; child < node->end; child = s->nodes[child].end) {
			enum imapd_verdict v = judge(s, child, c);
			if (v == decides)
				return v;
			if (v == IMAPD_MAYBE)
				all = v;
		}
		return all;
	}
	if (c->facts && node->needs & (IMAPD_NEED_CORE | IMAPD_NEED_SUMMARY)) {
		enum imapd_verdict v = judge_facts(node, c);
		if (v != IMAPD_MAYBE)
			return v;
	}
	if (node->key == IMAPD_KEY_HEADER && (c->has & (IMAPD_NEED_SUMMARY | IMAPD_NEED_HEADER)))
		return judge_header(node, c);
	if (c->absent && !node->fuzzy && (node->needs & IMAPD_NEED_BODY) && c->absent[node->text])
		return IMAPD_NO;
	if (node->needs & ~c->has)
		return IMAPD_MAYBE;
	if (node->fuzzy)
		return scored(c, score_of_text(node, c));
	if (node->needs & (IMAPD_NEED_CORE | IMAPD_NEED_SUMMARY) && !is_of_row(node->key))
		return judge_core(node, c);
	return judge_fact(node, c) ? IMAPD_YES : IMAPD_NO;
}

enum imapd_verdict
imapd_search_judge(const struct imapd_search *search, const struct imapd_candidate *candidate)
{
	if (candidate->relevancy)
		*candidate->relevancy = (struct imapd_relevancy){0};
	return judge(search, 0, candidate);
}
