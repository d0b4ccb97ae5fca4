/* scram.c - the server's side of SCRAM-SHA-256 and -PLUS (RFC 5802, 7677, 9266, 5929).
 *
 * Two messages from the client, two from us. A name that does not exist gets a salt derived from
 * the register's own key, always the same for the same name, and fails at the proof like a wrong
 * password. Belongs to one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/rng.h"
#include "common/register/auth_impl.h"
#include "common/register/password.h"
#include "common/text/encode.h"

#define MESSAGE_MAX 4096
#define NAME_BYTES_MAX 320
#define NONCE_BYTES 18

enum state { WANT_FIRST, WANT_FINAL, ENDED };

struct scram {
	struct cv_sasl_env env;
	bool with_binding;
	enum state state;
	enum cv_auth_result result;
	struct cv_buf gs2;          /* the header as the client wrote it */
	char binding_type[32];      /* "" without */
	struct cv_buf first_bare;   /* client-first-message-bare */
	struct cv_buf server_first;
	size_t nonce_at, nonce_n;   /* in server_first */
	struct auth_subject subject;
	uint8_t stored_key[32], server_key[32];
	char address[320], device[64], tried[320];
};

struct scram *
scram_new(const struct cv_sasl_env *env, bool with_binding)
{
	struct scram *s = cv_calloc(1, sizeof *s);
	s->env = *env;
	s->with_binding = with_binding;
	s->result = CV_AUTH_BAD;
	cv_buf_init(&s->gs2, MESSAGE_MAX);
	cv_buf_init(&s->first_bare, MESSAGE_MAX);
	cv_buf_init(&s->server_first, MESSAGE_MAX * 2);
	return s;
}

void
scram_free(struct scram *s)
{
	if (!s)
		return;
	if (s->subject.snap)
		auth_subject_done(&s->subject);
	cv_buf_done(&s->gs2);
	cv_buf_done(&s->first_bare);
	cv_buf_done(&s->server_first);
	cv_wipe(s, sizeof *s);
	free(s);
}

static enum cv_sasl_step
fail(struct scram *s, enum cv_auth_result why)
{
	s->state = ENDED;
	s->result = why;
	return CV_SASL_FAIL;
}

/* "n=value" cut off REST up to the comma. */
static bool
attribute(struct cv_str *rest, char name, struct cv_str *value_out)
{
	struct cv_str part;
	if (!cv_str_split(rest, ',', &part) || part.n < 2 || part.p[0] != name || part.p[1] != '=')
		return false;
	*value_out = cv_str_sub(part, 2, part.n);
	return true;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, any other "=" is wrong. */
static bool
decode_name(struct cv_str in, struct cv_buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '=') {
			cv_buf_c(out, in.p[i]);
			continue;
		}
		struct cv_str code = cv_str_sub(in, i, i + 3);
		if (cv_str_eq_z(code, "=2C"))
			cv_buf_c(out, ',');
		else if (cv_str_eq_z(code, "=3D"))
			cv_buf_c(out, '=');
		else
			return false;
		i += 2;
	}
	return out->n && !out->full;
}

static bool
is_nonce(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x21 || (unsigned char)s.p[i] > 0x7e || s.p[i] == ',')
			return false;
	return s.n >= 8 && s.n <= 512;
}

static bool
binds(const struct scram *s, const char *type)
{
	struct cv_buf probe = CV_BUF_INIT(1024);
	bool ok = s->env.channel_binding &&
		s->env.channel_binding(s->env.arg, type, &probe) == CV_OK;
	cv_buf_done(&probe);
	return ok;
}

/* gs2-cbind-flag. "y" says that the client could bind and thinks we cannot: on a connection that
 * can, somebody removed -PLUS from our list. */
static bool
take_binding_flag(struct scram *s, struct cv_str flag)
{
	if (cv_str_has_prefix(flag, "p=")) {
		struct cv_str type = cv_str_sub(flag, 2, flag.n);
		if (!s->with_binding || type.n >= sizeof s->binding_type)
			return false;
		memcpy(s->binding_type, type.p, type.n);
		return (cv_str_eq_z(type, "tls-exporter") ||
		        cv_str_eq_z(type, "tls-server-end-point")) &&
		       binds(s, s->binding_type);
	}
	if (s->with_binding)
		return false;
	if (cv_str_eq_z(flag, "y"))
		return !binds(s, "tls-exporter") && !binds(s, "tls-server-end-point");
	return cv_str_eq_z(flag, "n");
}

/* The authorisation identity, when given, must be the account that logs in: else the proof fails,
 * as that of a name that does not exist. False for one that cannot be read. */
