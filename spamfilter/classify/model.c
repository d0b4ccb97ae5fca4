/* model.c - see model.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/model.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#define SHARDS     64u
#define SHARD_MIN  64u /* slots of a shard that has entries */
#define LOAD(n)    ((n) / 4 * 3)
#define GONE_SHARE 8u /* one of so many entries goes when there is no more room */

struct shard {
	pthread_mutex_t lock;
	struct spam_model_entry *slots; /* key 0: free */
	size_t cap, used;
};

struct spam_model {
	struct spam_model_limits limits;
	struct shard shards[SHARDS];
	_Atomic uint64_t totals[SPAM_MODEL_LAYERS][SPAM_CLASSES];
	atomic_size_t layer_tokens[SPAM_MODEL_LAYERS];
	atomic_size_t tokens, bytes;
};

struct spam_model *
spam_model_new(const struct spam_model_limits *limits)
{
	struct spam_model *m = cv_calloc(1, sizeof *m);

	m->limits = *limits;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&m->shards[i].lock, NULL);
	atomic_init(&m->bytes, sizeof *m);
	return m;
}

void
spam_model_free(struct spam_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&m->shards[i].lock);
		free(m->shards[i].slots);
	}
	free(m);
}

uint64_t
spam_model_key(uint32_t layer, uint64_t token)
{
	uint64_t h = token;

	if (layer != SPAM_MODEL_PROVINCE) {
		h = (h ^ (uint64_t)layer * 0xd6e8feb86659fd93u) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h ? h : 1;
}

static struct shard *
shard_of(struct spam_model *m, uint64_t key)
{
	return &m->shards[key >> 58];
}

/* ---- one shard; its lock is held ---- */

/* Where KEY is, or the free slot where it would be. */
static size_t
find(const struct shard *s, uint64_t key)
{
	size_t at = key & (s->cap - 1);

	while (s->slots[at].key && s->slots[at].key != key)
		at = (at + 1) & (s->cap - 1);
	return at;
}

static void
resize(struct spam_model *m, struct shard *s, size_t cap)
{
	struct shard old = *s;

	s->slots = cv_calloc(cap, sizeof *s->slots);
	s->cap = cap;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key)
			s->slots[find(s, old.slots[i].key)] = old.slots[i];
	free(old.slots);
	atomic_fetch_add(&m->bytes, (cap - old.cap) * sizeof *s->slots);
}

static struct spam_model_entry *
insert(struct spam_model *m, struct shard *s, uint64_t key, uint32_t layer)
{
	if (!s->cap)
		resize(m, s, SHARD_MIN);
	else if (s->used >= LOAD(s->cap))
		resize(m, s, 2 * s->cap);
	struct spam_model_entry *e = &s->slots[find(s, key)];
	if (e->key)
		return e;
	*e = (struct spam_model_entry){.key = key, .layer = layer};
	s->used++;
	atomic_fetch_add(&m->tokens, 1);
	atomic_fetch_add(&m->layer_tokens[layer], 1);
	return e;
}

/* Those behind it in its run move up, so that no run is cut. */
static void
erase(struct spam_model *m, struct shard *s, size_t at)
{
	size_t mask = s->cap - 1;

	s->used--;
	atomic_fetch_sub(&m->tokens, 1);
	atomic_fetch_sub(&m->layer_tokens[s->slots[at].layer], 1);
	for (size_t next = (at + 1) & mask; s->slots[next].key; next = (next + 1) & mask) {
		size_t home = s->slots[next].key & mask;
		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		s->slots[at] = s->slots[next];
		at = next;
	}
	s->slots[at].key = 0;
}

/* ---- what to forget ---- */

#define WORTHS 256u

static unsigned
log2_of(uint64_t n)
{
	unsigned bits = 0;

	for (; n > 1; n >>= 1)
		bits++;
	return bits;
}

/* 0..255: how clearly an entry speaks, times how often it was seen, less its age. */
static unsigned
worth(const struct spam_model *m, const struct spam_model_entry *e, uint32_t now)
{
	double ham = (double)e->counts[SPAM_CLASS_HAM] /
		     (double)CV_MAX(spam_model_total(m, e->layer, SPAM_CLASS_HAM), 1u);
	double spam = (double)e->counts[SPAM_CLASS_SPAM] /
		      (double)CV_MAX(spam_model_total(m, e->layer, SPAM_CLASS_SPAM), 1u);
	uint64_t n = (uint64_t)e->counts[0] + e->counts[1];
	double clear = ham + spam > 0 ? (spam > ham ? spam - ham : ham - spam) / (spam + ham) : 0;
	double value = 16 + 24 * clear * log2_of(n + 1);
	/* In steps that grow: of two equal ones the older goes, and age alone takes years. */
	value -= 4 * log2_of((uint64_t)(now - e->touched) + 1);
	return value < 0 ? 0 : value > WORTHS - 1 ? WORTHS - 1 : (unsigned)value;
}

