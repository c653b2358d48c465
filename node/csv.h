/* csv.h: rows of a CSV file (RFC 4180, UTF-8, commas), read in place: cells are strings inside the text that was given.
 *
 * A byte order mark, CRLF, quoted cells with commas and line ends in them, and blank lines are taken.  Complaints begin with
 * "FILE:LINE: ". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct torap_error;

enum {
	NODE_CSV_CELLS_MAX = 64, /* of a row */
	NODE_CSV_END = 1,        /* answer of node_csv_next(): there are no more rows */
};

struct node_csv {
	const char *name; /* of the file, for complaints */
	char *at, *end;   /* private */
	unsigned line;    /* private */
};

struct node_csv_row {
	char *cells[NODE_CSV_CELLS_MAX];
	unsigned count;
	unsigned line; /* where it begins */
};

struct node_csv_column {
	const char *name;
	bool required; /* the file must have it, and no cell in it may be empty */
};

/* `text` is changed by reading and must outlive the cells; text[size] must be writable.  Refuses what is not UTF-8. */
int node_csv_begin(struct node_csv *csv, const char *name, char *text, size_t size, struct torap_error *err);
/* Reads the first row.  places[i] becomes the cell of columns[i], or -1 when the file has no such column. */
int node_csv_header(struct node_csv *csv, const struct node_csv_column *columns, unsigned count, int *places,
	unsigned *cells, struct torap_error *err);
/* 0, NODE_CSV_END, or a negative error, after which there is no next row to be had. */
int node_csv_next(struct node_csv *csv, struct node_csv_row *row, struct torap_error *err);
