/* Runs a command whose io_uring_enter is refused while a file exists, where it is to submit anything: as by a kernel
 * that is short of memory for a while. Asked of this process each time, by a seccomp notification.
 *
 *   refuse_while FILE ERRNO COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The same number on each architecture. */
enum { IO_URING_ENTER = 426 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static struct sock_filter filter[] = {
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_ENTER, 0, 2),
	LOAD(args[1]), /* to_submit: its lower half, on a little-endian machine */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
};

/* A message of one byte, with room for one descriptor. */
struct parcel {
	char byte;
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov;
	struct msghdr header;
};

static struct msghdr *parcel(struct parcel *p)
{
	memset(p, 0, sizeof(*p));
	p->iov = (struct iovec){ &p->byte, 1 };
	p->header = (struct msghdr){ .msg_iov = &p->iov, .msg_iovlen = 1, .msg_control = p->control, .msg_controllen = sizeof(p->control) };
	return &p->header;
}

static void run(int to_parent, char **command)
{
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0) {
		perror("seccomp");
		_exit(2);
	}
	struct parcel p;
	struct msghdr *message = parcel(&p);
	struct cmsghdr *first = CMSG_FIRSTHDR(message);
	*first = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(first), &listener, sizeof(int));
	sendmsg(to_parent, message, 0);
	close(to_parent);
	close(listener);
	execvp(command[0], command);
	perror(command[0]);
	_exit(2);
}

static int result(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int ends[2], status;
	if (argc < 4 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return 2;
	pid_t pid = fork();
	if (pid == 0)
		run(ends[0], argv + 3);
	close(ends[0]);
	struct parcel p;
	struct msghdr *message = parcel(&p);
	if (recvmsg(ends[1], message, MSG_CMSG_CLOEXEC) <= 0)
		return 2;
	int listener;
	memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof(int));
	while (1) {
		struct pollfd ready = { listener, POLLIN, 0 };
		poll(&ready, 1, 100);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return result(status);
		struct seccomp_notif call;
		memset(&call, 0, sizeof(call));
		if (!(ready.revents & POLLIN) || ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
			continue;
		struct seccomp_notif_resp answer = { .id = call.id };
		if (access(argv[1], F_OK) == 0)
			answer.error = -atoi(argv[2]);
		else
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}
