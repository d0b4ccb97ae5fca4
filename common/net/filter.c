/* filter.c - see filter.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/filter.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "common/net/addr.h"

#define SECS_MAX 3600u

bool
cv_filter_failure_parse(struct cv_str word, enum cv_filter_failure *out)
{
	static const char *const words[] = {[CV_FILTER_TEMPFAIL] = "tempfail",
		[CV_FILTER_REJECT] = "reject",
		[CV_FILTER_ACCEPT] = "accept"};

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_eq_z(word, words[i])) {
			*out = (enum cv_filter_failure)i;
			return true;
		}
	return false;
}

/* ---- the address ---- */

static bool
is_host_name(struct cv_str host)
{
	for (size_t i = 0; i < host.n; i++) {
		unsigned char c = (unsigned char)host.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && c != '.' && c != '-')
			return false;
	}
	return host.n > 0 && host.n < 254 && host.p[0] != '-' && host.p[0] != '.';
}

static enum cv_status
parse_inet(struct cv_str text, struct cv_filter *f, struct cv_err *err)
{
	size_t at = cv_str_find(text, '@', 0);
	struct cv_str port = cv_str_sub(text, 0, at), host = cv_str_sub(text, at + 1, text.n);
	char word[300];
	uint64_t number;

	if (at >= text.n || cv_str_u64(port, 65535, &number) || !number)
		return cv_fail(
			err, CV_INVALID, "'inet:%.*s': inet:port@host expected", CV_STR_ARGS(text));
	f->port = (uint16_t)number;
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = cv_str_sub(host, 1, host.n - 1);
	bool is_v6 = cv_str_find(host, ':', 0) < host.n;
	snprintf(word, sizeof word, is_v6 ? "[%.*s]:%u" : "%.*s:%u", CV_STR_ARGS(host), f->port);
	if (!cv_str_eq_z(host, "*") &&
		cv_sockaddr_parse(cv_str_z(word), &f->addr, &f->addr_len, NULL) == CV_OK)
		return CV_OK;
	f->addr_len = 0;
	if (!is_host_name(host))
		return cv_fail(err, CV_INVALID, "'%.*s' is neither an address nor a host name",
			CV_STR_ARGS(host));
	snprintf(f->host, sizeof f->host, "%.*s", CV_STR_ARGS(host));
	return CV_OK;
}

static enum cv_status
parse_address(struct cv_str text, struct cv_filter *f, struct cv_err *err)
{
	snprintf(f->name, sizeof f->name, "%.*s", CV_STR_ARGS(text));
	if (cv_str_has_prefix(text, "inet:"))
		return parse_inet(cv_str_sub(text, 5, text.n), f, err);
	if (cv_str_has_prefix(text, "inet6:"))
		return parse_inet(cv_str_sub(text, 6, text.n), f, err);
	if (!cv_str_has_prefix(text, "unix:"))
		return cv_fail(err, CV_INVALID, "filter '%.*s': unix:/path or inet:port@host",
			CV_STR_ARGS(text));
	return cv_sockaddr_parse(text, &f->addr, &f->addr_len, err);
}

/* ---- settings ---- */

static bool
take_secs(struct cv_str value, void *field)
{
	static const struct {
		char letter;
		unsigned factor;
	} units[] = {
		{'s', 1   },
		{'m', 60  },
		{'h', 3600}
	};
	unsigned factor = 1;
	uint64_t n;

	for (size_t i = 0; i < CV_COUNT(units) && value.n; i++)
		if (value.p[value.n - 1] == units[i].letter) {
			factor = units[i].factor;
			value.n--;
			break;
		}
	if (cv_str_u64(value, SECS_MAX, &n) || !n || n * factor > SECS_MAX)
		return false;
	*(unsigned *)field = (unsigned)n * factor;
	return true;
}

static bool
take_failure(struct cv_str value, void *field)
{
	return cv_filter_failure_parse(value, field);
}

static bool
take_flag(struct cv_str value, void *field)
{
	bool yes = cv_str_eq_z(value, "yes");

	*(bool *)field = yes;
	return yes || cv_str_eq_z(value, "no");
}

static bool
take_name(struct cv_str value, void *field)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && c != '.' && c != '_' && c != '-')
			return false;
	}
	snprintf(field, 64, "%.*s", CV_STR_ARGS(value));
	return value.n > 0 && value.n < 64;
}

