/* zone.c - parsing a master file and answering from it. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/net/dns.h"
#include "common/net/zone.h"

#define TOKENS_MAX 300
#define RECORDS_MAX (1u << 20)
#define CNAMES_MAX 10
#define DEFAULT_TTL 3600

struct record {
	struct record *next;
	enum cv_dns_type type;
	uint32_t ttl_secs;
	struct cv_str wire;
};

struct forced {
	struct forced *next;
	unsigned type; /* 0: all */
	enum cv_dns_state state;
};

struct node {
	struct record *first, *last;
	struct forced *forced;
	bool has_soa, secure;
};

struct cv_zone {
	struct cv_arena arena;
	struct cv_map nodes; /* clean name -> struct node; with the names between, which are
			      * empty */
	unsigned records;
};

struct parser {
	struct cv_zone *z;
	struct cv_str text;
	size_t at;
	unsigned line, record_line;
	char origin[256], owner[256];
	bool has_owner, owner_is_blank;
	uint32_t default_ttl;
	struct token {
		struct cv_str s;
		bool quoted;
	} tokens[TOKENS_MAX];
	unsigned count;
	struct cv_err *err;
};

static const struct {
	const char *name;
	enum cv_dns_type type;
} types[] = {
	{"A", CV_DNS_A},     {"AAAA", CV_DNS_AAAA}, {"MX", CV_DNS_MX},   {"TXT", CV_DNS_TXT},
	{"NS", CV_DNS_NS},   {"CNAME", CV_DNS_CNAME}, {"SOA", CV_DNS_SOA}, {"PTR", CV_DNS_PTR},
	{"SRV", CV_DNS_SRV}, {"TLSA", CV_DNS_TLSA},
};

static bool
find_type(struct cv_str word, enum cv_dns_type *type_out)
{
	for (size_t i = 0; i < CV_COUNT(types); i++) {
		if (!cv_str_ieq_z(word, types[i].name))
			continue;
		*type_out = types[i].type;
		return true;
	}
	return false;
}

static enum cv_status
bad(struct parser *p, const char *what)
{
	return cv_fail(p->err, CV_INVALID, "line %u: %s", p->record_line, what);
}

/* ---- the tree ---- */

static struct node *
find_node(const struct cv_zone *z, const char *name)
{
	return cv_map_get(&z->nodes, cv_str_z(name));
}

static struct node *
make_node(struct cv_zone *z, const char *name)
{
	struct node *found = find_node(z, name), *n;
	if (found)
		return found;
	found = CV_ARENA_NEW(&z->arena, struct node);
	cv_map_put(&z->nodes, cv_str_z(name), found);
	/* The names between it and the root exist too, even with nothing there. */
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (find_node(z, dot + 1))
			break;
		n = CV_ARENA_NEW(&z->arena, struct node);
		cv_map_put(&z->nodes, cv_str_z(dot + 1), n);
	}
	return found;
}

/* ---- words ---- */

/* Cuts one quoted string or word off; false at a quote that does not end. */
static bool
take_token(struct parser *p, struct token *t)
{
	const char *s = p->text.p;
	t->quoted = s[p->at] == '"';
	size_t from = p->at += t->quoted;
	for (; p->at < p->text.n; p->at++) {
		char c = s[p->at];
		if (c == '\\' && p->at + 1 < p->text.n && s[p->at + 1] != '\n') {
			p->at++;
			continue;
		}
		if (t->quoted ? c == '"' || c == '\n' : strchr(" \t\r\n;()\"", c) != NULL)
			break;
	}
	t->s = cv_str_sub(p->text, from, p->at);
	if (!t->quoted)
		return true;
	bool closed = p->at < p->text.n && s[p->at] == '"';
	p->at += closed;
	return closed;
}

static void
skip_comment(struct parser *p)
{
	while (p->at < p->text.n && p->text.p[p->at] != '\n')
		p->at++;
}

