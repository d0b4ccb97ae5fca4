/* identity.c - who may send as whom (POL-05), who may be written to, forged own domains
 * (POL-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/policy/policy_impl.h"
#include "common/text/address.h"
#include "common/text/charset.h"
#include "common/text/domain.h"
#include "common/text/encoded_word.h"
#include "common/text/header.h"

static void
whole(struct cv_str local, struct cv_str domain, struct cv_buf *out)
{
	cv_buf_str(out, local);
	cv_buf_c(out, '@');
	cv_buf_str(out, domain);
}

void
cv_policy_envelope_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                        struct cv_str local, struct cv_str domain, struct cv_decision *out)
{
	(void)p;
	/* The null sender of receipts and notices. */
	if ((!local.n && !domain.n) || cv_snapshot_may_send_as(s, login, local, domain)) {
		policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
		return;
	}
	struct cv_buf address = CV_BUF_INIT(1024);
	whole(local, domain, &address);
	policy_decide(out, RULE_ENVELOPE, cv_buf_view(&address));
	cv_buf_done(&address);
}

/* Every address in VALUE must be LOGIN's; the first that is not stands in the decision. */
static bool
check_field(const struct cv_snapshot *s, cv_acct_no login, struct cv_str value,
            enum policy_rule rule, size_t most, struct cv_decision *out)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_from from;
	bool ok = cv_from_strict(&arena, value, &from, NULL) == CV_OK && from.n <= most;
	if (!ok)
		policy_decide(out, RULE_FROM_SYNTAX, CV_STR_EMPTY);
	for (size_t i = 0; ok && i < from.n; i++) {
		const struct cv_mailbox *m = &from.items[i];
		ok = cv_snapshot_may_send_as(s, login, m->local, m->domain);
		if (!ok)
			policy_decide(out, rule, m->address);
	}
	cv_arena_done(&arena);
	return ok;
}

/* ---- names that show an address ---- */

/* What people read as "@" and as the end of an address. */
static bool
is_at(uint32_t c)
{
	return c == '@' || c == 0xff20 || c == 0xfe6b;
}

static bool
ends_word(uint32_t c)
{
	return c <= 0x20 || c == 0xa0 || c == 0x3000 ||
		(c < 0x80 && strchr("\"'<>()[]{},;:|", (int)c));
}

/* The address whose "@" is at AT (AFTER: behind it) in NAME; false when it is none. */
static bool
address_around(struct cv_str name, size_t at, size_t after, struct cv_str *local,
               struct cv_str *domain)
{
	size_t start = 0, end = after;
	for (size_t pos = 0; pos < at;) {
		uint32_t c = cv_utf8_next(name, &pos);
		if (ends_word(c) || is_at(c))
			start = pos;
	}
	for (size_t pos = after; pos < name.n; end = pos) {
		uint32_t c = cv_utf8_next(name, &pos);
		if (ends_word(c) || is_at(c))
			break;
	}
	while (end > after && name.p[end - 1] == '.')
		end--;
	*local = cv_str_sub(name, start, at);
	*domain = cv_str_sub(name, after, end);
	bool dotted = cv_str_find(*domain, '.', 0) < domain->n;
	/* letters and dots that only look like it count too */
	for (size_t i = 0; i < domain->n; i++)
		dotted = dotted || (unsigned char)domain->p[i] > 127;
	return local->n && domain->n && dotted;
}

/* The first address in NAME (as sent) that LOGIN may not send as. */
static bool
name_shows_foreign(const struct cv_snapshot *s, cv_acct_no login, struct cv_str name,
                   struct cv_decision *out)
{
	struct cv_buf decoded = CV_BUF_INIT(CV_ADDR_FIELD_MAX);
	cv_words_decode(name, CV_STR_EMPTY, &decoded);
	struct cv_str text = cv_buf_view(&decoded);
	bool foreign = false;
	unsigned seen = 0;
	for (size_t pos = 0; pos < text.n && !foreign;) {
		size_t at = pos;
		struct cv_str local, domain;
		if (!is_at(cv_utf8_next(text, &pos)) ||
		    !address_around(text, at, pos, &local, &domain))
			continue;
		foreign = ++seen > 8 || !cv_snapshot_may_send_as(s, login, local, domain);
		if (foreign) {
			struct cv_buf address = CV_BUF_INIT(2 * CV_ADDR_FIELD_MAX);
			whole(local, domain, &address);
			policy_decide(out, RULE_FROM_NAME, cv_buf_view(&address));
			cv_buf_done(&address);
		}
	}
	cv_buf_done(&decoded);
	return foreign;
}

