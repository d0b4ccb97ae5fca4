/* probe.h - a connection to a port as a peer makes it: a greeting, lines, TLS, the certificate.
 * One thread at a time. Every wait has the connection's limit. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DOCTOR_PROBE_H
#define ADMIN_DOCTOR_PROBE_H

#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define PROBE_LINE_MAX 1024

struct probe;
CV_MUST_CHECK enum cv_status probe_open(const struct sockaddr_storage *to, socklen_t len,
	unsigned secs, struct probe **out, struct cv_err *err);
void probe_close(struct probe *p);
/* The next line without its end, in text that is safe to print. */
CV_MUST_CHECK enum cv_status probe_line(
	struct probe *p, char out[PROBE_LINE_MAX], struct cv_err *err);
/* Sends LINE and CRLF. */
CV_MUST_CHECK enum cv_status probe_say(struct probe *p, const char *line, struct cv_err *err);
/* Sends LINE (NULL: nothing), reads an SMTP reply; its code in *CODE_OUT, all its lines in OUT when
 * that is not NULL. */
CV_MUST_CHECK enum cv_status probe_smtp(struct probe *p, const char *line, unsigned *code_out,
	struct cv_buf *out, struct cv_err *err);

/* Begins TLS with HOST in SNI. OLD: offers nothing newer than TLS 1.1, which must fail. CV_DENIED:
 * the handshake was refused. */
CV_MUST_CHECK enum cv_status probe_tls(
	struct probe *p, const char *host, bool old, struct cv_err *err);
const char *probe_tls_version(const struct probe *p);
/* SHA-256 of the public key of the peer's certificate, hex; false without TLS. */
bool probe_key(const struct probe *p, char hex_out[65]);

#endif