static bool
check_authzid(struct scram *s, struct cv_str field)
{
	if (!field.n || cv_str_eq_z(field, "a="))
		return true;
	if (!cv_str_has_prefix(field, "a="))
		return false;
	struct cv_buf name = CV_BUF_INIT(NAME_BYTES_MAX);
	bool ok = decode_name(cv_str_sub(field, 2, field.n), &name);
	if (ok && s->subject.is_known) {
		struct auth_subject other;
		auth_subject_find(s->env.auth, cv_buf_view(&name), s->env.peer, &other);
		if (!other.is_known || other.account.acct != s->subject.account.acct)
			s->subject.is_known = false;
		auth_subject_done(&other);
	}
	cv_buf_done(&name);
	return ok;
}

static void
fake_salt(const struct scram *s, struct cv_str name, uint8_t salt[SCRAM_SALT_BYTES])
{
	uint8_t mac[32];
	const uint8_t *key = cv_snapshot_dummy_key(s->subject.snap);
	static const uint8_t none[32];
	scram_hmac(key ? key : none, name, mac);
	memcpy(salt, mac, SCRAM_SALT_BYTES);
}

static void
write_server_first(struct scram *s, struct cv_str client_nonce, struct cv_str name)
{
	uint8_t random[NONCE_BYTES], salt[SCRAM_SALT_BYTES];
	const struct snap_secret *secret = s->subject.secret;
	bool is_real = secret && secret->iterations;
	/* What the account shows is the same from inside and outside. */
	if (is_real)
		memcpy(salt, secret->salt, sizeof salt);
	else
		fake_salt(s, name, salt);
	if (is_real && s->subject.takes_own) {
		memcpy(s->stored_key, secret->stored_key, sizeof s->stored_key);
		memcpy(s->server_key, secret->server_key, sizeof s->server_key);
	} else {
		cv_random(s->stored_key, sizeof s->stored_key);
		s->subject.is_known = s->subject.is_known && is_real;
	}
	cv_random(random, sizeof random);
	cv_buf_z(&s->server_first, "r=");
	s->nonce_at = s->server_first.n;
	cv_buf_str(&s->server_first, client_nonce);
	cv_base64_encode(cv_str((char *)random, sizeof random), &s->server_first);
	s->nonce_n = s->server_first.n - s->nonce_at;
	cv_buf_z(&s->server_first, ",s=");
	cv_base64_encode(cv_str((char *)salt, sizeof salt), &s->server_first);
	cv_buf_printf(&s->server_first, ",i=%u", is_real ? secret->iterations : SCRAM_ITERATIONS);
}

static enum cv_sasl_step
take_first(struct scram *s, struct cv_str message, struct cv_buf *out)
{
	struct cv_str rest = message, flag, authzid, user, nonce;
	if (!cv_str_split(&rest, ',', &flag) || !cv_str_split(&rest, ',', &authzid) || !rest.p)
		return fail(s, CV_AUTH_BAD);
	cv_buf_str(&s->gs2, cv_str_sub(message, 0, (size_t)(rest.p - message.p)));
	cv_buf_str(&s->first_bare, rest);
	/* A mandatory extension ("m=") is refused with the rest of what does not fit. */
	if (!take_binding_flag(s, flag) || !attribute(&rest, 'n', &user) ||
	    !attribute(&rest, 'r', &nonce) || !is_nonce(nonce))
		return fail(s, CV_AUTH_BAD);
	struct cv_buf name = CV_BUF_INIT(NAME_BYTES_MAX);
	bool ok = decode_name(user, &name);
	if (ok) {
		auth_subject_find(s->env.auth, cv_buf_view(&name), s->env.peer, &s->subject);
		snprintf(s->tried, sizeof s->tried, "%.*s",
		         CV_STR_ARGS(s->subject.is_known ? s->subject.account.address
		                                         : CV_STR_EMPTY));
		ok = check_authzid(s, authzid);
	}
	if (ok)
		write_server_first(s, nonce, cv_buf_view(&name));
	cv_buf_done(&name);
	if (!ok || s->server_first.full)
		return fail(s, CV_AUTH_BAD);
	if (auth_is_locked(s->env.auth, &s->subject))
		return fail(s, CV_AUTH_LOCKED);
	cv_buf_str(out, cv_buf_view(&s->server_first));
	s->state = WANT_FINAL;
	return CV_SASL_SEND;
}

/* c= must be the header again, with the binding of this very connection behind it. */
static bool
check_binding(struct scram *s, struct cv_str encoded)
{
	struct cv_buf got = CV_BUF_INIT(MESSAGE_MAX), want = CV_BUF_INIT(MESSAGE_MAX);
	cv_buf_str(&want, cv_buf_view(&s->gs2));
	bool ok = cv_base64_decode(encoded, &got) == CV_OK;
	if (ok && s->binding_type[0])
		ok = s->env.channel_binding(s->env.arg, s->binding_type, &want) == CV_OK;
	ok = ok && !want.full && cv_str_eq(cv_buf_view(&got), cv_buf_view(&want));
	cv_buf_done(&got);
	cv_buf_done(&want);
	return ok;
}