static bool
check_names(const struct cv_snapshot *s, cv_acct_no login, struct cv_str value,
            struct cv_decision *out)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_addr_list list; /* takes a comment for a name, as mail programs do */
	bool foreign = false;
	cv_addr_list_parse(&arena, value, &list);
	for (size_t i = 0; i < list.n && !foreign; i++)
		foreign = name_shows_foreign(s, login, list.items[i].name, out);
	cv_arena_done(&arena);
	return !foreign;
}

/* ---- the whole header ---- */

struct author_fields {
	struct cv_str from, sender;
	size_t froms, senders;
	bool is_automatic; /* a report, or Auto-Submitted */
};

static bool
is_report(struct cv_str content_type)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_params params;
	struct cv_str type, subtype;
	cv_params_parse(&arena, content_type, &params);
	bool report = cv_params_media(&params, &type, &subtype) &&
		cv_str_ieq_z(type, "multipart") && cv_str_ieq_z(subtype, "report");
	cv_arena_done(&arena);
	return report;
}

/* One pass; false, with OUT filled, at a Resent field that is not LOGIN's. */
static bool
collect(const struct cv_snapshot *s, cv_acct_no login, struct cv_str header,
        struct author_fields *f, struct cv_decision *out)
{
	struct cv_header_scan scan;
	struct cv_field field;
	*f = (struct author_fields){0};
	cv_header_scan_init(&scan, header);
	while (cv_header_next(&scan, &field)) {
		if (cv_str_ieq_z(field.name, "From")) {
			f->from = field.value;
			f->froms++;
		} else if (cv_str_ieq_z(field.name, "Sender")) {
			f->sender = field.value;
			f->senders++;
		} else if (cv_str_ieq_z(field.name, "Resent-From")) {
			if (!check_field(s, login, field.value, RULE_RESENT, CV_ADDR_COUNT_MAX,
			                 out))
				return false;
		} else if (cv_str_ieq_z(field.name, "Resent-Sender")) {
			if (!check_field(s, login, field.value, RULE_RESENT, 1, out))
				return false;
		} else if (cv_str_ieq_z(field.name, "Auto-Submitted")) {
			/* RFC 3834 5: "no", or what it is, perhaps with parameters */
			f->is_automatic |= !cv_str_has_iprefix(cv_str_trim(field.value), "no");
		} else if (cv_str_ieq_z(field.name, "Content-Type")) {
			f->is_automatic |= is_report(field.value);
		}
	}
	return true;
}

void
cv_policy_header_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                      struct cv_str header, bool null_sender, struct cv_decision *out)
{
	struct author_fields f;
	(void)p;
	if (!collect(s, login, header, &f, out))
		return;
	if (f.froms != 1 || f.senders > 1) {
		policy_decide(out, RULE_FROM_COUNT, CV_STR_EMPTY);
		return;
	}
	if (!check_field(s, login, f.from, RULE_FROM, CV_ADDR_COUNT_MAX, out) ||
	    !check_names(s, login, f.from, out) ||
	    (f.senders && !check_field(s, login, f.sender, RULE_SENDER, 1, out)))
		return;
	policy_decide(out, null_sender && !f.is_automatic ? RULE_NULL_SENDER : RULE_ALLOW,
	              CV_STR_EMPTY);
}

/* A member outside cannot log in: his address is his word. */
static bool
is_outside_member(const struct cv_snapshot *s, cv_acct_no group, struct cv_str sender)
{
	struct cv_reg_target t;
	for (size_t i = 0; sender.n && cv_snapshot_target(s, group, i, &t); i++)
		if (t.kind == CV_TARGET_MEMBER && cv_str_ieq(t.address, sender))
			return true;
	return false;
}

