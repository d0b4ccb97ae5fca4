/* imap.c - an old server's boxes over IMAP, by libetpan, see migrate.h.
 *
 * libetpan verifies no certificate, so the chain is checked here by OpenSSL before the password is
 * sent. Folders are opened with EXAMINE and bodies read with PEEK: nothing there changes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <string.h>

#include <libetpan/libetpan.h>
#include <openssl/x509v3.h>

#include "admin/migrate/migrate.h"
#include "common/store/mailbox.h"
#include "common/text/charset.h"
#include "common/text/date.h"
#include "common/text/utf7.h"

#define TIMEOUT_SECS 120
#define LIST_CHUNK   2000u /* messages whose flags one FETCH asks for */

struct imap_source {
	struct migrate_source base;
	const struct migrate_server *server;
	mailimap *session;
	uint32_t uidvalidity;
	bool is_broken; /* the connection, not the answer */
};

static struct imap_source *
self(struct migrate_source *s)
{
	return (struct imap_source *)(void *)s;
}

/* ---- errors ---- */

static bool
is_broken(int code)
{
	return code == MAILIMAP_ERROR_STREAM || code == MAILIMAP_ERROR_CONNECTION_REFUSED ||
	       code == MAILIMAP_ERROR_PARSE || code == MAILIMAP_ERROR_FATAL ||
	       code == MAILIMAP_ERROR_BAD_STATE;
}