/* One of GONE_SHARE of the entries of LAYER (or of all: SPAM_MODEL_LAYERS) leaves the shard. */
static void
tidy_shard(struct spam_model *m, struct shard *s, uint32_t layer, uint32_t now,
	spam_model_changed_fn *changed, void *arg)
{
	size_t count[WORTHS] = {0}, all = 0, gone = 0;
	unsigned limit = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->cap; i++)
		if (s->slots[i].key && (layer == SPAM_MODEL_LAYERS || s->slots[i].layer == layer)) {
			count[worth(m, &s->slots[i], now)]++;
			all++;
		}
	size_t want = (all + GONE_SHARE - 1) / GONE_SHARE;
	for (size_t sum = 0; limit < WORTHS && sum + count[limit] < want; limit++)
		sum += count[limit];
	for (size_t i = s->cap; i > 0 && gone < want;) {
		struct spam_model_entry *e = &s->slots[i - 1];
		if (!e->key || (layer != SPAM_MODEL_LAYERS && e->layer != layer) ||
			worth(m, e, now) > limit) {
			i--;
			continue;
		}
		if (changed)
			changed(arg, e->key);
		erase(m, s, i - 1); /* another may stand here now: look again */
		gone++;
	}
	pthread_mutex_unlock(&s->lock);
}

void
spam_model_tidy(struct spam_model *m, uint32_t now, spam_model_changed_fn *changed, void *arg)
{
	for (uint32_t layer = 1; layer < SPAM_MODEL_LAYERS; layer++)
		while (atomic_load(&m->layer_tokens[layer]) > m->limits.layer_tokens_max)
			for (size_t i = 0; i < SHARDS; i++)
				tidy_shard(m, &m->shards[i], layer, now, changed, arg);
	while (atomic_load(&m->tokens) > m->limits.tokens_max)
		for (size_t i = 0; i < SHARDS; i++)
			tidy_shard(m, &m->shards[i], SPAM_MODEL_LAYERS, now, changed, arg);
}

/* ---- counting ---- */

static void
add_one(struct spam_model *m, const struct spam_model_change *c, uint64_t token)
{
	uint64_t key = spam_model_key(c->layer, token);
	struct shard *s = shard_of(m, key);

	pthread_mutex_lock(&s->lock);
	struct spam_model_entry *e = insert(m, s, key, c->layer);
	if (!e->counts[0] && !e->counts[1])
		e->born = c->number;
	uint32_t *count = &e->counts[c->class_];
	*count = *count > UINT32_MAX - c->weight ? UINT32_MAX : *count + c->weight;
	e->touched = c->number;
	pthread_mutex_unlock(&s->lock);
	if (c->changed)
		c->changed(c->arg, key);
}

void
spam_model_add(
	struct spam_model *m, const struct spam_model_change *c, const struct spam_tokens *tokens)
{
	assert(c->layer < SPAM_MODEL_LAYERS);
	for (size_t i = 0; i < tokens->count; i++)
		add_one(m, c, tokens->hashes[i]);
	atomic_fetch_add(&m->totals[c->layer][c->class_], c->weight);
	if (atomic_load(&m->tokens) > m->limits.tokens_max ||
		(c->layer && atomic_load(&m->layer_tokens[c->layer]) > m->limits.layer_tokens_max))
		spam_model_tidy(m, c->number, c->changed, c->arg);
}

static void
take_one(struct spam_model *m, const struct spam_model_change *c, uint64_t token)
{
	uint64_t key = spam_model_key(c->layer, token);
	struct shard *s = shard_of(m, key);
	bool did = false;

	pthread_mutex_lock(&s->lock);
	size_t at = s->cap ? find(s, key) : 0;
	struct spam_model_entry *e = s->cap ? &s->slots[at] : NULL;
	if (e && e->key && e->born <= c->number) {
		uint32_t *count = &e->counts[c->class_];
		*count -= CV_MIN(*count, c->weight);
		if (!e->counts[0] && !e->counts[1])
			erase(m, s, at);
		did = true;
	}
	pthread_mutex_unlock(&s->lock);
	if (did && c->changed)
		c->changed(c->arg, key);
}

void
spam_model_take(
	struct spam_model *m, const struct spam_model_change *c, const struct spam_tokens *tokens)
{
	assert(c->layer < SPAM_MODEL_LAYERS);
	for (size_t i = 0; i < tokens->count; i++)
		take_one(m, c, tokens->hashes[i]);
	uint64_t total = spam_model_total(m, c->layer, c->class_);
	atomic_fetch_sub(&m->totals[c->layer][c->class_], CV_MIN(total, c->weight));
}

