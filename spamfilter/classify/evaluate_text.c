/* evaluate_text.c - the figures of evaluate.h for people and for programs. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "spamfilter/classify/evaluate.h"

static json_t *
rates_json(const struct spam_rates *r)
{
	return json_pack("{s:f, s:I, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "threshold", r->threshold,
		"lost", (json_int_t)r->lost, "lost_rate", r->lost_rate, "lost_low", r->lost_low,
		"lost_high", r->lost_high, "missed", (json_int_t)r->missed, "missed_rate",
		r->missed_rate, "missed_low", r->missed_low, "missed_high", r->missed_high);
}

json_t *
spam_evaluation_json(const struct spam_evaluation *e)
{
	json_t *at = json_array(), *curve = json_array();

	for (size_t i = 0; i < SPAM_THRESHOLDS; i++)
		json_array_append_new(at, rates_json(&e->at[i]));
	for (size_t i = 0; i < e->curve_count; i++)
		json_array_append_new(curve, json_pack("[f, f, f]", e->curve[i].threshold,
						     e->curve[i].lost, e->curve[i].caught));
	return json_pack("{s:I, s:I, s:I, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o}", "ham",
		(json_int_t)e->count[SPAM_CLASS_HAM], "spam", (json_int_t)e->count[SPAM_CLASS_SPAM],
		"repeated", (json_int_t)e->repeated, "folds", (int)e->folds, "auc", e->auc,
		"auc_low", e->auc_low, "auc_high", e->auc_high, "missed_at_1_of_1000_lost",
		e->missed_safe, "threshold_at_1_of_1000_lost", e->safe_threshold, "learn_us",
		e->learn_us, "judge_us", e->judge_us, "thresholds", at, "curve", curve);
}

void
spam_evaluation_text(const struct spam_evaluation *e, bool vi, struct cv_buf *out)
{
	cv_buf_printf(out,
		vi ? "%llu thư thường, %llu thư rác, bỏ %llu thư trùng; kiểm tra chéo %u phần\n"
		   : "%llu wanted, %llu unwanted, %llu repeated ones left out; %u folds\n",
		(unsigned long long)e->count[SPAM_CLASS_HAM],
		(unsigned long long)e->count[SPAM_CLASS_SPAM], (unsigned long long)e->repeated,
		e->folds);
	cv_buf_printf(out, "AUC %.5f (95 %%: %.5f-%.5f)\n", e->auc, e->auc_low, e->auc_high);
	cv_buf_printf(out,
		vi ? "Khi cho phép mất 1/1000 thư thường: lọt %.2f %% thư rác (ngưỡng %.6f)\n"
		   : "Where one wanted message of 1000 may be lost: %.2f %% missed (threshold "
		     "%.6f)\n",
		100 * e->missed_safe, e->safe_threshold);
	cv_buf_z(out, vi ? "ngưỡng    mất thư thường (95 %)            lọt thư rác (95 %)\n"
			 : "threshold wanted lost (95 %)               unwanted missed (95 %)\n");
	for (size_t i = 0; i < SPAM_THRESHOLDS; i++) {
		const struct spam_rates *r = &e->at[i];
		cv_buf_printf(out,
			"%-9.4f %5llu %6.2f %% (%5.2f-%5.2f)      %5llu %6.2f %% (%5.2f-%5.2f)\n",
			r->threshold, (unsigned long long)r->lost, 100 * r->lost_rate,
			100 * r->lost_low, 100 * r->lost_high, (unsigned long long)r->missed,
			100 * r->missed_rate, 100 * r->missed_low, 100 * r->missed_high);
	}
	cv_buf_printf(out,
		vi ? "Học %.0f us, đánh giá %.0f us một thư\n"
		   : "Learning takes %.0f us, judging %.0f us a message\n",
		e->learn_us, e->judge_us);
}

void
spam_evaluation_csv(const struct spam_evaluation *e, struct cv_buf *out)
{
	cv_buf_z(out, "threshold,lost_rate,caught_rate\r\n");
	for (size_t i = 0; i < e->curve_count; i++)
		cv_buf_printf(out, "%.9f,%.6f,%.6f\r\n", e->curve[i].threshold, e->curve[i].lost,
			e->curve[i].caught);
}

#define LEFT 60.0
#define TOP  20.0
#define WIDE 500.0
#define HIGH 300.0

/* Of what is lost only the first tenth is shown: further right nobody goes. */
static double
x_of(double lost)
{
	return LEFT + WIDE * CV_MIN(lost * 10, 1.0);
}

static double
y_of(double caught)
{
	return TOP + HIGH * (1 - caught);
}

void
spam_evaluation_svg(const struct spam_evaluation *e, bool vi, struct cv_buf *out)
{
	cv_buf_printf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 380\" role=\"img\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n<title>%s</title>\n"
		"<rect width=\"600\" height=\"380\" fill=\"#fff\"/>\n",
		vi ? "Thư rác chặn được theo thư thường bị mất"
		   : "Unwanted mail caught by wanted mail lost");
	for (unsigned i = 0; i <= 10; i += 2) {
		cv_buf_printf(out,
			"<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\" stroke=\"#ddd\"/>"
			"<text x=\"50\" y=\"%.0f\" text-anchor=\"end\">%u %%</text>\n",
			LEFT, LEFT + WIDE, y_of(i / 10.0), y_of(i / 10.0), y_of(i / 10.0) + 4,
			i * 10);
		cv_buf_printf(out,
			"<text x=\"%.0f\" y=\"338\" text-anchor=\"middle\">%u %%</text>\n",
			x_of(i / 100.0), i);
	}
	cv_buf_printf(out,
		"<polyline fill=\"none\" stroke=\"#0645ad\" stroke-width=\"2\" points=\""
		"%.1f,%.1f",
		x_of(0), y_of(0));
	for (size_t i = 0; i < e->curve_count; i++)
		cv_buf_printf(out, " %.1f,%.1f", x_of(e->curve[i].lost), y_of(e->curve[i].caught));
	cv_buf_printf(out,
		"\"/>\n<text x=\"310\" y=\"365\" text-anchor=\"middle\">%s</text>\n</svg>\n",
		vi ? "thư thường bị mất" : "wanted mail lost");
}
