/* tls_test.c - TLS through a real net: from the first octet, by STARTTLS, both directions. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

/* ---- throwaway certificates ---- */

static char dir[] = "/tmp/congvu-tls-XXXXXX";

static const char *
path_of(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *p = paths[next++ % CV_COUNT(paths)];
	snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* A self-signed certificate for HOST in <stem>.crt and <stem>.key. */
static void
make_cert(const char *stem, const char *host, bool rsa)
{
	char name[64], alt[128];
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	assert_non_null(key);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	                           (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	snprintf(alt, sizeof(alt), "DNS:%s", host);
	add_ext(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(cert, NID_subject_alt_name, alt);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	snprintf(name, sizeof(name), "%s.crt", stem);
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	PEM_write_X509(f, cert);
	fclose(f);
	snprintf(name, sizeof(name), "%s.key", stem);
	f = fopen(path_of(name), "w");
	assert_non_null(f);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
make_certs(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	make_cert("ec", "mail.test", false);
	make_cert("rsa", "mail.test", true);
	make_cert("other", "other.test", false);
	return 0;
}

static int
drop_certs(void **state)
{
	static const char *stems[] = { "ec.crt",    "ec.key",    "rsa.crt",  "rsa.key",
		                       "other.crt", "other.key", "live.crt", "live.key" };
	(void)state;
	for (size_t i = 0; i < CV_COUNT(stems); i++)
		unlink(path_of(stems[i]));
	return rmdir(dir);
}

static struct cv_tls_server *
server_for(const char *stem, const char *alpn)
{
	struct cv_tls_server *t;
	struct cv_err err = {.text = ""};
	char certs[300], keys[300], a[64], b[64];
	snprintf(a, sizeof(a), "%s.crt", stem);
	snprintf(b, sizeof(b), "%s.key", stem);
	snprintf(certs, sizeof(certs), "%s %s %s", path_of(a), path_of("rsa.crt"),
	         path_of("other.crt"));
	snprintf(keys, sizeof(keys), "%s %s %s", path_of(b), path_of("rsa.key"),
	         path_of("other.key"));
	struct cv_tls_server_options o = {.cert_files = certs, .key_files = keys, .alpn = alpn};
	enum cv_status status = cv_tls_server_new(&o, &t, &err);
	assert_string_equal(status ? err.text : "", "");
	return t;
}

/* ---- a client of OpenSSL's, blocking ---- */

struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static int
peer_start(struct peer *p, int fd, const char *host, const char *alpn, int max_version)
{
	p->fd = fd;
	p->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(p->ctx, max_version);
	SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
	SSL_CTX_set_cipher_list(p->ctx, "ALL:@SECLEVEL=0");
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, fd);
	if (host)
		SSL_set_tlsext_host_name(p->ssl, host);
	if (alpn)
		SSL_set_alpn_protos(p->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
	int result = SSL_connect(p->ssl);
	ERR_clear_error();
	return result;
}

static void
peer_end(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}

static void
peer_send(struct peer *p, const char *text)
{
	assert_int_equal(SSL_write(p->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void
peer_expect(struct peer *p, const char *want)
{
	char got[4096];
	size_t n = 0;
	while (n + 1 < sizeof(got) && SSL_read(p->ssl, got + n, 1) == 1 && got[n] != '\n')
		n++;
	got[n] = '\0';
	assert_string_equal(got, want);
}

static const struct cv_net_options two = {.workers = 2};

static void
test_implicit_tls__speaks_from_the_first_octet(void **state)
{
	static const struct { const char *name; int version; const char *want; } rows[] = {
		{"1.3", TLS1_3_VERSION, "hello 127.0.0.1 TLSv1.3"},
		{"1.2", TLS1_2_VERSION, "hello 127.0.0.1 TLSv1.2"},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL), .implicit_tls = true};
	struct cv_net_stats stats;
	(void)state;
	kit_start(&k, &two, &l);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct peer p;
		assert_int_equal(peer_start(&p, kit_connect(&k), NULL, NULL, rows[i].version), 1);
		peer_expect(&p, rows[i].want);
		/* ECDSA is preferred although the client takes both. */
		assert_int_equal(EVP_PKEY_get_base_id(
					 X509_get0_pubkey(SSL_get0_peer_certificate(p.ssl))),
		                 EVP_PKEY_EC);
		peer_send(&p, "one\ntwo\nbig 3000000\nquit\n");
		peer_expect(&p, "= one");
		peer_expect(&p, "= two");
		char buf[16384];
		size_t total = 0;
		for (int n; (n = SSL_read(p.ssl, buf, sizeof(buf))) > 0;)
			total += (size_t)n;
		assert_int_equal(total, 3000000 + strlen("\nbig done\nbye\n"));
		assert_int_equal(SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN,
		                 SSL_RECEIVED_SHUTDOWN);
		peer_end(&p);
	}
	struct peer old;
	assert_int_not_equal(peer_start(&old, kit_connect(&k), NULL, NULL, TLS1_1_VERSION), 1);
	peer_end(&old);
	KIT_UNTIL((cv_net_stats(k.net, &stats), stats.tls_failures == 1));
	assert_int_equal(stats.tls_handshakes, 2);
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_starttls__throws_away_what_came_in_the_clear(void **state)
{
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL)};
	struct peer p;
	(void)state;
	kit_start(&k, &two, &l);
	int fd = kit_connect(&k);
	kit_expect(fd, "hello 127.0.0.1 plain");
	kit_send(fd, "before\nstarttls\ninjected\n");
	kit_expect(fd, "= before");
	kit_expect(fd, "go");
	assert_int_equal(peer_start(&p, fd, "mail.test", NULL, TLS1_3_VERSION), 1);
	peer_expect(&p, "hello 127.0.0.1 TLSv1.3");
	peer_send(&p, "after\n");
	peer_expect(&p, "= after"); /* and not "= injected" */
	peer_end(&p);
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_rubbish_instead_of_a_handshake__only_ends_its_connection(void **state)
{
	static const struct { const char *name, *bytes; } rows[] = {
		{"clear text", "EHLO there\r\n"},
		{"a length without its record", "\x16\x03\x01\x40\x00\x01"},
		{"nothing", ""},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL), .implicit_tls = true};
	struct cv_net_stats stats;
	(void)state;
	kit_start(&k, &two, &l);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		int fd = kit_connect(&k);
		kit_send(fd, rows[i].bytes);
		shutdown(fd, SHUT_WR);
		char buf[100];
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			; /* an alert, perhaps */
		close(fd);
		KIT_UNTIL((cv_net_stats(k.net, &stats), stats.tls_failures == i + 1));
	}
	assert_int_equal(atomic_load(&k.opened), 0);
	struct peer p;
	assert_int_equal(peer_start(&p, kit_connect(&k), NULL, NULL, TLS1_3_VERSION), 1);
	peer_expect(&p, "hello 127.0.0.1 TLSv1.3");
	peer_end(&p);
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_server_name__chooses_the_certificate(void **state)
{
	static const struct { const char *name, *host, *want; } rows[] = {
		{"default", NULL, "/CN=mail.test"},
		{"first", "mail.test", "/CN=mail.test"},
		{"second", "other.test", "/CN=other.test"},
		{"unknown", "nobody.test", "/CN=mail.test"},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL), .implicit_tls = true};
	(void)state;
	kit_start(&k, &two, &l);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct peer p;
		char subject[100];
		assert_int_equal(peer_start(&p, kit_connect(&k), rows[i].host, NULL,
		                            TLS1_3_VERSION),
		                 1);
		X509_NAME_oneline(X509_get_subject_name(SSL_get0_peer_certificate(p.ssl)), subject,
		                  sizeof(subject));
		assert_string_equal(subject, rows[i].want);
		peer_end(&p);
	}
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_alpn__refuses_a_peer_that_offers_only_others(void **state)
{
	static const struct { const char *name, *alpn; bool ok; } rows[] = {
		{"none offered", NULL, true},
		{"ours among others", "\4pop3\4imap", true},
		{"only others", "\4pop3\2h2", false},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", "imap"), .implicit_tls = true};
	(void)state;
	kit_start(&k, &two, &l);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct peer p;
		int result = peer_start(&p, kit_connect(&k), NULL, rows[i].alpn, TLS1_3_VERSION);
		if ((result == 1) != rows[i].ok)
			fail_msg("%s: handshake answered %d", rows[i].name, result);
		peer_end(&p);
	}
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_ticket__resumes_a_session(void **state)
{
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL), .implicit_tls = true};
	(void)state;
	kit_start(&k, &two, &l);
	struct peer first, second;
	assert_int_equal(peer_start(&first, kit_connect(&k), NULL, NULL, TLS1_3_VERSION), 1);
	peer_expect(&first, "hello 127.0.0.1 TLSv1.3");
	SSL_SESSION *session = SSL_get1_session(first.ssl);
	assert_int_equal(SSL_SESSION_is_resumable(session), 1);
	second.fd = kit_connect(&k);
	second.ctx = SSL_CTX_new(TLS_client_method());
	second.ssl = SSL_new(second.ctx);
	SSL_set_fd(second.ssl, second.fd);
	SSL_set_session(second.ssl, session);
	assert_int_equal(SSL_connect(second.ssl), 1);
	assert_int_equal(SSL_session_reused(second.ssl), 1);
	peer_expect(&second, "hello 127.0.0.1 TLSv1.3");
	SSL_SESSION_free(session);
	peer_end(&first);
	peer_end(&second);
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
copy_file(const char *from, const char *to)
{
	char buf[8192];
	FILE *in = fopen(path_of(from), "r"), *out = fopen(path_of(to), "w");
	assert_non_null(in);
	assert_non_null(out);
	size_t n = fread(buf, 1, sizeof(buf), in);
	assert_int_equal(fwrite(buf, 1, n, out), n);
	fclose(in);
	fclose(out);
}

static void
test_reload__keeps_the_old_certificate_when_the_new_is_bad(void **state)
{
	struct cv_err err;
	char subject[100];
	struct kit k;
	(void)state;
	copy_file("ec.crt", "live.crt");
	copy_file("ec.key", "live.key");
	char cert[128], key[128];
	snprintf(cert, sizeof(cert), "%s", path_of("live.crt"));
	snprintf(key, sizeof(key), "%s", path_of("live.key"));
	struct cv_tls_server_options o = {.cert_files = cert, .key_files = key};
	struct cv_listen l = {.implicit_tls = true};
	assert_int_equal(cv_tls_server_new(&o, &l.tls, &err), CV_OK);
	kit_start(&k, &two, &l);
	copy_file("other.crt", "live.crt"); /* without its key */
	assert_int_equal(cv_tls_server_reload(l.tls, &err), CV_INVALID);
	for (int round = 0; round < 2; round++) {
		struct peer p;
		assert_int_equal(peer_start(&p, kit_connect(&k), NULL, NULL, TLS1_3_VERSION), 1);
		X509_NAME_oneline(X509_get_subject_name(SSL_get0_peer_certificate(p.ssl)), subject,
		                  sizeof(subject));
		assert_string_equal(subject, round ? "/CN=other.test" : "/CN=mail.test");
		copy_file("other.key", "live.key");
		assert_int_equal(cv_tls_server_reload(l.tls, &err), CV_OK);
		peer_end(&p);
	}
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

/* ---- our own client side, against our server ---- */

struct caller {
	struct cv_tls_client *client;
	const char *host;
	const struct cv_tls_peer *peer;
	_Atomic unsigned done;
	struct cv_tls_info tls;
	char error[300], said[100], binding[2][64];
	size_t binding_n[2];
};

static void
note_session(struct caller *caller, struct cv_conn *c)
{
	static const char *types[] = {"tls-exporter", "tls-server-end-point"};
	cv_conn_tls_info(c, &caller->tls);
	for (int i = 0; i < 2; i++) {
		struct cv_buf b = CV_BUF_INIT(64);
		if (!cv_conn_channel_binding(c, types[i], &b))
			memcpy(caller->binding[i], b.p, b.n);
		caller->binding_n[i] = b.n;
		cv_buf_done(&b);
	}
	cv_buf_z(cv_conn_out(c), "hi\nquit\n");
}

static enum cv_step
caller_run(struct cv_conn *c, unsigned events)
{
	struct caller *caller = cv_conn_ctx(c);
	if (events & CV_EV_FAILED) {
		snprintf(caller->error, sizeof(caller->error), "%s", cv_conn_error(c));
		return CV_STEP_CLOSE;
	}
	if (events & CV_EV_SECURE)
		note_session(caller, c);
	struct cv_str in = cv_conn_in(c), line;
	while (cv_str_find(in, '\n', 0) < in.n) {
		size_t n = cv_str_find(in, '\n', 0) + 1;
		line = cv_str_sub(in, 0, n - 1);
		if (cv_str_eq_z(line, "hello 127.0.0.1 plain"))
			cv_buf_z(cv_conn_out(c), "starttls\n");
		if (cv_str_eq_z(line, "go"))
			caller->peer ? cv_conn_starttls_peer(c, caller->client, caller->peer)
			             : cv_conn_starttls_client(c, caller->client, caller->host);
		if (cv_str_has_prefix(line, "= "))
			snprintf(caller->said, sizeof(caller->said), "%.*s", CV_STR_ARGS(line));
		if (cv_str_eq_z(line, "bye"))
			return CV_STEP_CLOSE;
		cv_conn_consume(c, n);
		in = cv_conn_in(c);
	}
	return CV_STEP_READ;
}

static void
caller_closed(struct cv_conn *c)
{
	struct caller *caller = cv_conn_ctx(c);
	atomic_fetch_add(&caller->done, 1);
}

static const struct cv_proto caller_proto = {.name = "caller", .in_max = 1000, .out_high = 1000,
                                             .idle_secs = 5, .run = caller_run,
                                             .closed = caller_closed};

static void
test_client__checks_what_it_was_told_to_check(void **state)
{
	static const struct {
		const char *name, *ca, *host;
		enum cv_tls_check check;
		bool verified;
		const char *error;
	} rows[] = {
		{"right name, known issuer", "ec.crt", "mail.test", CV_TLS_VERIFY_NAME, true, ""},
		{"wrong name", "ec.crt", "wrong.test", CV_TLS_VERIFY_NAME, false, "hostname mismatch"},
		{"unknown issuer", "other.crt", "mail.test", CV_TLS_VERIFY_NAME, false, "self-signed"},
		{"opportunistic, right", "ec.crt", "mail.test", CV_TLS_OPPORTUNISTIC, true, ""},
		{"opportunistic, wrong name", "ec.crt", "wrong.test", CV_TLS_OPPORTUNISTIC, false, ""},
		{"opportunistic, no name", "other.crt", NULL, CV_TLS_OPPORTUNISTIC, false, ""},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL)};
	(void)state;
	kit_start(&k, &two, &l);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k.fd_port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct caller caller = {.host = rows[i].host};
		struct cv_err err;
		assert_int_equal(cv_tls_client_new(path_of(rows[i].ca), rows[i].check,
		                                   &caller.client, &err),
		                 CV_OK);
		assert_int_equal(cv_net_connect(k.net, (struct sockaddr *)&in, sizeof(in),
		                                &caller_proto, &caller, 5, NULL, &err),
		                 CV_OK);
		KIT_UNTIL(atomic_load(&caller.done) == 1);
		if (rows[i].error[0] ? !strstr(caller.error, rows[i].error) : caller.error[0] != 0)
			fail_msg("%s: error '%s'", rows[i].name, caller.error);
		if (caller.tls.peer_verified != rows[i].verified ||
		    caller.tls.secure != !rows[i].error[0])
			fail_msg("%s: verified %d", rows[i].name, caller.tls.peer_verified);
		if (!rows[i].error[0]) {
			assert_string_equal(caller.said, "= hi");
			assert_int_equal(caller.binding_n[0], 32);
			assert_int_equal(caller.binding_n[1], 32);
		}
		cv_tls_client_free(caller.client);
	}
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

/* SHA-256 of <stem>'s certificate or public key. */
static void
digest_of(const char *stem, bool key, unsigned char out[32])
{
	char name[64];
	snprintf(name, sizeof(name), "%s.crt", stem);
	FILE *f = fopen(path_of(name), "r");
	assert_non_null(f);
	X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	unsigned n = 32;
	unsigned char *der = NULL;
	int size = i2d_PUBKEY(X509_get0_pubkey(cert), &der);
	assert_int_equal(key ? EVP_Digest(der, (size_t)size, out, &n, EVP_sha256(), NULL)
	                     : X509_digest(cert, EVP_sha256(), out, &n), 1);
	OPENSSL_free(der);
	X509_free(cert);
}

static void
test_peer__is_who_the_records_or_the_authorities_say(void **state)
{
	static const struct {
		const char *name, *host, *also, *record; /* of whose key; or NULL */
		bool whole_cert, must_verify, verified, by_dane;
		const char *error;
	} rows[] = {
		{"its key", "mail.test", NULL, "ec", 0, 1, 1, 1, ""},
		{"its certificate", "mail.test", NULL, "ec", 1, 1, 1, 1, ""},
		{"its key, another name (RFC 7672 3.1.1)", "wrong.test", NULL, "ec", 0, 1, 1, 1, ""},
		{"another's key", "mail.test", NULL, "other", 0, 1, 0, 0, "no matching DANE"},
		{"another's key, only asked", "mail.test", NULL, "other", 0, 0, 0, 0, ""},
		{"an authority", "mail.test", NULL, NULL, 0, 1, 1, 0, ""},
		{"an authority, wrong name", "wrong.test", NULL, NULL, 0, 1, 0, 0, "mismatch"},
		{"an authority, second name", "wrong.test", "mail.test", NULL, 0, 1, 1, 0, ""},
	};
	struct kit k;
	struct cv_listen l = {.tls = server_for("ec", NULL)};
	(void)state;
	kit_start(&k, &two, &l);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)k.fd_port),
	                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		unsigned char digest[32];
		struct cv_err err;
		if (rows[i].record)
			digest_of(rows[i].record, !rows[i].whole_cert, digest);
		struct cv_tls_tlsa record = {3, !rows[i].whole_cert, 1,
		                             cv_str((const char *)digest, sizeof(digest))};
		struct cv_tls_peer peer = {.host = rows[i].host, .also = rows[i].also,
		                           .must_verify = rows[i].must_verify, .tlsa = &record,
		                           .tlsa_count = rows[i].record != NULL};
		struct caller caller = {.peer = &peer};
		assert_int_equal(cv_tls_client_new(path_of("ec.crt"), CV_TLS_OPPORTUNISTIC,
		                                   &caller.client, &err),
		                 CV_OK);
		assert_int_equal(cv_net_connect(k.net, (struct sockaddr *)&in, sizeof(in),
		                                &caller_proto, &caller, 5, NULL, &err),
		                 CV_OK);
		KIT_UNTIL(atomic_load(&caller.done) == 1);
		if (rows[i].error[0] ? !strstr(caller.error, rows[i].error) : caller.error[0] != 0)
			fail_msg("%s: error '%s'", rows[i].name, caller.error);
		if (caller.tls.peer_verified != rows[i].verified ||
		    caller.tls.by_dane != rows[i].by_dane)
			fail_msg("%s: verified %d by DANE %d", rows[i].name,
			         caller.tls.peer_verified, caller.tls.by_dane);
		cv_tls_client_free(caller.client);
	}
	kit_stop(&k);
	cv_tls_server_free(l.tls);
}

