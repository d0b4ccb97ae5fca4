/* tls.h - OpenSSL contexts for servers and clients; nothing else in the tree includes OpenSSL's
 * ssl.h except common/net.
 *
 * TLS 1.2 and up, ECDSA certificate first and RSA second, session tickets with own rotating keys,
 * buffers released while idle. Contexts may be used by all threads; reload swaps them atomically,
 * and sessions go on with what they began with.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_TLS_H
#define CV_TLS_H

#include "common/base/err.h"
#include "common/base/str.h"

struct cv_tls_server;
struct cv_tls_client;

struct cv_tls_server_options {
	/* PEM chains, separated by blanks. The name a client asks for chooses among them, exact
	 * names before wildcards, one chain of each kind of key; a name that none has, and no name,
	 * get those of the first chain's first name. */
	const char *cert_files;
	const char *key_files;   /* as many keys */
	const char *client_ca;   /* NULL: no client certificates are asked for. Revocation lists in
				  * the same file are honoured: every authority needs one then */
	bool is_modern;          /* AEAD suites alone: for mail programs, not for MTAs */
	const char *alpn;        /* "imap", "pop3", or NULL: a peer that offers only others is
				  * refused */
};
CV_MUST_CHECK enum cv_status cv_tls_server_new(const struct cv_tls_server_options *o,
                                               struct cv_tls_server **out, struct cv_err *err);
/* Reads the files again; on failure the old ones stay in use, and err names the file. */
CV_MUST_CHECK enum cv_status cv_tls_server_reload(struct cv_tls_server *t, struct cv_err *err);
/* The same with other options, which are copied when they are good. */
CV_MUST_CHECK enum cv_status cv_tls_server_configure(struct cv_tls_server *t,
                                                     const struct cv_tls_server_options *o,
                                                     struct cv_err *err);
void cv_tls_server_free(struct cv_tls_server *t);

/* Who a client's certificate says it is. */
#define CV_TLS_CERT_NAMES 8u
struct cv_tls_cert {
	uint8_t sha256[32];      /* of the whole certificate */
	unsigned name_count;     /* at most CV_TLS_CERT_NAMES; further ones are dropped */
	char names[CV_TLS_CERT_NAMES][256]; /* rfc822Name of subjectAltName: printable ASCII */
};
/* Reads DER; false when that is no certificate. */
bool cv_tls_cert_read(struct cv_str der, struct cv_tls_cert *out);

enum cv_tls_check { CV_TLS_OPPORTUNISTIC, CV_TLS_VERIFY_NAME };
CV_MUST_CHECK enum cv_status cv_tls_client_new(const char *ca_file, enum cv_tls_check check,
                                               struct cv_tls_client **out, struct cv_err *err);
void cv_tls_client_free(struct cv_tls_client *t);

/* A TLSA record (RFC 6698). */
struct cv_tls_tlsa {
	uint8_t usage, selector, matching;
	struct cv_str data;
};
/* Reads the wire form; false when it is too short. *out points into RDATA. */
bool cv_tls_tlsa_read(struct cv_str rdata, struct cv_tls_tlsa *out);
/* May it authenticate a mail server: DANE-TA(2) or DANE-EE(3) with known numbers and well-formed
 * data (RFC 7672 3.1)? */
bool cv_tls_tlsa_is_usable(const struct cv_tls_tlsa *t);

/* Whom one outgoing connection must meet, for cv_conn_starttls_peer(). */
struct cv_tls_peer {
	const char *host;  /* for SNI, and a name that the certificate may be for; NULL where
			    * nothing is checked */
	const char *also;  /* another such name, or NULL */
	bool must_verify;  /* no handshake without a verified certificate, whatever the client
			    * checks */
	const struct cv_tls_tlsa *tlsa; /* usable ones, instead of authorities (RFC 7672); may be
					 * none */
	size_t tlsa_count;
};

#endif
