/* sweep_rows.h: what a sweep keeps in the table `streams`, as bytes.  Private to lib/store. */
#pragma once

#include "store/sweep.h"

/* The next batch to look at; 0 when there is no row, or one of other rules.  0 or what kv returned. */
int torap_swept_get(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t *out_next);
int torap_swept_put(
	struct torap_kv_txn *txn, uint32_t number, size_t term, uint64_t fingerprint, uint64_t next);
/* Adds to an account. */
int torap_account_add(
	struct torap_kv_txn *txn, uint32_t account, unsigned reason, const struct torap_sweep_tally *tally);
/* The batch is to be looked at again, for each term: it could not be read. */
int torap_swept_back(struct torap_kv_txn *txn, uint32_t number, uint64_t batch_no);
