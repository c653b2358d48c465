#include "agents/dc09/accounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* As the node compares addresses: without regard to ASCII case, in any locale. */
static int compare(const void *a, const void *b)
{
	const char *x = ((const struct dc09_account_row *)a)->account;
	const char *y = ((const struct dc09_account_row *)b)->account;
	while (*x && lower(*x) == lower(*y)) {
		x++;
		y++;
	}
	return (unsigned char)lower(*x) - (unsigned char)lower(*y);
}

void dc09_accounts_recount(struct dc09_accounts *a, const struct dc09_keys *keys)
{
	a->keyless = 0;
	for (size_t i = 0; i < a->count; i++)
		a->keyless += *a->list[i].key_name && !dc09_keys_find(keys, a->list[i].key_name);
}

int dc09_accounts_set(
	struct dc09_accounts *a, const struct kit_row *rows, size_t count, const struct dc09_keys *keys)
{
	struct dc09_accounts made = { .list = calloc(count + 1, sizeof *made.list) };
	if (!made.list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (strlen(rows[i].address) > DC09_ACCOUNT_MAX ||
			strlen(rows[i].key_name) > TORAP_SECRET_NAME_MAX) {
			made.left_out++;
			continue;
		}
		struct dc09_account_row *row = &made.list[made.count++];
		snprintf(row->account, sizeof row->account, "%s", rows[i].address);
		snprintf(row->key_name, sizeof row->key_name, "%s", rows[i].key_name);
		made.unknown_pages += !dc09_code_page_find(&row->code_page, rows[i].code_page);
	}
	qsort(made.list, made.count, sizeof *made.list, compare);
	dc09_accounts_recount(&made, keys);
	dc09_accounts_finish(a);
	*a = made;
	return 0;
}

void dc09_accounts_finish(struct dc09_accounts *a)
{
	free(a->list);
	*a = (struct dc09_accounts){ 0 };
}

void dc09_accounts_find(const struct dc09_accounts *a, const struct dc09_keys *keys, const char *account,
	struct dc09_account *out)
{
	*out = (struct dc09_account){ 0 };
	struct dc09_account_row wanted = { .account = "" };
	snprintf(wanted.account, sizeof wanted.account, "%s", account);
	const struct dc09_account_row *row =
		a->count ? bsearch(&wanted, a->list, a->count, sizeof *a->list, compare) : NULL;
	if (!row)
		return;
	out->code_page = row->code_page;
	const struct dc09_key *key = *row->key_name ? dc09_keys_find(keys, row->key_name) : NULL;
	if (key)
		out->key = *key;
}
