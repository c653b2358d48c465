/* accounts.h: the registry's rows by account: which code page a panel writes, which key is its own.
 *
 * "4aF0" and "4Af0" are one account, as they are one address in the registry. */
#pragma once

#include <stddef.h>

#include "agents/dc09/keys.h"
#include "agents/dc09/session.h"
#include "agents/kit/kit.h"

struct dc09_account_row {
	char account[DC09_ACCOUNT_MAX + 1];
	char key_name[TORAP_SECRET_NAME_MAX + 1];
	enum dc09_code_page code_page;
};

struct dc09_accounts {
	struct dc09_account_row *list; /* owned, sorted by account, without regard to ASCII case */
	size_t count;
	size_t left_out; /* rows that no panel can be: an account too long */
	size_t keyless;  /* rows whose key is not in the file */
	size_t unknown_pages;
};

/* Replaces the rows.  0, or -ENOMEM; then the old ones stay. */
int dc09_accounts_set(
	struct dc09_accounts *a, const struct kit_row *rows, size_t count, const struct dc09_keys *keys);
/* Counts `keyless` again: the key file was read anew. */
void dc09_accounts_recount(struct dc09_accounts *a, const struct dc09_keys *keys);
void dc09_accounts_finish(struct dc09_accounts *a);
/* Zeros for an account that the registry does not know. */
void dc09_accounts_find(const struct dc09_accounts *a, const struct dc09_keys *keys, const char *account,
	struct dc09_account *out);