/* Gathers the words up to the end of the record: the end of a line outside parentheses. */
static enum cv_status
take_record(struct parser *p)
{
	bool inside = false;
	p->count = 0;
	p->record_line = p->line;
	p->owner_is_blank = p->text.p[p->at] == ' ' || p->text.p[p->at] == '\t';
	while (p->at < p->text.n) {
		char c = p->text.p[p->at];
		if (c == '\n') {
			p->at++;
			p->line++;
			if (!inside)
				return CV_OK;
		} else if (c == ' ' || c == '\t' || c == '\r') {
			p->at++;
		} else if (c == ';') {
			skip_comment(p);
		} else if (c == '(' || c == ')') {
			if (inside == (c == '('))
				return bad(p, "parentheses do not match");
			inside = c == '(';
			p->at++;
		} else if (c == '\0') {
			return bad(p, "a NUL byte");
		} else if (p->count == TOKENS_MAX) {
			return bad(p, "too many words");
		} else if (!take_token(p, &p->tokens[p->count++])) {
			return bad(p, "a quoted string does not end");
		}
	}
	return inside ? bad(p, "parentheses do not match") : CV_OK;
}

static bool
make_name(struct parser *p, struct cv_str word, char out[256])
{
	char text[520];
	if (cv_str_eq_z(word, "@")) {
		memcpy(out, p->origin, sizeof(p->origin));
		return true;
	}
	if (!word.n || word.n > CV_DNS_NAME_MAX + 1)
		return false;
	if (cv_str_eq_z(word, "."))
		return cv_dns_name_clean(CV_STR_EMPTY, out);
	if (word.p[word.n - 1] == '.')
		return cv_dns_name_clean(word, out);
	int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)word.n, word.p,
	                 p->origin[0] ? "." : "", p->origin);
	return n > 0 && cv_dns_name_clean(cv_str(text, (size_t)n), out);
}

