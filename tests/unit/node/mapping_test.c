#include "node/mapping.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "conf/file.h"
#include "wire/taxonomy.h"
#include "tests/kit/temporary.h"

#define HEAD "vocabulary: v\nrows:\n"

static int parse(struct node_mapping **out, const char *text, struct torap_error *err)
{
	return node_mapping_parse(out, "v.yaml", torap_bytes(text, strlen(text)), err);
}

static void check_refused(const char *text, const char *complaint)
{
	struct node_mapping *m = NULL;
	struct torap_error err = { "" };
	cr_expect_lt(parse(&m, text, &err), 0, "taken: %s", text);
	cr_expect_null(m);
	cr_expect_str_eq(err.text, complaint);
}

Test(mapping, gives_kind_state_and_severity)
{
	struct node_mapping *m = NULL;
	struct torap_error err;
	cr_assert_eq(parse(&m,
			     HEAD "  - { code: PA, kind: panic, state: start }\n"
				  "  - { code: XX, kind: test, state: pulse, severity: high }\n"
				  "  - { code: SR, kind: heartbeat }\n",
			     &err),
		0, "%s", err.text);
	const struct node_meaning *panic = node_mapping_find(m, "v", "PA");
	cr_assert_not_null(panic);
	cr_expect_eq(panic->kind, TORAP__KIND__KIND_PANIC);
	cr_expect_eq(panic->state, TORAP__STATE__STATE_START);
	cr_expect_eq(panic->severity, TORAP__SEVERITY__SEVERITY_CRITICAL);
	cr_expect_not(panic->alive);
	cr_expect_eq(node_mapping_find(m, "v", "XX")->severity, TORAP__SEVERITY__SEVERITY_HIGH);
	cr_expect(node_mapping_find(m, "v", "SR")->alive);

	cr_expect_null(node_mapping_find(m, "v", "PB"));
	cr_expect_null(node_mapping_find(m, "w", "PA"));
	cr_expect_eq(node_mapping_size(m), 3);
	node_mapping_unref(m);
}

Test(mapping, refuses_a_bad_row_by_line)
{
	check_refused(HEAD "  - { code: A, kind: panik, state: start }\n",
		"v.yaml:3: code \"A\": \"panik\" is not a kind of event");
	check_refused(HEAD
		"  - { code: B, kind: fire, state: end }\n  - code: A\n    kind: fire\n    state: begin\n",
		"v.yaml:6: code \"A\": \"begin\" is not a state: start, end and pulse are");
	check_refused(HEAD "  - { code: A, kind: fire }\n", "v.yaml:3: code \"A\": key \"state\" is missing");
	check_refused(HEAD "  - { code: A, kind: fire, state: start, severity: big }\n",
		"v.yaml:3: code \"A\": \"big\" is not a severity");
	check_refused(HEAD "  - { code: A, kind: heartbeat, state: pulse }\n",
		"v.yaml:3: code \"A\": a heartbeat has neither state nor severity");
	check_refused(HEAD "  - { code: A, kind: fire, sate: start }\n",
		"v.yaml:3: unknown key \"sate\" in \"rows[1]\"");
	check_refused("vocabulary: v\nrows: []\n", "v.yaml:2: \"rows\" has too few entries: 0");
}

Test(mapping, refuses_a_code_that_stands_twice)
{
	check_refused(HEAD
		"  - { code: A, kind: fire, state: start }\n  - { code: a, kind: gas, state: start }\n",
		"v.yaml:4: code \"a\" stands twice: row 1 has it too");
}

/* A device that could say "canary" or "policy" could speak for the bus. */
Test(mapping, refuses_kinds_that_are_not_for_devices)
{
	static const char *const kinds[] = { "canary_critical", "canary_bulk", "policy", "node_up", "shed",
		"access", "plate_read", "unmapped" };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char text[128], complaint[128];
		snprintf(text, sizeof text, HEAD "  - { code: A, kind: %s, state: pulse }\n", kinds[i]);
		snprintf(complaint, sizeof complaint,
			"v.yaml:3: code \"A\": \"%s\" is not for devices to say", kinds[i]);
		check_refused(text, complaint);
	}
}

