/* chart.c - charts as SVG: sober, printable in grey, told apart without colour.
 *
 * Bars carry their values as text; lines differ in dashes and marks too. The colours are a
 * palette that people with any colour blindness tell apart, each with a contrast of 3:1 or more to
 * white (WCAG 2.1, 1.4.11). All coordinates are whole pixels: the same data, the same octets.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/office/office_impl.h"
#include "common/text/charset.h"

#define WIDTH      760
#define LABEL_WIDTH 236 /* of the names beside lying bars */
#define LABEL_CHARACTERS 34
#define VALUE_WIDTH 64
#define BAR_HEIGHT 13
#define BAR_GAP    3
#define GROUP_GAP  9
#define TOP        34   /* below the legend */
#define AXIS       26
#define PLOT_HEIGHT 240 /* of lines */
#define PLOT_LEFT   64
#define PLOT_RIGHT  20
#define TICKS_MAX   6
#define X_LABELS_MAX 13

static const struct {
	const char *colour, *dashes, *mark;
} styles[ADMIN_CHART_SERIES_MAX] = {
	{"#0b5fa5", "none", "circle"},
	{"#c44e00", "7 4", "square"},
	{"#00785a", "2 3", "diamond"},
	{"#6b4f8a", "9 3 2 3", "circle"},
};

/* The rows that a chart shows: no totals, the first so many. */
struct plot {
	const struct admin_doc_table *table;
	const struct admin_chart *chart;
	size_t rows[ADMIN_CHART_ROWS_MAX];
	size_t count;
	enum admin_value_kind kind; /* of the first series */
	double top;                 /* where the axis ends */
	unsigned ticks;             /* parts of the axis */
};

static struct admin_value
value_at(const struct plot *p, size_t row, size_t series)
{
	return p->table->rows[p->rows[row]].cells[p->chart->series[series]];
}

/* The axis ends at 1, 2, 2.5 or 5 times a power of ten, that many ticks from 0. */
static void
find_axis(struct plot *p, double largest)
{
	static const struct {
		double end;
		unsigned ticks;
	} ends[] = {{1, 5}, {2, 4}, {2.5, 5}, {4, 4}, {5, 5}, {6, 6}, {8, 4}, {10, 5}};
	double power = 1;

	if (p->kind == ADMIN_SHARE && largest <= 1) {
		p->top = 1;
		p->ticks = 5;
		return;
	}
	while (power * 10 < largest)
		power *= 10;
	for (size_t i = 0; i < CV_COUNT(ends); i++) {
		p->top = power * ends[i].end;
		p->ticks = ends[i].ticks;
		if (p->top >= largest)
			break;
	}
	if (p->kind == ADMIN_COUNT && p->top < p->ticks)
		p->top = p->ticks; /* no half things */
}

static void
plan(const struct admin_block *block, struct plot *p)
{
	double largest = 0;

	*p = (struct plot){.table = block->table, .chart = &block->chart};
	p->kind = p->table->columns[p->chart->series[0]].kind;
	for (size_t r = 0; r < p->table->row_count && p->count < CV_COUNT(p->rows); r++)
		if (!p->table->rows[r].is_total)
			p->rows[p->count++] = r;
	for (size_t r = 0; r < p->count; r++)
		for (size_t s = 0; s < p->chart->series_count; s++)
			largest = CV_MAX(largest, admin_value_number(value_at(p, r, s)));
	find_axis(p, largest);
}

static int
scaled(const struct plot *p, double value, int length)
{
	return (int)(value / p->top * length + 0.5);
}

static void
put_text(struct cv_buf *out, int x, int y, const char *anchor, struct cv_str text)
{
	cv_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
	admin_put_xml(out, text);
	cv_buf_z(out, "</text>\n");
}

static void
put_value(struct cv_buf *out, int x, int y, const char *anchor, struct admin_value value)
{
	struct cv_buf text = CV_BUF_INIT(1000);

	admin_put_shown(&text, value);
	put_text(out, x, y, anchor, cv_buf_view(&text));
	cv_buf_done(&text);
}

/* The value at tick N of the axis, in the kind of the chart. */
static struct admin_value
tick_value(const struct plot *p, unsigned n)
{
	int64_t tenths = (int64_t)(p->top * n * 10 / p->ticks + 0.5);

	if (p->kind == ADMIN_SHARE)
		return admin_share((int64_t)(p->top * n * 1000 / p->ticks + 0.5), 1000);
	return p->kind == ADMIN_DECIMAL ? admin_decimal(tenths, 10) : admin_count(tenths / 10);
}

