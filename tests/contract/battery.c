/* The contract that every agent keeps, whatever its devices speak: no acknowledgement before the node has it, silence when the
 * node does not take it, and everything goes on after everything. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/contract/stage.h"

TestSuite(contract, .timeout = 120);

Test(contract, acknowledges_nothing_before_it_is_durable)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	stage_expect_silence(s, fd);
	fake_node_judge(&s->node);
	stage_expect(s, fd, 1);
	close(fd);
	stage_close(s);
}

Test(contract, is_silent_when_the_node_refuses_and_takes_the_repeat)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_REFUSES;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	stage_expect_silence(s, fd);
	s->node.mood = FAKE_TAKES;
	stage_tell(fd, 1);
	stage_expect(s, fd, 1);
	close(fd);
	stage_close(s);
}

/* The first acknowledgement was lost: the node knows the repeat, the device is told all the same. */
Test(contract, acknowledges_a_duplicate)
{
	struct stage *s = stage_open();
	for (int i = 0; i < 3; i++) {
		int fd = stage_call(s);
		stage_tell(fd, 1);
		stage_expect(s, fd, 1);
		close(fd);
	}
	cr_expect_eq(s->node.durable, 1);
	cr_expect_eq(s->node.duplicate, 2);
	stage_close(s);
}

Test(contract, tells_different_events_apart)
{
	struct stage *s = stage_open();
	int fd = stage_call(s);
	for (unsigned i = 1; i <= 50; i++) {
		stage_tell(fd, i);
		stage_expect(s, fd, i);
	}
	cr_expect_eq(s->node.durable, 50);
	cr_expect_eq(s->node.duplicate, 0);
	close(fd);
	stage_close(s);
}

Test(contract, survives_garbage)
{
	struct stage *s = stage_open();
	uint8_t bytes[STAGE_MESSAGE_MAX];
	size_t size;
	for (unsigned kind = 0; (size = contract_agent.garbage(bytes, kind)); kind++) {
		int fd = stage_call(s);
		cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
		stage_expect_silence(s, fd);
		close(fd);
	}
	cr_expect_eq(s->node.seen_count, 0);
	int fd = stage_call(s);
	size = contract_agent.garbage(bytes, 0);
	cr_assert_eq(
		write(fd, bytes, size), (ssize_t)size); /* in front of a message, on the same connection */
	stage_tell(fd, 1);
	stage_expect(s, fd, 1);
	close(fd);
	stage_close(s);
}

Test(contract, does_not_believe_verdicts_that_make_no_sense)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_LIES;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	stage_expect_silence(s, fd);
	close(fd);
	s->node.mood = FAKE_TAKES;
	fd = stage_call(s);
	stage_tell(fd, 2);
	stage_expect(s, fd, 2);
	close(fd);
	stage_close(s);
}

Test(contract, takes_messages_in_any_pieces)
{
	struct stage *s = stage_open();
	uint8_t message[STAGE_MESSAGE_MAX];
	size_t size = contract_agent.message(message, 1);
	int fd = stage_call(s);
	for (size_t i = 0; i < size; i++) {
		cr_assert_eq(write(fd, message + i, 1), 1);
		fake_node_turn(&s->node, 1);
	}
	stage_expect(s, fd, 1);
	close(fd);
	stage_close(s);
}

Test(contract, takes_many_messages_in_one_piece)
{
	enum { MESSAGES = 20 };
	struct stage *s = stage_open();
	static uint8_t all[MESSAGES * STAGE_MESSAGE_MAX];
	size_t size = 0;
	for (unsigned i = 1; i <= MESSAGES; i++) {
		uint8_t message[STAGE_MESSAGE_MAX];
		size_t one = contract_agent.message(message, i);
		memcpy(all + size, message, one);
		size += one;
	}
	int fd = stage_call(s);
	cr_assert_eq(write(fd, all, size), (ssize_t)size);
	for (unsigned i = 1; i <= MESSAGES; i++)
		stage_expect(s, fd, i);
	close(fd);
	stage_close(s);
}

Test(contract, answers_a_device_that_has_closed_its_side)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	shutdown(fd, SHUT_WR);
	stage_wait_seen(s, 1);
	stage_expect_silence(s, fd);
	fake_node_judge(&s->node);
	stage_expect(s, fd, 1);
	stage_expect_end(s, fd);
	close(fd);
	stage_close(s);
}

