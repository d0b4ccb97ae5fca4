/* dkim.c - `congvu dkim keygen|show`: the keys that sign outgoing mail, and their DNS records. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/commands.h"
#include "admin/dkim_keys.h"
#include "common/text/domain.h"

#define BITS_MIN 1024
#define BITS_MAX 4096

/* The domain in A-labels, fit to be part of a path. */
static bool
take_domain(const struct admin_call *call, char out[256])
{
	struct cv_buf ascii = CV_BUF_INIT(255);
	struct cv_err err = {0};
	enum cv_status status = cv_domain_to_ascii(cv_str_z(call->words[0]), &ascii, &err);

	if (status == CV_OK && !cv_domain_is_full(cv_buf_view(&ascii)))
		status = cv_fail(
			&err, CV_INVALID, "'%.200s' is not a whole domain name", call->words[0]);
	if (status == CV_OK)
		snprintf(out, 256, "%s", ascii.p);
	else
		admin_error(call, EXIT_USAGE, err.text, err.text);
	cv_buf_done(&ascii);
	return status == CV_OK;
}

static json_t *
record_json(const struct admin_dkim_record *r, const char *domain)
{
	char name[400];
	struct cv_buf zone = CV_BUF_INIT(30000);

	snprintf(name, sizeof name, "%s._domainkey.%s", r->selector, domain);
	admin_dkim_zone_line(r, domain, &zone);
	json_t *o = json_pack("{s:s, s:s, s:b, s:s, s:s, s:s#}", "selector", r->selector,
		"algorithm", r->kind == ADMIN_KEY_RSA ? "rsa-sha256" : "ed25519-sha256", "current",
		r->is_current ? 1 : 0, "name", name, "value", r->value, "zone", zone.p,
		(int)zone.n - 1);
	cv_buf_done(&zone);
	return o;
}

/* Both keys of a pair share its name; the second one has "-ed" behind it. */
static bool
is_of_pair(const char *selector, const char *pair)
{
	size_t n = strlen(pair);

	return !n ||
	       (!strncmp(selector, pair, n) && (!selector[n] || !strcmp(selector + n, "-ed")));
}

/* Prints the records of DOMAIN that belong to the pair SELECTOR ("" is all). */
static int
print_records(struct admin_call *call, const char *domain, const char *selector)
{
	const struct congvu_options *m = admin_main_options(call);
	struct admin_dkim_record *records;
	size_t count;
	struct cv_err err = {0};
	json_t *list = json_array();

	if (admin_dkim_records(m->keys_dir, domain, &records, &count, &err) != CV_OK) {
		json_decref(list);
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	}
	for (size_t i = 0; i < count; i++)
		if (is_of_pair(records[i].selector, selector))
			json_array_append_new(list, record_json(&records[i], domain));
	admin_dkim_records_free(records, count);

	json_t *reply = json_pack("{s:b, s:s, s:o}", "ok", 1, "domain", domain, "records", list);
	size_t i;
	json_t *one;
	if (!admin_json(call, reply)) {
		json_array_foreach(list, i, one)
		{
			printf("; %s%s\n", json_string_value(json_object_get(one, "selector")),
				json_is_true(json_object_get(one, "current"))
					? admin_say(call, ": signs mail now", ": đang dùng để ký")
					: admin_say(call, ": not used for signing",
						  ": không dùng để ký"));
			puts(json_string_value(json_object_get(one, "zone")));
		}
	}
	json_decref(reply);
	return EXIT_OK;
}

static int
run_keygen(struct admin_call *call)
{
	const char *selector = admin_option(call, "selector"),
		   *bits_text = admin_option(call, "bits");
	uint64_t bits = ADMIN_DKIM_BITS;
	char domain[256], chosen[ADMIN_DKIM_SELECTOR_MAX + 4];
	struct admin_owner owner;
	struct cv_err err = {0};

	if (bits_text &&
		(cv_str_u64(cv_str_z(bits_text), BITS_MAX, &bits) != CV_OK || bits < BITS_MIN))
		return admin_error(call, EXIT_USAGE, "--bits takes 1024 to 4096",
			"--bits nhận giá trị từ 1024 đến 4096");
	if (!take_domain(call, domain))
		return EXIT_USAGE;
	if (!admin_conf(call))
		return EXIT_CONFIG;
	const struct congvu_options *m = admin_main_options(call);
	enum cv_status status = admin_owner_find(m->user, &owner, &err);
	if (status == CV_OK)
		status = admin_dkim_make(m->keys_dir, domain, selector ? selector : "",
			(unsigned)bits, admin_option(call, "activate") != NULL, owner, chosen,
			&err);
	if (status != CV_OK)
		return admin_error(call, EXIT_FAILED, err.text, err.text);
	if (!call->json)
		printf("; %s\n", admin_say(call, "put these records into DNS",
					 "thêm các bản ghi sau vào DNS"));
	return print_records(call, domain, chosen);
}

static int
run_show(struct admin_call *call)
{
	const char *selector = admin_option(call, "selector");
	char domain[256];

	if (!take_domain(call, domain))
		return EXIT_USAGE;
	if (!admin_conf(call))
		return EXIT_CONFIG;
	return print_records(call, domain, selector ? selector : "");
}

/* clang-format off */
static const struct admin_option keygen_options[] = {
	{ "selector", "NAME", "name of the pair instead of s<year>a",
		"tên cặp khóa, mặc định s<năm>a" },
	{ "bits", "N", "size of the RSA key, 2048 unless told", "độ dài khóa RSA, mặc định 2048" },
	{ "activate", NULL, "sign with this pair from now on (its records are in DNS already)",
		"ký bằng cặp khóa này từ bây giờ (bản ghi DNS đã có)" },
	{ 0 }
};
static const struct admin_option show_options[] = {
	{ "selector", "NAME", "this pair only", "chỉ cặp khóa này" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_dkim_keygen = {
	.noun = "dkim",
	.verb = "keygen",
	.words = "DOMAIN",
	.words_min = 1,
	.words_max = 1,
	.help = "make a pair of signing keys (RSA and ed25519) and print their DNS records",
	.help_vi = "tạo cặp khóa ký DKIM (RSA và ed25519) và in bản ghi DNS",
	.options = keygen_options,
	.examples = "  congvu dkim keygen lamgiang.example\n"
		    "  congvu dkim keygen lamgiang.example --selector s2027a --activate",
	.run = run_keygen,
};
const struct admin_command admin_dkim_show = {
	.noun = "dkim",
	.verb = "show",
	.words = "DOMAIN",
	.words_min = 1,
	.words_max = 1,
	.help = "print the DNS records of a domain's signing keys",
	.help_vi = "in bản ghi DNS của các khóa ký DKIM",
	.options = show_options,
	.examples =
		"  congvu dkim show lamgiang.example\n  congvu dkim show lamgiang.example --json",
	.run = run_show,
};
