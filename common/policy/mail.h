/* mail.h - what the content of a mail from outside looks like: that of a service somebody
 * registered at (POL-02), phishing (SPM-04), labelled advertising (SPM-07).
 *
 * Pure functions over facts that whoever reads the message has gathered; the vocabulary is data
 * (conf/policy). Details name phrases of these files, never text of the message. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_POLICY_MAIL_H
#define CV_POLICY_MAIL_H

#include "common/policy/policy.h"

#define CV_POLICY_TEXT_MAX   2048 /* of a text that is looked at */
#define CV_POLICY_DETAIL_MAX 160

/* ---- sign-ups ---- */

enum cv_signup_class {
	CV_SIGNUP_CODE, CV_SIGNUP_CONFIRM, CV_SIGNUP_ACTIVATE, CV_SIGNUP_PASSWORD_RESET,
	CV_SIGNUP_NEW_LOGIN, CV_SIGNUP_WELCOME, CV_SIGNUP_ORDER, CV_SIGNUP_NOTIFICATION,
	CV_SIGNUP_NEWSLETTER, CV_SIGNUP_CLASSES
};
/* "password-reset" */
const char *cv_signup_class_word(enum cv_signup_class class);

/* What speaks for a service or against it: rows of conf/policy/signup-weights.txt. */
#define CV_SIGNUP_SIGNS 40
/* "no-reply"; I below CV_SIGNUP_SIGNS. */
const char *cv_signup_sign_word(unsigned i);

struct cv_signup_finding {
	bool found;
	enum cv_signup_class class;
	int points;     /* found from 0 on */
	uint64_t signs; /* a bit a sign; also when nothing is found */
	char detail[CV_POLICY_DETAIL_MAX + 1];
};
/* Phrases and signs, weighed; nothing is found, nor any sign, in mail of official domains and free
 * mail. */
void cv_policy_signup_find(const struct cv_policy *p, const struct cv_signup_facts *f,
                           struct cv_signup_finding *out);

/* A line of the allow-list (POL-03): "domain-or-address until-date reason". Slices of LINE; the day
 * counts to its end in Vietnam. */
struct cv_policy_allowed {
	struct cv_str who, reason;
	int64_t until_secs;
};
CV_MUST_CHECK enum cv_status cv_policy_allowed_parse(struct cv_str line,
                                                     struct cv_policy_allowed *out,
                                                     struct cv_err *err);
/* How many lines of the loaded allow-list are over at NOW_SECS. */
size_t cv_policy_signup_expired(const struct cv_policy *p, int64_t now_secs);

/* ---- phishing ---- */

enum cv_phish {
	CV_PHISH_MAILBOX,    /* a threat to the mailbox, and what to do against it */
	CV_PHISH_TAX,        /* tax office, police, insurance, from no official domain */
	CV_PHISH_IT,         /* the IT office, from no domain of ours */
	CV_PHISH_BANK, CV_PHISH_COURIER, CV_PHISH_INVOICE,
	CV_PHISH_LOGIN_LINK, /* a log-in page off the province's domains */
	CV_PHISH_ASK,        /* for password, code, card; for ID and phone under pressure */
	CV_PHISH_URGENCY,
	CV_PHISH_COUNT
};
struct cv_phishing_facts {
	struct cv_str from_domain, from_name, reply_domain; /* domains in A-labels, lower case */
	struct cv_str subject, text;                        /* decoded UTF-8 */
	const struct cv_str *link_hosts;                    /* that are not the province's */
	size_t link_count;
	bool is_vouched; /* authentication stands for from_domain */
	bool is_ours;    /* and it is the province's */
	bool has_form;   /* an HTML form, or a page as attachment */
};
struct cv_phishing_finding {
	bool found[CV_PHISH_COUNT];
	char detail[CV_PHISH_COUNT][CV_POLICY_DETAIL_MAX + 1];
	unsigned bulk_words; /* different words of advertising, at most 6 */
};
void cv_policy_phishing_find(const struct cv_policy *p, const struct cv_phishing_facts *f,
                             struct cv_phishing_finding *out);

/* ---- advertising, free mail ---- */

/* Whether SUBJECT (decoded) begins with a label of advertising, behind replies' prefixes. */
bool cv_policy_is_labelled(const struct cv_policy *p, struct cv_str subject);
/* The domain that was probably meant by DOMAIN; empty when it is no known slip. */
struct cv_str cv_policy_typo(const struct cv_policy *p, struct cv_str domain);
/* The same as a decision on a recipient: MARK with rule "POL-01.typo", or ALLOW. */
void cv_policy_recipient_typo(const struct cv_policy *p, struct cv_str domain,
                              struct cv_decision *out);
/* Whether LOCAL of a free mail address, or the NAME shown with it, is that of the person whose
 * display name is PERSON: staff writing to themselves (POL-01). */
bool cv_policy_is_own_name(struct cv_str person, struct cv_str local, struct cv_str name);

#endif