Test(contract, survives_a_device_that_hangs_up_before_its_verdict)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	for (unsigned i = 0; i < 10; i++) {
		int fd = stage_call(s);
		stage_tell(fd, i);
		stage_wait_seen(s, i + 1);
		struct linger reset = { 1, 0 };
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
		close(fd);
	}
	int fd = stage_call(s);
	stage_tell(fd, 77);
	stage_wait_seen(s, 11);
	fake_node_judge(&s->node);
	stage_expect(s, fd, 77); /* and not what was meant for those before */
	close(fd);
	stage_close(s);
}

Test(contract, serves_many_devices_while_the_node_thinks)
{
	enum { DEVICES = 300 };
	struct stage *s = stage_open();
	int fds[DEVICES];
	s->node.mood = FAKE_THINKS;
	for (unsigned i = 0; i < DEVICES; i++) {
		fds[i] = stage_call(s);
		stage_tell(fds[i], i);
	}
	stage_wait_seen(s, DEVICES);
	fake_node_judge(&s->node);
	for (unsigned i = 0; i < DEVICES; i++) {
		stage_expect(s, fds[i], i);
		close(fds[i]);
	}
	cr_expect(s->node.offers <= DEVICES);
	stage_close(s);
}

Test(contract, is_silent_while_the_node_is_away)
{
	struct stage *s = stage_open();
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_expect(s, fd, 1);
	fake_node_vanish(&s->node);
	stage_tell(fd, 2);
	stage_expect_silence(s, fd);
	cr_assert(fake_node_open(&s->node, s->endpoint));
	stage_wait_hello(s, 2);
	stage_tell(fd, 2);
	stage_expect(s, fd, 2);
	close(fd);
	stage_close(s);
}

/* What was offered and not judged is not offered again by the agent: the device repeats. */
Test(contract, forgets_what_a_lost_node_had_not_judged)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	fake_node_vanish(&s->node);
	s->node.seen_count = 0;
	cr_assert(fake_node_open(&s->node, s->endpoint));
	stage_wait_hello(s, 2);
	cr_expect_eq(s->node.seen_count, 0);
	stage_expect_silence(s, fd);
	s->node.mood = FAKE_TAKES;
	stage_tell(fd, 1);
	stage_expect(s, fd, 1);
	close(fd);
	stage_close(s);
}

Test(contract, may_be_killed_at_any_moment)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	int fd = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	stage_end_agent(s, SIGKILL);
	fake_node_judge(&s->node); /* durable, and nobody there to say so */
	close(fd);
	s->node.mood = FAKE_TAKES;
	stage_start_agent(s);
	stage_wait_hello(s, 2);
	fd = stage_call(s);
	stage_tell(fd, 1);
	stage_expect(s, fd, 1);
	cr_expect_eq(s->node.durable, 1);
	cr_expect_eq(s->node.duplicate, 1, "the repeat was not recognised after a restart");
	close(fd);
	stage_close(s);
}

Test(contract, stops_cleanly)
{
	struct stage *s = stage_open();
	s->node.mood = FAKE_THINKS;
	int fd = stage_call(s), idle = stage_call(s);
	stage_tell(fd, 1);
	stage_wait_seen(s, 1);
	int status = stage_end_agent(s, SIGTERM);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %d", status);
	stage_expect_end(s, fd);
	stage_expect_end(s, idle);
	close(fd);
	close(idle);
	stage_close(s);
}

Test(contract, keeps_its_configuration_when_the_new_one_is_bad)
{
	struct stage *s = stage_open();
	int fd = open(s->config, O_WRONLY | O_TRUNC);
	cr_assert(write(fd, "nonsense: [", 11) == 11);
	close(fd);
	kill(s->agent, SIGHUP);
	fd = stage_call(s);
	for (unsigned i = 0; i < 20; i++) {
		stage_tell(fd, i);
		stage_expect(s, fd, i);
	}
	close(fd);
	stage_close(s);
}

Test(contract, says_whether_a_configuration_is_good)
{
	struct stage *s = stage_open();
	cr_expect_eq(stage_run(s, "-n", s->config), 0);
	char other[160];
	snprintf(other, sizeof other, "%s/other.yaml", s->dir);
	cr_expect_neq(stage_run(s, "-n", other), 0, "a file that is not there");
	int fd = open(other, O_WRONLY | O_CREAT, 0600);
	cr_assert(write(fd, "no_such_key: 1\n", 15) == 15);
	close(fd);
	cr_expect_neq(stage_run(s, "-n", other), 0, "an unknown key");
	stage_close(s);
}
