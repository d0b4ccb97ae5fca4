/* policy_impl.h - a loaded policy and the table of its rules. Private to the folder. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_POLICY_IMPL_H
#define CV_POLICY_IMPL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/policy/mail.h"
#include "common/policy/phrases.h"
#include "common/policy/policy.h"

struct policy_list {
	struct cv_str *items;
	size_t n, cap;
};
struct policy_allowed {       /* a line of the allow-list (POL-03) */
	struct cv_str local;      /* empty: the whole domain and below */
	struct cv_str domain;
	int64_t until_secs;
};
/* Groups of phrases: sections of signup-phrases.txt ... */
enum policy_signup_group {
	GROUP_STRONG,                              /* and the classes */
	GROUP_MEDIUM = GROUP_STRONG + CV_SIGNUP_CLASSES,
	GROUP_LETTER = GROUP_MEDIUM + CV_SIGNUP_CLASSES,
	GROUP_GENERIC, GROUP_CREDENTIALS, GROUP_ACTION, GROUP_FOOTER,
	GROUP_SIGNUP_END
};
/* ... and of phishing-phrases.txt. */
enum policy_phish_group {
	GROUP_MAILBOX, GROUP_THREAT, GROUP_ACT, GROUP_SECRET, GROUP_PERSONAL, GROUP_TAX, GROUP_IT,
	GROUP_BANK, GROUP_COURIER, GROUP_INVOICE, GROUP_URGENT, GROUP_WARN, GROUP_BULK,
	GROUP_PHISH_END
};
_Static_assert(GROUP_SIGNUP_END <= POLICY_GROUPS_MAX && GROUP_PHISH_END <= POLICY_GROUPS_MAX,
                 "groups fit");
struct cv_policy {
	struct cv_arena arena;
	struct policy_list suffixes;         /* A-labels */
	struct policy_phrases signup, phishing;
	struct policy_list no_reply, service, office, services, surnames, organizations;
	int signup_weights[CV_SIGNUP_SIGNS]; /* points of each sign, below 0 against it */
	struct policy_list free_mail, typos; /* typos: "wrong right", a pair an item */
	struct policy_list labels;           /* of advertising, flat */
	struct policy_list marks, decoys;    /* NFC, lower case */
	struct policy_list plain_marks, plain_decoys; /* the same, folded */
	struct policy_allowed *allowed;
	size_t allowed_count;
};

enum policy_rule {
	RULE_ALLOW, RULE_ENVELOPE, RULE_FROM, RULE_FROM_COUNT, RULE_FROM_SYNTAX, RULE_FROM_NAME,
	RULE_SENDER, RULE_RESENT, RULE_NULL_SENDER, RULE_FROZEN, RULE_SUSPENDED, RULE_MESSAGES_DAY,
	RULE_RCPTS_DAY, RULE_FIRST_DAY,
	RULE_RCPT_UNKNOWN, RULE_RCPT_RETIRED, RULE_RCPT_MOVED, RULE_RCPT_GROUP,
	RULE_GROUP_OFFICIAL, RULE_GROUP_MEMBERS, RULE_GROUP_NAMED, RULE_GROUP_CLOSED,
	RULE_SECRECY, RULE_SIGNUP,
	RULE_SIGNUP_ALLOWED, RULE_FORGED, RULE_FORWARD, RULE_TYPO,
	RULE_VIRUS, RULE_UNSCANNED,
	RULE_DMARC_REJECT, RULE_DMARC_FROM, RULE_DMARC_LATER, RULE_ATTACHMENT,
	RULE_PEER, /* CV_PEER_CONNECTIONS and the next */
	RULE_COUNT = RULE_PEER + CV_PEER_RULES
};
/* Fills OUT by RULE; %s in its sentences becomes WHAT, made fit for a reply. */
void policy_decide(struct cv_decision *out, enum policy_rule rule, struct cv_str what);

/* replies.c: rules that smtpd's own replies name, with what stands behind them. */
struct policy_reply {
	const char *rule, *en, *vi;
};
extern const struct policy_reply policy_replies[];
extern const size_t policy_replies_count;

/* The sign called WORD, or CV_SIGNUP_SIGNS. */
unsigned policy_signup_sign(struct cv_str word);

/* Whether the list of domains has DOMAIN, or one it is below. */
bool policy_is_in(const struct policy_list *list, struct cv_str domain, bool or_below);
/* S in NFC and lower case, diacritics kept. */
void policy_lower(struct cv_str s, struct cv_buf *out);

#endif