Test(mapping, refuses_an_end_of_another_severity_than_its_start)
{
	check_refused(HEAD "  - { code: A, kind: tamper, state: start, severity: critical }\n"
			   "  - { code: P, kind: tamper, state: pulse }\n"
			   "  - { code: B, kind: tamper, state: end }\n",
		"v.yaml:5: code \"B\" has severity high, code \"A\" of the same kind critical: an end has "
		"the severity of "
		"its start");
}

Test(mapping, loads_a_folder_and_refuses_one_vocabulary_twice)
{
	static const char *const files[] = { "a.yaml", "b.yaml", "notes.txt" };
	static const char *const texts[] = { "vocabulary: v\nrows: [{ code: A, kind: fire, state: start }]\n",
		"vocabulary: w\nrows: [{ code: A, kind: gas, state: start }]\n", "not a table" };
	char dir[64], path[3][80], complaint[256];
	struct torap_error err;
	temporary_dir(dir, sizeof dir, "mapping");
	for (size_t i = 0; i < 3; i++) {
		snprintf(path[i], sizeof path[i], "%s/%s", dir, files[i]);
		cr_assert_eq(
			torap_file_create(path[i], 0644, torap_bytes(texts[i], strlen(texts[i])), &err), 0);
	}
	struct node_mapping *m = NULL;
	cr_assert_eq(node_mapping_load(&m, dir, &err), 0, "%s", err.text);
	cr_expect_eq(node_mapping_find(m, "v", "A")->kind, TORAP__KIND__KIND_FIRE);
	cr_expect_eq(node_mapping_find(m, "w", "A")->kind, TORAP__KIND__KIND_GAS);
	m = node_mapping_unref(m);

	cr_assert_eq(torap_file_replace(path[1], 0644, torap_bytes(texts[0], strlen(texts[0])), &err), 0);
	cr_expect_lt(node_mapping_load(&m, dir, &err), 0);
	snprintf(complaint, sizeof complaint, "%s:1: vocabulary \"v\" is that of %s already", path[1],
		path[0]);
	cr_expect_str_eq(err.text, complaint);
	cr_expect_null(m);
	for (size_t i = 0; i < 3; i++)
		unlink(path[i]);
	cr_expect_lt(node_mapping_load(&m, dir, &err), 0);
	snprintf(complaint, sizeof complaint, "%s: holds no mapping table (*.yaml)", dir);
	cr_expect_str_eq(err.text, complaint);
	rmdir(dir);
}

static struct node_mapping *own_tables(void)
{
	struct node_mapping *m = NULL;
	struct torap_error err;
	cr_assert_eq(node_mapping_load(&m, "deploy/mapping", &err), 0, "%s", err.text);
	return m;
}

Test(mapping, our_tables_know_the_traps)
{
	struct node_mapping *m = own_tables();
	cr_expect_eq(node_mapping_find(m, "sia-dcs", "ND")->kind, TORAP__KIND__KIND_DURESS);
	cr_expect_eq(node_mapping_find(m, "sia-dcs", "NO")->kind, TORAP__KIND__KIND_DISARMED);
	cr_expect_neq(node_mapping_find(m, "sia-dcs", "PC")->kind, TORAP__KIND__KIND_PANIC);
	cr_expect_eq(node_mapping_find(m, "adm-cid", "121 q1")->kind, TORAP__KIND__KIND_DURESS);
	cr_expect_eq(node_mapping_find(m, "adm-cid", "401 q1")->kind, TORAP__KIND__KIND_DISARMED);
	cr_expect_eq(node_mapping_find(m, "adm-cid", "401 q3")->kind, TORAP__KIND__KIND_ARMED);
	cr_expect_eq(node_mapping_find(m, "adm-cid", "131 q6")->state, TORAP__STATE__STATE_START);
	node_mapping_unref(m);
}

