/*
 * meter OUT COMMAND [ARGUMENT…]: runs a command and writes to OUT what it took, as "wall user sys rss_kb status".
 *
 * The peak of memory that the kernel reports for a process begins with what its parent had when it made it;
 * this parent is small, which a Python program that holds an account is not. Times are of the command and of
 * the children it waited for.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    struct rusage use;
    int status;

    if (argc < 3) {
        fputs("usage: meter OUT COMMAND [ARGUMENT...]\n", stderr);
        return 2;
    }
    FILE *out = fopen(argv[1], "we");
    double began = now();
    pid_t child = fork();

    if (!out || child < 0) {
        perror("meter");
        return 2;
    }
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (wait4(child, &status, 0, &use) < 0) {
        perror("meter");
        return 2;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    fprintf(out, "%.6f %.6f %.6f %ld %d\n", now() - began, seconds(use.ru_utime), seconds(use.ru_stime),
            use.ru_maxrss, code);
    return fclose(out) ? 2 : code;
}