static bool
is_owner(const struct cv_snapshot *s, cv_acct_no login, const struct cv_reg_route *route)
{
	struct cv_reg_hit hit;
	if (!login || !route->owner.n)
		return false;
	cv_snapshot_find_address(s, route->owner, &hit);
	return hit.found == CV_REG_ACCOUNT && hit.account.acct == login;
}

static struct cv_str
domain_of(struct cv_str address)
{
	size_t at = address.n;
	while (at && address.p[at - 1] != '@')
		at--;
	return at ? cv_str_sub(address, at, address.n) : CV_STR_EMPTY;
}

static enum policy_rule
judge_group(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
            struct cv_str sender, const struct cv_reg_account *group)
{
	struct cv_reg_route route;
	cv_acct_no acct = group->acct;
	(void)cv_snapshot_route(s, acct, &route);
	if (group->state != CV_STATE_ACTIVE)
		return RULE_RCPT_GROUP;
	if (route.post != CV_POST_NOBODY && is_owner(s, login, &route))
		return RULE_ALLOW;
	switch (route.post) {
	case CV_POST_ANYONE:
		return RULE_ALLOW;
	case CV_POST_OFFICIAL:
		return login || cv_policy_is_official(p, domain_of(sender)) ? RULE_ALLOW
		                                                            : RULE_GROUP_OFFICIAL;
	case CV_POST_MEMBERS:
		return (login && cv_snapshot_is_member(s, acct, login)) ||
			(!login && is_outside_member(s, acct, sender)) ? RULE_ALLOW
			                                               : RULE_GROUP_MEMBERS;
	case CV_POST_NAMED:
		return login && cv_snapshot_is_poster(s, acct, login) ? RULE_ALLOW
		                                                      : RULE_GROUP_NAMED;
	case CV_POST_NOBODY:
		return RULE_GROUP_CLOSED;
	default:
		return login ? RULE_ALLOW : RULE_RCPT_GROUP;
	}
}

void
cv_policy_recipient_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                         struct cv_str sender, int64_t now_secs, const struct cv_reg_hit *hit,
                         struct cv_decision *out)
{
	enum policy_rule rule = RULE_ALLOW;
	struct cv_str what = hit->found == CV_REG_NOT_OURS ? CV_STR_EMPTY : hit->account.address;
	struct cv_reg_route route = {0};
	if (hit->found == CV_REG_NONE) {
		rule = RULE_RCPT_UNKNOWN;
	} else if (hit->found != CV_REG_NOT_OURS && hit->account.state == CV_STATE_RETIRED) {
		(void)cv_snapshot_route(s, hit->account.acct, &route);
		rule = route.forward_until_secs > now_secs ? RULE_ALLOW
			: route.notice_until_secs > now_secs ? RULE_RCPT_MOVED : RULE_RCPT_RETIRED;
		if (rule == RULE_RCPT_MOVED)
			what = route.successor;
	} else if (hit->found == CV_REG_GROUP) {
		rule = judge_group(p, s, login, sender, &hit->account);
	}
	policy_decide(out, rule, what);
}

void
cv_policy_recipient(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                    const struct cv_reg_hit *hit, struct cv_decision *out)
{
	cv_policy_recipient_from(p, s, login, CV_STR_EMPTY, INT64_MAX, hit, out);
}

/* DOMAIN or one above it is ours. */
static bool
is_ours(const struct cv_snapshot *s, struct cv_str domain)
{
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	bool ours = false;
	if (domain.n <= CV_DOMAIN_INPUT_MAX && !cv_domain_to_ascii(domain, &ascii, NULL))
		for (struct cv_str d = cv_buf_view(&ascii); !ours && d.n; d = cv_domain_parent(d))
			ours = cv_snapshot_has_domain(s, d);
	cv_buf_done(&ascii);
	return ours;
}

void
cv_policy_forged_own(const struct cv_policy *p, const struct cv_snapshot *s,
                     const struct cv_str *from_domains, size_t count, bool vouched,
                     struct cv_decision *out)
{
	(void)p;
	for (size_t i = 0; !vouched && i < count; i++) {
		if (is_ours(s, from_domains[i])) {
			policy_decide(out, RULE_FORGED, from_domains[i]);
			return;
		}
	}
	policy_decide(out, RULE_ALLOW, CV_STR_EMPTY);
}
