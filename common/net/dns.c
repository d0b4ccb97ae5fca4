/* dns.c - DNS names, wire form and answers. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <netinet/in.h>

#include "common/base/buf.h"
#include "common/net/dns.h"

#define LABEL_MAX 63

/* ---- names ---- */

bool
cv_dns_name_clean(struct cv_str name, char out[256])
{
	size_t label = 0;
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > CV_DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c <= ' ' || c >= 127 || c == '\\')
			return false;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX || (c == '.' && (i == 0 || name.p[i - 1] == '.')))
			return false;
		out[i] = (char)cv_lower(c);
	}
	out[name.n] = '\0';
	return !name.n || label > 0;
}

size_t
cv_dns_name_wire(const char *name, unsigned char *out)
{
	size_t n = 0;
	struct cv_str rest = cv_str_z(name), label;
	while (rest.n && cv_str_split(&rest, '.', &label)) {
		assert(label.n && label.n <= LABEL_MAX && n + label.n + 2 <= 255);
		out[n++] = (unsigned char)label.n;
		memcpy(out + n, label.p, label.n);
		n += label.n;
	}
	out[n++] = 0;
	return n;
}

/* Bytes that could be mistaken for something else are written as \DDD. */
static void
add_label(struct cv_buf *out, struct cv_str label)
{
	if (out->n)
		cv_buf_c(out, '.');
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = cv_lower((unsigned char)label.p[i]);
		if (c <= ' ' || c >= 127 || c == '.' || c == '\\')
			cv_buf_printf(out, "\\%03u", c);
		else
			cv_buf_c(out, (char)c);
	}
}

/* The name at R in text. False when it is cut off, compressed or too long. */
static bool
read_name(struct cv_rd *r, char out[256])
{
	struct cv_buf text = CV_BUF_INIT(255);
	bool ok = false;
	for (;;) {
		uint8_t n = cv_rd_u8(r);
		if (r->bad || n > LABEL_MAX)
			break;
		if (n == 0) {
			ok = true;
			break;
		}
		struct cv_str label = cv_rd_take(r, n);
		if (r->bad)
			break;
		add_label(&text, label);
	}
	ok = ok && !text.full;
	if (ok) {
		if (text.n)
			memcpy(out, text.p, text.n);
		out[text.n] = '\0';
	}
	cv_buf_done(&text);
	return ok;
}

/* ---- records ---- */

static bool
join_strings(struct cv_str wire, struct cv_buf *out)
{
	struct cv_rd r = cv_rd(wire);
	while (cv_rd_left(&r)) {
		struct cv_str s = cv_rd_take(&r, cv_rd_u8(&r));
		if (r.bad)
			return false;
		cv_buf_str(out, s);
	}
	return true;
}

/* Fills what is known of TYPE beside the wire form; false when the wire form is not one. */
static bool
read_rdata(enum cv_dns_type type, struct cv_str wire, struct cv_dns_record *rec)
{
	struct cv_rd r = cv_rd(wire);
	switch (type) {
	case CV_DNS_A:
		return wire.n == 4;
	case CV_DNS_AAAA:
		return wire.n == 16;
	case CV_DNS_TLSA:
		return wire.n > 3;
	case CV_DNS_MX:
		rec->preference = cv_rd_be16(&r);
		return read_name(&r, rec->name) && !cv_rd_left(&r);
	case CV_DNS_SRV:
		rec->preference = cv_rd_be16(&r);
		(void)cv_rd_be32(&r);
		return read_name(&r, rec->name) && !cv_rd_left(&r);
	case CV_DNS_NS:
	case CV_DNS_CNAME:
	case CV_DNS_PTR:
		return read_name(&r, rec->name) && !cv_rd_left(&r);
	case CV_DNS_SOA:
		return read_name(&r, rec->name);
	case CV_DNS_TXT:
	case CV_DNS_CAA:
		return true;
	}
	return true;
}

struct cv_dns_answer *
cv_dns_answer_new(enum cv_dns_state state)
{
	struct cv_dns_answer *a = cv_calloc(1, sizeof(*a));
	a->state = state;
	return a;
}

bool
cv_dns_answer_add(struct cv_dns_answer *a, enum cv_dns_type type, struct cv_str wire)
{
	struct cv_dns_record rec = {.preference = 0};
	struct cv_buf bytes = CV_BUF_INIT(65535);
	bool ok = a->count < CV_DNS_RECORDS_MAX && read_rdata(type, wire, &rec);
	if (ok && type == CV_DNS_TXT)
		ok = join_strings(wire, &bytes);
	else if (ok)
		cv_buf_str(&bytes, wire);
	if (!ok || bytes.full) {
		cv_buf_done(&bytes);
		return false;
	}
	rec.rdata.n = bytes.n;
	rec.rdata.p = cv_buf_take(&bytes);
	a->records = cv_realloc(a->records, (a->count + 1) * sizeof(*a->records));
	a->records[a->count++] = rec;
	return true;
}

static int
by_preference(const void *a, const void *b)
{
	const struct cv_dns_record *x = a, *y = b;
	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return strcmp(x->name, y->name);
}

void
cv_dns_answer_finish(struct cv_dns_answer *a, enum cv_dns_type type)
{
	if ((type == CV_DNS_MX || type == CV_DNS_SRV) && a->count > 1)
		qsort(a->records, a->count, sizeof(*a->records), by_preference);
	if (a->state == CV_DNS_OK && !a->count)
		a->state = CV_DNS_TEMPFAIL;
}

void
cv_dns_answer_free(struct cv_dns_answer *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->count; i++)
		free((char *)(uintptr_t)a->records[i].rdata.p);
	free(a->records);
	free(a);
}

/* ---- addresses backwards ---- */

bool
cv_dns_reverse_name(const struct sockaddr_storage *a, char *buf, size_t n)
{
	const unsigned char *ip;
	struct cv_buf text = CV_BUF_INIT(CV_DNS_NAME_MAX);
	bool mapped = false;
	if (a->ss_family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
		mapped = IN6_IS_ADDR_V4MAPPED(in6);
		ip = in6->s6_addr + (mapped ? 12 : 0);
	} else if (a->ss_family == AF_INET) {
		ip = (const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr;
	} else {
		return false;
	}
	if (mapped || a->ss_family == AF_INET)
		cv_buf_printf(&text, "%u.%u.%u.%u.in-addr.arpa", ip[3], ip[2], ip[1], ip[0]);
	else {
		for (int i = 15; i >= 0; i--)
			cv_buf_printf(&text, "%x.%x.", ip[i] & 15u, ip[i] >> 4);
		cv_buf_z(&text, "ip6.arpa");
	}
	bool fits = text.n < n;
	if (fits)
		memcpy(buf, text.p, text.n + 1);
	cv_buf_done(&text);
	return fits;
}
