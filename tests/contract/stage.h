/* stage.h: a real agent process between a fake node and devices that the test plays.
 *
 * An agent joins the battery by a descriptor, `contract_agent`, in a file of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/contract/fake_node.h"

enum { STAGE_MESSAGE_MAX = 1024 };

struct contract_agent {
	const char *program; /* in the build's bin folder */
	/* Writes the configuration file: node endpoint, port for devices on 127.0.0.1. */
	void (*write_config)(const char *path, const char *endpoint, int port);
	/* Message number `number` of a device, and the answer that acknowledges it; equal numbers are repeats.  Returns the size. */
	size_t (*message)(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number);
	size_t (*acknowledgement)(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number);
	/* Bytes that are no message; number 0, 1, 2…; 0 when there are no more kinds. */
	size_t (*garbage)(uint8_t out[static STAGE_MESSAGE_MAX], unsigned number);
};
extern const struct contract_agent contract_agent;

struct stage {
	char dir[64], config[128], endpoint[128];
	int port;
	pid_t agent; /* 0: not running */
	struct fake_node node;
};

/* A folder, a node, the agent; returns when the agent has said hello and devices can call. */
struct stage *stage_open(void);
void stage_close(struct stage *s);
void stage_start_agent(struct stage *s);
/* Sends the signal (0: none), waits for the end, returns the wait status. */
int stage_end_agent(struct stage *s, int number);
/* Runs the program with further options; returns its exit status. */
int stage_run(struct stage *s, const char *option, const char *config);
void stage_wait_hello(struct stage *s, unsigned hellos);
void stage_wait_seen(struct stage *s, unsigned count);

int stage_call(struct stage *s); /* a device's connection */
void stage_tell(int fd, unsigned number);
/* The acknowledgement of `number`, and nothing else, arrives. */
void stage_expect(struct stage *s, int fd, unsigned number);
/* Nothing arrives for a while; the connection may be closed or not. */
void stage_expect_silence(struct stage *s, int fd);
/* The other side closes; nothing more arrives. */
void stage_expect_end(struct stage *s, int fd);