/* "3600", "1h", "1d12h". */
static bool
parse_ttl(struct cv_str word, uint32_t *ttl_out)
{
	static const struct { unsigned char unit; uint32_t secs; } units[] = {
		{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	uint64_t total = 0, number = 0;
	bool digits = false;
	for (size_t i = 0; i < word.n; i++) {
		unsigned char c = cv_lower((unsigned char)word.p[i]);
		if (cv_is_digit(c)) {
			number = number * 10 + c - '0';
			digits = true;
		} else {
			size_t u = 0;
			while (u < CV_COUNT(units) && units[u].unit != c)
				u++;
			if (!digits || u == CV_COUNT(units))
				return false;
			total += number * units[u].secs;
			number = 0;
			digits = false;
		}
		if (number > INT32_MAX || total > INT32_MAX)
			return false;
	}
	if (!word.n || total + number > INT32_MAX || !cv_is_digit((unsigned char)word.p[0]))
		return false;
	*ttl_out = (uint32_t)(total + number);
	return true;
}

/* ---- rdata ---- */

struct words {
	struct parser *p;
	unsigned next;
	struct cv_buf wire;
};

static bool
add_name(struct words *w)
{
	char name[256];
	unsigned char wire[256];
	if (w->next >= w->p->count || !make_name(w->p, w->p->tokens[w->next++].s, name))
		return false;
	cv_buf_add(&w->wire, wire, cv_dns_name_wire(name, wire));
	return true;
}

static bool
add_number(struct words *w, unsigned bytes)
{
	uint64_t v, max = bytes == 4 ? UINT32_MAX : (1ull << (8 * bytes)) - 1;
	uint32_t secs;
	if (w->next >= w->p->count)
		return false;
	struct cv_str word = w->p->tokens[w->next++].s;
	if (cv_str_u64(word, max, &v)) {
		if (bytes != 4 || !parse_ttl(word, &secs)) /* a SOA's times */
			return false;
		v = secs;
	}
	if (bytes == 1)
		cv_buf_c(&w->wire, (char)v);
	else if (bytes == 2)
		cv_buf_be16(&w->wire, (uint16_t)v);
	else
		cv_buf_be32(&w->wire, (uint32_t)v);
	return true;
}

static bool
add_address(struct words *w, int family)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char ip[16];
	if (w->next >= w->p->count)
		return false;
	struct cv_str word = w->p->tokens[w->next++].s;
	if (word.n >= sizeof(text))
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	if (inet_pton(family, text, ip) != 1)
		return false;
	cv_buf_add(&w->wire, ip, family == AF_INET ? 4 : 16);
	return true;
}

static int
hex_digit(unsigned char c)
{
	c = cv_lower(c);
	if (cv_is_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
add_hex(struct words *w)
{
	int high = -1;
	size_t before = w->wire.n;
	for (; w->next < w->p->count; w->next++) {
		struct cv_str word = w->p->tokens[w->next].s;
		for (size_t i = 0; i < word.n; i++) {
			int digit = hex_digit((unsigned char)word.p[i]);
			if (digit < 0)
				return false;
			if (high >= 0)
				cv_buf_c(&w->wire, (char)(high << 4 | digit));
			high = high >= 0 ? -1 : digit;
		}
	}
	return high < 0 && w->wire.n > before;
}

/* One character string with \DDD and \x undone. */
static bool
add_string(struct words *w, struct cv_str s)
{
	unsigned char bytes[255];
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned c = (unsigned char)s.p[i];
		if (c == '\\') {
			uint64_t v;
			if (i + 1 >= s.n)
				return false;
			if (!cv_is_digit((unsigned char)s.p[i + 1])) {
				c = (unsigned char)s.p[++i];
			} else {
				if (i + 3 >= s.n ||
				    cv_str_u64(cv_str_sub(s, i + 1, i + 4), 255, &v))
					return false;
				c = (unsigned)v;
				i += 3;
			}
		}
		if (n == sizeof(bytes))
			return false;
		bytes[n++] = (unsigned char)c;
	}
	cv_buf_c(&w->wire, (char)n);
	cv_buf_add(&w->wire, bytes, n);
	return true;
}

static bool
add_strings(struct words *w)
{
	if (w->next >= w->p->count)
		return false;
	while (w->next < w->p->count)
		if (!add_string(w, w->p->tokens[w->next++].s))
			return false;
	return true;
}

static bool
make_rdata(struct words *w, enum cv_dns_type type)
{
	switch (type) {
	case CV_DNS_A:
		return add_address(w, AF_INET);
	case CV_DNS_AAAA:
		return add_address(w, AF_INET6);
	case CV_DNS_NS:
	case CV_DNS_CNAME:
	case CV_DNS_PTR:
		return add_name(w);
	case CV_DNS_MX:
		return add_number(w, 2) && add_name(w);
	case CV_DNS_SRV:
		return add_number(w, 2) && add_number(w, 2) && add_number(w, 2) && add_name(w);
	case CV_DNS_TXT:
		return add_strings(w);
	case CV_DNS_TLSA:
		return add_number(w, 1) && add_number(w, 1) && add_number(w, 1) && add_hex(w);
	case CV_DNS_SOA:
		return add_name(w) && add_name(w) && add_number(w, 4) && add_number(w, 4) &&
		       add_number(w, 4) && add_number(w, 4) && add_number(w, 4);
	case CV_DNS_CAA:
		break;
	}
	return false;
}

/* ---- records ---- */

static bool
has_type(const struct node *n, enum cv_dns_type type)
{
	for (const struct record *r = n->first; r; r = r->next)
		if (r->type == type)
			return true;
	return false;
}

static enum cv_status
add_record(struct parser *p, enum cv_dns_type type, uint32_t ttl_secs, unsigned first_word)
{
	struct words w = {.p = p, .next = first_word, .wire = CV_BUF_INIT(65535)};
	bool ok = make_rdata(&w, type) && w.next == p->count && !w.wire.full;
	if (!ok) {
		cv_buf_done(&w.wire);
		return bad(p, "the data do not fit the type");
	}
	struct cv_zone *z = p->z;
	struct node *n = make_node(z, p->owner);
	bool alone = type == CV_DNS_CNAME ? n->first != NULL : has_type(n, CV_DNS_CNAME);
	if (alone || z->records++ >= RECORDS_MAX) {
		cv_buf_done(&w.wire);
		return bad(p, alone ? "a CNAME stands alone" : "too many records");
	}
	struct record *r = CV_ARENA_NEW(&z->arena, struct record);
	*r = (struct record){.type = type, .ttl_secs = ttl_secs,
	                     .wire = cv_arena_str(&z->arena, cv_buf_view(&w.wire))};
	cv_buf_done(&w.wire);
	if (n->last)
		n->last->next = r;
	else
		n->first = r;
	n->last = r;
	n->has_soa = n->has_soa || type == CV_DNS_SOA;
	return CV_OK;
}

/* owner [ttl] [IN] type data, the two in any order; the owner may be left out after a blank. */
static enum cv_status
parse_record(struct parser *p)
{
	unsigned i = 0;
	uint32_t ttl_secs = p->default_ttl;
	enum cv_dns_type type;
	if (!p->owner_is_blank) {
		p->has_owner = make_name(p, p->tokens[i++].s, p->owner);
		if (!p->has_owner)
			return bad(p, "bad name");
	}
	if (!p->has_owner)
		return bad(p, "no name");
	for (; i < p->count; i++)
		if (!cv_str_ieq_z(p->tokens[i].s, "IN") && !parse_ttl(p->tokens[i].s, &ttl_secs))
			break;
	if (i == p->count || !find_type(p->tokens[i].s, &type))
		return bad(p, "unknown type");
	return add_record(p, type, ttl_secs, i + 1);
}

static enum cv_status
parse_directive(struct parser *p)
{
	struct cv_str word = p->tokens[0].s;
	if (p->count == 2 && cv_str_ieq_z(word, "$ORIGIN")) {
		char name[256];
		if (!make_name(p, p->tokens[1].s, name))
			return bad(p, "bad origin");
		memcpy(p->origin, name, sizeof(name));
		return CV_OK;
	}
	if (p->count == 2 && cv_str_ieq_z(word, "$TTL"))
		return parse_ttl(p->tokens[1].s, &p->default_ttl) ? CV_OK : bad(p, "bad TTL");
	return bad(p, "unknown directive");
}

/* A comment that begins a line: "; fail name [TYPE]" and its like. Others are comments. */
static enum cv_status
parse_pragma(struct parser *p)
{
	static const struct { const char *verb; enum cv_dns_state state; } verbs[] = {
		{"fail", CV_DNS_TEMPFAIL}, {"bogus", CV_DNS_BOGUS}, {"secure", CV_DNS_OK}};
	size_t from = p->at + 1, end = cv_str_find(p->text, '\n', p->at);
	struct cv_str rest = cv_str_trim(cv_str_sub(p->text, from, end)), word[4];
	size_t count = 0, v = 0;
	char name[256];
	enum cv_dns_type type = 0;

	p->record_line = p->line;
	skip_comment(p);
	while (count < CV_COUNT(word) && cv_str_split(&rest, ' ', &word[count]))
		count++;
	while (v < CV_COUNT(verbs) && (!count || !cv_str_eq_z(word[0], verbs[v].verb)))
		v++;
	if (v == CV_COUNT(verbs) || count < 2 || count > 3 || !make_name(p, word[1], name))
		return CV_OK;
	if (count == 3 && !find_type(word[2], &type))
		return CV_OK;
	struct node *n = make_node(p->z, name);
	if (verbs[v].state == CV_DNS_OK) {
		n->secure = true;
		return CV_OK;
	}
	if (p->z->records++ >= RECORDS_MAX)
		return bad(p, "too many records");
	struct forced *f = CV_ARENA_NEW(&p->z->arena, struct forced);
	*f = (struct forced){.next = n->forced, .type = type, .state = verbs[v].state};
	n->forced = f;
	return CV_OK;
}

enum cv_status
cv_zone_parse(struct cv_str text, struct cv_zone **out, struct cv_err *err)
{
	struct parser *p = cv_calloc(1, sizeof(*p));
	enum cv_status status = CV_OK;
	struct cv_zone *z = cv_calloc(1, sizeof(*z));
	z->arena = CV_ARENA_INIT;
	cv_map_init(&z->nodes);
	p->z = z;
	p->text = text;
	p->line = 1;
	p->default_ttl = DEFAULT_TTL;
	p->err = err;
	while (!status && p->at < text.n) {
		if (text.p[p->at] == ';') {
			status = parse_pragma(p);
			continue;
		}
		status = take_record(p);
		if (status || !p->count)
			continue;
		bool directive = !p->owner_is_blank && p->tokens[0].s.n &&
		                 p->tokens[0].s.p[0] == '$';
		status = directive ? parse_directive(p) : parse_record(p);
	}
	free(p);
	if (status)
		cv_zone_free(z);
	else
		*out = z;
	return status;
}

void
cv_zone_free(struct cv_zone *z)
{
	if (!z)
		return;
	cv_map_done(&z->nodes);
	cv_arena_done(&z->arena);
	free(z);
}

/* ---- answering ---- */

/* The closest name above NAME that is there. */
static const char *
closest(const struct cv_zone *z, const char *name)
{
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		if (find_node(z, dot + 1))
			return dot + 1;
	return NULL;
}

/* The node that answers for NAME: itself, or the wildcard below the closest name that is there. */
static const struct node *
match(const struct cv_zone *z, const char *name)
{
	char wild[260];
	const struct node *n = find_node(z, name);
	const char *above = n ? NULL : closest(z, name);
	if (!above)
		return n;
	snprintf(wild, sizeof(wild), "*.%s", above);
	return find_node(z, wild);
}

static bool
any_above(const struct cv_zone *z, const char *name, bool (*test)(const struct node *n))
{
	for (const char *s = name; s; s = strchr(s, '.') ? strchr(s, '.') + 1 : NULL) {
		const struct node *n = find_node(z, s);
		if (n && test(n))
			return true;
	}
	const struct node *root = find_node(z, "");
	return root && test(root);
}

static bool
is_zone(const struct node *n)
{
	return n->has_soa;
}

static bool
is_secure(const struct node *n)
{
	return n->secure;
}

static bool
is_forced(const struct node *n, enum cv_dns_type type, enum cv_dns_state *state_out)
{
	for (const struct forced *f = n->forced; f; f = f->next) {
		if (f->type && f->type != type)
			continue;
		*state_out = f->state;
		return true;
	}
	return false;
}

static void
collect(struct cv_dns_answer *a, const struct node *n, enum cv_dns_type type)
{
	a->ttl_secs = UINT32_MAX;
	for (const struct record *r = n->first; r; r = r->next)
		if (r->type == type && cv_dns_answer_add(a, type, r->wire))
			a->ttl_secs = CV_MIN(a->ttl_secs, r->ttl_secs);
	a->state = CV_DNS_OK;
	cv_dns_answer_finish(a, type);
}

/* The target of N's CNAME into NAME. */
static bool
follow(const struct node *n, char name[256])
{
	const struct record *r = n->first;
	while (r && r->type != CV_DNS_CNAME)
		r = r->next;
	struct cv_dns_answer *a = cv_dns_answer_new(CV_DNS_OK);
	bool ok = r && cv_dns_answer_add(a, CV_DNS_CNAME, r->wire);
	if (ok)
		memcpy(name, a->records[0].name, sizeof(a->records[0].name));
	cv_dns_answer_free(a);
	return ok;
}

struct cv_dns_answer *
cv_zone_answer(const struct cv_zone *z, const char *asked, enum cv_dns_type type, bool isolated)
{
	struct cv_dns_answer *a = cv_dns_answer_new(CV_DNS_TEMPFAIL); /* also: CNAMEs in a ring */
	char name[256];
	snprintf(name, sizeof(name), "%s", asked);
	a->secure = true;
	for (unsigned hops = 0; hops <= CNAMES_MAX; hops++) {
		const struct node *n = match(z, name);
		a->secure = a->secure && any_above(z, name, is_secure);
		snprintf(a->canonical, sizeof(a->canonical), "%s", name);
		if (!n) {
			bool outside = isolated && !any_above(z, name, is_zone);
			a->state = outside ? CV_DNS_TEMPFAIL : CV_DNS_NXDOMAIN;
			break;
		}
		if (is_forced(n, type, &a->state))
			break;
		if (has_type(n, type)) {
			collect(a, n, type);
			break;
		}
		if (!has_type(n, CV_DNS_CNAME)) {
			a->state = CV_DNS_NODATA;
			break;
		}
		if (!follow(n, name))
			break;
	}
	a->secure = a->secure && a->state <= CV_DNS_NXDOMAIN;
	return a;
}
