// What C with liburing reaches on this machine, in the same minute: the yardstick of bench/run.ts.
//
//   bench nop BATCH OPS        batches of NOPs: prepare, submit and wait, walk the completions, advance
//   bench read FILE QD OPS     random 4 KiB reads with QD in flight, refilled once for each batch of completions
//
// One line of JSON on stdout: operations, wall time, and CPU time of the whole process during the timed part.
// A fifth of the operations, untimed, goes before as a warm-up. The pseudo-random sequence is that of
// src/cli/workloads.ts, so everyone reads the same blocks.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// Old headers lack these.
#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

enum { BLOCK = 4096, WARM_UP = 5, MAX_DEPTH = 4096 };

static void fail(const char *what, int error) {
    fprintf(stderr, "bench: %s: %s\n", what, strerror(error));
    exit(1);
}

static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

// The flags the library asks for too, fewer where the kernel has not got them.
static unsigned open_ring(struct io_uring *ring, unsigned entries) {
    static const unsigned wanted[] = {
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
        IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER,
        IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int result = -EINVAL;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && result == -EINVAL; i++) {
        result = io_uring_queue_init(entries, ring, wanted[i]);
        if (result == 0) return wanted[i];
    }
    fail("io_uring_queue_init", -result);
    return 0;
}

static void nops(struct io_uring *ring, unsigned batch, uint64_t ops) {
    for (uint64_t done = 0; done < ops;) {
        for (unsigned i = 0; i < batch; i++) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
            io_uring_prep_nop(sqe);
            sqe->user_data = i;
        }
        int submitted = io_uring_submit_and_wait(ring, batch);
        if (submitted < 0) fail("submit", -submitted);

        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res != 0 || cqe->user_data >= batch) fail("nop", EIO);
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        done += seen;
    }
}

static uint32_t random_state = 0x9e3779b9;

// `blocks` is a power of two.
static uint64_t random_offset(uint32_t blocks) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (uint64_t)(random_state & (blocks - 1)) * BLOCK;
}

static void prepare_read(struct io_uring *ring, int fd, char *buffers, unsigned slot, uint32_t blocks) {
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, fd, buffers + (size_t)slot * BLOCK, BLOCK, random_offset(blocks));
    sqe->user_data = slot;
}

static void reads(struct io_uring *ring, int fd, char *buffers, uint32_t blocks, unsigned depth, uint64_t ops) {
    uint64_t started = 0, done = 0;
    for (unsigned slot = 0; slot < depth && started < ops; slot++, started++)
        prepare_read(ring, fd, buffers, slot, blocks);
    while (done < ops) {
        int submitted = io_uring_submit_and_wait(ring, 1);
        if (submitted < 0) fail("submit", -submitted);

        struct io_uring_cqe *cqe;
        unsigned head, seen = 0;
        io_uring_for_each_cqe(ring, head, cqe) {
            if (cqe->res != BLOCK) fail("read", cqe->res < 0 ? -cqe->res : EIO);
            if (started < ops) {
                prepare_read(ring, fd, buffers, (unsigned)cqe->user_data, blocks);
                started++;
            }
            seen++;
        }
        io_uring_cq_advance(ring, seen);
        done += seen;
    }
}

static void report(uint64_t ops, uint64_t wall, uint64_t cpu, unsigned flags) {
    printf("{\"ops\":%llu,\"wallNs\":%llu,\"cpuNs\":%llu,\"setupFlags\":%u}\n", (unsigned long long)ops,
           (unsigned long long)wall, (unsigned long long)cpu, flags);
}

static void bench_nop(unsigned batch, uint64_t ops) {
    struct io_uring ring;
    unsigned flags = open_ring(&ring, batch);
    nops(&ring, batch, ops / WARM_UP);

    uint64_t wall = wall_ns(), cpu = cpu_ns();
    nops(&ring, batch, ops);
    report(ops, wall_ns() - wall, cpu_ns() - cpu, flags);
    io_uring_queue_exit(&ring);
}

static void bench_read(const char *path, unsigned depth, uint64_t ops) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) fail(path, errno);
    uint32_t blocks = (uint32_t)(status.st_size / BLOCK);
    if (blocks == 0 || (blocks & (blocks - 1)) != 0) fail(path, EINVAL);
    char *buffers = aligned_alloc(BLOCK, (size_t)depth * BLOCK);
    if (buffers == NULL) fail("buffers", ENOMEM);
    memset(buffers, 0, (size_t)depth * BLOCK);

    struct io_uring ring;
    unsigned flags = open_ring(&ring, depth);
    reads(&ring, fd, buffers, blocks, depth, ops / WARM_UP);

    uint64_t wall = wall_ns(), cpu = cpu_ns();
    reads(&ring, fd, buffers, blocks, depth, ops);
    report(ops, wall_ns() - wall, cpu_ns() - cpu, flags);
    io_uring_queue_exit(&ring);
}

static uint64_t number(const char *text, uint64_t most) {
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end != 0 || value == 0 || value > most) fail(text, ERANGE);
    return value;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "nop") == 0) {
        bench_nop((unsigned)number(argv[2], MAX_DEPTH), number(argv[3], UINT64_MAX));
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "read") == 0) {
        bench_read(argv[2], (unsigned)number(argv[3], MAX_DEPTH), number(argv[4], UINT64_MAX));
        return 0;
    }
    fprintf(stderr, "usage: bench nop BATCH OPS | bench read FILE QD OPS\n");
    return 2;
}
