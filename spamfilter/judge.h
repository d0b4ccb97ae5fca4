/* judge.h - the end of a message: examiners in order, the sum, the action, and what follows.
 *
 * Threads: any, one message on one of them.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_JUDGE_H
#define SPAM_JUDGE_H

#include "spamfilter/mail.h"

/* Examines M, whose header and body have all come, and fills its verdict. Keeps no statistics and
 * tells nobody: `explain` does no more than this. Once. */
void spam_judge(struct spam_mail *m);
/* At MAIL: whether the sender is refused at once. What follows a refusal has been done then. */
bool spam_judge_sender(struct spam_mail *m);
/* What follows a verdict that takes effect: the log line, statistics, learning. */
void spam_judged(struct spam_mail *m);

/* The reply when the filter has no room for a message. */
extern const struct cv_decision spam_busy;
/* Sums what was found and chooses the action; a part of spam_judge(). */
void spam_decide(struct spam_mail *m);

/* Examiners and what follows, one each file; the tables are in judge.c. */
void spam_examine_limits(struct spam_mail *m);         /* judge.c */
void spam_examine_authentication(struct spam_mail *m); /* auth.c */
void spam_examine_author(struct spam_mail *m);         /* dmarc/examine.c */
void spam_examine_dmarc(struct spam_mail *m);
void spam_examine_imitation(struct spam_mail *m); /* dmarc/imitate.c */
void spam_examine_forged(struct spam_mail *m);         /* forged.c */
void spam_examine_walk(struct spam_mail *m);           /* walk/examine.c */
void spam_examine_qr(struct spam_mail *m);             /* walk/qr.c */
void spam_examine_secrecy(struct spam_mail *m);        /* official.c */
void spam_examine_document_secrecy(struct spam_mail *m); /* documents.c */
void spam_examine_virus(struct spam_mail *m);          /* virus.c */
void spam_examine_signup(struct spam_mail *m);
void spam_examine_classifier(struct spam_mail *m); /* classify/classify.c */
void spam_examine_phishing(struct spam_mail *m);       /* phishing.c */
void spam_examine_advertising(struct spam_mail *m);

void spam_examine_burst(struct spam_mail *m); /* reputation/examine.c */
void spam_examine_lists(struct spam_mail *m);
void spam_examine_copies(struct spam_mail *m);
void spam_examine_letters(struct spam_mail *m);
void spam_examine_reputation(struct spam_mail *m);

void spam_after_counters(struct spam_mail *m); /* judge.c */
void spam_after_log(struct spam_mail *m);
void spam_after_agencies(struct spam_mail *m);
void spam_after_report(struct spam_mail *m); /* classify/report.c */
void spam_after_dmarc(struct spam_mail *m);  /* dmarc/reporter.c */
void spam_after_signup(struct spam_mail *m); /* official.c */
void spam_after_free_mail(struct spam_mail *m); /* freemail.c */

void spam_after_burst(struct spam_mail *m); /* reputation/examine.c */
void spam_after_copies(struct spam_mail *m);
void spam_after_letters(struct spam_mail *m);
void spam_after_greylist(struct spam_mail *m);
void spam_after_reputation(struct spam_mail *m);

/* dmarc/examine.c: the result in Authentication-Results, when there is one. */
void spam_dmarc_write_result(const struct spam_mail *m, struct cv_buf *out);
/* phishing.c: whether a rule of phishing but haste alone was found. */
bool spam_is_phishing(const struct spam_mail *m);
/* phishing.c: the name that From shows, decoded. */
struct cv_str spam_shown_name(struct spam_mail *m);
/* phishing.c: what a reader of the HTML sees, where that may differ from cv_content_text(): a plain
 * text stands beside it, or some of it is hidden. Else empty. */
struct cv_str spam_seen_text(const struct spam_mail *m);
/* official.c: D says that the mail bears a mark of secrecy, in the "mail" or a "document". */
void spam_secrecy_found(struct spam_mail *m, const struct cv_decision *d, const char *where);
/* auth.c: SPF as soon as the sender is known, for a refusal at MAIL. */
void spam_examine_spf(struct spam_mail *m);
/* auth.c: SPF or a signature vouches for DOMAIN (lower-case A-labels), in relaxed alignment. */
bool spam_is_vouched(const struct spam_mail *m, const char *domain);

#endif