static void
test_tlsa__is_usable_only_as_rfc_7672_says(void **state)
{
	static const char rdata[3 + 64 + 1] = "";
	static const struct {
		const char *name;
		unsigned char usage, selector, matching;
		size_t n;
		bool read, usable;
	} rows[] = {
		{"DANE-EE SPKI SHA-256", 3, 1, 1, 32, 1, 1},
		{"DANE-TA Cert SHA-512", 2, 0, 2, 64, 1, 1},
		{"PKIX-EE", 1, 1, 1, 32, 1, 0},
		{"PKIX-TA", 0, 1, 1, 32, 1, 0},
		{"private usage", 255, 1, 1, 32, 1, 0},
		{"unknown selector", 3, 2, 1, 32, 1, 0},
		{"unknown digest", 3, 1, 3, 32, 1, 0},
		{"short digest", 3, 1, 1, 31, 1, 0},
		{"long digest", 3, 1, 1, 33, 1, 0},
		{"SHA-512 of 32", 3, 1, 2, 32, 1, 0},
		{"a whole certificate that is none", 3, 0, 0, 40, 1, 0},
		{"a whole key that is none", 2, 1, 0, 40, 1, 0},
		{"no data", 3, 1, 1, 0, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char wire[sizeof(rdata)];
		struct cv_tls_tlsa t = {0};
		memcpy(wire, rdata, sizeof(wire));
		wire[0] = (char)rows[i].usage;
		wire[1] = (char)rows[i].selector;
		wire[2] = (char)rows[i].matching;
		bool read = cv_tls_tlsa_read(cv_str(wire, 3 + rows[i].n), &t);
		if (read != rows[i].read || (read && cv_tls_tlsa_is_usable(&t)) != rows[i].usable)
			fail_msg("%s", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_implicit_tls__speaks_from_the_first_octet),
		cmocka_unit_test(test_starttls__throws_away_what_came_in_the_clear),
		cmocka_unit_test(test_rubbish_instead_of_a_handshake__only_ends_its_connection),
		cmocka_unit_test(test_server_name__chooses_the_certificate),
		cmocka_unit_test(test_alpn__refuses_a_peer_that_offers_only_others),
		cmocka_unit_test(test_ticket__resumes_a_session),
		cmocka_unit_test(test_reload__keeps_the_old_certificate_when_the_new_is_bad),
		cmocka_unit_test(test_client__checks_what_it_was_told_to_check),
		cmocka_unit_test(test_peer__is_who_the_records_or_the_authorities_say),
		cmocka_unit_test(test_tlsa__is_usable_only_as_rfc_7672_says),
	};
	return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
