/* Runs a command for which io_uring is forbidden, as a container's seccomp profile does; or under which the kernel takes
 * no batch of so many operations, or gives a ring no memory for a queue of operations (of so many bytes), as if it were
 * short of memory.
 *
 *   refuse ERRNO all|COUNT|maps|maps=BYTES COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on each architecture. */
enum { IO_URING_SETUP = 425, IO_URING_ENTER = 426, IO_URING_REGISTER = 427 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(errno) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errno))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	struct sock_filter all[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, IO_URING_SETUP, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, IO_URING_REGISTER, 1, 0),
		ANSWER(atoi(argv[1])),
		ALLOW,
	};
	struct sock_filter batches[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_ENTER, 0, 3),
		LOAD(args[1]), /* to_submit: its lower half, on a little-endian machine */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, atoi(argv[2]), 0, 1),
		ANSWER(atoi(argv[1])),
		ALLOW,
	};
	const char *bytes = strchr(argv[2], '=');
	struct sock_filter maps[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
		LOAD(args[5]), /* offset: that of the queue of operations, which is mapped last */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IORING_OFF_SQES, 0, 3),
		LOAD(args[1]), /* length */
		BPF_JUMP(BPF_JMP | (bytes ? BPF_JEQ : BPF_JGE) | BPF_K, bytes ? atoi(bytes + 1) : 0, 0, 1),
		ANSWER(atoi(argv[1])),
		ALLOW,
	};
	struct sock_fprog program = { sizeof(batches) / sizeof(batches[0]), batches };
	if (strcmp(argv[2], "all") == 0)
		program = (struct sock_fprog){ sizeof(all) / sizeof(all[0]), all };
	else if (strncmp(argv[2], "maps", 4) == 0)
		program = (struct sock_fprog){ sizeof(maps) / sizeof(maps[0]), maps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("seccomp");
		return 2;
	}
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 2;
}