/* What the server said, without what could steer a terminal. */
static enum cv_status
fail(struct imap_source *s, int code, const char *what, struct cv_err *err)
{
	char said[160] = "";
	const char *text = s->session->imap_response;

	snprintf(said, sizeof said, "%s", text ? text : "");
	for (char *p = said; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = ' ';
	s->is_broken = s->is_broken || is_broken(code);
	if (is_broken(code))
		return cv_fail(err, CV_TEMPFAIL, "%s: the connection to %s broke (%d)", what,
			s->server->host, code);
	return cv_fail(err, CV_DENIED, "%s: the old server refused: %s", what, said);
}

/* ---- certificate ---- */

static X509 *
certificate_of(const carray *chain, unsigned i)
{
	MMAPString *der = carray_get((carray *)(uintptr_t)chain, i);
	const unsigned char *p = (const unsigned char *)der->str;

	return d2i_X509(NULL, &p, (long)der->len);
}

static bool
set_name(X509_VERIFY_PARAM *param, const char *host)
{
	return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
	       X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static enum cv_status
verify_chain(const struct migrate_server *server, const carray *chain, struct cv_err *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *others = sk_X509_new_null();
	X509 *leaf = certificate_of(chain, 0);
	enum cv_status status = CV_OK;
	int ok = server->ca_file ? X509_STORE_load_file(store, server->ca_file)
				 : X509_STORE_set_default_paths(store);

	for (unsigned i = 1; i < carray_count((carray *)(uintptr_t)chain) && i < 10; i++) {
		X509 *x = certificate_of(chain, i);
		if (x && !sk_X509_push(others, x))
			X509_free(x);
	}
	if (ok != 1)
		status = cv_fail(err, CV_DENIED, "cannot read the authorities in %s",
			server->ca_file ? server->ca_file : "the system's folder");
	else if (!leaf || X509_STORE_CTX_init(ctx, store, leaf, others) != 1 ||
		 !set_name(X509_STORE_CTX_get0_param(ctx),
			 server->name ? server->name : server->host) ||
		 X509_verify_cert(ctx) != 1)
		status = cv_fail(err, CV_DENIED,
			"the certificate of %s is not good: %s (--ca FILE names its authority)",
			server->host, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return status;
}

static enum cv_status
check_certificate(struct imap_source *s, struct cv_err *err)
{
	carray *chain = mailstream_get_certificate_chain(s->session->imap_stream);

	if (!chain || !carray_count(chain)) {
		if (chain)
			mailstream_certificate_chain_free(chain);
		return cv_fail(err, CV_DENIED, "%s showed no certificate", s->server->host);
	}
	enum cv_status status = verify_chain(s->server, chain, err);
	mailstream_certificate_chain_free(chain);
	return status;
}

/* ---- connecting ---- */

static void
name_server(struct mailstream_ssl_context *context, void *data)
{
	(void)mailstream_ssl_set_server_name(context, data);
}

static enum cv_status
connect_server(struct imap_source *s, struct cv_err *err)
{
	const struct migrate_server *to = s->server;
	char *host = (char *)(uintptr_t)to->host;
	char *name = (char *)(uintptr_t)(to->name ? to->name : to->host);
	int code = to->security == MIGRATE_TLS
			   ? mailimap_ssl_connect_with_callback(
				     s->session, host, to->port, name_server, name)
			   : mailimap_socket_connect(s->session, host, to->port);

	if (code != MAILIMAP_NO_ERROR && code != MAILIMAP_NO_ERROR_AUTHENTICATED &&
		code != MAILIMAP_NO_ERROR_NON_AUTHENTICATED)
		return cv_fail(
			err, CV_TEMPFAIL, "cannot connect to %s port %u", to->host, to->port);
	if (to->security == MIGRATE_STARTTLS) {
		code = mailimap_socket_starttls_with_callback(s->session, name_server, name);
		if (code != MAILIMAP_NO_ERROR)
			return fail(s, code, "STARTTLS", err);
	}
	return to->security == MIGRATE_PLAIN ? CV_OK : check_certificate(s, err);
}

static enum cv_status
log_in(struct imap_source *s, const char *user, const char *password, struct cv_err *err)
{
	struct cv_buf name = CV_BUF_INIT(1000);

	cv_buf_z(&name, user);
	if (s->server->master)
		cv_buf_printf(&name, "*%s", s->server->master);
	int code = mailimap_login(s->session, name.p, password);
	cv_buf_done(&name);
	return code == MAILIMAP_NO_ERROR ? CV_OK : fail(s, code, "log-in", err);
}

/* ---- folders ---- */

static bool
has_flag(const struct mailimap_mailbox_list *mb, const char *name)
{
	const struct mailimap_mbx_list_flags *flags = mb->mb_flag;

	if (!flags)
		return false;
	if (flags->mbf_type == MAILIMAP_MBX_LIST_FLAGS_SFLAG &&
		flags->mbf_sflag == MAILIMAP_MBX_LIST_SFLAG_NOSELECT)
		if (!strcmp(name, "Noselect"))
			return true;
	for (clistiter *i = clist_begin(flags->mbf_oflags); i; i = clist_next(i)) {
		const struct mailimap_mbx_list_oflag *o = clist_content(i);
		if (o->of_type == MAILIMAP_MBX_LIST_OFLAG_FLAG_EXT && o->of_flag_ext &&
			!strcasecmp(o->of_flag_ext, name))
			return true;
	}
	return false;
}

/* Where mail of a special use goes here: the folders of a new account. */
static const char *
name_by_use(const struct mailimap_mailbox_list *mb)
{
	static const char *const rows[][2] = {
		{"Drafts",  "Thư nháp"     },
		{"Sent",    "Thư đã gửi"},
		{"Junk",    "Thư rác"      },
		{"Trash",   "Thùng rác"    },
		{"Archive", "Lưu trữ"     },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (has_flag(mb, rows[i][0]))
			return rows[i][1];
	return NULL;
}

/* The name in UTF-8 with '/' between levels; a '/' within a level becomes '_'. */
static char *
readable(const struct mailimap_mailbox_list *mb)
{
	struct cv_buf text = CV_BUF_INIT(4 * MIGRATE_NAME_MAX), out = CV_BUF_INIT(MIGRATE_NAME_MAX);
	char delimiter = mb->mb_delimiter;

	if (cv_utf7_decode(cv_str_z(mb->mb_name), &text) != CV_OK) {
		cv_buf_reset(&text);
		cv_buf_z(&text, mb->mb_name); /* servers that send UTF-8 as it is */
	}
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		cv_buf_c(&out, c == delimiter ? '/' : c == '/' ? '_' : c);
	}
	cv_buf_done(&text);
	bool ok = !out.full && out.n && cv_utf8_is_valid(cv_buf_view(&out));
	if (!ok) {
		cv_buf_done(&out);
		return NULL;
	}
	return cv_buf_take(&out);
}

/* Servers that keep everything below INBOX mean the same folders as ours beside it. */
static void
lift_from_inbox(struct migrate_folder *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(list[i].name, "INBOX") != 0 &&
			strncasecmp(list[i].name, "INBOX/", 6) != 0)
			return;
	for (size_t i = 0; i < n; i++)
		if (!strncasecmp(list[i].name, "INBOX/", 6))
			memmove(list[i].name, list[i].name + 6, strlen(list[i].name + 6) + 1);
}

static enum cv_status
add_folder(const struct mailimap_mailbox_list *mb, struct migrate_folder *list, size_t *n,
	struct cv_err *err)
{
	const char *use = name_by_use(mb);

	if (has_flag(mb, "Noselect") || has_flag(mb, "NonExistent"))
		return CV_OK;
	if (*n == MIGRATE_FOLDERS_MAX)
		return cv_fail(
			err, CV_LIMIT, "the old box has more than %u folders", MIGRATE_FOLDERS_MAX);
	char *name = use ? cv_strdup(use) : readable(mb);
	if (!name)
		return cv_fail(
			err, CV_INVALID, "a folder of the old box has no name that can be read");
	list[*n].name = name;
	list[(*n)++].raw = cv_strdup(mb->mb_name);
	return CV_OK;
}

static enum cv_status
imap_folders(
	struct migrate_source *base, struct migrate_folder **out, size_t *n_out, struct cv_err *err)
{
	struct imap_source *s = self(base);
	clist *found = NULL;
	enum cv_status status = CV_OK;
	int code = mailimap_list(s->session, "", "*", &found);

	*out = NULL;
	*n_out = 0;
	if (code != MAILIMAP_NO_ERROR)
		return fail(s, code, "LIST", err);
	*out = cv_calloc(MIGRATE_FOLDERS_MAX, sizeof **out);
	for (clistiter *i = clist_begin(found); i && status == CV_OK; i = clist_next(i))
		status = add_folder(clist_content(i), *out, n_out, err);
	mailimap_list_result_free(found);
	lift_from_inbox(*out, *n_out);
	return status;
}

/* ---- messages ---- */

static void
take_flag(struct migrate_message *m, const struct mailimap_flag *flag)
{
	switch (flag->fl_type) {
	case MAILIMAP_FLAG_SEEN:
		m->flags |= CV_FLAG_SEEN;
		break;
	case MAILIMAP_FLAG_ANSWERED:
		m->flags |= CV_FLAG_ANSWERED;
		break;
	case MAILIMAP_FLAG_FLAGGED:
		m->flags |= CV_FLAG_FLAGGED;
		break;
	case MAILIMAP_FLAG_DELETED:
		m->flags |= CV_FLAG_DELETED;
		break;
	case MAILIMAP_FLAG_DRAFT:
		m->flags |= CV_FLAG_DRAFT;
		break;
	case MAILIMAP_FLAG_KEYWORD:
		if (m->keyword_count < MIGRATE_KEYWORDS_MAX && flag->fl_data.fl_keyword)
			m->keywords[m->keyword_count++] = cv_strdup(flag->fl_data.fl_keyword);
		break;
	default:
		break;
	}
}

static void
take_flags(struct migrate_message *m, const struct mailimap_msg_att_dynamic *dynamic)
{
	if (!dynamic || !dynamic->att_list)
		return;
	for (clistiter *i = clist_begin(dynamic->att_list); i; i = clist_next(i)) {
		const struct mailimap_flag_fetch *f = clist_content(i);
		if (f->fl_type == MAILIMAP_FLAG_FETCH_OTHER && f->fl_flag)
			take_flag(m, f->fl_flag);
	}
}

/* libetpan's zone is +0700 as 700. */
static void
take_date(struct migrate_message *m, const struct mailimap_date_time *d)
{
	char text[64];
	struct cv_date date;
	int zone = d->dt_zone < 0 ? -d->dt_zone : d->dt_zone;

	snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", d->dt_year,
		d->dt_month, d->dt_day, d->dt_hour, d->dt_min, d->dt_sec,
		d->dt_zone < 0 ? '-' : '+', zone / 100, zone % 100);
	if (cv_date_parse_iso(cv_str_z(text), 0, &date) == CV_OK) {
		m->secs = date.unix_secs;
		m->zone = (d->dt_zone < 0 ? -1 : 1) * (zone / 100 * 60 + zone % 100);
	}
}

static void
take_static(struct migrate_message *m, const struct mailimap_msg_att_static *part)
{
	if (part->att_type == MAILIMAP_MSG_ATT_UID)
		m->uid = part->att_data.att_uid;
	else if (part->att_type == MAILIMAP_MSG_ATT_RFC822_SIZE)
		m->size = part->att_data.att_rfc822_size;
	else if (part->att_type == MAILIMAP_MSG_ATT_INTERNALDATE &&
		 part->att_data.att_internal_date)
		take_date(m, part->att_data.att_internal_date);
}

static void
take_message(struct imap_source *s, const struct mailimap_msg_att *att, struct migrate_message *m)
{
	for (clistiter *i = clist_begin(att->att_list); i; i = clist_next(i)) {
		const struct mailimap_msg_att_item *item = clist_content(i);
		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC)
			take_static(m, item->att_data.att_static);
		else if (item->att_type == MAILIMAP_MSG_ATT_ITEM_DYNAMIC)
			take_flags(m, item->att_data.att_dyn);
	}
	snprintf(m->key, sizeof m->key, "%u/%u", s->uidvalidity, m->uid);
}

