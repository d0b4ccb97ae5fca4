/* auth_test.c - log-ins by PLAIN, LOGIN and SCRAM against a mapped register. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "common/base/clock.h"
#include "common/register/auth.h"
#include "common/register/password.h"
#include "common/register/snapshot_format.h"
#include "common/store/engine.h"
#include "common/text/encode.h"

#define BASE ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)
#define HOA "nvhoa.snv@lamgiang.example"
#define PHONE "kT7m-2pQx-RvW9-dH4s"
#define SCANNER "aB3d-5fGh-7jKm-9pQr"
#define HOA_PASSWORD "Mùa xuân-2026 nở"

static char dir[] = "/tmp/cv_auth_XXXXXX";
static struct cv_register *reg;
static struct cv_auth *auth;

static void
add(struct reg_model *m, unsigned n, enum cv_reg_kind kind, enum cv_reg_state state,
    const char *address, const char *password, int64_t expires_secs)
{
	struct reg_account *a = reg_account_new();
	a->acct = BASE + n;
	a->kind = kind;
	a->state = state;
	reg_account_set(a, T_ADDRESS, cv_str_z(address));
	reg_model_add(m, a);
	reg_model_put_address(m, cv_str_z(address),
	                      &(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
	if (!password)
		return;
	struct cv_err err;
	a->secret.version = 1;
	a->secret.expires_secs = expires_secs;
	assert_int_equal(password_hash(cv_str_z(password), false, &a->secret, &err), CV_OK);
}

/* SECRET: the password, or how the fingerprint begins. */
static void
device(struct reg_account *a, uint32_t number, enum reg_device_type type, uint8_t scope,
       const char *name, const char *secret)
{
	struct reg_device d = { .number = number, .type = type, .scope = scope };
	snprintf(d.name, sizeof d.name, "%s", name);
	if (type == REG_CERTIFICATE) {
		memcpy(d.check, secret, strlen(secret));
	} else {
		reg_app_password_check(a->secret.salt, cv_str_z(secret), d.check);
		assert_true(scram_keys(cv_str_z(secret), a->secret.salt, sizeof a->secret.salt,
			a->secret.iterations, d.stored_key, d.server_key));
	}
	reg_devices_put(&a->devices, &d);
}

static void
publish(const char *password_of_hoa, uint32_t version)
{
	static const uint8_t dummy[32] = { 9 };
	struct reg_model m;
	struct cv_err err;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	reg_model_put_domain(&m, CV_STR("trason.example"), CV_STR("lamgiang.example"));
	add(&m, 1, CV_KIND_PERSON, CV_STATE_ACTIVE, HOA, password_of_hoa, 0);
	add(&m, 2, CV_KIND_PERSON, CV_STATE_SUSPENDED, "lvnghi.snv@lamgiang.example", "right-2", 0);
	add(&m, 3, CV_KIND_PERSON, CV_STATE_ACTIVE, "moi.snv@lamgiang.example", "right-3",
		cv_wall_secs() - 1);
	add(&m, 4, CV_KIND_ROLE, CV_STATE_ACTIVE, "vanthu.snv@lamgiang.example", NULL, 0);
	add(&m, 5, CV_KIND_PERSON, CV_STATE_ACTIVE, "thu.snv@lamgiang.example", "right-5",
		cv_wall_secs() + 365 * 86400);
	m.accounts[0]->secret.version = version;
	device(m.accounts[0], 1, REG_APP_PASSWORD, REG_MAY_BOTH, "phone", PHONE);
	device(m.accounts[0], 2, REG_APP_PASSWORD, REG_MAY_SEND, "scanner", SCANNER);
	device(m.accounts[4], 1, REG_CERTIFICATE, REG_MAY_SEND, "card", "\x11\x22");
	struct cv_buf snap = CV_BUF_INIT(SNAP_BYTES_MAX), secret = CV_BUF_INIT(SNAP_BYTES_MAX);
	snap_build(&m, version, dummy, &snap, &secret);
	assert_int_equal(snap_write(dir, cv_buf_view(&snap), cv_buf_view(&secret), &err), CV_OK);
	cv_buf_done(&snap);
	cv_buf_done(&secret);
	reg_model_done(&m);
	if (reg)
		cv_register_refresh(reg);
}

struct waiting {
	struct cv_auth_check check;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_done;
};

static void
on_done(struct cv_auth_check *c)
{
	struct waiting *w = c->arg;
	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static enum cv_auth_result
try_from(const char *ip, const char *login, const char *password, char *address, int64_t *took_us)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&peer;
	in->sin_family = AF_INET;
	inet_pton(AF_INET, ip, &in->sin_addr);
	struct waiting w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	w.check = (struct cv_auth_check){
		.login = cv_str_z(login), .password = cv_str_z(password), .peer = &peer,
		.done = on_done, .arg = &w,
	};
	int64_t start = cv_mono_us();
	cv_auth_verify(auth, &w.check);
	pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	if (took_us)
		*took_us = cv_mono_us() - start;
	if (address)
		snprintf(address, 320, "%s", w.check.address);
	return w.check.result;
}

