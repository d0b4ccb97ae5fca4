/* imitate.c - examiner: domains that look like ours, and leaders' names on outside addresses
 * (POL-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/dmarc/imitate.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/text/domain.h"
#include "common/text/lookalike.h"
#include "spamfilter/dmarc/guarded.h"
#include "spamfilter/judge.h"

#define NAME_MAX_BYTES 400 /* of a shown name that are compared */
#define WORDS_MAX      24

/* ---- words ---- */

/* The words of a name as a hasty reader sees them. */
struct words {
	struct cv_buf text; /* skeletons, parted by one blank, with one before and behind */
	struct cv_str items[WORDS_MAX];
	size_t count;
};

static bool
is_word_byte(unsigned char c)
{
	return c > 127 || cv_is_alpha(c) || cv_is_digit(c);
}

static void
words_read(struct words *w, struct cv_str text)
{
	struct cv_buf one = CV_BUF_INIT(4096);

	*w = (struct words){.text = CV_BUF_INIT(16384)};
	text = cv_str_sub(text, 0, NAME_MAX_BYTES);
	cv_buf_c(&w->text, ' ');
	for (size_t at = 0; at < text.n;) {
		size_t end = at;
		while (end < text.n && is_word_byte((unsigned char)text.p[end]))
			end++;
		cv_buf_reset(&one);
		if (end > at && cv_skeleton(cv_str_sub(text, at, end), &one) == CV_OK && one.n) {
			cv_buf_str(&w->text, cv_buf_view(&one));
			cv_buf_c(&w->text, ' ');
		}
		at = end + 1;
	}
	cv_buf_done(&one);
	struct cv_str rest = cv_str_trim(cv_buf_view(&w->text)), word;
	while (rest.n && w->count < WORDS_MAX && cv_str_split(&rest, ' ', &word))
		w->items[w->count++] = word;
}

static void
words_done(struct words *w)
{
	cv_buf_done(&w->text);
}

/* ---- leaders ---- */

struct leader {
	struct cv_str words; /* " dang thl duyen " */
	struct cv_str sorted;
	size_t count;
};

struct leaders {
	unsigned refs;
	uint64_t generation;
	uint32_t rank_max;
	struct cv_arena arena;
	struct leader *items;
	size_t count;
};

struct spam_leaders_cache {
	pthread_mutex_t lock;
	struct leaders *now; /* or NULL */
};