static struct mailimap_fetch_type *
what_to_list(void)
{
	struct mailimap_fetch_type *type = mailimap_fetch_type_new_fetch_att_list_empty();

	mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_uid());
	mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_flags());
	mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_internaldate());
	mailimap_fetch_type_new_fetch_att_list_add(type, mailimap_fetch_att_new_rfc822_size());
	return type;
}

static enum cv_status
list_some(struct imap_source *s, uint32_t first, uint32_t last, struct migrate_list *list,
	struct cv_err *err)
{
	struct mailimap_set *set = mailimap_set_new_interval(first, last);
	struct mailimap_fetch_type *type = what_to_list();
	clist *found = NULL;
	int code = mailimap_fetch(s->session, set, type, &found);
	enum cv_status status = CV_OK;

	mailimap_set_free(set);
	mailimap_fetch_type_free(type);
	if (code != MAILIMAP_NO_ERROR)
		return fail(s, code, "FETCH", err);
	for (clistiter *i = clist_begin(found); i && status == CV_OK; i = clist_next(i)) {
		struct migrate_message *m = migrate_list_add(list);
		if (!m)
			status = cv_fail(err, CV_LIMIT, "a folder has more than %u messages",
				MIGRATE_MESSAGES_MAX);
		else
			take_message(s, clist_content(i), m);
		if (m && !m->uid) /* an unasked FETCH, of flags alone */
			list->n--;
	}
	mailimap_fetch_list_free(found);
	return status;
}

