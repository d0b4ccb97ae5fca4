/* dnslist.c - see dnslist.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/dnslist.h"

#include "common/net/dns.h"

#define WEIGHT_MAX 100

static enum cv_status
refuse(struct cv_err *err, struct cv_str entry, const char *what)
{
	return cv_fail(err, CV_INVALID, "'%.*s': %s", CV_STR_ARGS(entry), what);
}

/* "2" or "2..11" into the bits. */
static bool
take_range(struct cv_str word, uint64_t bits[4])
{
	uint64_t from, to;
	size_t dots = cv_str_search(word, CV_STR(".."));

	if (cv_str_u64(cv_str_sub(word, 0, dots), 255, &from))
		return false;
	to = from;
	if (dots < word.n && cv_str_u64(cv_str_sub(word, dots + 2, word.n), 255, &to))
		return false;
	for (uint64_t v = from; v <= to; v++)
		bits[v / 64] |= UINT64_C(1) << v % 64;
	return from <= to;
}

/* Takes one part of the codes off *REST. */
static bool
take_octet(struct cv_str *rest, uint64_t bits[4])
{
	struct cv_str word;

	if (!rest->n || rest->p[0] != '[') {
		size_t dot = cv_str_find(*rest, '.', 0);
		word = cv_str_sub(*rest, 0, dot);
		*rest = cv_str_sub(*rest, dot, rest->n);
		return take_range(word, bits);
	}
	size_t end = cv_str_find(*rest, ']', 0);
	if (end >= rest->n)
		return false;
	struct cv_str ranges = cv_str_sub(*rest, 1, end);
	*rest = cv_str_sub(*rest, end + 1, rest->n);
	while (cv_str_split(&ranges, ';', &word))
		if (!take_range(word, bits))
			return false;
	return true;
}

static bool
take_codes(struct cv_str codes, struct cv_dnslist *out)
{
	for (size_t i = 0; i < 4; i++) {
		if (i > 0) {
			if (!codes.n || codes.p[0] != '.')
				return false;
			codes = cv_str_sub(codes, 1, codes.n);
		}
		if (!take_octet(&codes, out->octets[i]))
			return false;
	}
	return !codes.n;
}

static enum cv_status
take_entry(struct cv_str entry, bool allows, struct cv_dnslist *out, struct cv_err *err)
{
	size_t star = cv_str_find(entry, '*', 0);
	struct cv_str rest = cv_str_sub(entry, 0, star);
	size_t equals = cv_str_find(rest, '=', 0);
	struct cv_str zone = cv_str_sub(rest, 0, equals);
	uint64_t weight = 1;

	*out = (struct cv_dnslist){.allows = allows, .any_code = equals >= rest.n};
	if (star < entry.n &&
		(cv_str_u64(cv_str_sub(entry, star + 1, entry.n), WEIGHT_MAX, &weight) || !weight))
		return refuse(err, entry, "the weight is a number from 1 to 100");
	out->weight = (int)weight;
	char clean[256];
	if (!zone.n || zone.n >= sizeof out->zone || !cv_dns_name_clean(zone, clean) ||
		!cv_is_alpha((unsigned char)clean[0]))
		return refuse(err, entry, "not the name of a DNS zone");
	memcpy(out->zone, clean, strlen(clean));
	if (!out->any_code && !take_codes(cv_str_sub(rest, equals + 1, rest.n), out))
		return refuse(err, entry, "codes look like 127.0.0.[2..11;20]");
	return CV_OK;
}

enum cv_status
cv_dnslists_add(
	struct cv_dnslists *lists, const char *text, bool allows, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(text), word;

	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (lists->n == CV_DNSLISTS_MAX)
			return cv_fail(err, CV_LIMIT, "more than %d DNS lists", CV_DNSLISTS_MAX);
		enum cv_status status = take_entry(word, allows, &lists->rows[lists->n], err);
		if (status != CV_OK)
			return status;
		lists->n++;
	}
	return CV_OK;
}

bool
cv_dnslist_name(const struct cv_dnslist *list, const struct sockaddr_storage *peer, char *out,
	size_t n)
{
	char reverse[128];

	if (!cv_dns_reverse_name(peer, reverse, sizeof reverse))
		return false;
	struct cv_str name = cv_str_z(reverse);
	size_t end = cv_str_isearch(name, CV_STR(".in-addr.arpa"));
	if (end == name.n)
		end = cv_str_isearch(name, CV_STR(".ip6.arpa"));
	int written = snprintf(out, n, "%.*s.%s", (int)end, reverse, list->zone);
	return written > 0 && (size_t)written < n;
}

static bool
counts(const struct cv_dnslist *list, const unsigned char ip[4])
{
	if (ip[0] != 127)
		return false;
	if (list->any_code)
		return ip[1] != 255 || ip[2] != 255;
	for (size_t i = 0; i < 4; i++)
		if (!(list->octets[i][ip[i] / 64] >> ip[i] % 64 & 1))
			return false;
	return true;
}

bool
cv_dnslist_has(const struct cv_dnslist *list, const struct cv_dns_answer *answer)
{
	if (answer->state != CV_DNS_OK)
		return false;
	for (unsigned i = 0; i < answer->count; i++)
		if (answer->records[i].rdata.n == 4 &&
			counts(list, (const unsigned char *)answer->records[i].rdata.p))
			return true;
	return false;
}
