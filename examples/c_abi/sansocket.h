/* sansocket for C: WebSocket (RFC 6455) as a protocol, without sockets. Bytes in, events out, bytes out.
 *
 * One turn of the loop, whatever the transport and the phase:
 *
 *   1. sansocket_next_event until SANSOCKET_NONE; answer requests with sansocket_accept or sansocket_respond.
 *   2. sansocket_handle_timeout: tell the time, only now, so that what has arrived is in time.
 *   3. A client: do what sansocket_step says.
 *   4. Write sansocket_output, tell sansocket_written how much; repeat until it is empty or the transport is full.
 *   5. sansocket_should_shutdown: end the writing side, once.
 *   6. sansocket_is_ended: close the transport, sansocket_free.
 *   7. Wait for the transport, at most until sansocket_next_timeout. If sansocket_wants_read, read and call sansocket_recv;
 *      sansocket_recv_eof at the end of the stream, sansocket_recv_error if it failed.
 *
 * Rules:
 *
 * - Strings end with NUL; payloads are a pointer and a length, and the pointer may be NULL if the length is 0.
 * - What sansocket_next_event points to is valid until the next call of sansocket_next_event, sansocket_recv or
 *   sansocket_free, so it can be sent back. What other functions point to is valid until the next call for the endpoint.
 * - Bytes that are given in are read during the call only.
 * - Two threads must not use one endpoint at the same time. They may use two.
 * - NULL in place of an endpoint does nothing: functions then return 0, nothing, or SANSOCKET_CLOSED; it counts as ended.
 * - Nothing that the peer sends is an error: it comes as an event. A panic would be a fault of the library; it ends the
 *   process (as abort does) and never unwinds into the caller. So does a system that has no random bytes for a client.
 * - Times are milliseconds on a monotonic scale of the caller's.
 */
#ifndef SANSOCKET_H
#define SANSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One end of one transport. */
typedef struct sansocket sansocket;

/* 0 means the default. */
typedef struct {
    uint64_t max_message;      /* maximum payload bytes of a received message; default: 16 MiB */
    uint64_t ping_interval_ms; /* a Ping after this much silence; default: none */
    uint64_t idle_timeout_ms;  /* close (1001) after so long without a message; default: never */
} sansocket_config;

typedef struct {
    const uint8_t *ptr;
    size_t len;
} sansocket_bytes;

typedef enum {
    SANSOCKET_NONE,    /* no event: read more */
    SANSOCKET_UPGRADE, /* server: a client asks for a WebSocket; payload: the request target */
    SANSOCKET_HTTP,    /* server: another request; payload: the request target */
    SANSOCKET_OPENED,  /* client: the connection is open; payload: the subprotocol */
    SANSOCKET_TEXT,    /* a complete text message, valid UTF-8 */
    SANSOCKET_BINARY,  /* a complete binary message */
    SANSOCKET_PING,    /* a Ping, answered already */
    SANSOCKET_PONG,    /* a Pong */
    SANSOCKET_CLOSE,   /* the peer closes, answered already; code: 1005 if it gave none; payload: its reason */
    SANSOCKET_FAILED,  /* the connection failed or was not opened, the peer is told already; code: 1006; payload: why */
    SANSOCKET_REFUSED, /* the handshake was refused. Server: answered already; payload: why. Client: code: the status;
                          payload: the beginning of the body */
} sansocket_event_kind;

typedef struct {
    sansocket_event_kind kind;
    uint16_t code;
    sansocket_bytes payload;
} sansocket_event;

typedef enum {
    SANSOCKET_RUN,       /* read and write */
    SANSOCKET_DIAL,      /* connect to `name` and `port`, then sansocket_connected */
    SANSOCKET_START_TLS, /* put TLS over the transport, for a peer called `name`, then sansocket_secured */
} sansocket_step_kind;

typedef struct {
    sansocket_step_kind kind;
    uint16_t port;
    sansocket_bytes name;
} sansocket_next_step;

/* What came of a call. All but SANSOCKET_OK changed nothing. */
typedef enum {
    SANSOCKET_OK,
    SANSOCKET_CLOSED,  /* the connection is not open, or not any more; or there is no request to answer */
    SANSOCKET_FULL,    /* the output is full: write it first */
    SANSOCKET_INVALID, /* text that is not UTF-8, more than the protocol or the output can hold, a code or status that may
                          not be sent */
} sansocket_status;

/* Begin and end. `config` may be NULL. sansocket_client returns NULL if `url` is no ws or wss URL. */
sansocket *sansocket_server(const sansocket_config *config);
sansocket *sansocket_client(const char *url, const sansocket_config *config);
void sansocket_free(sansocket *socket);

/* Receiving. */
void sansocket_recv(sansocket *socket, const uint8_t *bytes, size_t len);
void sansocket_recv_eof(sansocket *socket);
void sansocket_recv_error(sansocket *socket);
sansocket_event sansocket_next_event(sansocket *socket);

/* A server's answer to SANSOCKET_UPGRADE (accept or respond) and SANSOCKET_HTTP (respond), at once or later. The header of
 * the request (NULL and 0 if it has none) is there until then; check "Origin" where users are logged in by cookies. */
sansocket_bytes sansocket_header(const sansocket *socket, const char *name);
sansocket_status sansocket_accept(sansocket *socket);
sansocket_status sansocket_respond(sansocket *socket, uint16_t status, const uint8_t *body, size_t len);

/* What a client has to do now. */
sansocket_next_step sansocket_step(const sansocket *socket);
void sansocket_connected(sansocket *socket);
void sansocket_secured(sansocket *socket);

/* Sending: to the output. */
sansocket_status sansocket_send_text(sansocket *socket, const uint8_t *text, size_t len);
sansocket_status sansocket_send_binary(sansocket *socket, const uint8_t *bytes, size_t len);
sansocket_status sansocket_ping(sansocket *socket, const uint8_t *payload, size_t len);
sansocket_status sansocket_close(sansocket *socket, uint16_t code, const char *reason);

/* The next bytes to write, and how many of them were written. */
sansocket_bytes sansocket_output(const sansocket *socket);
void sansocket_written(sansocket *socket, size_t n);

/* Advice for the loop. */
bool sansocket_wants_read(const sansocket *socket);
bool sansocket_should_shutdown(const sansocket *socket);
bool sansocket_is_ended(const sansocket *socket);

/* Time. sansocket_next_timeout returns UINT64_MAX if there is no deadline; a time in the past means now. */
void sansocket_handle_timeout(sansocket *socket, uint64_t now_ms);
uint64_t sansocket_next_timeout(const sansocket *socket);

#ifdef __cplusplus
}
#endif

#endif