static enum cv_status
imap_messages(struct migrate_source *base, const struct migrate_folder *folder,
	struct migrate_list *list, struct cv_err *err)
{
	struct imap_source *s = self(base);
	int code = mailimap_examine(s->session, folder->raw);

	if (code != MAILIMAP_NO_ERROR)
		return fail(s, code, folder->name, err);
	const struct mailimap_selection_info *info = s->session->imap_selection_info;
	uint32_t exists = info && info->sel_has_exists ? info->sel_exists : 0;
	s->uidvalidity = info ? info->sel_uidvalidity : 0;
	enum cv_status status = exists <= MIGRATE_MESSAGES_MAX
					? CV_OK
					: cv_fail(err, CV_LIMIT,
						  "%s: a folder has more than %u messages",
						  folder->name, MIGRATE_MESSAGES_MAX);
	for (uint32_t first = 1; status == CV_OK && first <= exists; first += LIST_CHUNK)
		status = list_some(s, first, CV_MIN(first + LIST_CHUNK - 1, exists), list, err);
	return status;
}

static const struct mailimap_msg_att_body_section *
body_of(const struct mailimap_msg_att *att)
{
	for (clistiter *i = clist_begin(att->att_list); i; i = clist_next(i)) {
		const struct mailimap_msg_att_item *item = clist_content(i);
		if (item->att_type == MAILIMAP_MSG_ATT_ITEM_STATIC &&
			item->att_data.att_static->att_type == MAILIMAP_MSG_ATT_BODY_SECTION)
			return item->att_data.att_static->att_data.att_body_section;
	}
	return NULL;
}

