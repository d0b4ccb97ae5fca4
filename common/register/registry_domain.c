/* registry_domain.c - domain.add, domain.list. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_impl.h"
#include "common/text/domain.h"

static enum cv_status
domain_field(struct reg_call *c, const char *name, struct cv_str *out, struct cv_err *err)
{
	struct cv_str text;
	enum cv_status status = reg_field(c, c->request, name, 300, &text, err);
	if (status || !text.n) {
		*out = CV_STR("");
		return status;
	}
	struct cv_buf ascii = CV_BUF_INIT(CV_DOMAIN_INPUT_MAX);
	status = cv_domain_to_ascii(text, &ascii, err);
	if (!status && !cv_domain_is_full(cv_buf_view(&ascii)))
		status = cv_fail(err, CV_INVALID, "'%.*s' is not a whole domain name",
		                 CV_STR_ARGS(text));
	*out = cv_arena_str(&c->arena, cv_buf_view(&ascii));
	cv_buf_done(&ascii);
	return status;
}

static bool
has_addresses(const struct reg_model *m, struct cv_str domain)
{
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->addresses, &pos, &key, &value);)
		if (key.n > domain.n && key.p[key.n - domain.n - 1] == '@' &&
		    cv_str_eq(cv_str_sub(key, key.n - domain.n, key.n), domain))
			return true;
	return false;
}

static enum cv_status
check_target(struct reg_call *c, struct cv_str domain, struct cv_str target, struct cv_err *err)
{
	const struct reg_domain *d = cv_map_get(&c->r->model.domains, target);
	if (!d)
		return cv_fail(err, CV_NOT_FOUND, "no domain %.*s to be an alias of",
		               CV_STR_ARGS(target));
	if (*d->target || cv_str_eq(domain, target))
		return cv_fail(err, CV_INVALID, "%.*s cannot be the target of an alias domain",
			CV_STR_ARGS(target));
	if (has_addresses(&c->r->model, domain))
		return cv_fail(err, CV_INVALID, "%.*s has addresses of its own; it cannot become an alias",
			CV_STR_ARGS(domain));
	return CV_OK;
}

/* {"domain", "alias_of"?} Adding what is there already changes nothing. */
enum cv_status
reg_domain_add(struct reg_call *c, struct cv_err *err)
{
	struct cv_str domain, target;
	enum cv_status status = domain_field(c, "domain", &domain, err);
	if (!status)
		status = domain_field(c, "alias_of", &target, err);
	if (!status && !domain.n)
		status = cv_fail(err, CV_INVALID, "field 'domain' must name a domain");
	if (!status && target.n)
		status = check_target(c, domain, target, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "domain", json_stringn(domain.p, domain.n));
	const struct reg_domain *d = cv_map_get(&c->r->model.domains, domain);
	bool is_same = d && cv_str_eq_z(target, d->target);
	json_object_set_new(c->reply, "changed", json_boolean(!is_same));
	if (is_same)
		return CV_OK;
	if (d && cv_str_eq_z(domain, c->r->model.default_domain))
		return cv_fail(err, CV_INVALID, "the default domain cannot become an alias");
	if (d && !target.n)
		return cv_fail(err, CV_EXISTS, "%s is an alias of %s", d->name, d->target);
	reg_put(c, cv_arena_printf(&c->arena, "D%.*s", CV_STR_ARGS(domain)), target);
	reg_model_put_domain(&c->r->model, domain, target);
	json_t *detail = target.n ? json_pack("{s:s%}", "alias_of", target.p, target.n) : NULL;
	return reg_commit(c, "domain.add", cv_arena_z(&c->arena, domain), detail, err);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct reg_domain *const *)a)->name,
		(*(const struct reg_domain *const *)b)->name);
}

/* {} -> {"domains": [{"domain", "alias_of", "default"}]} */
enum cv_status
reg_domain_list(struct reg_call *c, struct cv_err *err)
{
	(void)err;
	const struct reg_model *m = &c->r->model;
	size_t n = 0;
	const struct reg_domain **list = CV_ARENA_ARRAY(&c->arena, const struct reg_domain *,
		m->domains.used + 1);
	struct cv_str key;
	void *value;
	for (size_t pos = 0; cv_map_each(&m->domains, &pos, &key, &value);)
		list[n++] = value;
	qsort(list, n, sizeof *list, by_name);
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, json_pack("{s:s, s:s, s:b}", "domain", list[i]->name,
		                                     "alias_of", list[i]->target, "default",
		                                     !strcmp(list[i]->name, m->default_domain)));
	json_object_set_new(c->reply, "domains", out);
	return CV_OK;
}