static int
setup(void **state)
{
	(void)state;
	struct cv_err err;
	assert_non_null(mkdtemp(dir));
	publish(HOA_PASSWORD, 1);
	assert_int_equal(cv_register_open(dir, true, &reg, &err), CV_OK);
	assert_int_equal(cv_auth_new(reg, &auth, &err), CV_OK);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cv_auth_free(auth);
	cv_register_close(reg);
	char path[200];
	snprintf(path, sizeof path, "%s/%s", dir, SNAP_FILE);
	unlink(path);
	snprintf(path, sizeof path, "%s/%s", dir, SNAP_SECRET_FILE);
	unlink(path);
	rmdir(dir);
	return 0;
}

static void
test_verify__answers_by_name_password_and_state(void **state)
{
	(void)state;
	static const struct {
		const char *login, *password;
		enum cv_auth_result want;
	} rows[] = {
		{ HOA, HOA_PASSWORD, CV_AUTH_OK },
		{ "nvhoa.snv", HOA_PASSWORD, CV_AUTH_OK },
		{ "NVHoa.SNV@trason.example", HOA_PASSWORD, CV_AUTH_OK },
		/* the same password typed on a Mac: NFD */
		{ HOA, "Mu\xcc\x80" "a xua\xcc\x82" "n-2026 no\xcc\x9b\xcc\x89" "", CV_AUTH_OK },
		{ HOA, "Mu\xcc\x80" "a xua\xcc\x82" "n-2026 no\xcc\x9b\xcc\x89" "x", CV_AUTH_BAD },
		{ HOA, "", CV_AUTH_BAD },
		{ "", HOA_PASSWORD, CV_AUTH_BAD },
		{ "nobody", HOA_PASSWORD, CV_AUTH_BAD },
		{ "nvhoa.snv@gmail.com", HOA_PASSWORD, CV_AUTH_BAD },
		{ "lvnghi.snv", "right-2", CV_AUTH_SUSPENDED },
		{ "lvnghi.snv", "wrong", CV_AUTH_BAD },
		{ "moi.snv", "right-3", CV_AUTH_EXPIRED },
		{ "moi.snv", "wrong", CV_AUTH_BAD },
		{ "thu.snv", "right-5", CV_AUTH_OK },
		{ "vanthu.snv", "", CV_AUTH_BAD },
		{ "vanthu.snv", "x", CV_AUTH_BAD },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char ip[32], address[320];
		snprintf(ip, sizeof ip, "10.1.%zu.1", i);
		enum cv_auth_result got = try_from(ip, rows[i].login, rows[i].password, address,
		                                   NULL);
		if (got != rows[i].want) {
			print_error("row %zu %s: %d\n", i, rows[i].login, got);
			failed++;
		}
		if (got == CV_AUTH_OK)
			assert_true(strchr(address, '@') != NULL);
	}
	assert_int_equal(failed, 0);
}

static void
test_verify__remembers_a_right_password_until_it_changes(void **state)
{
	(void)state;
	int64_t first = 0, second = 0;
	publish(HOA_PASSWORD, 2);
	assert_int_equal(try_from("10.2.0.1", HOA, HOA_PASSWORD, NULL, &first), CV_AUTH_OK);
	assert_int_equal(try_from("10.2.0.1", HOA, HOA_PASSWORD, NULL, &second), CV_AUTH_OK);
	assert_true(second < first / 2);
	publish("another-Password-1", 3);
	assert_int_equal(try_from("10.2.0.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_BAD);
	assert_int_equal(try_from("10.2.0.1", HOA, "another-Password-1", NULL, NULL), CV_AUTH_OK);
	publish(HOA_PASSWORD, 4);
}

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	size_t ended, by_result[16];
};

static void
on_crowd_done(struct cv_auth_check *c)
{
	struct crowd *crowd = c->arg;
	pthread_mutex_lock(&crowd->lock);
	crowd->ended++;
	crowd->by_result[c->result]++;
	pthread_cond_signal(&crowd->cond);
	pthread_mutex_unlock(&crowd->lock);
}

/* N tries at once, all begun before any has ended. */
static void
try_at_once(const char *ip, const char *password, size_t n, struct crowd *crowd)
{
	struct cv_auth_check checks[64];
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&peer;
	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, ip, &in->sin_addr), 1);
	*crowd = (struct crowd){ .lock = PTHREAD_MUTEX_INITIALIZER,
		                 .cond = PTHREAD_COND_INITIALIZER };
	for (size_t i = 0; i < n; i++) {
		checks[i] = (struct cv_auth_check){
			.login = CV_STR(HOA), .password = cv_str_z(password), .peer = &peer,
			.done = on_crowd_done, .arg = crowd,
		};
		cv_auth_verify(auth, &checks[i]);
	}
	pthread_mutex_lock(&crowd->lock);
	while (crowd->ended < n)
		pthread_cond_wait(&crowd->cond, &crowd->lock);
	pthread_mutex_unlock(&crowd->lock);
}

