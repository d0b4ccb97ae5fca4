/* http.c - see http.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/http.h"

#include <netinet/in.h>

#include "common/net/addr.h"
#include "common/net/private.h"

#define LINE_END "\r\n"

/* ---- reading ---- */

/* RFC 9110 5.6.2 */
static bool
is_token(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_alpha((unsigned char)s.p[i]) && !cv_is_digit((unsigned char)s.p[i]) &&
			(!s.p[i] || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
			return false;
	return s.n > 0;
}

static bool
is_text(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
is_target(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	return s.n && s.p[0] == '/';
}

struct reading {
	struct cv_http_request *r;
	const char **status;
	bool has_length, has_host, is_1_1;
	uint64_t length;
	size_t body_max;
};

static bool
refuse(struct reading *h, const char *status)
{
	*h->status = status;
	return false;
}

static bool
read_line(struct reading *h, struct cv_str line)
{
	static const char *const methods[] = {
		[CV_HTTP_GET] = "GET", [CV_HTTP_HEAD] = "HEAD", [CV_HTTP_POST] = "POST"};
	struct cv_str method, target, rest = line;

	if (!cv_str_split(&rest, ' ', &method) || !cv_str_split(&rest, ' ', &target) ||
		!is_token(method) || !is_target(target))
		return refuse(h, "400 Bad Request");
	h->is_1_1 = cv_str_eq_z(rest, "HTTP/1.1");
	if (!h->is_1_1 && !cv_str_eq_z(rest, "HTTP/1.0"))
		return refuse(h, cv_str_has_prefix(rest, "HTTP/") ? "505 HTTP Version Not Supported"
								  : "400 Bad Request");
	h->r->method = CV_HTTP_OTHER;
	for (size_t i = 0; i < CV_COUNT(methods); i++)
		if (cv_str_eq_z(method, methods[i]))
			h->r->method = (enum cv_http_method)i;
	if (h->r->method == CV_HTTP_OTHER || (h->r->method == CV_HTTP_POST && !h->body_max))
		return refuse(h, "405 Method Not Allowed");
	size_t mark = cv_str_find(target, '?', 0);
	h->r->path = cv_str_sub(target, 0, mark);
	h->r->query = cv_str_sub(target, mark + 1, target.n);
	return true;
}

static bool
read_length(struct reading *h, struct cv_str value)
{
	if (h->has_length || cv_str_u64(value, UINT32_MAX, &h->length))
		return refuse(h, "400 Bad Request");
	h->has_length = true;
	if (h->length > h->body_max)
		return refuse(h, "413 Content Too Large");
	return true;
}

static bool
read_field(struct reading *h, struct cv_str line)
{
	size_t colon = cv_str_find(line, ':', 0);
	struct cv_str name = cv_str_sub(line, 0, colon);
	struct cv_str value = cv_str_trim(cv_str_sub(line, colon + 1, line.n));

	if (colon == line.n || !is_token(name) || !is_text(value))
		return refuse(h, "400 Bad Request");
	if (cv_str_ieq_z(name, "Content-Length"))
		return read_length(h, value);
	if (cv_str_ieq_z(name, "Transfer-Encoding"))
		return refuse(h, "501 Not Implemented");
	if (cv_str_ieq_z(name, "Expect"))
		return refuse(h, "417 Expectation Failed");
	if (cv_str_ieq_z(name, "Host")) {
		if (h->has_host)
			return refuse(h, "400 Bad Request");
		h->has_host = true;
		h->r->host = value;
	} else if (cv_str_ieq_z(name, "Content-Type")) {
		h->r->content_type = value;
	} else if (cv_str_ieq_z(name, "Sec-Fetch-Site")) {
		h->r->sec_fetch_site = value;
	} else if (cv_str_ieq_z(name, "X-Forwarded-For")) {
		struct cv_str rest = value, one;
		while (cv_str_split(&rest, ',', &one))
			h->r->forwarded_for = cv_str_trim(one);
	}
	return true;
}

/* HEAD is all up to the empty line, each line with its CRLF. */
static bool
read_head(struct reading *h, struct cv_str head)
{
	size_t lines = 0;

	while (head.n) {
		size_t end = cv_str_search(head, CV_STR(LINE_END));
		struct cv_str line = cv_str_sub(head, 0, end);
		if (memchr(line.p, '\n', line.n) || memchr(line.p, '\r', line.n))
			return refuse(h, "400 Bad Request");
		if (lines > CV_HTTP_FIELDS_MAX)
			return refuse(h, "431 Request Header Fields Too Large");
		if (lines++ ? !read_field(h, line) : !read_line(h, line))
			return false;
		head = cv_str_sub(head, end + 2, head.n);
	}
	if (h->is_1_1 && !h->has_host)
		return refuse(h, "400 Bad Request");
	if (h->r->method == CV_HTTP_POST && !h->has_length)
		return refuse(h, "411 Length Required");
	if (h->r->method != CV_HTTP_POST && h->length)
		return refuse(h, "400 Bad Request");
	return true;
}

enum cv_http_state
cv_http_parse(struct cv_str in, size_t body_max, struct cv_http_request *out,
	const char **status_out)
{
	struct reading h = {.r = out, .status = status_out, .body_max = body_max};
	size_t end = cv_str_search(cv_str_sub(in, 0, CV_HTTP_HEAD_MAX), CV_STR(LINE_END LINE_END));

	*out = (struct cv_http_request){0};
	if (end == CV_MIN(in.n, (size_t)CV_HTTP_HEAD_MAX)) {
		if (in.n < CV_HTTP_HEAD_MAX)
			return CV_HTTP_MORE;
		*status_out = "431 Request Header Fields Too Large";
		return CV_HTTP_REFUSED;
	}
	if (!read_head(&h, cv_str_sub(in, 0, end + 2)))
		return CV_HTTP_REFUSED;
	struct cv_str rest = cv_str_sub(in, end + 4, in.n);
	if (rest.n < h.length)
		return CV_HTTP_MORE;
	out->body = cv_str_sub(rest, 0, (size_t)h.length);
	return CV_HTTP_WHOLE;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool
decode(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '%') {
			bool is_whole = i + 2 < in.n;
			int high = is_whole ? hex_digit(in.p[i + 1]) : -1;
			int low = is_whole ? hex_digit(in.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			cv_buf_c(out, (char)(high << 4 | low));
			i += 2;
		} else {
			cv_buf_c(out, in.p[i] == '+' ? ' ' : in.p[i]);
		}
	}
	return !out->full;
}

bool
cv_http_form(struct cv_str form, const char *name, struct cv_buf *out)
{
	struct cv_str rest = form, pair, found = {.p = NULL};

	while (cv_str_split(&rest, '&', &pair)) {
		size_t mark = cv_str_find(pair, '=', 0);
		if (mark == pair.n || !cv_str_eq_z(cv_str_sub(pair, 0, mark), name))
			continue;
		if (found.p)
			return false;
		found = cv_str_sub(pair, mark + 1, pair.n);
		if (!found.p)
			found.p = pair.p;
	}
	return found.p && decode(found, out);
}

/* ---- answering ---- */

void
cv_http_answer(struct cv_buf *out, const char *status, const char *type, const char *fields,
	struct cv_str body, bool head)
{
	cv_buf_printf(out,
		"HTTP/1.1 %s" LINE_END "Content-Type: %s" LINE_END "Content-Length: %zu" LINE_END
		"Cache-Control: no-store" LINE_END "X-Content-Type-Options: nosniff" LINE_END
		"%sConnection: close" LINE_END LINE_END,
		status, type, body.n, fields);
	if (!head)
		cv_buf_str(out, body);
}

struct request {
	bool counted;
	void *state;
};

static enum cv_step
refuse_conn(struct cv_conn *c, const char *status)
{
	struct cv_buf text = CV_BUF_INIT(200);

	cv_buf_printf(&text, "%s\n", status);
	cv_http_answer(cv_conn_out(c), status, "text/plain; charset=utf-8", "",
		cv_buf_view(&text), false);
	cv_buf_done(&text);
	return CV_STEP_CLOSE;
}

static enum cv_step
serve(struct cv_conn *c, struct cv_http_site *site, struct request *q,
	const struct cv_http_request *r)
{
	enum cv_step step = site->serve(site->arg, c, r, &q->state);

	if (step == CV_STEP_WAIT)
		c->deadline_set = true;
	else
		cv_conn_consume(c, cv_conn_in(c).n);
	return step;
}

static enum cv_step
run(struct cv_conn *c, unsigned events)
{
	struct cv_http_site *site = cv_conn_ctx(c);
	struct request *q = cv_conn_user(c);
	struct cv_http_request r;
	const char *status;

	if (events & CV_EV_OPEN) {
		q->counted = true;
		if (atomic_fetch_add(&site->open, 1) >= site->at_once)
			return refuse_conn(c, "503 Service Unavailable");
		cv_conn_set_deadline(c, site->secs);
	}
	if (events & CV_EV_TIMEOUT)
		return CV_STEP_CLOSE;
	switch (cv_http_parse(cv_conn_in(c), site->body_max, &r, &status)) {
	case CV_HTTP_REFUSED:
		return refuse_conn(c, status);
	case CV_HTTP_WHOLE:
		return serve(c, site, q, &r);
	default:
		break;
	}
	if (cv_conn_in_is_full(c))
		return refuse_conn(c, "431 Request Header Fields Too Large");
	if (events & CV_EV_EOF)
		return CV_STEP_CLOSE;
	c->deadline_set = true; /* for the whole request, not from byte to byte */
	return CV_STEP_READ;
}

static void
closed(struct cv_conn *c)
{
	struct cv_http_site *site = cv_conn_ctx(c);
	struct request *q = cv_conn_user(c);

	if (q->counted)
		atomic_fetch_sub(&site->open, 1);
	if (q->state && site->closed)
		site->closed(site->arg, q->state);
}

/* ---- listening ---- */

static bool
is_ours_alone(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_UNIX)
		return true;
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->ss_family == AF_INET6
	       && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

enum cv_status
cv_http_listen(struct cv_net *net, const char *list, const char *option,
	struct cv_http_site *site, struct cv_err *err)
{
	struct cv_str rest = cv_str_z(list), word;

	site->proto = (struct cv_proto){
		.name = site->name,
		.user_bytes = sizeof(struct request),
		.in_max = CV_HTTP_HEAD_MAX + site->body_max,
		.out_high = site->answer_max,
		.idle_secs = site->secs,
		.run = run,
		.closed = closed,
	};
	const struct cv_listen l = {.proto = &site->proto, .ctx = site, .label = site->name};
	while (cv_str_split(&rest, ' ', &word)) {
		struct sockaddr_storage addr;
		socklen_t len;
		int fd;
		if (!word.n)
			continue;
		enum cv_status status = cv_sockaddr_parse(word, &addr, &len, err);
		if (status == CV_OK && !is_ours_alone(&addr))
			status = cv_fail(err, CV_INVALID,
				"%s: %.*s can be reached from other machines; name a "
				"loopback address and put a proxy in front",
				option, CV_STR_ARGS(word));
		if (status == CV_OK)
			status = cv_addr_listen(&addr, len, 0600, &fd, err);
		if (status == CV_OK)
			status = cv_net_listen(net, fd, &l, err);
		if (status != CV_OK)
			return status;
	}
	return CV_OK;
}