static struct cv_str
label_of(const struct plot *p, size_t row, struct cv_buf *room)
{
	struct admin_value value = p->table->rows[p->rows[row]].cells[p->chart->label];
	size_t pos = 0, characters = 0, cut = 0;

	cv_buf_reset(room);
	admin_put_shown(room, value);
	struct cv_str all = cv_buf_view(room);
	while (pos < all.n) {
		if (++characters == LABEL_CHARACTERS)
			cut = pos;
		cv_utf8_next(all, &pos);
	}
	if (characters > LABEL_CHARACTERS) {
		room->n = cut;
		cv_buf_z(room, "…");
	}
	return cv_buf_view(room);
}

static void
put_mark(struct cv_buf *out, size_t series, int x, int y)
{
	const char *colour = styles[series].colour;

	if (!strcmp(styles[series].mark, "square"))
		cv_buf_printf(out,
			"<rect x=\"%d\" y=\"%d\" width=\"7\" height=\"7\" fill=\"%s\"/>\n", x - 3,
			y - 3, colour);
	else if (!strcmp(styles[series].mark, "diamond"))
		cv_buf_printf(out, "<path d=\"M%d %dl5 5 -5 5 -5 -5z\" fill=\"%s\"/>\n", x, y - 5,
			colour);
	else
		cv_buf_printf(
			out, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", x, y, colour);
}

static void
put_legend(const struct plot *p, struct cv_buf *out)
{
	int x = p->chart->kind == ADMIN_CHART_BARS ? LABEL_WIDTH : PLOT_LEFT;

	for (size_t s = 0; s < p->chart->series_count; s++) {
		struct cv_str name = cv_str_z(p->table->columns[p->chart->series[s]].title);
		int characters = 0;
		for (size_t pos = 0; pos < name.n; characters++)
			cv_utf8_next(name, &pos);
		if (p->chart->kind == ADMIN_CHART_BARS) {
			cv_buf_printf(out,
				"<rect x=\"%d\" y=\"8\" width=\"12\" height=\"12\" fill=\"%s\"/>\n",
				x, styles[s].colour);
		} else {
			cv_buf_printf(out,
				"<line x1=\"%d\" y1=\"14\" x2=\"%d\" y2=\"14\" stroke=\"%s\" "
				"stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
				x - 8, x + 14, styles[s].colour, styles[s].dashes);
			put_mark(out, s, x + 3, 14);
		}
		put_text(out, x + 19, 18, "start", name);
		x += 50 + 7 * characters;
	}
}

/* The table says it all; the chart's own words say what it is and where its rows end. */
static void
put_head(const struct plot *p, unsigned number, int height, struct cv_buf *out)
{
	struct cv_buf first = CV_BUF_INIT(4000), last = CV_BUF_INIT(4000);

	cv_buf_printf(out,
		"<svg role=\"img\" aria-labelledby=\"ct%u cd%u\" viewBox=\"0 0 %d %d\" "
		"width=\"%d\" height=\"%d\" xmlns=\"http://www.w3.org/2000/svg\">\n<title "
		"id=\"ct%u\">",
		number, number, WIDTH, height, WIDTH, height, number);
	admin_put_xml(out, cv_str_z(p->chart->title));
	cv_buf_printf(out, "</title>\n<desc id=\"cd%u\">", number);
	for (size_t s = 0; s < p->chart->series_count; s++) {
		if (s)
			cv_buf_z(out, "; ");
		admin_put_xml(out, cv_str_z(p->table->columns[p->chart->series[s]].title));
		if (!p->count)
			continue;
		cv_buf_z(out, ": ");
		admin_put_xml(out, label_of(p, 0, &first));
		cv_buf_c(out, ' ');
		admin_put_shown(out, value_at(p, 0, s));
		if (p->count > 1) {
			cv_buf_z(out, " … ");
			admin_put_xml(out, label_of(p, p->count - 1, &last));
			cv_buf_c(out, ' ');
			admin_put_shown(out, value_at(p, p->count - 1, s));
		}
	}
	cv_buf_z(out, "</desc>\n");
	cv_buf_done(&first);
	cv_buf_done(&last);
}

static void
put_bars(const struct plot *p, unsigned number, struct cv_buf *out)
{
	int series = (int)p->chart->series_count, length = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
	int top = series > 1 ? TOP : 8;
	int group = series * BAR_HEIGHT + (series - 1) * BAR_GAP + GROUP_GAP;
	int bottom = top + (int)p->count * group;
	struct cv_buf room = CV_BUF_INIT(4000);

	put_head(p, number, bottom + AXIS, out);
	if (series > 1)
		put_legend(p, out);
	for (unsigned t = 0; t <= p->ticks; t++) {
		int x = LABEL_WIDTH + scaled(p, p->top * t / p->ticks, length);
		cv_buf_printf(out, "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
			t ? "grid" : "axis", x, top, x, bottom);
		put_value(out, x, bottom + 17, "middle", tick_value(p, t));
	}
	for (size_t r = 0; r < p->count; r++) {
		int y = top + (int)r * group + GROUP_GAP / 2;
		put_text(out, LABEL_WIDTH - 8, y + (group - GROUP_GAP) / 2 + 4, "end",
			label_of(p, r, &room));
		for (size_t s = 0; s < p->chart->series_count; s++) {
			struct admin_value value = value_at(p, r, s);
			int width = scaled(p, admin_value_number(value), length);
			if (width > 0)
				cv_buf_printf(out,
					"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
					"fill=\"%s\"/>\n",
					LABEL_WIDTH, y, width, BAR_HEIGHT, styles[s].colour);
			put_value(out, LABEL_WIDTH + CV_MAX(width, 0) + 5, y + BAR_HEIGHT - 2,
				"start", value);
			y += BAR_HEIGHT + BAR_GAP;
		}
	}
	cv_buf_z(out, "</svg>\n");
	cv_buf_done(&room);
}

static int
point_x(const struct plot *p, size_t row)
{
	int length = WIDTH - PLOT_LEFT - PLOT_RIGHT - 40;

	return PLOT_LEFT + 20 +
	       (p->count > 1 ? (int)row * length / (int)(p->count - 1) : length / 2);
}

static void
put_line(const struct plot *p, size_t series, struct cv_buf *out)
{
	bool is_open = false;

	cv_buf_printf(out,
		"<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" d=\"",
		styles[series].colour, styles[series].dashes);
	for (size_t r = 0; r < p->count; r++) {
		struct admin_value value = value_at(p, r, series);
		if (value.kind == ADMIN_NONE) {
			is_open = false; /* a gap, not a zero */
			continue;
		}
		cv_buf_printf(out, "%s%d %d", is_open ? "L" : "M", point_x(p, r),
			TOP + PLOT_HEIGHT - scaled(p, admin_value_number(value), PLOT_HEIGHT));
		is_open = true;
	}
	cv_buf_z(out, "\"/>\n");
	for (size_t r = 0; r < p->count; r++) {
		struct admin_value value = value_at(p, r, series);
		if (value.kind != ADMIN_NONE)
			put_mark(out, series, point_x(p, r),
				TOP + PLOT_HEIGHT -
					scaled(p, admin_value_number(value), PLOT_HEIGHT));
	}
}

static void
put_lines(const struct plot *p, unsigned number, struct cv_buf *out)
{
	int bottom = TOP + PLOT_HEIGHT;
	size_t step = p->count / X_LABELS_MAX + 1;
	struct cv_buf room = CV_BUF_INIT(4000);

	put_head(p, number, bottom + AXIS, out);
	put_legend(p, out);
	for (unsigned t = 0; t <= p->ticks; t++) {
		int y = bottom - scaled(p, p->top * t / p->ticks, PLOT_HEIGHT);
		cv_buf_printf(out, "<line class=\"%s\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
			t ? "grid" : "axis", PLOT_LEFT, y, WIDTH - PLOT_RIGHT, y);
		put_value(out, PLOT_LEFT - 8, y + 4, "end", tick_value(p, t));
	}
	for (size_t r = 0; r < p->count; r += step)
		put_text(out, point_x(p, r), bottom + 18, "middle", label_of(p, r, &room));
	for (size_t s = 0; s < p->chart->series_count; s++)
		put_line(p, s, out);
	cv_buf_z(out, "</svg>\n");
	cv_buf_done(&room);
}

void
admin_write_chart(const struct admin_block *block, unsigned number, struct cv_buf *out)
{
	struct plot p;

	plan(block, &p);
	if (block->chart.kind == ADMIN_CHART_BARS)
		put_bars(&p, number, out);
	else
		put_lines(&p, number, out);
}
