#include "tests/contract/stage.h"
#include "tests/kit/temporary.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PATIENCE_MS = 20000, SILENCE_MS = 300 };

static int64_t clock_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool binds(int type, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool free = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return free;
}

/* Below the range that the kernel gives to outgoing connections, and nobody else's while we run: each test holds a byte of one file for each of
 * its ports, as those of whole systems do. */
static int free_port(void)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/torap-test-ports-%u", (unsigned)getuid());
	int taken = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* until we end */
	cr_assert(taken >= 0);
	unsigned random = (unsigned)clock_ms() ^ (unsigned)getpid() * 2654435761u;
	for (;;) {
		int port = 12000 + (int)((random = random * 1103515245u + 12345u) >> 8) % 20000;
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = port, .l_len = 1 };
		if (fcntl(taken, F_SETLK, &lock) == 0 && binds(SOCK_STREAM, port) && binds(SOCK_DGRAM, port))
			return port;
	}
}

static int try_call(const struct stage *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)s->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&a, sizeof a))
		return fd;
	close(fd);
	return -1;
}

static const char *program_path(void)
{
	static char path[512];
	const char *bin = getenv("TORAP_BIN");
	snprintf(path, sizeof path, "%s/%s", bin ? bin : CONTRACT_BIN, contract_agent.program);
	return path;
}

static pid_t launch(struct stage *s, const char *option, const char *config)
{
	char log[160];
	snprintf(log, sizeof log, "%s/agent.log", s->dir);
	pid_t pid = fork();
	cr_assert(pid >= 0);
	if (pid)
		return pid;
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(program_path(), contract_agent.program, "-c", config, option, (char *)NULL);
	_exit(127);
}

int stage_run(struct stage *s, const char *option, const char *config)
{
	int status;
	pid_t pid = launch(s, option, config);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void stage_start_agent(struct stage *s)
{
	s->agent = launch(s, NULL, s->config);
	int64_t until = clock_ms() + PATIENCE_MS;
	int fd;
	while ((fd = try_call(s)) < 0) {
		cr_assert(clock_ms() < until, "the agent does not listen");
		cr_assert_eq(waitpid(s->agent, NULL, WNOHANG), 0, "the agent ended");
		fake_node_turn(&s->node, 10);
	}
	close(fd);
}

int stage_end_agent(struct stage *s, int number)
{
	int status = 0;
	if (number)
		kill(s->agent, number);
	int64_t until = clock_ms() + PATIENCE_MS;
	while (waitpid(s->agent, &status, WNOHANG) == 0) {
		cr_assert(clock_ms() < until, "the agent does not end");
		fake_node_turn(&s->node, 10);
	}
	s->agent = 0;
	return status;
}

struct stage *stage_open(void)
{
	struct stage *s = calloc(1, sizeof *s);
	cr_assert(s);
	temporary_dir(s->dir, sizeof s->dir, "contract");
	snprintf(s->config, sizeof s->config, "%s/agent.yaml", s->dir);
	snprintf(s->endpoint, sizeof s->endpoint, "ipc://%s/node.intake", s->dir);
	s->port = free_port();
	contract_agent.write_config(s->config, s->endpoint, s->port);
	cr_assert(fake_node_open(&s->node, s->endpoint));
	stage_start_agent(s);
	stage_wait_hello(s, 1);
	return s;
}

void stage_close(struct stage *s)
{
	if (s->agent)
		stage_end_agent(s, SIGKILL);
	fake_node_close(&s->node);
	static const char *const names[] = { "agent.yaml", "agent.yaml.keys", "agent.log", "node.intake",
		"other.yaml" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[160];
		snprintf(path, sizeof path, "%s/%s", s->dir, names[i]);
		unlink(path);
	}
	rmdir(s->dir);
	free(s);
}

void stage_wait_hello(struct stage *s, unsigned hellos)
{
	int64_t until = clock_ms() + PATIENCE_MS;
	while (s->node.hellos < hellos) {
		cr_assert(clock_ms() < until, "the agent does not greet its node");
		fake_node_turn(&s->node, 10);
	}
	for (int i = 0; i < 20; i++) /* The rows must have reached it, too. */
		fake_node_turn(&s->node, 5);
}

void stage_wait_seen(struct stage *s, unsigned count)
{
	int64_t until = clock_ms() + PATIENCE_MS;
	while (s->node.seen_count < count) {
		cr_assert(clock_ms() < until, "%u of %u observations came", s->node.seen_count, count);
		fake_node_turn(&s->node, 10);
	}
}

int stage_call(struct stage *s)
{
	int fd = try_call(s);
	cr_assert(fd >= 0, "the agent does not take calls");
	return fd;
}

void stage_tell(int fd, unsigned number)
{
	uint8_t message[STAGE_MESSAGE_MAX];
	size_t size = contract_agent.message(message, number);
	cr_assert_eq(write(fd, message, size), (ssize_t)size);
}

static bool readable(struct stage *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	fake_node_turn(&s->node, 5);
	return poll(&p, 1, 5) > 0;
}

void stage_expect(struct stage *s, int fd, unsigned number)
{
	uint8_t want[STAGE_MESSAGE_MAX], got[STAGE_MESSAGE_MAX];
	size_t size = contract_agent.acknowledgement(want, number), have = 0;
	int64_t until = clock_ms() + PATIENCE_MS;
	while (have < size) {
		cr_assert(clock_ms() < until, "message %u: no acknowledgement", number);
		if (!readable(s, fd))
			continue;
		ssize_t n = read(fd, got + have, size - have);
		cr_assert(n > 0, "message %u: the agent closed instead of acknowledging", number);
		have += (size_t)n;
	}
	cr_assert(!memcmp(got, want, size), "message %u: %.*s", number, (int)have, got);
}

void stage_expect_silence(struct stage *s, int fd)
{
	uint8_t got[STAGE_MESSAGE_MAX];
	int64_t until = clock_ms() + SILENCE_MS;
	while (clock_ms() < until)
		if (readable(s, fd)) {
			ssize_t n = read(fd, got, sizeof got);
			cr_assert(n <= 0, "an answer where none is due: %.*s", (int)n, got);
			fake_node_turn(&s->node, 5);
		}
}

void stage_expect_end(struct stage *s, int fd)
{
	uint8_t got[STAGE_MESSAGE_MAX];
	int64_t until = clock_ms() + PATIENCE_MS;
	while (!readable(s, fd))
		cr_assert(clock_ms() < until, "the agent does not close");
	ssize_t n = read(fd, got, sizeof got);
	cr_assert(n <= 0, "an answer where none is due: %.*s", (int)n, got);
}
