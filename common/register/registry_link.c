/* registry_link.c - aliases, holders of role boxes, delegates; links of one account to another. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/registry_people.h"

#define LINKS_MAX 20000

/* {"alias", "address"}: a further address of an account. */
enum cv_status
reg_alias_add(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str text, key;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_field(c, c->request, "alias", 320, &text, err);
	if (!status)
		status = reg_address_key(c, text, &key, err);
	if (status)
		return status;
	const struct reg_address *old = cv_map_get(&c->r->model.addresses, key);
	bool is_own = old && old->acct == a->acct;
	json_object_set_new(c->reply, "changed", json_boolean(!is_own || old->type == REG_HISTORY));
	if (is_own && old->type != REG_HISTORY)
		return CV_OK;
	if (old && !is_own)
		return cv_fail(err, CV_EXISTS, "the address %.*s belongs, or belonged, to somebody",
			CV_STR_ARGS(key));
	struct cv_str local = cv_str_sub(key, 0, cv_str_find(key, '@', 0));
	bool is_personal = a->kind == CV_KIND_PERSON || a->kind == CV_KIND_APP;
	if (is_personal)
		status = reg_check_refused(c, local, reg_flag(c->request, "override", false), err);
	if (status)
		return status;
	reg_save_address(c, key, REG_ALIAS, a->acct);
	return reg_commit(c, "alias.add", cv_arena_z(&c->arena, key),
		json_pack("{s:s}", "of", a->text[T_ADDRESS]), err);
}

/* {"alias"}: the address stops working and stays with its owner's history. */
enum cv_status
reg_alias_del(struct reg_call *c, struct cv_err *err)
{
	struct cv_str text, key;
	enum cv_status status = reg_field(c, c->request, "alias", 320, &text, err);
	if (!status)
		status = reg_address_key(c, text, &key, err);
	if (status)
		return status;
	const struct reg_address *old = cv_map_get(&c->r->model.addresses, key);
	if (!old || old->type != REG_ALIAS)
		return cv_fail(err, CV_NOT_FOUND, "%.*s is no alias", CV_STR_ARGS(key));
	reg_save_address(c, key, REG_HISTORY, old->acct);
	return reg_commit(c, "alias.del", cv_arena_z(&c->arena, key), NULL, err);
}

enum cv_status
reg_link(struct reg_call *c, char kind, struct reg_account *owner, struct reg_account *other,
         bool add, const char *action, struct cv_err *err)
{
	struct reg_list *list = reg_list_of(owner, kind);
	bool changes = reg_list_has(list, other->acct) != add;
	json_object_set_new(c->reply, "changed", json_boolean(changes));
	if (!changes)
		return CV_OK;
	if (owner == other)
		return cv_fail(err, CV_INVALID, "%s cannot stand for itself",
		               owner->text[T_ADDRESS]);
	if (add && list->n >= LINKS_MAX)
		return cv_fail(err, CV_LIMIT, "%s has %d members already", owner->text[T_ADDRESS],
			LINKS_MAX);
	reg_save_link(c, kind, owner->acct, other->acct, add);
	if (add)
		reg_list_add(list, other->acct);
	else
		reg_list_del(list, other->acct);
	return reg_commit(c, action, owner->text[T_ADDRESS],
		json_pack("{s:s}", "who", other->text[T_ADDRESS]), err);
}

static enum cv_status
two_accounts(struct reg_call *c, const char *first, const char *second, struct reg_account **a,
             struct reg_account **b, struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, first, a, err);
	return status ? status : reg_account_field(c, second, b, err);
}

static enum cv_status
change_holder(struct reg_call *c, bool add, const char *action, struct cv_err *err)
{
	struct reg_account *role, *holder;
	enum cv_status status = two_accounts(c, "role", "holder", &role, &holder, err);
	if (status)
		return status;
	if (role->kind != CV_KIND_ROLE && role->kind != CV_KIND_AGENCY)
		return cv_fail(err, CV_INVALID, "%s is no role or agency box",
		               role->text[T_ADDRESS]);
	if (holder->kind != CV_KIND_PERSON)
		return cv_fail(err, CV_INVALID, "%s is no person", holder->text[T_ADDRESS]);
	if (holder != role && reg_list_has(&role->members, holder->acct) != add)
		reg_note_holder(c, role, holder, add);
	return reg_link(c, 'M', role, holder, add, action, err);
}

/* {"role", "holder"} */
enum cv_status
reg_role_hold(struct reg_call *c, struct cv_err *err)
{
	return change_holder(c, true, "role.hold", err);
}

enum cv_status
reg_role_release(struct reg_call *c, struct cv_err *err)
{
	return change_holder(c, false, "role.release", err);
}

/* The ways to stand for somebody else's box, each a list of its own. */
static const struct {
	const char *word;
	char kind;
} delegations[] = {
	{ "send-as", 'L' },
	{ "read",    'V' },
	{ "full",    'U' },
};

