/* reload.h: SIGHUP: keys, trust file, registry, mapping, and where the brokers are, from the files as they are now: all of it or nothing. */
#pragma once

struct node;

void node_reload(struct node *n);
