/* policy.h - who may send what as whom to whom, as pure functions over the register and data files.
 *
 * Each decision names its rule and carries a sentence in Vietnamese and one in English; smtpd,
 * spamfilter and `congvu policy explain` call the same code. Vocabulary and lists are data files in
 * conf/policy, matched on folded text. Threads: a cv_policy is read-only after loading.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_POLICY_H
#define CV_POLICY_H

#include "common/register/register.h"

enum cv_verdict { CV_ALLOW, CV_MARK, CV_REFUSE, CV_DEFER };

struct cv_decision {
	enum cv_verdict verdict;
	const char *rule;        /* "POL-05.from": stable code for `congvu policy explain` */
	unsigned smtp_code;      /* 550, 452, ... for REFUSE and DEFER */
	const char *enhanced;    /* "5.7.1" */
	char vi[400], en[300];   /* one sentence each, what and what to do next; no CR LF */
};
/* "[<rule>] <en> / <vi>": SMTP reply text must be ASCII unless SMTPUTF8 is in use (UTF8 tells), so
 * the Vietnamese loses its diacritics. Cut at N. Returns the length. */
size_t cv_decision_reply(const struct cv_decision *d, bool utf8, char *buf, size_t n);

struct cv_policy;
/* DIR holds the data files (conf/policy in the tree); NULL: built-in copies of the same files. */
CV_MUST_CHECK enum cv_status cv_policy_load(const char *dir, const char *official_suffixes,
                                            struct cv_policy **out, struct cv_err *err);
void cv_policy_free(struct cv_policy *p);

/* MAIL FROM of an authenticated session (null sender allowed for own receipts and DSNs). */
void cv_policy_envelope_from(const struct cv_policy *p, const struct cv_snapshot *s,
                             cv_acct_no login, struct cv_str local, struct cv_str domain,
                             struct cv_decision *out);
/* The header block of a submission: exactly one From, every address in it allowed for LOGIN;
 * Sender and every Resent-From and Resent-Sender, if present, too. A display name in From that
 * shows an address which is not LOGIN's is refused: people read that one. With NULL_SENDER (MAIL
 * FROM:<>) the message must also be a report (multipart/report) or say Auto-Submitted. */
void cv_policy_header_from(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                           struct cv_str header, bool null_sender, struct cv_decision *out);
/* A recipient that find() answered with HIT: unknown, retired, group rules. */
void cv_policy_recipient(const struct cv_policy *p, const struct cv_snapshot *s, cv_acct_no login,
                         const struct cv_reg_hit *hit, struct cv_decision *out);
/* The same, knowing the envelope's SENDER and the time: groups that are not for staff alone,
 * retired addresses whose successor is named or gets the mail for a while. A sender who has not
 * logged in is believed here; whether he tells the truth is for SPF and DMARC before. */
void cv_policy_recipient_from(const struct cv_policy *p, const struct cv_snapshot *s,
                              cv_acct_no login, struct cv_str sender, int64_t now_secs,
                              const struct cv_reg_hit *hit, struct cv_decision *out);
/* Secrecy marks (POL-04) in SUBJECT (decoded UTF-8), attachment FILE_NAMES and the first TEXT
 * (decoded, at most 2 KB looked at). REFUSE when marked; the caller maps it for incoming mail. */
void cv_policy_secrecy(const struct cv_policy *p, struct cv_str subject,
                       const struct cv_str *file_names, size_t file_count, struct cv_str text,
                       struct cv_decision *out);
/* Sign-up detection (POL-02). MARK with rule "POL-02.signup" when the mail looks like a
 * registration on a public service. */
struct cv_signup_facts {
	struct cv_str from_local, from_domain; /* header From */
	struct cv_str from_name;               /* that it shows, decoded */
	struct cv_str subject, text;           /* decoded UTF-8; first 2 KB of text */
	bool list_unsubscribe;
	unsigned token_links;                  /* links with long tokens */
	bool is_automatic;                     /* Auto-Submitted, Feedback-ID, Precedence: bulk */
	bool is_bulk_mailer;                   /* a field that programs for mass mail leave */
	struct cv_str to_local;                /* whom it is for; empty: not known */
	bool is_reply;                         /* In-Reply-To or References */
	unsigned addressees;                   /* in To and Cc; 0: not counted */
	unsigned documents;                    /* attached files of offices: PDF, DOCX, XLSX */
};
void cv_policy_signup(const struct cv_policy *p, const struct cv_signup_facts *f,
                      struct cv_decision *out);
/* POL-03: an allow-list entry for that sender that has not expired at NOW_SECS. */
CV_MUST_CHECK enum cv_status cv_policy_signup_allow_load(struct cv_policy *p, const char *file,
                                                         struct cv_err *err);
bool cv_policy_signup_allowed(const struct cv_policy *p, struct cv_str local, struct cv_str domain,
                              int64_t now_secs);
/* Forged own domain (POL-06): mail from outside, not authenticated, whose header From (all domains
 * in it) or envelope sender names one of our domains and whose authentication does not vouch. */
void cv_policy_forged_own(const struct cv_policy *p, const struct cv_snapshot *s,
                          const struct cv_str *from_domains, size_t count, bool vouched,
                          struct cv_decision *out);
/* What a server tells peers and accounts that do too much, or whose sender nobody can answer. WHAT
 * is the network, list or domain in question. */
enum cv_peer_rule {
	CV_PEER_CONNECTIONS, CV_PEER_EARLY, CV_PEER_COMMANDS, CV_PEER_MESSAGES, CV_PEER_RECIPIENTS,
	CV_PEER_AUTH, CV_PEER_BLOCKLIST, CV_ACCOUNT_MESSAGES, CV_ACCOUNT_RECIPIENTS,
	CV_SENDER_DOMAIN, CV_SENDER_NULL_MX, CV_SENDER_DNS, CV_PEER_RULES
};
void cv_policy_peer(enum cv_peer_rule rule, struct cv_str what, struct cv_decision *out);
bool cv_policy_is_official(const struct cv_policy *p, struct cv_str domain);
bool cv_policy_is_free_mail(const struct cv_policy *p, struct cv_str domain);
/* What smtpd's ledger of sending comes to (POL-05, SPM-08). WHAT stands in the sentences: the
 * address for FROZEN and SUSPENDED, when the day's limit ends for the others. */
enum cv_sending_rule {
	CV_SENDING_ALLOWED, CV_SENDING_FROZEN, CV_SENDING_SUSPENDED, CV_SENDING_MESSAGES,
	CV_SENDING_RCPTS, CV_SENDING_FIRST_TIME
};
void cv_policy_sending(enum cv_sending_rule rule, struct cv_str what, struct cv_decision *out);
/* What the rule of that code answers; WHAT is the address or domain in its sentences. False when no
 * rule that decides has the code. */
bool cv_policy_named(const char *rule, struct cv_str what, struct cv_decision *out);
/* Both sentences of a rule, for `congvu policy explain RULE`. False when unknown. */
bool cv_policy_explain(const char *rule, const char **vi_out, const char **en_out);
/* The Nth rule there is to explain, from 0; NULL behind the last. */
const char *cv_policy_rule(size_t n);

#endif
