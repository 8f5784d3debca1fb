/* A slow line for kernels without tc's netem: packets that a firewall rule queues (NFQUEUE) go on after a delay, some never.
 *
 *   iptables -A OUTPUT -p tcp --dport 7510 -j NFQUEUE --queue-num 7
 *   wan-delay 7 15 10        # queue 7, 15 ms, 10 of 1,000 packets lost
 *
 * The delay is the same for all packets, so the queue of held ones is first in, first out. Runs inside the container whose
 * line is slow, until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libnetfilter_queue/libnetfilter_queue.h>

enum { HELD_MAX = 65536 }; /* packets; beyond it the line drops, as a real one does */

struct held {
    uint32_t id;
    uint64_t due_us;
};

static struct held held[HELD_MAX];
static size_t held_first, held_count;
static uint64_t delay_us;
static long lost_of_1000;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *ctx)
{
    (void)message;
    (void)ctx;
    uint32_t id = ntohl(nfq_get_msg_packet_hdr(data)->packet_id);
    if (held_count == HELD_MAX || random() % 1000 < lost_of_1000)
        return nfq_set_verdict(queue, id, NF_DROP, 0, NULL);
    held[(held_first + held_count++) % HELD_MAX] = (struct held){id, now_us() + delay_us};
    return 0;
}

static int release_due(struct nfq_q_handle *queue)
{
    uint64_t now = now_us();
    while (held_count > 0 && held[held_first].due_us <= now) {
        nfq_set_verdict(queue, held[held_first].id, NF_ACCEPT, 0, NULL);
        held_first = (held_first + 1) % HELD_MAX;
        held_count--;
    }
    return held_count == 0 ? -1 : (int)((held[held_first].due_us - now + 999) / 1000);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: wan-delay QUEUE DELAY_MS LOST_OF_1000\n");
        return 2;
    }
    delay_us = strtoull(argv[2], NULL, 10) * 1000;
    lost_of_1000 = strtol(argv[3], NULL, 10);
    struct nfq_handle *h = nfq_open();
    struct nfq_q_handle *queue = h == NULL ? NULL : nfq_create_queue(h, (uint16_t)atoi(argv[1]), on_packet, NULL);
    if (queue == NULL || nfq_set_mode(queue, NFQNL_COPY_META, 0) < 0 || nfq_set_queue_maxlen(queue, HELD_MAX) < 0) {
        fprintf(stderr, "wan-delay: no queue %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    static char buffer[65536];
    struct pollfd fd = {.fd = nfq_fd(h), .events = POLLIN};
    for (;;) {
        if (poll(&fd, 1, release_due(queue)) > 0) {
            ssize_t size = recv(fd.fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size > 0)
                nfq_handle_packet(h, buffer, (int)size);
            else if (size < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
                return 1;
        }
    }
}
