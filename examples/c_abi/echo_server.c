/* An echo server in C: poll(2), one thread, many peers.
 *
 *   cargo build --release
 *   cc -O2 echo_server.c target/release/libsansocket_c.a -lpthread -ldl -lm -o echo_server
 *   ./echo_server 9001
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sansocket.h"

#define MAX_PEERS 256
#define READ 65536
#define ACCEPT_PAUSE_MS 100

struct peer {
    int fd;
    sansocket *ws;
    bool shut_down;
};

static struct peer peers[MAX_PEERS];
static size_t count;
static volatile sig_atomic_t stopped;

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void handle_events(sansocket *ws) {
    static const char page[] = "This is a WebSocket server.\n";
    for (;;) {
        sansocket_event event = sansocket_next_event(ws);
        switch (event.kind) {
        case SANSOCKET_NONE:
            return;
        case SANSOCKET_UPGRADE:
            sansocket_accept(ws);
            break;
        case SANSOCKET_HTTP:
            sansocket_respond(ws, 404, (const uint8_t *)page, sizeof page - 1);
            break;
        /* What cannot be sent any more, after a Close, needs no answer. */
        case SANSOCKET_TEXT:
            sansocket_send_text(ws, event.payload.ptr, event.payload.len);
            break;
        case SANSOCKET_BINARY:
            sansocket_send_binary(ws, event.payload.ptr, event.payload.len);
            break;
        default: /* refused requests, pings and closing are answered already */
            break;
        }
    }
}

/* One turn of the loop. Returns whether the peer is still there. */
static bool turn(struct peer *peer) {
    sansocket *ws = peer->ws;
    handle_events(ws);
    sansocket_handle_timeout(ws, now_ms());
    sansocket_bytes output;
    while ((output = sansocket_output(ws)).len > 0) {
        ssize_t written = send(peer->fd, output.ptr, output.len, MSG_NOSIGNAL);
        if (written >= 0) {
            sansocket_written(ws, (size_t)written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            break;
        } else if (errno != EINTR) {
            sansocket_recv_error(ws);
            handle_events(ws);
        }
    }
    if (sansocket_should_shutdown(ws) && !peer->shut_down) {
        peer->shut_down = true;
        shutdown(peer->fd, SHUT_WR);
    }
    return !sansocket_is_ended(ws);
}

static void read_from(const struct peer *peer) {
    static uint8_t bytes[READ];
    ssize_t n = recv(peer->fd, bytes, sizeof bytes, 0);
    if (n > 0)
        sansocket_recv(peer->ws, bytes, (size_t)n);
    else if (n == 0)
        sansocket_recv_eof(peer->ws);
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        sansocket_recv_error(peer->ws);
}

static void drop(size_t i) {
    close(peers[i].fd);
    sansocket_free(peers[i].ws);
    peers[i] = peers[--count];
}

/* Returns whether to go on without a pause: after an error, such as no file descriptor left, it may last. */
static bool accept_from(int listener) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    /* Otherwise peers that say nothing would hold their places for ever. */
    const sansocket_config config = {.ping_interval_ms = 30000, .idle_timeout_ms = 60000};
    peers[count++] = (struct peer){.fd = fd, .ws = sansocket_server(&config)};
    if (!turn(&peers[count - 1])) /* its clock starts */
        drop(count - 1);
    return true;
}

static int listen_on(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 128) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        perror("cannot listen");
        exit(EXIT_FAILURE);
    }
    printf("echo server on ws://127.0.0.1:%d/\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv) {
    int listener = listen_on(argc > 1 ? (uint16_t)atoi(argv[1]) : 9001);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    uint64_t accept_at = 0;
    while (!stopped) {
        struct pollfd fds[MAX_PEERS + 1];
        uint64_t now = now_ms(), wake_at = UINT64_MAX;
        if (accept_at > now)
            wake_at = accept_at;
        /* A negative descriptor is left out. */
        fds[count] = (struct pollfd){.fd = accept_at > now || count == MAX_PEERS ? -1 : listener, .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            sansocket *ws = peers[i].ws;
            short events = (short)((sansocket_wants_read(ws) ? POLLIN : 0) | (sansocket_output(ws).len ? POLLOUT : 0));
            fds[i] = (struct pollfd){.fd = peers[i].fd, .events = events};
            uint64_t deadline = sansocket_next_timeout(ws);
            wake_at = deadline < wake_at ? deadline : wake_at;
        }
        uint64_t wait = wake_at > now ? wake_at - now : 0;
        /* At most a second: a signal just before the call does not interrupt it. */
        if (poll(fds, count + 1, wait > 1000 ? 1000 : (int)wait) < 0)
            continue; /* interrupted */
        bool may_accept = fds[count].revents != 0;
        /* Backwards: dropping a peer puts the last one, which had its turn, in its place. */
        for (size_t i = count; i-- > 0;) {
            bool due = sansocket_next_timeout(peers[i].ws) <= now_ms();
            if (!due && fds[i].revents == 0)
                continue;
            if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) && sansocket_wants_read(peers[i].ws))
                read_from(&peers[i]);
            else if (fds[i].revents & (POLLHUP | POLLERR))
                sansocket_recv_error(peers[i].ws);
            if (!turn(&peers[i]))
                drop(i);
        }
        if (may_accept && !accept_from(listener))
            accept_at = now_ms() + ACCEPT_PAUSE_MS;
    }
    while (count > 0)
        drop(count - 1);
    close(listener);
    return EXIT_SUCCESS;
}
