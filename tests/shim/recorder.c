/* A stand-in for uv that records what it was given, exactly, and then does as it is told.
 *
 * RECORD_TO=FILE     where to write the record: lines "key value", bytes in hex
 * RECORD_EXIT=N      exit with N (default 0)
 * RECORD_SIGNAL=N    die by signal N instead
 * RECORD_STOP=1      stop (SIGSTOP) once before that
 * RECORD_ECHO=1      copy stdin to stdout first
 * RECORD_RUN=PROGRAM then execute PROGRAM with the same words, looked up on PATH (a foreign shim)
 * RECORD_FORK=1      ... in a child process, for which UV is this program, as uv does it
 * RECORD_FORK=silent ... in a child process, as a foreign shim does it
 * RECORD_ANSWER=CODE when asked for its version: become a shell that runs this
 *
 * With -DMARKS it has what makes linkpolicy take it for uv itself (uvx_policy/real_uv.py).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#ifdef MARKS
const char marks[] = MARKS;
#endif

static void hex(FILE *out, const char *key, const char *value) {
    fprintf(out, "%s ", key);
    for (; *value; value++) fprintf(out, "%02x", (unsigned char)*value);
    fputc('\n', out);
}

static void record(const char *path, char **argv) {
    char cwd[8192];
    FILE *out = fopen(path, "we"); /* close-on-exec: not among the descriptors recorded below */
    if (!out) { perror("recorder"); exit(99); }
    for (char **word = argv; *word; word++) hex(out, "argv", *word);
    for (char **entry = environ; *entry; entry++) hex(out, "environ", *entry);
    hex(out, "cwd", getcwd(cwd, sizeof cwd) ? cwd : "(vanished)");
    mode_t mask = umask(0);
    umask(mask);
    fprintf(out, "pid %d\nparent %d\ngroup %d\nsession %d\numask %o\n", getpid(), getppid(),
            getpgrp(), getsid(0), (unsigned)mask);
    fprintf(out, "terminal %d%d%d\n", isatty(0), isatty(1), isatty(2));
    for (int signal_number = 1; signal_number < NSIG; signal_number++) {
        struct sigaction action;
        if (sigaction(signal_number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            fprintf(out, "ignored %d\n", signal_number);
    }
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        if (sigismember(&blocked, signal_number) == 1) fprintf(out, "blocked %d\n", signal_number);
    DIR *descriptors = opendir("/proc/self/fd");
    for (struct dirent *entry; descriptors && (entry = readdir(descriptors));) {
        int number = atoi(entry->d_name);
        char link[64], target[4096];
        if (entry->d_name[0] == '.' || number == dirfd(descriptors) || number == fileno(out))
            continue;
        snprintf(link, sizeof link, "/proc/self/fd/%d", number);
        ssize_t length = readlink(link, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        fprintf(out, "descriptor %d %s\n", number, target);
    }
    if (descriptors) closedir(descriptors);
    fclose(out);
}

int main(int argc, char **argv) {
    const char *told;
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        if ((told = getenv("RECORD_ANSWER"))) return execl("/bin/sh", "sh", "-c", told, (char *)0);
        puts("uv 0.13.8 (stand-in)");
        if (!getenv("RECORD_VERSION")) return 0;
    }
    if ((told = getenv("RECORD_TO"))) record(told, argv);
    if (getenv("RECORD_ECHO")) {
        char buffer[4096];
        for (ssize_t got; (got = read(0, buffer, sizeof buffer)) > 0;)
            if (write(1, buffer, (size_t)got) != got) return 98;
    }
    if (getenv("RECORD_STOP")) raise(SIGSTOP);
    if ((told = getenv("RECORD_RUN"))) {
        int status = 0;
        pid_t child = getenv("RECORD_FORK") ? fork() : 0;
        if (child == 0) {
            char self[4096];
            ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
            self[length > 0 ? length : 0] = '\0';
            const char *how = getenv("RECORD_FORK");
            if (how && strcmp(how, "silent") != 0) setenv("UV", self, 1);
            execvp(told, argv);
            return 97;
        }
        waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    }
    if ((told = getenv("RECORD_SIGNAL"))) {
        signal(atoi(told), SIG_DFL);
        raise(atoi(told));
    }
    return (told = getenv("RECORD_EXIT")) ? atoi(told) : 0;
}