static enum cv_status
imap_read(struct migrate_source *base, const struct migrate_message *m, struct cv_buf *out,
	struct cv_err *err)
{
	struct imap_source *s = self(base);
	struct mailimap_set *set = mailimap_set_new_single(m->uid);
	struct mailimap_fetch_type *type = mailimap_fetch_type_new_fetch_att(
		mailimap_fetch_att_new_body_peek_section(mailimap_section_new(NULL)));
	clist *found = NULL;
	int code = mailimap_uid_fetch(s->session, set, type, &found);
	const struct mailimap_msg_att_body_section *body = NULL;

	mailimap_set_free(set);
	mailimap_fetch_type_free(type);
	if (code != MAILIMAP_NO_ERROR)
		return fail(s, code, "FETCH", err);
	for (clistiter *i = clist_begin(found); i && !body; i = clist_next(i))
		body = body_of(clist_content(i));
	if (body && body->sec_body_part)
		migrate_crlf(cv_str(body->sec_body_part, body->sec_length), out);
	mailimap_fetch_list_free(found);
	if (out->full)
		return cv_fail(err, CV_LIMIT, "larger than %u MB", MIGRATE_MESSAGE_MAX >> 20);
	return out->n ? CV_OK : cv_fail(err, CV_NOT_FOUND, "it is there no more");
}

static void
imap_close(struct migrate_source *base)
{
	struct imap_source *s = self(base);

	if (s->session->imap_stream && !s->is_broken)
		mailimap_logout(s->session);
	mailimap_free(s->session);
	free(s);
}

static const struct migrate_source_ops imap_ops = {
	.folders = imap_folders,
	.messages = imap_messages,
	.read = imap_read,
	.close = imap_close,
};

enum cv_status
migrate_imap_open(const struct migrate_server *server, const char *user, const char *password,
	struct migrate_source **out, struct cv_err *err)
{
	struct imap_source *s = cv_calloc(1, sizeof *s);

	s->base.ops = &imap_ops;
	s->server = server;
	s->session = mailimap_new(0, NULL);
	if (!s->session)
		cv_die("out of memory");
	mailimap_set_timeout(s->session, TIMEOUT_SECS);
	enum cv_status status = connect_server(s, err);
	if (status == CV_OK)
		status = log_in(s, user, password, err);
	if (status != CV_OK) {
		s->is_broken = true; /* no farewell */
		imap_close(&s->base);
		return status;
	}
	*out = &s->base;
	return CV_OK;
}
