/* tlsrpt_internal.h - what the files of TLS reporting share.
 *
 * Rows, in account (system, TLSRPT_ACCT), values are JSON:
 *   "D" be32 day, domain   {"from", "policies", "state", "why", "tries", "next", "id", "done"}
 *   "I" be64 hash          a summary of tlsrpt_report.h, and "arrived", "signed"
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_TLSRPT_INTERNAL_H
#define SMTPD_TLSRPT_INTERNAL_H

#include <pthread.h>

#include "common/base/map.h"
#include "common/net/pool.h"
#include "common/store/engine.h"
#include "smtpd/tlsrpt.h"

#define TLSRPT_ACCT cv_acct(CV_CLASS_SYSTEM, 0x727074)
#define TLSRPT_DAY  86400

struct smtpd_tlsrpt {
	struct smtpd_server *server;
	struct smtpd_outbound *outbound;
	struct cv_engine *engine;
	char contact[320];
	const char *submitter;      /* the contact's domain */
	pthread_t thread;
	bool started;
	int64_t delay_secs;         /* after midnight, this process's lot */
	struct cv_pool *pool;
	atomic_bool stop;

	pthread_mutex_t lock;       /* over the next lines */
	pthread_cond_t wake;
	struct cv_link events, mails;
	size_t event_count, mail_count;
	uint64_t dropped;
	bool stopping, look_now;
	struct cv_map under_way;    /* rows being sent, by key */

	pthread_mutex_t rows;       /* a row is read, changed and written under it */
	int64_t day;                /* whose rows are counted in: */
	size_t day_rows, received_rows;
};

/* tlsrpt_send.c: one finished day of one domain, on the pool. Waits for DNS, filters and servers.
 * ROW is changed as it went; *drop_out: nobody wants it. */
void tlsrpt_send(struct smtpd_tlsrpt *t, const char *domain, json_t *row, int64_t to_secs,
                 bool *drop_out);

#endif
