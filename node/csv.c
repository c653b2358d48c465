#include "node/csv.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

static int check_text(const char *name, const char *text, size_t size, struct torap_error *err)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + size;
	unsigned line = 1;
	while (p < end) {
		size_t length = torap_utf8_length(p, end);
		if (length == 0)
			return torap_errorf(err, -EINVAL, "%s:%u: is not UTF-8", name, line);
		if (*p == '\0')
			return torap_errorf(err, -EINVAL, "%s:%u: holds a NUL byte", name, line);
		line += *p == '\n';
		p += length;
	}
	return 0;
}

int node_csv_begin(struct node_csv *csv, const char *name, char *text, size_t size, struct torap_error *err)
{
	int r = check_text(name, text, size, err);
	if (r)
		return r;
	*csv = (struct node_csv){ .name = name, .at = text, .end = text + size, .line = 1 };
	text[size] = '\0';
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		csv->at += 3;
	return 0;
}

/* What ended a cell. */
enum stop { STOP_COMMA, STOP_LINE, STOP_TEXT };

static bool at_line_end(const struct node_csv *csv)
{
	return *csv->at == '\n' ||
	       (*csv->at == '\r' && csv->at[1] == '\n'); /* at[1] is there: NUL at the end */
}

/* Steps over what follows a cell and ends the cell there; `cell_end` is at or before csv->at. */
static enum stop step_over(struct node_csv *csv, char *cell_end)
{
	enum stop stop = csv->at == csv->end ? STOP_TEXT : *csv->at == ',' ? STOP_COMMA : STOP_LINE;
	if (stop == STOP_COMMA) {
		csv->at++;
	} else if (stop == STOP_LINE) {
		csv->at += *csv->at == '\r' ? 2 : 1;
		csv->line++;
	}
	*cell_end = '\0';
	return stop;
}

static int read_quoted(struct node_csv *csv, enum stop *stop, struct torap_error *err)
{
	unsigned begun = csv->line;
	char *to = csv->at++;
	while (csv->at < csv->end && (*csv->at != '"' || csv->at[1] == '"')) {
		csv->at += *csv->at == '"'; /* two of them stand for one */
		csv->line += *csv->at == '\n';
		*to++ = *csv->at++;
	}
	if (csv->at == csv->end)
		return torap_errorf(err, -EINVAL, "%s:%u: a quoted cell has no end", csv->name, begun);
	csv->at++;
	if (csv->at < csv->end && *csv->at != ',' && !at_line_end(csv))
		return torap_errorf(
			err, -EINVAL, "%s:%u: text after the closing quote of a cell", csv->name, csv->line);
	*stop = step_over(csv, to);
	return 0;
}

static int read_plain(struct node_csv *csv, enum stop *stop, struct torap_error *err)
{
	while (csv->at < csv->end && *csv->at != ',' && !at_line_end(csv)) {
		if (*csv->at == '"')
			return torap_errorf(err, -EINVAL,
				"%s:%u: a quote inside a cell that does not begin with one", csv->name,
				csv->line);
		csv->at++;
	}
	*stop = step_over(csv, csv->at);
	return 0;
}

static void skip_blank_lines(struct node_csv *csv)
{
	while (csv->at < csv->end && at_line_end(csv)) {
		csv->at += *csv->at == '\r' ? 2 : 1;
		csv->line++;
	}
}

int node_csv_next(struct node_csv *csv, struct node_csv_row *row, struct torap_error *err)
{
	skip_blank_lines(csv);
	if (csv->at == csv->end)
		return NODE_CSV_END;

	enum stop stop = STOP_COMMA;
	row->count = 0;
	row->line = csv->line;
	while (stop == STOP_COMMA) {
		if (row->count == NODE_CSV_CELLS_MAX)
			return torap_errorf(err, -EINVAL, "%s:%u: more than %d cells", csv->name, row->line,
				NODE_CSV_CELLS_MAX);
		row->cells[row->count++] = csv->at;
		int r = *csv->at == '"' ? read_quoted(csv, &stop, err) : read_plain(csv, &stop, err);
		if (r)
			return r;
	}
	return 0;
}

static int unknown_column(const struct node_csv *csv, const struct node_csv_row *row, const char *cell,
	const struct node_csv_column *columns, unsigned count, struct torap_error *err)
{
	char known[256];
	size_t used = 0;
	for (unsigned i = 0; i < count && used < sizeof known; i++)
		used += (size_t)snprintf(
			known + used, sizeof known - used, "%s%s", i ? ", " : "", columns[i].name);
	return torap_errorf(err, -EINVAL, "%s:%u: unknown column \"%.40s\"; there are %s", csv->name,
		row->line, cell, known);
}

int node_csv_header(struct node_csv *csv, const struct node_csv_column *columns, unsigned count, int *places,
	unsigned *cells, struct torap_error *err)
{
	struct node_csv_row row;
	int r = node_csv_next(csv, &row, err);
	if (r == NODE_CSV_END)
		return torap_errorf(
			err, -EINVAL, "%s:1: is empty: its first row names the columns", csv->name);
	if (r)
		return r;
	for (unsigned i = 0; i < count; i++)
		places[i] = -1;
	for (unsigned cell = 0; cell < row.count; cell++) {
		unsigned i = 0;
		while (i < count && strcmp(row.cells[cell], columns[i].name) != 0)
			i++;
		if (i == count)
			return unknown_column(csv, &row, row.cells[cell], columns, count, err);
		if (places[i] >= 0)
			return torap_errorf(err, -EINVAL, "%s:%u: column \"%s\" stands twice", csv->name,
				row.line, columns[i].name);
		places[i] = (int)cell;
	}
	for (unsigned i = 0; i < count; i++)
		if (columns[i].required && places[i] < 0)
			return torap_errorf(err, -EINVAL, "%s:%u: column \"%s\" is missing", csv->name,
				row.line, columns[i].name);
	*cells = row.count;
	return 0;
}
