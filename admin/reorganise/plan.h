/* plan.h - the file in which an operator writes a reorganisation, as the request that does it.
 *
 *   # Nghị quyết 15/NQ-HĐND
 *   [kế hoạch]
 *   tên = Sắp xếp xã năm 2026
 *   giữ địa chỉ cũ = 24 tháng
 *   hộp cũ = để đọc
 *   người giữ hộp = tất cả
 *
 *   [sáp nhập]
 *   từ = xtanlap, xtanlap2, xbinhhai
 *   thành = xtanlap
 *   tên = Xã Tân Lập
 *   đứng đầu = nvan.xtanlap
 *
 * A section is an act, a line in it "key = value" (":" does as well); "#" and ";" begin comments.
 * Keys are known in Vietnamese with or without diacritics and in English; a key that takes a list
 * (commas or semicolons between) may stand several times. UTF-8, with or without BOM, NFC or NFD,
 * any line ends. At most 1 MB, 20,000 lines, 2,000 acts. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_REORGANISE_PLAN_H
#define ADMIN_REORGANISE_PLAN_H

#include <jansson.h>

#include "common/base/str.h"

#define ADMIN_PLAN_BYTES_MAX (1u << 20)

/* TEXT as {"do": "reorganise.apply", "title", "acts": [{"act", "line", ...}], ...}. What cannot be
 * read is appended to PROBLEMS, {"line", "problem", "problem_vi", "propose"}: then the request is
 * not to be sent. Never NULL. */
json_t *admin_plan_read(struct cv_str text, json_t *problems);

#endif
