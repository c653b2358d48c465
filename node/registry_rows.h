/* registry_rows.h: a row of sites.csv or devices.csv, checked cell by cell.  Private to the registry. */
#pragma once

#include "node/csv.h"
#include "node/registry.h"

enum node_site_column {
	NODE_SITE_ID,
	NODE_SITE_NAME,
	NODE_SITE_FACILITY,
	NODE_SITE_REGION,
	NODE_SITE_OWNER_KIND,
	NODE_SITE_ADDRESS,
	NODE_SITE_COLUMNS
};
extern const struct node_csv_column node_site_columns[NODE_SITE_COLUMNS];

enum node_device_column {
	NODE_DEVICE_ID,
	NODE_DEVICE_SITE,
	NODE_DEVICE_PROTOCOL,
	NODE_DEVICE_ADDRESS,
	NODE_DEVICE_PLACE,
	NODE_DEVICE_ZONE_KIND,
	NODE_DEVICE_SUPERVISION,
	NODE_DEVICE_CODE_PAGE,
	NODE_DEVICE_KEY_NAME,
	NODE_DEVICE_SWITCH,
	NODE_DEVICE_RECORDER,
	NODE_DEVICE_STREET,
	NODE_DEVICE_RECORDING,
	NODE_DEVICE_URL,
	NODE_DEVICE_SUB_URL,
	NODE_DEVICE_PROFILE,
	NODE_DEVICE_MODE,
	NODE_DEVICE_PURPOSE,
	NODE_DEVICE_LEGAL_BASIS,
	NODE_DEVICE_OWNER,
	NODE_DEVICE_TERM,
	NODE_DEVICE_SINCE,
	NODE_DEVICE_AIMED,
	NODE_DEVICE_CONSENT_REF,
	NODE_DEVICE_CONSENT_FROM,
	NODE_DEVICE_CONSENT_UNTIL,
	NODE_DEVICE_CONSENT_WITHDRAWN,
	NODE_DEVICE_COLUMNS
};
extern const struct node_csv_column node_device_columns[NODE_DEVICE_COLUMNS];

_Static_assert((int)NODE_SITE_COLUMNS <= (int)NODE_DEVICE_COLUMNS, "places has room for either file");

/* A file that is being read: where its columns are, and where complaints go. */
struct node_table {
	const char *name;
	const struct node_csv_column *columns;
	unsigned columns_count;
	int places[NODE_DEVICE_COLUMNS];
	unsigned cells; /* of a row */
};

/* Fills *out from the row's cells; strings point into them.  -EINVAL: err names file, line, column and reason. */
int node_site_read(struct node_site *out, const struct node_table *table, const struct node_csv_row *row,
	const struct node_registry_rules *rules, struct torap_error *err);
/* All but `site`, which the caller looks up by the cell that node_table_cell() gives. */
int node_device_read(struct node_device *out, const struct node_table *table, const struct node_csv_row *row,
	struct torap_error *err);
/* "" when the file has no such column. */
const char *node_table_cell(const struct node_table *table, const struct node_csv_row *row, unsigned column);
int node_table_refuse(const struct node_table *table, unsigned line, unsigned column, struct torap_error *err,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
