/* registry_rows.c - what the rows of the register are, by letter: for those who read an act. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/journal.h"

/* clang-format off */
static const struct reg_row_kind kinds[] = {
	{ '$', REG_ROW_TEXT, "code of a closed unit", "mã đơn vị đã chấm dứt"  },
	{ 'A', REG_ROW_ACCT, "account",              "tài khoản"               },
	{ 'B', REG_ROW_ITEM, "break-glass",          "truy cập khẩn cấp"       },
	{ 'C', REG_ROW_ONE,  "number of accounts",   "số tài khoản"            },
	{ 'D', REG_ROW_TEXT, "domain",               "tên miền"                },
	{ 'E', REG_ROW_ITEM, "request",              "đề nghị"                 },
	{ 'F', REG_ROW_ACCT, "second factor",        "xác thực hai lớp"        },
	{ 'G', REG_ROW_TEXT, "agency",               "cơ quan"                 },
	{ 'H', REG_ROW_ACCT, "passwords before",     "mật khẩu trước đây"      },
	{ 'I', REG_ROW_ITEM, "incident",             "sự cố"                   },
	{ 'K', REG_ROW_ONE,  "key",                  "khóa"                    },
	{ 'L', REG_ROW_LINK, "may send as",          "được gửi thay"           },
	{ 'M', REG_ROW_LINK, "member",               "thành viên"              },
	{ 'N', REG_ROW_TEXT, "address",              "địa chỉ"                 },
	{ 'O', REG_ROW_LINK, "may write to",         "được gửi tới nhóm"       },
	{ 'P', REG_ROW_ACCT, "password",             "mật khẩu"                },
	{ 'Q', REG_ROW_ACCT, "route",                "định tuyến"              },
	{ 'R', REG_ROW_TEXT, "administrator",        "quản trị viên"           },
	{ 'T', REG_ROW_ACCT, "forward",              "chuyển tiếp"             },
	{ 'U', REG_ROW_LINK, "full delegation",      "ủy quyền toàn bộ"        },
	{ 'V', REG_ROW_LINK, "reader",               "được đọc"                },
	{ 'W', REG_ROW_ACCT, "device",               "thiết bị"                },
	{ 'X', REG_ROW_ITEM, "access review",        "rà soát quyền"           },
	{ 'Y', REG_ROW_ITEM, "dated act",            "việc hẹn ngày"           },
	{ 'Z', REG_ROW_ACCT, "further facts",        "thông tin thêm"          },
};
/* clang-format on */

const struct reg_row_kind *
reg_row_kind(struct cv_str key)
{
	for (size_t i = 0; key.n && i < CV_COUNT(kinds); i++)
		if (kinds[i].letter == key.p[0])
			return &kinds[i];
	return NULL;
}

static void
name_account(const struct reg_model *m, uint64_t acct, struct cv_buf *out)
{
	const struct reg_account *a = reg_model_find(m, acct);
	if (a)
		cv_buf_z(out, a->text[T_ADDRESS]);
	else
		cv_buf_printf(out, "#%llu", (unsigned long long)(acct & 0xffffffffffffff));
}

json_t *
reg_row_json(const struct reg_model *m, struct cv_str key)
{
	const struct reg_row_kind *kind = reg_row_kind(key);
	struct cv_str rest = cv_str_sub(key, 1, key.n);
	struct cv_rd rd = cv_rd(rest);
	struct cv_buf name = CV_BUF_INIT(2000);
	if (kind && (kind->shape == REG_ROW_ACCT || kind->shape == REG_ROW_LINK))
		name_account(m, cv_rd_be64(&rd), &name);
	if (kind && kind->shape == REG_ROW_LINK) {
		cv_buf_z(&name, " - ");
		name_account(m, cv_rd_be64(&rd), &name);
	}
	if (kind && kind->shape == REG_ROW_TEXT)
		cv_buf_str(&name, rest);
	if (kind && kind->shape == REG_ROW_ITEM)
		cv_buf_u64(&name, cv_rd_be64(&rd));
	json_t *o = json_pack("{s:s, s:s, s:s%}", "kind", kind ? kind->name : "row", "kind_vi",
		kind ? kind->name_vi : "dòng", "name", name.p ? name.p : "", name.n);
	cv_buf_done(&name);
	return o ? o : json_pack("{s:s, s:s, s:s}", "kind", "row", "kind_vi", "dòng", "name", "?");
}