/* The corpus, where it is there: facts about codes that do not belong to this repository. */
static FILE *open_corpus(const char *file)
{
	char path[512];
	const char *corpus = getenv("TORAP_CORPUS");
	snprintf(path, sizeof path, "%s/dc09/%s", corpus ? corpus : "../shared/corpus", file);
	FILE *f = fopen(path, "r");
	if (!f)
		printf("%s is not there: nothing is compared with it\n", path);
	return f;
}

static void compare(const struct node_mapping *m, const char *vocabulary, const char *code, const char *kind,
	const char *state)
{
	const struct node_meaning *row = node_mapping_find(m, vocabulary, code);
	if (!row) {
		cr_expect_fail("%s %s: unmapped; due is %s %s", vocabulary, code, kind, state);
		return;
	}
	const char *own_kind = row->alive ? "heartbeat" : torap_kind_name(row->kind);
	const char *own_state = row->alive ? "" : torap_state_name(row->state);
	bool state_counts = !row->alive && *state;
	cr_expect(strcmp(kind, own_kind) == 0 && (!state_counts || strcmp(state, own_state) == 0),
		"%s %s: is %s %s; due is %s %s", vocabulary, code, own_kind, own_state, kind, state);
}

/* Cuts the line at its tabs. */
static void split(char *line, char *cells[], unsigned count)
{
	static char empty[1];
	line[strcspn(line, "\r\n")] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char *cell = strsep(&line, "\t");
		cells[i] = cell ? cell : empty;
	}
}

Test(mapping, our_sia_table_agrees_with_the_corpus)
{
	FILE *f = open_corpus("codes-sia.tsv");
	if (!f)
		return;
	struct node_mapping *m = own_tables();
	char line[1024], *cells[3];
	cr_assert_not_null(fgets(line, sizeof line, f));
	while (fgets(line, sizeof line, f)) {
		split(line, cells, 3);
		compare(m, "sia-dcs", cells[0], cells[1], cells[2]);
	}
	fclose(f);
	node_mapping_unref(m);
}

Test(mapping, our_contact_id_table_agrees_with_the_corpus)
{
	FILE *f = open_corpus("codes-cid.tsv");
	if (!f)
		return;
	struct node_mapping *m = own_tables();
	char line[1024], *cells[5], code[32];
	cr_assert_not_null(fgets(line, sizeof line, f));
	while (fgets(line, sizeof line, f)) {
		split(line, cells, 5);
		snprintf(code, sizeof code, "%.16s q1", cells[0]);
		compare(m, "adm-cid", code, cells[1], cells[2]);
		snprintf(code, sizeof code, "%.16s q3", cells[0]);
		compare(m, "adm-cid", code, cells[3], cells[4]);
		snprintf(code, sizeof code, "%.16s q6", cells[0]);
		compare(m, "adm-cid", code, cells[1], cells[2]);
	}
	fclose(f);
	node_mapping_unref(m);
}

/* Real messages, and what each must become.  NULL is not a code: agents tell it as a sign of life. */
Test(mapping, our_tables_agree_with_real_messages)
{
	FILE *f = open_corpus("index.tsv");
	if (!f)
		return;
	struct node_mapping *m = own_tables();
	char line[4096], *cells[6];
	cr_assert_not_null(fgets(line, sizeof line, f));
	while (fgets(line, sizeof line, f)) {
		split(line, cells, 6);
		const char *native = cells[3], *kind = cells[4];
		if (!*native || strcmp(kind, "heartbeat") == 0)
			continue;
		compare(m, strstr(native, " q") ? "adm-cid" : "sia-dcs", native, kind, cells[5]);
	}
	fclose(f);
	node_mapping_unref(m);
}