/* "read,send-as" as bits of the rows above. */
static enum cv_status
parse_delegation(struct cv_str words, unsigned *set_out, struct cv_err *err)
{
	struct cv_str rest = words, word;

	*set_out = 0;
	while (cv_str_split(&rest, ',', &word)) {
		size_t i = 0;
		while (i < CV_COUNT(delegations) &&
		       !cv_str_eq_z(cv_str_trim(word), delegations[i].word))
			i++;
		if (i == CV_COUNT(delegations))
			return cv_fail(err, CV_INVALID,
				"field 'rights' is made of read, full and send-as");
		*set_out |= 1u << i;
	}
	return CV_OK;
}

/* What DELEGATE may do in OWNER's box becomes SET. */
static enum cv_status
set_delegation(struct reg_call *c, struct reg_account *owner, struct reg_account *delegate,
	unsigned set, bool *changed_out, struct cv_err *err)
{
	*changed_out = false;
	for (size_t i = 0; i < CV_COUNT(delegations); i++) {
		struct reg_list *list = reg_list_of(owner, delegations[i].kind);
		bool wants = set >> i & 1;
		if (reg_list_has(list, delegate->acct) == wants)
			continue;
		if (wants && list->n >= LINKS_MAX)
			return cv_fail(err, CV_LIMIT, "%s is delegated to %d people already",
				owner->text[T_ADDRESS], LINKS_MAX);
		reg_save_link(c, delegations[i].kind, owner->acct, delegate->acct, wants);
		if (wants)
			reg_list_add(list, delegate->acct);
		else
			reg_list_del(list, delegate->acct);
		*changed_out = true;
	}
	return CV_OK;
}

static json_t *
delegation_words(unsigned set)
{
	json_t *words = json_array();

	for (size_t i = 0; i < CV_COUNT(delegations); i++)
		if (set >> i & 1)
			json_array_append_new(words, json_string(delegations[i].word));
	return words;
}

enum cv_status
reg_check_not_self(struct reg_call *c, const struct reg_account *owner,
                   const struct reg_account *to, struct cv_err *err)
{
	if (owner->kind != CV_KIND_PERSON || strcmp(c->actor, to->text[T_ADDRESS]))
		return CV_OK;
	return reg_refuse(c, CV_DENIED,
		"nobody opens another person's box to himself: congvu breakglass request",
		"không ai được tự mở hộp thư của người khác cho mình: congvu breakglass request",
		err);
}

static enum cv_status
change_delegate(struct reg_call *c, unsigned set, const char *action, struct cv_err *err)
{
	struct reg_account *owner, *delegate;
	bool changed = false;

	enum cv_status status = two_accounts(c, "owner", "delegate", &owner, &delegate, err);
	if (status)
		return status;
	if (owner->kind == CV_KIND_GROUP || delegate->kind != CV_KIND_PERSON)
		return cv_fail(err, CV_INVALID, "a box is delegated to a person");
	if (owner == delegate)
		return cv_fail(err, CV_INVALID, "%s cannot stand for itself",
		               owner->text[T_ADDRESS]);
	if (set & ~1u) /* to send as is no reading */
		status = reg_check_not_self(c, owner, delegate, err);
	if (!status)
		status = set_delegation(c, owner, delegate, set, &changed, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "changed", json_boolean(changed));
	json_object_set_new(c->reply, "rights", delegation_words(set));
	if (!changed)
		return CV_OK;
	return reg_commit(c, action, owner->text[T_ADDRESS],
		json_pack("{s:s, s:o}", "who", delegate->text[T_ADDRESS], "rights",
			delegation_words(set)), err);
}

/* {"owner", "delegate", "rights"?}: what the delegate may do with the owner's box is these and
 * nothing else: "read", "full" (read, change, send as the owner), "send-as"; with commas between
 * several. Without the field: send as the owner. */
enum cv_status
reg_delegate_add(struct reg_call *c, struct cv_err *err)
{
	struct cv_str words;
	unsigned set = 1;

	enum cv_status status = reg_field(c, c->request, "rights", 40, &words, err);
	if (!status && words.n)
		status = parse_delegation(words, &set, err);
	return status ? status : change_delegate(c, set, "delegate.add", err);
}

/* {"owner", "delegate"}: nothing any more. */
enum cv_status
reg_delegate_del(struct reg_call *c, struct cv_err *err)
{
	return change_delegate(c, 0, "delegate.del", err);
}

json_t *
reg_delegates_json(const struct reg_model *m, struct reg_account *owner)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->count; i++) {
		unsigned set = 0;
		for (size_t k = 0; k < CV_COUNT(delegations); k++)
			if (reg_list_has(
				    reg_list_of(owner, delegations[k].kind), m->accounts[i]->acct))
				set |= 1u << k;
		if (set)
			json_array_append_new(list, json_pack("{s:s, s:o}", "who",
				m->accounts[i]->text[T_ADDRESS], "rights", delegation_words(set)));
	}
	return list;
}
