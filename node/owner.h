/* owner.h: whose journal is this?  The streams of a journal bear the name of the node that numbered them.
 *
 * A node of another name would never send what they hold, although devices were told that it is safe: so it is refused.  Whoever
 * renames a node lets the old one send everything first, and then begins with an empty directory. */
#pragma once

struct torap_error;
struct torap_kv;

/* 0; -EPERM when the journal is another node's; or negative when it cannot be read. */
int node_owner_check(struct torap_kv *kv, const char *dir, const char *writer, struct torap_error *err);
/* The same without the journal's lock and without making one: for -n.  A directory without a journal is anybody's. */
int node_owner_check_dir(const char *dir, const char *writer, struct torap_error *err);
