// Keeps files in the page cache: maps and locks them, says "held" on stdout, and sleeps until stdin closes.
// Without it, an idle page cache may be paged out between two rounds, and a "hot" read is no longer one.
// Needs CAP_IPC_LOCK or a large enough RLIMIT_MEMLOCK; where locking is refused, it says "touched" and touches
// the pages again every second.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct held {
    const volatile char *bytes;
    size_t length;
};

static void touch(const struct held *files, int count) {
    for (int i = 0; i < count; i++)
        for (size_t at = 0; at < files[i].length; at += 4096) (void)files[i].bytes[at];
}

int main(int argc, char **argv) {
    struct held *files = calloc((size_t)argc, sizeof *files);
    if (argc < 2 || files == NULL) {
        fprintf(stderr, "usage: hold FILE...\n");
        return 2;
    }

    int count = 0, locked = 1;
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        struct stat status;
        if (fd < 0 || fstat(fd, &status) < 0) {
            fprintf(stderr, "hold: %s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        if (status.st_size == 0) continue;
        size_t length = (size_t)status.st_size;
        void *bytes = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) {
            fprintf(stderr, "hold: mmap %s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        close(fd);
        files[count++] = (struct held){ bytes, length };
        if (mlock(bytes, length) < 0) locked = 0;
    }
    touch(files, count);
    puts(locked ? "held" : "touched");
    fflush(stdout);

    // Nothing is ever written to stdin: it becomes readable only when its other end closes.
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    while (poll(&input, 1, locked ? -1 : 1000) == 0) touch(files, count);
    return 0;
}