struct spam_leaders_cache *
spam_leaders_cache_new(void)
{
	struct spam_leaders_cache *c = cv_calloc(1, sizeof *c);

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void
leaders_unref(struct leaders *l)
{
	if (!l || --l->refs)
		return;
	cv_arena_done(&l->arena);
	free(l->items);
	free(l);
}

void
spam_leaders_cache_free(struct spam_leaders_cache *c)
{
	if (!c)
		return;
	leaders_unref(c->now);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int
compare_words(const void *a, const void *b)
{
	return cv_str_cmp(*(const struct cv_str *)a, *(const struct cv_str *)b);
}

static void
sort_words(const struct words *w, struct cv_buf *out)
{
	struct cv_str sorted[WORDS_MAX];

	memcpy(sorted, w->items, sizeof sorted);
	qsort(sorted, w->count, sizeof sorted[0], compare_words);
	for (size_t i = 0; i < w->count; i++) {
		cv_buf_str(out, sorted[i]);
		cv_buf_c(out, ' ');
	}
}

static void
add_leader(struct leaders *l, struct cv_str name)
{
	struct cv_buf sorted = CV_BUF_INIT(16384);
	struct words w;

	words_read(&w, name);
	/* One word alone is everybody's name. */
	if (w.count >= 2) {
		sort_words(&w, &sorted);
		l->items = cv_realloc(l->items, (l->count + 1) * sizeof *l->items);
		l->items[l->count++] =
			(struct leader){cv_arena_str(&l->arena, cv_buf_view(&w.text)),
				cv_arena_str(&l->arena, cv_buf_view(&sorted)), w.count};
	}
	cv_buf_done(&sorted);
	words_done(&w);
}

static struct leaders *
gather(const struct cv_snapshot *snap, uint32_t rank_max)
{
	struct leaders *l = cv_calloc(1, sizeof *l);
	struct cv_reg_account account;

	l->refs = 1;
	l->generation = cv_snapshot_generation(snap);
	l->rank_max = rank_max;
	for (size_t i = 0; l->count < SPAM_LEADERS_MAX && cv_snapshot_nth(snap, i, &account); i++)
		if (account.kind == CV_KIND_PERSON && account.state != CV_STATE_RETIRED &&
			account.rank && account.rank <= rank_max)
			add_leader(l, account.display_name);
	return l;
}

static struct leaders *
hold(struct spam_leaders_cache *c, const struct cv_snapshot *snap, uint32_t rank_max)
{
	pthread_mutex_lock(&c->lock);
	if (!c->now || c->now->generation != cv_snapshot_generation(snap) ||
		c->now->rank_max != rank_max) {
		leaders_unref(c->now);
		c->now = gather(snap, rank_max);
	}
	c->now->refs++;
	struct leaders *l = c->now;
	pthread_mutex_unlock(&c->lock);
	return l;
}

static void
release(struct spam_leaders_cache *c, struct leaders *l)
{
	pthread_mutex_lock(&c->lock);
	leaders_unref(l);
	pthread_mutex_unlock(&c->lock);
}

/* Words of office, as skeletons. */
static bool
has_title(const struct words *w)
{
	static const char *const titles[] = {"chủ tịch", "bí thư", "giám đốc", "chánh văn phòng",
		"trưởng phòng", "trưởng ban", "chánh thanh tra", "ubnd", "hđnd", "tỉnh ủy",
		"lãnh đạo", "chairman", "chairwoman", "director", "secretary", "governor"};
	bool found = false;

	for (size_t i = 0; !found && i < CV_COUNT(titles); i++) {
		struct words title;
		words_read(&title, cv_str_z(titles[i]));
		found = cv_str_search(cv_buf_view(&w->text), cv_buf_view(&title.text)) < w->text.n;
		words_done(&title);
	}
	return found;
}

/* The whole name in any order; within a longer one in its own order, if it has three words or more:
 * two are found in many names by chance. */
static bool
is_leader(const struct leader *l, const struct words *w, struct cv_str sorted)
{
	if (cv_str_eq(l->sorted, sorted))
		return true;
	return l->count >= 3 && w->count > l->count &&
	       cv_str_search(cv_buf_view(&w->text), l->words) < w->text.n;
}

enum spam_leader_match
spam_leader_find(struct spam_leaders_cache *c, const struct cv_snapshot *snap, uint32_t rank_max,
	struct cv_str name)
{
	enum spam_leader_match match = SPAM_LEADER_NONE;
	struct cv_buf sorted = CV_BUF_INIT(16384);
	struct words w;

	if (!rank_max || !name.n)
		return SPAM_LEADER_NONE;
	words_read(&w, name);
	sort_words(&w, &sorted);
	struct leaders *l = hold(c, snap, rank_max);
	bool titled = has_title(&w);
	for (size_t i = 0; i < l->count && match == SPAM_LEADER_NONE; i++) {
		const struct leader *one = &l->items[i];
		/* Beside a title two words are enough. */
		if (is_leader(one, &w, cv_buf_view(&sorted)) ||
			(titled && cv_str_search(cv_buf_view(&w.text), one->words) < w.text.n))
			match = titled ? SPAM_LEADER_TITLE : SPAM_LEADER_NAME;
	}
	release(c, l);
	cv_buf_done(&sorted);
	words_done(&w);
	return match;
}

static void
examine_name(struct spam_mail *m)
{
	const struct spam_author *a = &m->author;
	struct cv_str domain = a->domain_count ? a->domains[0] : CV_STR_EMPTY;
	bool is_free = cv_policy_is_free_mail(m->policy->policy, domain);

	if (!domain.n || spam_is_guarded(m, domain) ||
		cv_policy_is_official(m->policy->policy, domain))
		return;
	enum spam_leader_match match = spam_leader_find(
		m->server->leaders, m->snap, (uint32_t)m->opt->leader_rank, a->name);
	if (match == SPAM_LEADER_NONE)
		return;
	spam_found_weight(m, SPAM_RULE_LEADER_NAME,
		(is_free ? 3.0 : 1.5) + (match == SPAM_LEADER_TITLE ? 1.5 : 0), "%s %.*s",
		is_free ? "free mail" : "outside", CV_STR_ARGS(domain));
	spam_want(m, SPAM_MARK, NULL);
	spam_policy_mark(m, SPAM_RULE_LEADER_NAME);
}

/* ---- domains ---- */

static const char *const official_words[] = {"gov", "vn", "govvn", "ubnd", "hdnd", "tinh", "so",
	"mail", "email", "webmail", "portal", "congvu", "com", "net", "org", "edu", "info",
	"online", "login", "support", "hotro", "thongbao", "chinhphu", "dichvucong", NULL};

/* The label that a registry gave out: "lamgiang" of "mail.lamgiang.gov.vn". */
static struct cv_str
core_of(const struct spam_mail *m, struct cv_str domain, char organisation[256])
{
	char text[256];

	snprintf(text, sizeof text, "%.*s", CV_STR_ARGS(domain));
	spam_dmarc_organisation(m->server->dmarc, text, organisation);
	struct cv_str whole = cv_str_z(organisation);
	return cv_str_sub(whole, 0, cv_str_find(whole, '.', 0));
}

/* Ours stands whole within theirs: "lamgiang.gov.vn.x.example", "lamgiang-gov-vn.example". */
static bool
holds_ours(struct cv_str theirs, struct cv_str ours)
{
	char hyphens[260], label[260];
	int n = snprintf(hyphens, sizeof hyphens, "%.*s", (int)CV_MIN(ours.n, 250), ours.p);

	for (int i = 0; i < n; i++)
		if (hyphens[i] == '.')
			hyphens[i] = '-';
	n = snprintf(label, sizeof label, "%.*s.", (int)CV_MIN(ours.n, 250), ours.p);
	for (struct cv_str at = theirs; at.n; at = cv_domain_parent(at)) {
		struct cv_str first = cv_str_sub(at, 0, cv_str_find(at, '.', 0));
		if (cv_str_has_iprefix(at, label) || cv_str_ieq_z(first, hyphens))
			return true;
	}
	return false;
}

struct likeness {
	double weight; /* 0: none */
	const char *how;
	struct cv_str ours;
};

static void
compare_domain(
	const struct spam_mail *m, struct cv_str theirs, struct cv_str ours, struct likeness *best)
{
	char their_org[256], our_org[256];
	struct cv_buf shown = CV_BUF_INIT(1024);
	struct cv_str core = core_of(m, ours, our_org);
	struct likeness one = {.ours = ours};

	cv_domain_to_unicode(core_of(m, theirs, their_org), &shown);
	switch (cv_likeness(cv_buf_view(&shown), core, official_words)) {
	case CV_ALIKE_LETTERS:
		one = (struct likeness){6.0, "letters of", ours};
		break;
	case CV_ALIKE_TYPING:
		one = (struct likeness){4.0, "one letter from", ours};
		break;
	case CV_ALIKE_WORDS:
		one = (struct likeness){3.5, "words around", ours};
		break;
	case CV_ALIKE_EQUAL:
		one = (struct likeness){2.0, "another ending of", ours};
		break;
	default:
		break;
	}
	if (!strcmp(their_org, our_org))
		one.weight = 0; /* the same family: below ours, or a sister under our parent */
	else if (holds_ours(theirs, ours))
		one = (struct likeness){6.0, "the whole name of", ours};
	if (one.weight > best->weight)
		*best = one;
	cv_buf_done(&shown);
}

static bool
examine_domain(struct spam_mail *m, struct cv_str domain)
{
	struct cv_str ours[SPAM_GUARDED_MAX];
	struct likeness best = {0};
	size_t n = spam_guarded(m, ours);

	if (!domain.n || spam_is_guarded(m, domain) ||
		cv_policy_is_official(m->policy->policy, domain) ||
		spam_overrides_alike(m->policy->overrides, domain, cv_wall_secs()))
		return false;
	for (size_t i = 0; i < n; i++)
		compare_domain(m, domain, ours[i], &best);
	if (best.weight <= 0)
		return false;
	spam_found_weight(m, SPAM_RULE_LOOKALIKE_DOMAIN, best.weight, "%.*s: %s %.*s",
		CV_STR_ARGS(domain), best.how, CV_STR_ARGS(best.ours));
	if (best.weight > 2.0) {
		spam_want(m, SPAM_MARK, NULL);
		spam_policy_mark(m, SPAM_RULE_LOOKALIKE_DOMAIN);
	}
	return true;
}

/* A word that mixes scripts, in the name or in a label of the domain. */
static bool
is_mixed(struct cv_str text)
{
	for (size_t at = 0; at < text.n;) {
		size_t end = at;
		while (end < text.n && !strchr(" \t.,;@<>()\"", text.p[end]))
			end++;
		if (cv_is_mixed_script(cv_str_sub(text, at, end)))
			return true;
		at = end + 1;
	}
	return false;
}

static void
examine_scripts(struct spam_mail *m)
{
	const struct spam_author *a = &m->author;
	struct cv_buf shown = CV_BUF_INIT(1024);

	if (a->domain_count)
		cv_domain_to_unicode(a->domains[0], &shown);
	if (is_mixed(cv_buf_view(&shown)))
		spam_found(m, SPAM_RULE_MIXED_SCRIPT, "domain %.*s", CV_STR_ARGS(a->domains[0]));
	else if (is_mixed(a->name))
		spam_found(m, SPAM_RULE_MIXED_SCRIPT, "%s", "name");
	cv_buf_done(&shown);
}

void
spam_examine_imitation(struct spam_mail *m)
{
	if (m->is_submission)
		return;
	examine_name(m);
	examine_scripts(m);
	for (size_t i = 0; i < m->author.domain_count; i++)
		if (examine_domain(m, m->author.domains[i]))
			return;
	(void)examine_domain(m, m->sender_domain);
}
