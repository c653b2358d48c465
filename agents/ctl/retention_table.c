#include "agents/ctl/retention_table.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct camera {
	struct retention_row row;
	char text[]; /* writer, site, device, day */
};

/* A tree by (writer, device), and once all are there the cameras in the order of the report. */
struct retention_table {
	void *tree;
	size_t count;
	struct camera **sorted; /* NULL until it is asked for */
	struct retention_line *lines;
};

enum retention_verdict retention_verdict_of(const char *word)
{
	static const char *const words[RETENTION_VERDICTS] = { "storing_nothing", "below_term", "gaps",
		"unknown", "compliant" };
	for (int i = 0; i < RETENTION_VERDICTS; i++)
		if (strcmp(word, words[i]) == 0)
			return (enum retention_verdict)i;
	return RETENTION_UNKNOWN;
}

int retention_table_create(struct retention_table **out, struct torap_error *err)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : torap_errorf(err, -ENOMEM, "out of memory");
}

static void forget_order(struct retention_table *t)
{
	free(t->sorted);
	free(t->lines);
	t->sorted = NULL;
	t->lines = NULL;
}

struct retention_table *retention_table_destroy(struct retention_table *t)
{
	if (t) {
		forget_order(t);
		tdestroy(t->tree, free);
		free(t);
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct camera *x = a, *y = b;
	int r = strcmp(x->row.writer, y->row.writer);
	return r ? r : strcmp(x->row.device, y->row.device);
}

static void tame(char *id)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	for (; *id; id++)
		if (!strchr(plain, *id))
			*id = '?';
}

static struct camera *copy(const struct retention_row *row)
{
	const char **fields[] = { NULL, NULL, NULL, NULL };
	const char *const texts[] = { row->writer, row->site, row->device, row->day };
	size_t size = 0;
	for (int i = 0; i < 4; i++)
		size += strlen(texts[i]) + 1;
	struct camera *c = malloc(sizeof *c + size);
	if (!c)
		return NULL;
	c->row = *row;
	fields[0] = &c->row.writer;
	fields[1] = &c->row.site;
	fields[2] = &c->row.device;
	fields[3] = &c->row.day;
	char *at = c->text;
	for (int i = 0; i < 4; i++) {
		*fields[i] = strcpy(at, texts[i]);
		if (fields[i] == &c->row.site || fields[i] == &c->row.device)
			tame(at);
		at += strlen(at) + 1;
	}
	return c;
}

int retention_table_add(struct retention_table *t, const struct retention_row *row)
{
	struct camera *c = copy(row), **place = c ? tsearch(c, &t->tree, by_name) : NULL;
	if (!place) {
		free(c);
		return -ENOMEM;
	}
	forget_order(t);
	if (*place == c) {
		t->count++;
	} else if (strcmp((*place)->row.day, c->row.day) <= 0) {
		free(*place);
		*place = c; /* The same name: the tree's order holds. */
	} else {
		free(c);
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct retention_row *x = &(*(struct camera *const *)a)->row,
				   *y = &(*(struct camera *const *)b)->row;
	if (x->region != y->region)
		return x->region < y->region ? -1 : 1;
	if (x->facility != y->facility)
		return x->facility < y->facility ? -1 : 1;
	int r = strcmp(x->writer, y->writer);
	if (!r)
		r = strcmp(x->site, y->site);
	return r ? r : strcmp(x->device, y->device);
}

struct collecting {
	struct camera **at;
};

static void collect(const void *node, VISIT visit, void *hint)
{
	struct collecting *c = hint;
	if (visit == postorder || visit == leaf)
		*c->at++ = *(struct camera *const *)node;
}

static bool sort(struct retention_table *t)
{
	if (t->sorted)
		return true;
	t->sorted = calloc(t->count + 1, sizeof(struct camera *));
	if (!t->sorted)
		return false;
	struct collecting c = { t->sorted };
	twalk_r(t->tree, collect, &c);
	qsort(t->sorted, t->count, sizeof(struct camera *), by_place);
	return true;
}

static void expire(const void *node, VISIT visit, void *hint)
{
	struct camera *c = *(struct camera *const *)node;
	if ((visit == postorder || visit == leaf) && strcmp(c->row.day, hint) < 0)
		c->row.verdict = RETENTION_UNKNOWN;
}

void retention_table_expire(struct retention_table *t, const char *oldest)
{
	char day[] = "2026-11-25";
	strncpy(day, oldest, sizeof day - 1);
	forget_order(t);
	twalk_r(t->tree, expire, day);
}

static bool same_site(const struct retention_row *a, const struct retention_row *b)
{
	return a->region == b->region && a->facility == b->facility && strcmp(a->writer, b->writer) == 0 &&
	       strcmp(a->site, b->site) == 0;
}

/* A site of which some cameras keep nothing and others do keeps too little. */
static enum retention_verdict of_site(enum retention_verdict worst, enum retention_verdict best)
{
	return worst == RETENTION_NOTHING && best != RETENTION_NOTHING ? RETENTION_BELOW : worst;
}

/* Adds the site that begins with camera `i` to the line; returns the first camera of the next. */
static size_t take_site(const struct retention_table *t, size_t i, struct retention_line *line)
{
	const struct retention_row *site = &t->sorted[i]->row;
	enum retention_verdict worst = site->verdict, best = site->verdict;
	for (; i < t->count && same_site(site, &t->sorted[i]->row); i++) {
		const struct retention_row *r = &t->sorted[i]->row;
		worst = r->verdict < worst ? r->verdict : worst;
		best = r->verdict > best ? r->verdict : best;
		line->cameras++;
		if (r->verdict != RETENTION_UNKNOWN)
			line->missing_min += r->missing_min;
	}
	line->sites++;
	line->of[of_site(worst, best)]++;
	return i;
}

static void add_line(struct retention_line *sum, const struct retention_line *line)
{
	sum->sites += line->sites;
	sum->cameras += line->cameras;
	sum->missing_min += line->missing_min;
	for (int i = 0; i < RETENTION_VERDICTS; i++)
		sum->of[i] += line->of[i];
}

const struct retention_line *retention_table_lines(
	struct retention_table *t, size_t *count, struct retention_line *sum)
{
	*sum = (struct retention_line){ 0 };
	*count = 0;
	free(t->lines);
	t->lines = sort(t) ? calloc(t->count + 1, sizeof *t->lines) : NULL;
	if (!t->lines)
		return NULL;
	for (size_t i = 0; i < t->count;) {
		struct retention_line *line = &t->lines[(*count)++];
		line->region = t->sorted[i]->row.region;
		line->facility = t->sorted[i]->row.facility;
		while (i < t->count && t->sorted[i]->row.region == line->region &&
			t->sorted[i]->row.facility == line->facility)
			i = take_site(t, i, line);
		add_line(sum, line);
	}
	return t->lines;
}

void retention_table_cameras(
	struct retention_table *t, void (*each)(void *hint, const struct retention_row *row), void *hint)
{
	for (size_t i = 0; sort(t) && i < t->count; i++)
		each(hint, &t->sorted[i]->row);
}