static const struct setting {
	const char *name;
	bool (*take)(struct cv_str value, void *field);
	size_t offset;
	const char *wanted;
} settings[] = {
	{"name",            take_name,    offsetof(struct cv_filter, name),         "letters, digits, '.', '_' or '-'"},
	{"timeout",         take_secs,    offsetof(struct cv_filter, step_secs),    "1s to 1h"                        },
	{"connect-timeout", take_secs,    offsetof(struct cv_filter, connect_secs), "1s to 1h"                        },
	{"message-timeout", take_secs,    offsetof(struct cv_filter, message_secs), "1s to 1h"                        },
	{"on-failure",      take_failure, offsetof(struct cv_filter, on_failure),
	 "accept, tempfail or reject"										 },
	{"reuse",           take_flag,    offsetof(struct cv_filter, reuse),        "yes or no"                       },
};

static enum cv_status
take_setting(struct cv_str word, struct cv_filter *f, unsigned *seen, struct cv_err *err)
{
	size_t equals = cv_str_find(word, '=', 0);
	struct cv_str name = cv_str_sub(word, 0, equals),
		      value = cv_str_sub(word, equals + 1, word.n);

	for (size_t i = 0; i < CV_COUNT(settings); i++) {
		const struct setting *s = &settings[i];
		if (!cv_str_eq_z(name, s->name))
			continue;
		if (*seen & 1u << i)
			return cv_fail(
				err, CV_INVALID, "filter %s: %s stands twice", f->name, s->name);
		*seen |= 1u << i;
		if (!s->take(value, (char *)f + s->offset))
			return cv_fail(err, CV_INVALID, "filter: %s=%.*s: %s expected", s->name,
				CV_STR_ARGS(value), s->wanted);
		return CV_OK;
	}
	return cv_fail(err, CV_INVALID, "filter %s: no setting is called '%.*s'", f->name,
		CV_STR_ARGS(name));
}

/* A time that the word names for a step is also the one of the phases it does not name. */
static void
spread_timeout(struct cv_filter *f, unsigned seen)
{
	if (!(seen & 1u << 1))
		return;
	if (!(seen & 1u << 2))
		f->connect_secs = f->step_secs;
	if (!(seen & 1u << 3))
		f->message_secs = f->step_secs;
}

enum cv_status
cv_filter_parse(
	struct cv_str word, const struct cv_filter *dflt, struct cv_filter *out, struct cv_err *err)
{
	struct cv_filter f = {.connect_secs = dflt->connect_secs,
		.step_secs = dflt->step_secs,
		.message_secs = dflt->message_secs,
		.on_failure = dflt->on_failure,
		.reuse = dflt->reuse};
	struct cv_str rest = word, part;
	unsigned seen = 0;

	if (!cv_str_split(&rest, ',', &part))
		return cv_fail(err, CV_INVALID, "a filter needs an address");
	enum cv_status status = parse_address(part, &f, err);
	while (status == CV_OK && cv_str_split(&rest, ',', &part))
		status = take_setting(part, &f, &seen, err);
	if (status != CV_OK)
		return status;
	spread_timeout(&f, seen);
	*out = f;
	return CV_OK;
}

enum cv_status
cv_filters_parse(struct cv_str list, const struct cv_filter *dflt, struct cv_filter *out,
	unsigned *count_out, struct cv_err *err)
{
	struct cv_str word;
	unsigned n = 0;

	*count_out = 0;
	if (cv_str_eq_z(cv_str_trim(list), "none"))
		return CV_OK;
	while (cv_str_split(&list, ' ', &word)) {
		if (!word.n)
			continue;
		if (n == CV_FILTERS_MAX)
			return cv_fail(err, CV_LIMIT, "more than %u filters", CV_FILTERS_MAX);
		enum cv_status status = cv_filter_parse(word, dflt, &out[n], err);
		if (status != CV_OK)
			return status;
		for (unsigned i = 0; i < n; i++)
			if (!strcmp(out[i].name, out[n].name))
				return cv_fail(
					err, CV_INVALID, "two filters are called %s", out[n].name);
		n++;
	}
	*count_out = n;
	return CV_OK;
}

enum cv_status
cv_filter_resolve(struct cv_filter *f, struct cv_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
	char port[8];

	if (f->addr_len)
		return CV_OK;
	snprintf(port, sizeof port, "%u", f->port);
	int fault = getaddrinfo(f->host, port, &hints, &found);
	if (fault == EAI_NONAME || fault == EAI_ADDRFAMILY) {
		hints.ai_flags = 0; /* a machine with loopback alone */
		fault = getaddrinfo(f->host, port, &hints, &found);
	}
	if (fault)
		return cv_fail(err, CV_TEMPFAIL, "filter %s: cannot find host %s: %s", f->name,
			f->host, gai_strerror(fault));
	memcpy(&f->addr, found->ai_addr, found->ai_addrlen);
	f->addr_len = found->ai_addrlen;
	freeaddrinfo(found);
	return CV_OK;
}
