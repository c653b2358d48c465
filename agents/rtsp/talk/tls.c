#include "agents/rtsp/talk/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct rtsp_tls {
	SSL_CTX *context;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
};

static bool is_address(const char *host)
{
	uint8_t bytes[16];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int rtsp_tls_open(struct rtsp_tls **out, const char *host)
{
	struct rtsp_tls *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->context = SSL_CTX_new(TLS_client_method());
	if (t->context) {
		SSL_CTX_set_verify(t->context, SSL_VERIFY_NONE, NULL);
		t->ssl = SSL_new(t->context);
	}
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		SSL_CTX_free(t->context);
		free(t);
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_connect_state(t->ssl);
	if (!is_address(host))
		SSL_set_tlsext_host_name(t->ssl, host);
	*out = t;
	return 0;
}

void rtsp_tls_close(struct rtsp_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->context);
	free(t);
}

enum rtsp_tls_state rtsp_tls_incoming(struct rtsp_tls *t, struct torap_bytes bytes)
{
	if (bytes.size && BIO_write(t->in, bytes.data, (int)bytes.size) != (int)bytes.size)
		return RTSP_TLS_BROKEN;
	if (SSL_is_init_finished(t->ssl))
		return RTSP_TLS_READY;
	ERR_clear_error();
	int r = SSL_do_handshake(t->ssl);
	if (r == 1)
		return RTSP_TLS_READY;
	return SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ ? RTSP_TLS_SHAKING : RTSP_TLS_BROKEN;
}

size_t rtsp_tls_outgoing(struct rtsp_tls *t, uint8_t *out, size_t room)
{
	int size = BIO_read(t->out, out, (int)room);
	return size > 0 ? (size_t)size : 0;
}

bool rtsp_tls_write(struct rtsp_tls *t, struct torap_bytes bytes)
{
	ERR_clear_error();
	return SSL_write(t->ssl, bytes.data, (int)bytes.size) == (int)bytes.size;
}

size_t rtsp_tls_read(struct rtsp_tls *t, uint8_t *out, size_t room)
{
	ERR_clear_error();
	int size = SSL_read(t->ssl, out, (int)room);
	return size > 0 ? (size_t)size : 0;
}