static void
test_verify__lets_all_connections_of_one_mail_program_in_at_once(void **state)
{
	(void)state;
	struct crowd crowd;
	publish(HOA_PASSWORD, 7); /* nothing is remembered of a new secret */
	try_at_once("10.8.0.1", HOA_PASSWORD, 40, &crowd);
	assert_int_equal(crowd.by_result[CV_AUTH_OK], 40);
}

static void
test_SEC_05__guessing_on_many_connections_at_once_gains_nothing(void **state)
{
	(void)state;
	struct crowd crowd;
	try_at_once("10.8.1.1", "wrong", 40, &crowd);
	assert_int_equal(crowd.by_result[CV_AUTH_BAD], 5);
	assert_int_equal(crowd.by_result[CV_AUTH_LOCKED], 35);
}

static void
test_SEC_05__the_sixth_try_is_refused_from_that_network_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(try_from("10.3.0.1", HOA, "wrong", NULL, NULL), CV_AUTH_BAD);
	assert_int_equal(try_from("10.3.0.99", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_LOCKED);
	assert_int_equal(try_from("10.3.1.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_OK);
	assert_int_equal(try_from("10.3.0.1", "thu.snv", "right-5", NULL, NULL), CV_AUTH_OK);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(try_from("10.3.5.1", "ghost", "wrong", NULL, NULL), CV_AUTH_BAD);
	assert_int_equal(try_from("10.3.5.1", "ghost", "wrong", NULL, NULL), CV_AUTH_LOCKED);
	cv_clock_shift(901);
	assert_int_equal(try_from("10.3.0.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_OK);
	cv_clock_shift(-901);
}

static void
test_ACC_05__outside_a_right_password_is_a_wrong_one(void **state)
{
	(void)state;
	static const struct {
		const char *ip, *password;
		enum cv_auth_result want;
		const char *device;
	} rows[] = {
		{ "10.4.0.1",  HOA_PASSWORD, CV_AUTH_OK,  "" },
		{ "192.0.2.1", HOA_PASSWORD, CV_AUTH_BAD, "" },
		{ "10.4.0.1",  PHONE,        CV_AUTH_OK,  "phone" },
		{ "192.0.2.1", PHONE,        CV_AUTH_OK,  "phone" },
		{ "192.0.2.1", SCANNER,      CV_AUTH_OK,  "scanner" },
		{ "192.0.2.1", "kT7m-2pQx-RvW9-dH4t", CV_AUTH_BAD, "" },
		{ "192.0.2.1", "KT7m-2pQx-RvW9-dH4s", CV_AUTH_BAD, "" },
	};
	struct cv_err err;
	unsigned failed = 0;
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8 ::1/128", false, &err), CV_OK);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char address[320];
		enum cv_auth_result got =
			try_from(rows[i].ip, HOA, rows[i].password, address, NULL);
		if (got != rows[i].want || (got == CV_AUTH_OK) != !strcmp(address, HOA)) {
			print_error("row %zu: %d\n", i, got);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	/* It counts: the sixth try is refused, whatever it is. */
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(
			try_from("198.51.100.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_BAD);
	assert_int_equal(try_from("198.51.100.1", HOA, PHONE, NULL, NULL), CV_AUTH_LOCKED);
	assert_true(cv_auth_unlock(auth, CV_STR("nvhoa.snv")) > 0);
	assert_int_equal(try_from("198.51.100.1", HOA, PHONE, NULL, NULL), CV_AUTH_OK);
	/* The rule can be given up while the daemon runs, and a bad list changes nothing. */
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", true, &err), CV_OK);
	assert_int_equal(try_from("192.0.2.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_OK);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/99", false, &err), CV_INVALID);
	assert_int_equal(try_from("192.0.2.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_OK);
	cv_clock_shift(901);
}

/* A remembered password is no way round either, and takes the time of a hash to refuse. */
static void
test_ACC_05__what_is_remembered_inside_does_not_count_outside(void **state)
{
	(void)state;
	struct cv_err err;
	int64_t quick = INT64_MAX, refused = INT64_MAX, nobody = INT64_MAX, took;
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", false, &err), CV_OK);
	assert_int_equal(try_from("10.4.1.1", HOA, HOA_PASSWORD, NULL, NULL), CV_AUTH_OK);
	/* The quickest of some, each from a network of its own: a busy machine delays at random. */
	for (unsigned i = 0; i < 5; i++) {
		char ip[32];
		snprintf(ip, sizeof ip, "203.0.%u.1", i);
		assert_int_equal(
			try_from("10.4.1.1", HOA, HOA_PASSWORD, NULL, &took), CV_AUTH_OK);
		quick = CV_MIN(quick, took);
		assert_int_equal(try_from(ip, HOA, HOA_PASSWORD, NULL, &took), CV_AUTH_BAD);
		refused = CV_MIN(refused, took);
		assert_int_equal(try_from(ip, "ghost", HOA_PASSWORD, NULL, &took), CV_AUTH_BAD);
		nobody = CV_MIN(nobody, took);
	}
	assert_true(refused > quick * 2);
	assert_true(refused < nobody * 5 && nobody < refused * 5);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", true, &err), CV_OK);
	cv_clock_shift(901);
}

/* ---- SASL ---- */

struct wake {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned count;
};
static void
on_wake(void *arg)
{
	struct wake *w = arg;
	pthread_mutex_lock(&w->lock);
	w->count++;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

static enum cv_status
binding(void *arg, const char *type, struct cv_buf *out)
{
	(void)arg;
	if (strcmp(type, "tls-exporter"))
		return CV_NOT_FOUND;
	cv_buf_z(out, "0123456789abcdef0123456789abcdef");
	return CV_OK;
}

static struct wake wake = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

static enum cv_sasl_step
settle(struct cv_sasl *s, enum cv_sasl_step step, struct cv_buf *out)
{
	while (step == CV_SASL_WAIT) {
		pthread_mutex_lock(&wake.lock);
		while (!wake.count)
			pthread_cond_wait(&wake.cond, &wake.lock);
		wake.count--;
		pthread_mutex_unlock(&wake.lock);
		step = cv_sasl_resume(s, out);
	}
	return step;
}

static struct cv_sasl *
sasl(const char *mechanism, bool with_tls)
{
	struct cv_sasl_env env = { .auth = auth, .wake = on_wake, .arg = &wake,
		.channel_binding = with_tls ? binding : NULL };
	return cv_sasl_new(cv_str_z(mechanism), &env);
}

static void
test_plain__takes_one_identity_only(void **state)
{
	(void)state;
#define MSG(text) { text, sizeof(text) - 1 }
	static const struct {
		struct cv_str message;
		enum cv_sasl_step want;
	} rows[] = {
		{ MSG("\0nvhoa.snv\0" HOA_PASSWORD), CV_SASL_OK },
		{ MSG("nvhoa.snv\0nvhoa.snv\0" HOA_PASSWORD), CV_SASL_OK },
		{ MSG(HOA "\0nvhoa.snv\0" HOA_PASSWORD), CV_SASL_OK },
		{ MSG("thu.snv\0nvhoa.snv\0" HOA_PASSWORD), CV_SASL_FAIL },
		{ MSG("\0nvhoa.snv\0wrong"), CV_SASL_FAIL },
		{ MSG("\0nvhoa.snv"), CV_SASL_FAIL },
		{ MSG("nvhoa.snv"), CV_SASL_FAIL },
		{ MSG(""), CV_SASL_FAIL },
		{ MSG("\0\0"), CV_SASL_FAIL },
		{ MSG("\0nvhoa.snv\0" HOA_PASSWORD "\0"), CV_SASL_FAIL },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		struct cv_sasl *s = sasl("plain", false);
		assert_int_equal(cv_sasl_step(s, CV_STR_EMPTY, &out), CV_SASL_SEND);
		assert_int_equal(out.n, 0);
		enum cv_sasl_step got = settle(s, cv_sasl_step(s, rows[i].message, &out), &out);
		if (got != rows[i].want)
			fail_msg("row %zu: %d", i, got);
		assert_int_equal(cv_sasl_acct(s), got == CV_SASL_OK ? BASE + 1 : 0);
		cv_sasl_free(s);
		cv_buf_done(&out);
	}
	assert_null(sasl("CRAM-MD5", false));
}

static void
test_login__asks_for_name_and_password(void **state)
{
	(void)state;
	struct cv_buf out = CV_BUF_INIT(4096);
	struct cv_sasl *s = sasl("LOGIN", false);
	assert_int_equal(cv_sasl_step(s, CV_STR_EMPTY, &out), CV_SASL_SEND);
	assert_string_equal(out.p, "Username:");
	cv_buf_reset(&out);
	assert_int_equal(cv_sasl_step(s, CV_STR("nvhoa.snv"), &out), CV_SASL_SEND);
	assert_string_equal(out.p, "Password:");
	assert_int_equal(settle(s, cv_sasl_step(s, CV_STR(HOA_PASSWORD), &out), &out), CV_SASL_OK);
	assert_string_equal(cv_sasl_address(s), HOA);
	cv_sasl_free(s);
	cv_buf_done(&out);
}

static void
test_sasl__may_be_freed_while_a_check_runs(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct cv_buf out = CV_BUF_INIT(4096);
		struct cv_sasl *s = sasl("PLAIN", false);
		(void)cv_sasl_step(s, cv_str("\0ghost\0x", 8), &out);
		cv_sasl_free(s);
		cv_buf_done(&out);
	}
}

/* The client's side, as RFC 5802 says it. TAMPER changes one thing. */
static enum cv_sasl_step
scram_client(const char *mechanism, const char *gs2, const char *user, const char *password,
             const char *tamper, bool with_tls, bool *server_ok)
{
	struct cv_buf first = CV_BUF_INIT(4096), out = CV_BUF_INIT(4096), final = CV_BUF_INIT(4096);
	struct cv_buf text = CV_BUF_INIT(8192), cb = CV_BUF_INIT(4096);
	struct cv_sasl *s = sasl(mechanism, with_tls);
	cv_buf_printf(&first, "%sn=%s,r=rOprNGfwEbeRWgbNEkqO", gs2, user);
	struct cv_str bare = cv_str_sub(cv_buf_view(&first), strlen(gs2), first.n);
	enum cv_sasl_step step = cv_sasl_step(s, cv_buf_view(&first), &out);
	*server_ok = false;
	if (step == CV_SASL_SEND) {
		char nonce[256], salt64[64];
		unsigned iterations;
		assert_int_equal(sscanf(out.p, "r=%255[^,],s=%63[^,],i=%u", nonce, salt64,
		                        &iterations),
		                 3);
		struct cv_buf salt = CV_BUF_INIT(64);
		assert_int_equal(cv_base64_decode(cv_str_z(salt64), &salt), CV_OK);
		uint8_t stored[32], server[32], proof[32], signature[32], salted[32], client[32];
		assert_true(scram_keys(cv_str_z(password), (uint8_t *)salt.p, salt.n, iterations,
		                       stored, server));
		cv_buf_z(&cb, gs2);
		if (gs2[0] == 'p')
			(void)binding(NULL, "tls-exporter", &cb);
		if (!strcmp(tamper, "binding"))
			cv_buf_z(&cb, "x");
		cv_buf_z(&final, "c=");
		cv_base64_encode(cv_buf_view(&cb), &final);
		cv_buf_printf(&final, ",r=%s%s", nonce, strcmp(tamper, "nonce") ? "" : "x");
		cv_buf_str(&text, bare);
		cv_buf_printf(&text, ",%s,%s", out.p, final.p);
		/* The client key again, because scram_keys() keeps it to itself. */
		PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (uint8_t *)salt.p, (int)salt.n,
			(int)iterations, EVP_sha256(), 32, salted);
		scram_hmac(salted, CV_STR("Client Key"), client);
		scram_hmac(stored, cv_buf_view(&text), signature);
		for (size_t i = 0; i < 32; i++)
			proof[i] = (uint8_t)(client[i] ^ signature[i]);
		if (!strcmp(tamper, "proof"))
			proof[0] ^= 1;
		cv_buf_z(&final, ",p=");
		cv_base64_encode(cv_str((char *)proof, 32), &final);
		cv_buf_done(&salt);
		cv_buf_reset(&out);
		step = cv_sasl_step(s, cv_buf_view(&final), &out);
		if (step == CV_SASL_OK) {
			struct cv_buf want = CV_BUF_INIT(256);
			uint8_t v[32];
			scram_hmac(server, cv_buf_view(&text), v);
			cv_buf_z(&want, "v=");
			cv_base64_encode(cv_str((char *)v, 32), &want);
			*server_ok = cv_str_eq(cv_buf_view(&want), cv_buf_view(&out));
			cv_buf_done(&want);
		}
	}
	cv_sasl_free(s);
	cv_buf_done(&first);
	cv_buf_done(&out);
	cv_buf_done(&final);
	cv_buf_done(&text);
	cv_buf_done(&cb);
	return step;
}

static void
test_scram__proves_both_sides_and_refuses_what_was_changed(void **state)
{
	(void)state;
	static const char plain[] = "SCRAM-SHA-256", plus[] = "SCRAM-SHA-256-PLUS";
	static const struct {
		const char *mechanism, *gs2, *user, *password, *tamper;
		bool with_tls;
		enum cv_sasl_step want;
	} rows[] = {
		{ plain, "n,,", "thu.snv", "right-5", "", false, CV_SASL_OK },
		{ plain, "n,,", "thu.snv@lamgiang.example", "right-5", "", true, CV_SASL_OK },
		{ plain, "y,,", "thu.snv", "right-5", "", false, CV_SASL_OK },
		{ plain, "y,,", "thu.snv", "right-5", "", true, CV_SASL_FAIL },
		{ plain, "n,a=thu.snv@trason.example,", "thu.snv", "right-5", "", false, CV_SASL_OK },
		{ plain, "n,a=nvhoa.snv,", "thu.snv", "right-5", "", false, CV_SASL_FAIL },
		{ plain, "p=tls-exporter,,", "thu.snv", "right-5", "", true, CV_SASL_FAIL },
		{ plus, "p=tls-exporter,,", "thu.snv", "right-5", "", true, CV_SASL_OK },
		{ plus, "p=tls-exporter,,", "thu.snv", "right-5", "binding", true, CV_SASL_FAIL },
		{ plus, "p=tls-unique,,", "thu.snv", "right-5", "", true, CV_SASL_FAIL },
		{ plus, "n,,", "thu.snv", "right-5", "", true, CV_SASL_FAIL },
		{ plain, "n,,", "thu.snv", "right-5", "nonce", false, CV_SASL_FAIL },
		{ plain, "n,,", "thu.snv", "right-5", "proof", false, CV_SASL_FAIL },
		{ plain, "n,,", "nvhoa.snv", PHONE, "", false, CV_SASL_OK },
		{ plain, "n,,", "nvhoa.snv", SCANNER, "", false, CV_SASL_OK },
		{ plus, "p=tls-exporter,,", "nvhoa.snv", PHONE, "", true, CV_SASL_OK },
		{ plain, "n,,", "thu.snv", PHONE, "", false, CV_SASL_FAIL },
		{ plain, "n,a=nvhoa.snv,", "thu.snv", "right-5", "", false, CV_SASL_FAIL },
		{ plain, "n,a=thu.snv,", "thu.snv", "right-5", "", false, CV_SASL_OK },
		{ plain, "n,,", "thu.snv", "right-6", "", false, CV_SASL_FAIL },
		{ plain, "n,,", "ghost", "right-5", "", false, CV_SASL_FAIL },
		{ plain, "n,,", "vanthu.snv", "", "", false, CV_SASL_FAIL },
		{ plain, "n,,", "lvnghi.snv", "right-2", "", false, CV_SASL_FAIL },
		{ plain, "n,,", "a=2Cb=3D", "x", "", false, CV_SASL_FAIL },
		{ plain, "n,,", "a=b", "x", "", false, CV_SASL_FAIL },
		{ plain, "n,,m=ext,", "thu.snv", "right-5", "", false, CV_SASL_FAIL },
		{ plain, "x,,", "thu.snv", "right-5", "", false, CV_SASL_FAIL },
		{ plain, "n", "thu.snv", "right-5", "", false, CV_SASL_FAIL },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		bool server_ok;
		enum cv_sasl_step got = scram_client(rows[i].mechanism, rows[i].gs2, rows[i].user,
			rows[i].password, rows[i].tamper, rows[i].with_tls, &server_ok);
		if (got != rows[i].want || (got == CV_SASL_OK) != server_ok) {
			print_error("row %zu %s %s: %d\n", i, rows[i].gs2, rows[i].user, got);
			failed++;
		}
		cv_clock_shift(901); /* no row locks the next */
	}
	assert_int_equal(failed, 0);
}

/* Without a peer the client is outside: the account's own key is not among those tried. */
static void
test_ACC_05__scram_outside_takes_app_passwords_alone(void **state)
{
	(void)state;
	struct cv_err err;
	bool server_ok;
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", false, &err), CV_OK);
	assert_int_equal(scram_client("SCRAM-SHA-256", "n,,", "nvhoa.snv", HOA_PASSWORD, "", false,
		&server_ok), CV_SASL_FAIL);
	assert_int_equal(scram_client("SCRAM-SHA-256", "n,,", "nvhoa.snv", PHONE, "", false,
		&server_ok), CV_SASL_OK);
	assert_true(server_ok);
	assert_int_equal(cv_auth_set_inside(auth, "10.0.0.0/8", true, &err), CV_OK);
	assert_int_equal(scram_client("SCRAM-SHA-256", "n,,", "nvhoa.snv", HOA_PASSWORD, "", false,
		&server_ok), CV_SASL_OK);
}

/* RFC 7677, section 3. */
static void
test_scram__keys_agree_with_the_example_of_the_rfc(void **state)
{
	(void)state;
	static const char message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	struct cv_buf salt = CV_BUF_INIT(64), got = CV_BUF_INIT(64);
	assert_int_equal(cv_base64_decode(CV_STR("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt), CV_OK);
	uint8_t stored[32], server[32], signature[32];
	assert_true(scram_keys(CV_STR("pencil"), (uint8_t *)salt.p, salt.n, 4096, stored, server));
	scram_hmac(server, cv_str_z(message), signature);
	cv_base64_encode(cv_str((char *)signature, 32), &got);
	assert_string_equal(got.p, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	cv_buf_done(&salt);
	cv_buf_done(&got);
}

/* GNU SASL's command line client speaks to us over pipes, base64 a line. */
static void
test_scram__gsasl_logs_in(void **state)
{
	(void)state;
	if (access("/usr/bin/gsasl", X_OK)) {
		print_message("gsasl is not installed\n");
		skip();
	}
	int to[2], from[2];
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid_t pid = fork();
	if (!pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		if (!freopen("/dev/null", "w", stderr))
			_exit(126);
		execl("/usr/bin/gsasl", "gsasl", "--client", "--quiet", "--mechanism",
		      "SCRAM-SHA-256", "--authentication-id", "thu.snv", "--authorization-id", "",
		      "--password", "right-5", "--no-cb", (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	signal(SIGPIPE, SIG_IGN);
	FILE *in = fdopen(from[0], "r"), *out = fdopen(to[1], "w");
	struct cv_sasl *s = sasl("SCRAM-SHA-256", false);
	enum cv_sasl_step step = CV_SASL_SEND;
	char line[4096];
	while (step == CV_SASL_SEND && fgets(line, sizeof line, in)) {
		struct cv_buf response = CV_BUF_INIT(4096), challenge = CV_BUF_INIT(4096);
		struct cv_buf encoded = CV_BUF_INIT(8192);
		if (cv_base64_decode(cv_str_trim(cv_str_z(line)), &response) == CV_OK &&
		    response.n) {
			step = cv_sasl_step(s, cv_buf_view(&response), &challenge);
			cv_base64_encode(cv_buf_view(&challenge), &encoded);
			fprintf(out, "%s\n", encoded.p ? encoded.p : "");
			fflush(out);
		}
		cv_buf_done(&response);
		cv_buf_done(&challenge);
		cv_buf_done(&encoded);
	}
	fclose(out);
	fclose(in);
	int status = 0;
	waitpid(pid, &status, 0);
	assert_int_equal(step, CV_SASL_OK);
	assert_string_equal(cv_sasl_address(s), "thu.snv@lamgiang.example");
	cv_sasl_free(s);
}

/* ---- certificates ---- */

static struct cv_tls_cert shown;
static bool is_shown;

static bool
client_cert(void *arg, struct cv_tls_cert *out)
{
	(void)arg;
	*out = shown;
	return is_shown;
}

static void
show(uint8_t first, const char *name, const char *other)
{
	is_shown = true;
	shown = (struct cv_tls_cert){ .sha256 = { first, 0x22 } };
	const char *const names[] = { name, other };
	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (names[i])
			snprintf(shown.names[shown.name_count++], sizeof shown.names[0], "%s",
			         names[i]);
}

/* RFC 4422 appendix A: the certificate says who, the message may choose. */
static void
test_external__the_certificate_must_be_the_accounts(void **state)
{
	(void)state;
	static const char thu[] = "thu.snv@lamgiang.example";
	static const struct {
		uint8_t first;
		const char *name, *other, *authzid;
		enum cv_auth_use use;
		int want; /* enum cv_sasl_step, or -1: not offered */
	} rows[] = {
		{ 1, HOA, NULL, "", CV_AUTH_SEND, CV_SASL_OK },
		{ 1, "NVHOA.snv@TRASON.example", NULL, "", CV_AUTH_SEND, CV_SASL_OK },
		{ 1, HOA, NULL, HOA, CV_AUTH_READ, CV_SASL_OK },
		{ 1, HOA, NULL, "nvhoa.snv", CV_AUTH_READ, CV_SASL_OK },
		{ 1, HOA, NULL, thu, CV_AUTH_READ, CV_SASL_FAIL },
		{ 1, HOA, NULL, "ghost", CV_AUTH_READ, CV_SASL_FAIL },
		{ 1, HOA, HOA, "", CV_AUTH_READ, CV_SASL_OK },
		{ 1, HOA, thu, "", CV_AUTH_READ, CV_SASL_FAIL },
		{ 1, HOA, thu, thu, CV_AUTH_READ, CV_SASL_OK },
		{ 1, NULL, NULL, "", CV_AUTH_READ, -1 },
		{ 1, "ghost@lamgiang.example", NULL, "", CV_AUTH_READ, -1 },
		{ 1, "nvhoa.snv@elsewhere.example", NULL, "", CV_AUTH_READ, -1 },
		{ 1, "vanthu.snv@lamgiang.example", NULL, "", CV_AUTH_READ, -1 },
		{ 1, "lvnghi.snv@lamgiang.example", NULL, "", CV_AUTH_READ, -1 },
		/* registered for thu, to send: what else stands in it counts for nothing */
		{ 0x11, NULL, NULL, "", CV_AUTH_SEND, CV_SASL_OK },
		{ 0x11, HOA, NULL, HOA, CV_AUTH_SEND, CV_SASL_FAIL },
		{ 0x11, HOA, NULL, "", CV_AUTH_READ, -1 },
	};
	unsigned failed = 0;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_sasl_env env = { .auth = auth, .client_cert = client_cert,
			.use = rows[i].use };
		struct cv_buf out = CV_BUF_INIT(1024), list = CV_BUF_INIT(1024);
		show(rows[i].first, rows[i].name, rows[i].other);
		cv_sasl_mechanisms(&env, " ", &list);
		bool is_listed = cv_str_search(cv_buf_view(&list), CV_STR("EXTERNAL")) < list.n;
		struct cv_sasl *s = cv_sasl_new(CV_STR("external"), &env);
		int got = s ? (int)cv_sasl_step(s, cv_str_z(rows[i].authzid), &out) : -1;
		if (got != rows[i].want || is_listed != (got >= 0)) {
			print_error("row %zu: %d\n", i, got);
			failed++;
		}
		if (got == CV_SASL_OK && rows[i].first == 0x11)
			assert_string_equal(cv_sasl_device(s), "card");
		cv_sasl_free(s);
		cv_buf_done(&out);
		cv_buf_done(&list);
	}
	is_shown = false;
	assert_int_equal(failed, 0);
}

static void
test_external__is_nothing_without_a_certificate(void **state)
{
	(void)state;
	struct cv_sasl_env env = { .auth = auth, .client_cert = client_cert };
	struct cv_buf list = CV_BUF_INIT(1024);
	assert_null(cv_sasl_new(CV_STR("EXTERNAL"), &env));
	env.client_cert = NULL;
	assert_null(cv_sasl_new(CV_STR("EXTERNAL"), &env));
	assert_null(cv_sasl_new(CV_STR("OAUTHBEARER"), &env));
	assert_null(cv_sasl_new(CV_STR("XOAUTH2"), &env));
	cv_sasl_mechanisms(&env, " AUTH=", &list);
	assert_true(cv_str_eq_z(cv_buf_view(&list), " AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"));
	cv_buf_done(&list);
}

static void
test_plain__another_identity_fails_as_a_wrong_password(void **state)
{
	(void)state;
	static const char *const messages[] = {
		"ghost\0nvhoa.snv\0" HOA_PASSWORD, "thu.snv\0nvhoa.snv\0" HOA_PASSWORD,
		"thu.snv\0nvhoa.snv\0" PHONE,
	};
	static const size_t lengths[] = {
		sizeof "ghost\0nvhoa.snv\0" HOA_PASSWORD - 1,
		sizeof "thu.snv\0nvhoa.snv\0" HOA_PASSWORD - 1,
		sizeof "thu.snv\0nvhoa.snv\0" PHONE - 1,
	};
	for (size_t i = 0; i < CV_COUNT(messages); i++) {
		struct cv_buf out = CV_BUF_INIT(1024);
		struct cv_sasl *s = sasl("PLAIN", false);
		enum cv_sasl_step step = cv_sasl_step(s, cv_str(messages[i], lengths[i]), &out);
		assert_int_equal(step, CV_SASL_WAIT); /* a hash was counted: slow as the others */
		assert_int_equal(settle(s, step, &out), CV_SASL_FAIL);
		assert_int_equal(cv_sasl_result(s), CV_AUTH_BAD);
		cv_sasl_free(s);
		cv_buf_done(&out);
	}
	cv_clock_shift(901);
}

/* ---- passwords ---- */

static void
test_ACC_04__passwords_are_judged_by_the_rule_asked_for(void **state)
{
	(void)state;
	static const struct {
		const char *password;
		bool full, forced, weak;
	} rows[] = {
		{ "Abc@12345",                 false, false, true },
		{ "Hoa-Phượng 2026 đỏ",        true,  true,  true },
		{ "Trời xanh-mây trắng 7",     true,  true,  true },
		{ "troi xanh may trang 7",     false, true,  true },
		{ "Mật khẩu-2026-Abcdef",      false, false, true },
		{ "MatKhau@2026-Xyz",          false, false, true },
		{ "Nvhoa-Xuan-2026 x",         false, true,  true },
		{ "test",                      false, false, true },
		{ "",                          false, false, false },
		{ "Tab\there-is-1 control",    false, false, false },
		{ "bad \xff utf8 Aa1-xxxx",    false, false, false },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str p = cv_str_z(rows[i].password);
		bool full = !password_judge(p, PASSWORD_FULL, CV_STR(HOA), NULL);
		bool forced = !password_judge(p, PASSWORD_FORCED, CV_STR(HOA), NULL);
		bool weak = !password_judge(p, PASSWORD_WEAK, CV_STR(HOA), NULL);
		if (full != rows[i].full || forced != rows[i].forced || weak != rows[i].weak)
			fail_msg("row %zu: %d %d %d", i, full, forced, weak);
	}
	char made[24], other[24];
	password_make(made);
	password_make(other);
	assert_string_not_equal(made, other);
	assert_int_equal(strlen(made), 19);
	assert_int_equal(password_judge(cv_str_z(made), PASSWORD_FULL, CV_STR(HOA), NULL), CV_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify__answers_by_name_password_and_state),
		cmocka_unit_test(test_verify__remembers_a_right_password_until_it_changes),
		cmocka_unit_test(test_verify__lets_all_connections_of_one_mail_program_in_at_once),
		cmocka_unit_test(test_SEC_05__guessing_on_many_connections_at_once_gains_nothing),
		cmocka_unit_test(test_SEC_05__the_sixth_try_is_refused_from_that_network_alone),
		cmocka_unit_test(test_ACC_05__outside_a_right_password_is_a_wrong_one),
		cmocka_unit_test(test_ACC_05__what_is_remembered_inside_does_not_count_outside),
		cmocka_unit_test(test_external__the_certificate_must_be_the_accounts),
		cmocka_unit_test(test_external__is_nothing_without_a_certificate),
		cmocka_unit_test(test_plain__another_identity_fails_as_a_wrong_password),
		cmocka_unit_test(test_plain__takes_one_identity_only),
		cmocka_unit_test(test_login__asks_for_name_and_password),
		cmocka_unit_test(test_sasl__may_be_freed_while_a_check_runs),
		cmocka_unit_test(test_scram__proves_both_sides_and_refuses_what_was_changed),
		cmocka_unit_test(test_ACC_05__scram_outside_takes_app_passwords_alone),
		cmocka_unit_test(test_scram__keys_agree_with_the_example_of_the_rfc),
		cmocka_unit_test(test_scram__gsasl_logs_in),
		cmocka_unit_test(test_ACC_04__passwords_are_judged_by_the_rule_asked_for),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
