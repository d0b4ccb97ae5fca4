/* tlsrpt_record.c - see tlsrpt_record.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlsrpt_record.h"

#include "common/text/address.h"
#include "common/text/encode.h"

#define VERSION "v=TLSRPTv1"

/* ---- URIs ---- */

/* Printable ASCII that a URI may hold; ",", ";" and "!" would have to be written as %xx. */
static bool
is_clean(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c >= 127 || strchr("\"<>\\^`{|}!", c))
			return false;
	}
	return s.n > 0;
}

static bool
percent_decode(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '%') {
			cv_buf_c(out, in.p[i]);
			continue;
		}
		int high = i + 2 < in.n ? cv_hex_digit((unsigned char)in.p[i + 1]) : -1;
		int low = i + 2 < in.n ? cv_hex_digit((unsigned char)in.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		cv_buf_c(out, (char)(high * 16 + low));
		i += 2;
	}
	return !out->full;
}

/* "mailto:a@b" with one address; fields behind "?" are not ours to obey. */
static bool
take_mail(struct cv_str rest, struct smtpd_tlsrpt_uri *out)
{
	struct cv_buf address = CV_BUF_INIT(SMTPD_TLSRPT_URI_MAX);
	bool good = percent_decode(cv_str_sub(rest, 0, cv_str_find(rest, '?', 0)), &address)
		&& cv_address_is_valid(cv_buf_view(&address), 0);

	if (good) {
		out->is_mail = true;
		memcpy(out->text, address.p, address.n + 1);
	}
	cv_buf_done(&address);
	return good;
}

bool
smtpd_tlsrpt_https(const char *uri, struct smtpd_tlsrpt_https *out)
{
	struct cv_str rest = cv_str_z(uri);
	uint64_t port = 443;

	if (!cv_str_has_iprefix(rest, "https://"))
		return false;
	rest = cv_str_sub(rest, 8, rest.n);
	size_t end = CV_MIN(cv_str_find(rest, '/', 0), cv_str_find(rest, '?', 0));
	struct cv_str host = cv_str_sub(rest, 0, end);
	out->path = cv_str_sub(rest, end, rest.n);
	size_t colon = cv_str_find(host, ':', 0);
	if (colon < host.n
		&& (cv_str_u64(cv_str_sub(host, colon + 1, host.n), 65535, &port) != CV_OK
			|| !port))
		return false;
	host = cv_str_sub(host, 0, colon);
	/* No user part, no literal, and nothing behind "#": those are not addresses of servers. */
	if (!cv_domain_is_full(host) || host.n >= sizeof out->host
		|| cv_str_find(out->path, '#', 0) < out->path.n
		|| (out->path.n && out->path.p[0] != '/'))
		return false;
	for (size_t i = 0; i < host.n; i++)
		out->host[i] = (char)cv_lower((unsigned char)host.p[i]);
	out->host[host.n] = '\0';
	out->port = (unsigned)port;
	return true;
}

static bool
take_uri(struct cv_str uri, struct smtpd_tlsrpt_uri *out)
{
	struct smtpd_tlsrpt_https https;

	if (!is_clean(uri) || uri.n > SMTPD_TLSRPT_URI_MAX)
		return false;
	if (cv_str_has_iprefix(uri, "mailto:"))
		return take_mail(cv_str_sub(uri, 7, uri.n), out);
	out->is_mail = false;
	memcpy(out->text, uri.p, uri.n);
	out->text[uri.n] = '\0';
	return smtpd_tlsrpt_https(out->text, &https);
}

static void
take_uris(struct cv_str list, struct smtpd_tlsrpt_record *out)
{
	struct cv_str uri;

	while (cv_str_split(&list, ',', &uri))
		if (out->count < SMTPD_TLSRPT_URIS_MAX
			&& take_uri(cv_str_trim(uri), &out->uris[out->count]))
			out->count++;
}

/* ---- the record ---- */

static bool
is_field_name(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c)
			&& (!i || (c != '_' && c != '-' && c != '.')))
			return false;
	}
	return s.n > 0 && s.n <= 32;
}

bool
smtpd_tlsrpt_record(struct cv_str txt, struct smtpd_tlsrpt_record *out, bool *is_tlsrpt_out)
{
	size_t version = sizeof VERSION - 1;
	struct cv_str field;
	bool has_rua = false;

	*is_tlsrpt_out = false;
	out->count = 0;
	if (!cv_str_has_prefix(txt, VERSION))
		return false;
	struct cv_str rest = cv_str_trim(cv_str_sub(txt, version, txt.n));
	if (!rest.n || rest.p[0] != ';')
		return false;
	*is_tlsrpt_out = true;
	rest = cv_str_sub(rest, 1, rest.n);
	while (cv_str_split(&rest, ';', &field)) {
		field = cv_str_trim(field);
		size_t equals = cv_str_find(field, '=', 0);
		if (!field.n && !cv_str_trim(rest).n)
			break; /* the last ";" */
		if (equals >= field.n || !is_field_name(cv_str_sub(field, 0, equals)))
			return false;
		if (cv_str_has_prefix(field, "rua=") && !has_rua) {
			has_rua = true;
			take_uris(cv_str_sub(field, equals + 1, field.n), out);
		}
	}
	return out->count > 0;
}
