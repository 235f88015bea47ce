/* Stands for a program that a shim starts: says who it is, its words and its variables on stdout,
 * each ended by NUL. As uv it answers the question for its version instead. With -DMARKS it has what
 * makes linkpolicy take it for uv itself (uvx_policy/real_uv.py). */
#include <stdio.h>
#include <string.h>

#ifndef VERSION
#define VERSION "0.10.12"
#endif

extern char **environ;

#ifdef MARKS
const char marks[] = MARKS;
#endif

static void say(const char *string) { fwrite(string, 1, strlen(string) + 1, stdout); }

int main(int argc, char **argv) {
    static const char who[] = WHO;
    if (strcmp(who, "uv") == 0 && argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("uv " VERSION);
        return 0;
    }
    printf("%s%c%d%c", who, 0, argc, 0);
    for (int index = 0; index < argc; index++) say(argv[index]);
    for (char **entry = environ; *entry; entry++) say(*entry);
    return 0;
}