static void
auth_message(const struct scram *s, struct cv_str final_without_proof, struct cv_buf *out)
{
	cv_buf_str(out, cv_buf_view(&s->first_bare));
	cv_buf_c(out, ',');
	cv_buf_str(out, cv_buf_view(&s->server_first));
	cv_buf_c(out, ',');
	cv_buf_str(out, final_without_proof);
}

/* ClientKey = proof XOR HMAC(StoredKey, message); right when its hash is StoredKey. */
static bool
proves(const uint8_t stored_key[32], struct cv_str proof, struct cv_str message)
{
	uint8_t key[32], hash[32];
	scram_hmac(stored_key, message, key);
	for (size_t i = 0; i < sizeof key; i++)
		key[i] ^= (uint8_t)proof.p[i];
	scram_hash(key, sizeof key, hash);
	bool ok = cv_equal_secret(hash, stored_key, sizeof hash);
	cv_wipe(key, sizeof key);
	return ok;
}

/* Which of the account's passwords the client knows: all have the same salt, so the proof fits the
 * key of exactly one. Every key is tried, whatever fits. */
static enum auth_proof
check_proof(struct scram *s, struct cv_str encoded, struct cv_str message)
{
	struct cv_buf proof = CV_BUF_INIT(64);
	enum auth_proof found = AUTH_WRONG;
	if (cv_base64_decode(encoded, &proof) == CV_OK && proof.n == 32) {
		if (proves(s->stored_key, cv_buf_view(&proof), message))
			found = AUTH_OWN_PASSWORD;
		for (size_t i = 0; i < s->subject.device_count; i++) {
			const struct snap_device *d = &s->subject.devices[i];
			if (d->type != REG_APP_PASSWORD || !auth_device_may(d, s->env.use) ||
			    !proves(d->stored_key, cv_buf_view(&proof), message))
				continue;
			found = AUTH_DEVICE;
			memcpy(s->server_key, d->server_key, sizeof s->server_key);
			snprintf(s->device, sizeof s->device, "%s", d->name);
		}
	}
	cv_buf_done(&proof);
	return found;
}

static enum cv_sasl_step
take_final(struct scram *s, struct cv_str message, struct cv_buf *out)
{
	struct cv_str rest = message, binding, nonce, proof;
	size_t at = message.n;
	while (at && message.p[at - 1] != ',')
		at--;
	struct cv_str last = cv_str_sub(message, at, message.n);
	if (!attribute(&rest, 'c', &binding) || !attribute(&rest, 'r', &nonce) ||
	    !attribute(&last, 'p', &proof) || !check_binding(s, binding) ||
	    !cv_str_eq(nonce, cv_str(s->server_first.p + s->nonce_at, s->nonce_n)))
		return fail(s, auth_conclude(s->env.auth, &s->subject, AUTH_WRONG));
	/* Many connections may have got so far before the first of them failed. */
	if (auth_is_locked(s->env.auth, &s->subject))
		return fail(s, CV_AUTH_LOCKED);
	struct cv_buf text = CV_BUF_INIT(MESSAGE_MAX * 4);
	auth_message(s, cv_str_sub(message, 0, at - 1), &text);
	enum auth_proof found = text.full ? AUTH_WRONG
	                                  : check_proof(s, proof, cv_buf_view(&text));
	s->result = auth_conclude(s->env.auth, &s->subject, found);
	if (s->result == CV_AUTH_OK) {
		uint8_t signature[32];
		scram_hmac(s->server_key, cv_buf_view(&text), signature);
		cv_buf_z(out, "v=");
		cv_base64_encode(cv_str((char *)signature, sizeof signature), out);
		snprintf(s->address, sizeof s->address, "%.*s",
		         CV_STR_ARGS(s->subject.account.address));
	}
	cv_buf_done(&text);
	s->state = ENDED;
	return s->result == CV_AUTH_OK ? CV_SASL_OK : CV_SASL_FAIL;
}

enum cv_sasl_step
scram_step(struct scram *s, struct cv_str response, struct cv_buf *out)
{
	if (s->state == ENDED || response.n > MESSAGE_MAX || memchr(response.p ? response.p : "", 0,
			response.n))
		return fail(s, CV_AUTH_BAD);
	if (!response.p && s->state == WANT_FIRST)
		return CV_SASL_SEND; /* an empty challenge asks for the first message */
	return s->state == WANT_FIRST ? take_first(s, response, out) : take_final(s, response, out);
}

enum cv_auth_result
scram_result(const struct scram *s)
{
	return s->result;
}

cv_acct_no
scram_acct(const struct scram *s)
{
	return s->result == CV_AUTH_OK ? s->subject.account.acct : 0;
}

const char *
scram_tried(const struct scram *s)
{
	return s->tried;
}

const char *
scram_address(const struct scram *s)
{
	return s->address;
}

const char *
scram_device(const struct scram *s)
{
	return s->device;
}

const struct lockout_id *
scram_lock(const struct scram *s)
{
	return &s->subject.lock;
}
