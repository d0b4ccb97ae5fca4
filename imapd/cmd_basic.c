/* cmd_basic.c - commands that need no mailbox: NOOP, CHECK, CAPABILITY, ENABLE, NAMESPACE,
 * LOGOUT. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/text/envelope.h"
#include "imapd/conn.h"
#include "imapd/context.h"
#include "imapd/names.h"

enum cv_step
imapd_cmd_noop(struct imapd_conn *c)
{
	return imapd_done(c, IMAPD_R_OK);
}

/* Everything answered is durable already, so there is nothing to check. */
enum cv_step
imapd_cmd_check(struct imapd_conn *c)
{
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_capability(struct imapd_conn *c)
{
	struct cv_buf *out = imapd_out(c);
	cv_buf_z(out, "* ");
	imapd_write_capabilities(c, out);
	cv_buf_z(out, "\r\n");
	return imapd_done(c, IMAPD_R_OK);
}

/* RFC 5161: only what was asked for and is new here is told. */
enum cv_step
imapd_cmd_enable(struct imapd_conn *c)
{
	const struct imapd_args *a = &c->cmd->args;
	struct cv_buf *out = imapd_out(c);

	bool wants_modseq = false, is_known = true;
	const struct {
		const char *name;
		bool *enabled;
	} rows[] = {
		{"CONDSTORE",   c->condstore ? &is_known : &wants_modseq},
		{"QRESYNC",     &c->qresync                           },
		{"UTF8=ACCEPT", &c->utf8_accept                       },
		{"IMAP4rev2",   &c->rev2                              },
		{"UIDONLY",     &c->uid_only                          },
		{"METADATA",    &c->metadata                          },
	};

	cv_buf_z(out, "* ENABLED");
	for (size_t k = 0; k < CV_COUNT(rows); k++) {
		for (size_t i = 0; i < a->name_count; i++) {
			if (*rows[k].enabled || !cv_str_ieq_z(a->names[i], rows[k].name))
				continue;
			*rows[k].enabled = true;
			cv_buf_c(out, ' ');
			cv_buf_z(out, rows[k].name);
		}
	}
	cv_buf_add(out, "\r\n", 2);
	if (wants_modseq || c->qresync)
		imapd_know_modseq(c);
	c->utf8 = c->utf8_accept || c->rev2;
	atomic_store(&c->login.wants_metadata, c->metadata);
	if (c->session)
		c->session->hides_recent = c->rev2;
	if (c->session && c->uid_only)
		imapd_contexts_by_uid(c->session->contexts);
	return imapd_done(c, IMAPD_R_OK);
}

/* RFC 4978. A client that sends on before it has read the answer cannot know what its bytes will be
 * taken for. */
enum cv_step
imapd_cmd_compress(struct imapd_conn *c)
{
	if (!cv_str_ieq_z(c->cmd->args.word[0], "DEFLATE"))
		return imapd_done(c, IMAPD_R_NO_COMPRESSION);
	if (cv_conn_is_compressed(c->conn))
		return imapd_done(c, IMAPD_R_COMPRESSED);
	if (cv_conn_in(c->conn).n)
		return imapd_done(c, IMAPD_R_SYNTAX);
	c->is_compressing = true;
	return imapd_done(c, IMAPD_R_OK);
}

/* One branch, the prefix of its names with the separator behind it (RFC 2342 5). */
static void
write_space(struct imapd_conn *c, enum imapd_space space)
{
	char separator[] = {cv_store_separator(c->server->store), '\0'};
	struct cv_buf *out = imapd_out(c);
	struct cv_str name = imapd_space_name(c, space);

	if (!name.n && space != IMAPD_SPACE_OWN) {
		cv_buf_z(out, " NIL");
		return;
	}
	cv_buf_z(out, " ((");
	if (name.n)
		name = cv_arena_printf(
			&c->arena, "%.*s%c", CV_STR_ARGS(name), separator[0]);
	imapd_write_name(out, name, c->utf8);
	cv_buf_c(out, ' ');
	cv_imap_string(out, cv_str_z(separator));
	cv_buf_z(out, "))");
}

enum cv_step
imapd_cmd_namespace(struct imapd_conn *c)
{
	cv_buf_z(imapd_out(c), "* NAMESPACE");
	write_space(c, IMAPD_SPACE_OWN);
	write_space(c, IMAPD_SPACE_OTHERS);
	write_space(c, IMAPD_SPACE_SHARED);
	cv_buf_z(imapd_out(c), "\r\n");
	return imapd_done(c, IMAPD_R_OK);
}

enum cv_step
imapd_cmd_logout(struct imapd_conn *c)
{
	cv_buf_z(imapd_out(c), "* BYE Goodbye\r\n");
	imapd_conn_enter(c, IMAPD_S_LOGOUT);
	imapd_log_out(c);
	return imapd_done(c, IMAPD_R_OK);
}