/* ---- small ones ---- */

uint64_t
spam_model_total(const struct spam_model *m, uint32_t layer, enum spam_class class_)
{
	return atomic_load(&m->totals[layer][class_]);
}

size_t
spam_model_tokens(const struct spam_model *m)
{
	return atomic_load(&m->tokens);
}

size_t
spam_model_bytes(const struct spam_model *m)
{
	return atomic_load(&m->bytes);
}

bool
spam_model_get(struct spam_model *m, uint64_t key, struct spam_model_entry *out)
{
	struct shard *s = shard_of(m, key);

	pthread_mutex_lock(&s->lock);
	*out = s->cap ? s->slots[find(s, key)] : (struct spam_model_entry){0};
	pthread_mutex_unlock(&s->lock);
	return out->key != 0;
}

void
spam_model_load(struct spam_model *m, const struct spam_model_entry *e)
{
	struct shard *s = shard_of(m, e->key);

	if (!e->key || e->layer >= SPAM_MODEL_LAYERS)
		return;
	pthread_mutex_lock(&s->lock);
	struct spam_model_entry *slot = insert(m, s, e->key, e->layer);
	uint32_t layer = slot->layer;
	*slot = *e;
	slot->layer = layer;
	pthread_mutex_unlock(&s->lock);
}

void
spam_model_load_total(struct spam_model *m, uint32_t layer, enum spam_class class_, uint64_t total)
{
	atomic_store(&m->totals[layer][class_], total);
}

/* ---- judging ---- */

/* docs/adr/0085-classifier.md says where these come from. */
#define STRENGTH     1.0 /* of "no idea": as much as one message */
#define SILENCE      0.1 /* tokens nearer to 0.5 say nothing */
#define LAYER_WEIGHT 4.0 /* what an agency saw itself, over what the province saw */

/* What one layer knows: how many times a token was seen, and how unwanted it looks. */
struct voice {
	double n, share;
};

struct totals {
	double ham, spam;
};

static struct totals
totals_of(const struct spam_model *m, uint32_t layer)
{
	return (struct totals){(double)CV_MAX(spam_model_total(m, layer, SPAM_CLASS_HAM), 1u),
		(double)CV_MAX(spam_model_total(m, layer, SPAM_CLASS_SPAM), 1u)};
}

static struct voice
listen_to(struct spam_model *m, uint32_t layer, const struct totals *t, uint64_t token)
{
	struct spam_model_entry e;

	if (!spam_model_get(m, spam_model_key(layer, token), &e) || e.layer != layer)
		return (struct voice){0, 0.5};
	double ham = e.counts[SPAM_CLASS_HAM] / t->ham, spam = e.counts[SPAM_CLASS_SPAM] / t->spam;
	double n = (double)e.counts[SPAM_CLASS_HAM] + e.counts[SPAM_CLASS_SPAM];
	return (struct voice){n, ham + spam > 0 ? spam / (ham + spam) : 0.5};
}

void
spam_model_judge(struct spam_model *m, uint32_t layer, const struct spam_tokens *tokens,
	struct spam_opinion *out)
{
	struct totals province = totals_of(m, SPAM_MODEL_PROVINCE), own = {1, 1};
	double sum = 0;

	*out = (struct spam_opinion){0};
	if (layer >= SPAM_MODEL_LAYERS ||
		spam_model_total(m, layer, SPAM_CLASS_HAM) < SPAM_MODEL_LAYER_MIN ||
		spam_model_total(m, layer, SPAM_CLASS_SPAM) < SPAM_MODEL_LAYER_MIN)
		layer = SPAM_MODEL_PROVINCE;
	if (layer)
		own = totals_of(m, layer);
	for (size_t i = 0; i < tokens->count; i++) {
		struct voice v = listen_to(m, SPAM_MODEL_PROVINCE, &province, tokens->hashes[i]);
		struct voice w = {0, 0.5};
		if (layer)
			w = listen_to(m, layer, &own, tokens->hashes[i]);
		w.n *= LAYER_WEIGHT;
		double f =
			(STRENGTH * 0.5 + v.n * v.share + w.n * w.share) / (STRENGTH + v.n + w.n);
		out->known += v.n + w.n > 0;
		if (fabs(f - 0.5) < SILENCE)
			continue;
		sum += log(f / (1 - f));
		out->evidence++;
	}
	if (out->evidence)
		out->lean = sum / sqrt((double)out->evidence);
}

double
spam_opinion_share(const struct spam_opinion *o)
{
	return 1 / (1 + exp(-o->lean));
}
