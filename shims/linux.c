/* What launcher.c asks of Linux. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define IGNORED_NAME "_LINKPOLICY_IGNORED"
#define ACCESS_LIST "system.posix_acl_access"

/* `linkpolicy setup` writes into a copy of this binary, after the head: program, path of the Python
 * shim, the package whose records these are, directories to search after PATH, each ended
 * by NUL, and one empty string. Not static: the compiler could see that nobody here writes to it,
 * and take it for empty. */
extern char launcher_config[8192];
char launcher_config[8192] = CONFIG_HEAD;

static char **argument_vector; /* as given, argv[0] included */
static uid_t uid;              /* the effective one: who must own what we believe */

static bool read_configuration(void) {
    size_t head = sizeof CONFIG_HEAD - 1;
    struct slice rest = {launcher_config + head, sizeof launcher_config - head};
    struct slice field;
    if (!cut(&rest, '\0', &field)) return false;
    program = field.start;
    if (strcmp(program, "uv") != 0 && strcmp(program, "uvx") != 0) return false;
    if (!cut(&rest, '\0', &field) || field.start[0] != '/') return false;
    fallback = field.start;
    if (!cut(&rest, '\0', &field) || field.start[0] != '/') return false;
    package = field.start;
    embedded.start = rest.start;
    while (cut(&rest, '\0', &field))
        if (field.length == 0) {
            embedded.length = (size_t)(field.start - embedded.start);
            return true;
        }
    return false;
}

/* As `see_process` in uvx_policy/guard.py. Of proc_pid_stat(5) field 22 is the start time, field 4
 * the parent, and field 2, the command's name, may hold spaces and parentheses. */
static bool see_process(const char *number, struct text *seen, struct text *parent) {
    char path[64];
    struct text text = TEXT_IN(path);
    put_string(&text, "/proc/");
    put_string(&text, number);
    put_field(&text, "/stat");
    struct stat status;
    int handle = text.full ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = handle < 0 ? -1 : read(handle, scratch, sizeof scratch);
    if (got > 0 && fstat(handle, &status) != 0) got = -1;
    if (handle >= 0) close(handle);
    const char *name_end = got > 0 ? memrchr(scratch, ')', (size_t)got) : NULL;
    if (!name_end) return false;
    struct slice rest = {scratch, (size_t)got}, field;
    cut(&rest, ' ', &field);
    put(seen, field);
    put_byte(seen, '.');
    rest = (struct slice){name_end, (size_t)(scratch + got - name_end)};
    for (int number_of_field = 2; number_of_field <= 22; number_of_field++) {
        if (!cut(&rest, ' ', &field)) return false;
        if (number_of_field == 4) put(parent, field);
    }
    put(seen, field);
    put_byte(seen, '.');
    put_number(seen, status.st_dev, 10, 1);
    put_byte(seen, '\0');
    put_byte(parent, '\0');
    return !seen->full && !parent->full;
}

/* As `process_identity` there. */
static void see_identity(void) {
    char parent_bytes[24];
    struct text text = TEXT_IN(identity), parent = TEXT_IN(parent_bytes);
    if (see_process("self", &text, &parent)) return;
    enum { PIDFD_OPEN = 434 }; /* on every architecture; not every <sys/syscall.h> has it */
    text = TEXT_IN(identity);
    struct stat status;
    int handle = (int)syscall(PIDFD_OPEN, getpid(), 0);
    if (handle >= 0 && fstat(handle, &status) == 0 && status.st_mode & S_IXUSR) {
        put_string(&text, "pidfd.");
        put_number(&text, status.st_ino, 10, 1);
    }
    if (handle >= 0) close(handle);
    put_byte(&text, '\0');
}

static void see_call(int argc, char **argv) {
    argument_vector = argv;
    argument_count = argc > 0 ? (size_t)argc - 1 : 0;
    arguments = (const char *const *)argv + (argc > 0);
    uid = geteuid();
    /* Not getcwd(3), which allocates when the path is long or out of reach. */
    if (syscall(SYS_getcwd, cwd, sizeof cwd) < 0 || cwd[0] != '/') cwd[0] = '\0';
    see_identity();
}

static bool same_file(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

static enum above look_above(const char *named) {
    struct slice oldest = outer_field("process");
    struct stat uv_status, status;
    bool is_named = named[0] && stat(named, &uv_status) == 0;
    char seen_bytes[72], number[24], parent_bytes[24], path_bytes[64];
    struct text seen = TEXT_IN(seen_bytes), parent = TEXT_IN(number);
    bool complete = false, clear = see_process("self", &seen, &parent);
    for (int generation = 0; clear && generation < MOST_GENERATIONS && !complete; generation++) {
        seen = TEXT_IN(seen_bytes);
        parent = TEXT_IN(parent_bytes);
        clear = see_process(number, &seen, &parent);
        struct text path = TEXT_IN(path_bytes);
        put_string(&path, "/proc/");
        put_string(&path, number);
        put_field(&path, "/exe");
        if (clear && is_named && stat(path_bytes, &status) == 0 && same_file(&uv_status, &status))
            return A_UV;
        complete = clear && equals(oldest, seen_bytes);
        memcpy(number, parent_bytes, sizeof number);
    }
    return complete ? UNREAD : UNSEEN;
}

/* Does the file hold the marker in its head (a script of ours) or its tail (this binary)? */
static bool is_marked(const char *path, off_t size) {
    int handle = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle < 0) {
        /* It may be executed but not read: then only a copy of ourselves can be told. */
        struct stat own, other;
        return stat("/proc/self/exe", &own) == 0 && stat(path, &other) == 0 &&
               same_file(&own, &other);
    }
    size_t wanted[] = {1024, 64};
    off_t from[] = {0, size > 64 ? size - 64 : 0};
    bool found = false;
    for (int part = 0; part < 2 && !found; part++) {
        ssize_t got = pread(handle, scratch, wanted[part], from[part]);
        found = got > 0 && memmem(scratch, (size_t)got, MARKER, sizeof MARKER - 1);
    }
    close(handle);
    return found;
}

static bool is_real(struct slice directory, const char *name, bool again) {
    struct text path = TEXT_IN(uv);
    put(&path, directory.length ? directory : slice_of("."));
    if (!path.full && path.bytes[path.length - 1] != '/') put_byte(&path, '/');
    put_string(&path, name);
    put_byte(&path, '\0');
    struct stat status;
    return !path.full && access(uv, X_OK) == 0 && stat(uv, &status) == 0 &&
           S_ISREG(status.st_mode) && !is_marked(uv, status.st_size) &&
           !(again && is_tried(uv));
}

static const char *search_path(void) {
    const char *path = variable((const char *const *)environ, "PATH");
    return path ? path : "/bin:/usr/bin"; /* os.defpath */
}

static bool cut_directory(struct slice *rest, struct slice *directory) {
    return cut(rest, ':', directory);
}

static void put_user(struct text *text) {
    put_number(text, uid, 10, 1);
}

/* Witnesses ---------------------------------------------------------------------------------- */

static uint64_t nanoseconds(struct timespec time) {
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static bool see_status(const char *path, bool followed, struct text *sight) {
    struct stat status;
    if (fstatat(AT_FDCWD, path, &status, followed ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return (errno == ENOENT || errno == ENOTDIR) && put_letter(sight, '-');
    mode_t type = status.st_mode & S_IFMT;
    put_byte(sight, type == S_IFREG ? 'f' : type == S_IFDIR ? 'd' : type == S_IFLNK ? 'k' : 'o');
    uint64_t numbers[] = {status.st_mode & 07777, status.st_uid, status.st_gid, status.st_dev,
                          status.st_ino, (uint64_t)status.st_size, nanoseconds(status.st_mtim),
                          nanoseconds(status.st_ctim)};
    put_byte(sight, ':');
    return put_numbers(sight, type == S_IFDIR ? 5 : COUNT(numbers), numbers);
}

static bool see_names(const char *path, struct text *sight) {
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (handle < 0) return (errno == ENOENT || errno == ENOTDIR) && put_letter(sight, '-');
    uint64_t count = 0, sum = 0;
    long got; /* not readdir(3), which allocates */
    while ((got = syscall(SYS_getdents64, handle, scratch, sizeof scratch)) > 0) {
        /* struct linux_dirent64: 8 bytes inode, 8 offset, 2 length of the entry, 1 type, name */
        enum { LENGTH = 16, NAME = 19 };
        for (size_t at = 0, end = (size_t)got; at < end;) {
            uint16_t length = 0;
            if (end - at > NAME) memcpy(&length, scratch + at + LENGTH, sizeof length);
            if (length <= NAME || length > end - at) {
                got = -1;
                break;
            }
            const char *start = scratch + at + NAME;
            struct slice name = {start, strnlen(start, length - NAME)};
            at += length;
            if (equals(name, ".") || equals(name, "..")) continue;
            count++;
            sum += mixed(fingerprint(name));
        }
        if (got < 0) break;
    }
    close(handle);
    return got == 0 && put_numbers(sight, 2, (uint64_t[]){count, sum});
}

static bool see_content(const char *path, struct text *sight) {
    int handle = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (handle < 0) return false;
    uint64_t length = 0, sum = 1;
    ssize_t got;
    while ((got = read(handle, scratch, sizeof scratch)) > 0 && length < LONGEST_PSEUDO) {
        length += (uint64_t)got;
        sum = fingerprint_more(sum, (struct slice){scratch, (size_t)got});
    }
    close(handle);
    return got == 0 && put_numbers(sight, 2, (uint64_t[]){length, sum});
}

static bool put_text(struct text *sight, ssize_t length) {
    if (length < 0) return put_letter(sight, '-');
    struct slice text = {scratch, (size_t)length};
    uint64_t numbers[] = {text.length, fingerprint(text)};
    return text.length < sizeof scratch && put_numbers(sight, COUNT(numbers), numbers);
}

/* Bytes in these blocks; more than 64 bits can count are as many as they can. */
static uint64_t bytes_in(uint64_t blocks, const struct statfs *status) {
    uint64_t size = (uint64_t)(status->f_frsize ? status->f_frsize : status->f_bsize);
    return size && blocks > UINT64_MAX / size ? UINT64_MAX : blocks * size;
}

/* statfs(2), because C libraries differ in what they make of its f_fsid for statvfs(3). Of the
 * flags: read-only, noexec. */
static bool see_file_system(const char *path, struct text *sight) {
    struct statfs status;
    if (statfs(path, &status) != 0) return put_letter(sight, '-');
    uint32_t id[2];
    memcpy(id, &status.f_fsid, sizeof id);
    uint64_t size = bytes_in(status.f_blocks, &status), most = UINT64_C(1) << 35;
    uint64_t flags = (uint64_t)status.f_flags & 9;
    uint64_t numbers[] = {(uint64_t)id[1] << 32 | id[0], size < most ? size : most, flags};
    return put_numbers(sight, COUNT(numbers), numbers);
}

static bool see_room(const char *path, uint64_t needed, struct text *sight) {
    struct statfs status;
    if (statfs(path, &status) != 0) return put_letter(sight, '-');
    bool files = status.f_files == 0 || status.f_ffree >= needed >> 14; /* one for 16 KiB */
    return put_letter(sight, files && bytes_in(status.f_bavail, &status) >= needed ? 'y' : 'n');
}

/* As `mount_sight` in witness.py, of an answer of statx(2). Places and numbers are those of
 * linux/stat.h, the same for all processors; C libraries had no `struct statx` for long. */
static bool put_mount(const char *answer, struct text *sight) {
    enum { BIRTH = 0x800, MOUNT = 0x1000, UNIQUE = 0x4000, TOP = 13 };
    uint32_t narrow[64];
    uint64_t wide[32];
    memcpy(narrow, answer, sizeof narrow);
    memcpy(wide, answer, sizeof wide);
    uint32_t mask = narrow[0];
    size_t born = mask & BIRTH ? 10 : 12;
    uint64_t numbers[] = {mask & (UNIQUE | MOUNT) ? wide[18] : UINT64_MAX, wide[1] >> TOP & 1,
                          narrow[34], narrow[35], wide[4],
                          wide[born] * UINT64_C(1000000000) + narrow[2 * born + 2]};
    return put_numbers(sight, mask & UNIQUE ? 2 : COUNT(numbers), numbers);
}

static bool see_mount(const char *path, struct text *sight) {
#ifdef SYS_statx
    enum { WANTED = 0x4000 | 0x1000 | 0x800 | 0x180, NO_AUTOMOUNT = 0x800 };
    uint64_t answer[32];
    return syscall(SYS_statx, AT_FDCWD, path, NO_AUTOMOUNT, WANTED, answer) == 0 &&
           put_mount((const char *)answer, sight);
#else
    (void)path, (void)sight;
    return false;
#endif
}

/* As `read_attributes` in witness.py. Numbers: musl's compiler does not find <linux/fs.h>. */
static bool see_attributes(const char *path, struct text *sight) {
    enum { ENCRYPTED = 0x800, FLAGS = 0x800800, PROJECT = 0x20000200, EXTENDED = 0x20008300 };
    int handle = open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (handle < 0) return false;
    uint32_t flags[2] = {0}, extended[7] = {0}; /* struct fsxattr: flags first, project fourth */
    uint64_t policy[9] = {64};                  /* room, and 64 bytes of it */
    bool known = syscall(SYS_ioctl, handle, 0x80006601UL | sizeof(long) << 16, flags) == 0;
    known = syscall(SYS_ioctl, handle, 0x801c581fUL, extended) == 0 || known;
    uint32_t bits = (flags[0] & FLAGS) | (extended[0] & EXTENDED);
    bool encrypted = bits & ENCRYPTED;
    bool clear = !encrypted || syscall(SYS_ioctl, handle, 0xc0096616UL, policy) == 0;
    close(handle);
    if (!known) return put_letter(sight, '-');
    uint64_t numbers[] = {bits, bits & PROJECT ? extended[3] : 0, 0};
    if (encrypted) numbers[2] = fingerprint((struct slice){(char *)policy, sizeof policy});
    return clear && put_numbers(sight, COUNT(numbers), numbers);
}

static bool see_access(const char *path, uint64_t mode, struct text *sight) {
    return mode <= 07 && put_letter(sight, access(path, (int)mode) == 0 ? 'y' : 'n');
}

static bool see(char kind, const char *path, uint64_t number, struct text *sight) {
    switch (kind) {
    case 's': case 'l': return see_status(path, kind == 's', sight);
    case 'a': return see_access(path, number, sight);
    case 'n': return see_names(path, sight);
    case 'c': return see_content(path, sight);
    case 'r': return put_text(sight, readlink(path, scratch, sizeof scratch));
    case 'v': return see_file_system(path, sight);
    case 'd': return see_attributes(path, sight);
    case 'x': return put_text(sight, getxattr(path, ACCESS_LIST, scratch, sizeof scratch));
    case 'f': return see_room(path, number, sight);
    case 'm': return see_mount(path, sight);
    default: return false;
    }
}

/* The record --------------------------------------------------------------------------------- */

/* Path of a directory below our state directory, as `state_home` in uvx_policy/state/layout.py. */
static bool put_state_directory(struct text *path, const char *below) {
    const char *xdg = variable((const char *const *)environ, "XDG_STATE_HOME");
    const char *home = variable((const char *const *)environ, "HOME");
    bool is_xdg = xdg && xdg[0] == '/';
    const char *base = is_xdg ? xdg : home;
    /* Without HOME the passwd entry counts; and a backslash would count as a separator. */
    if (!base || base[0] != '/' || strchr(base, '\\')) return false;
    put_string(path, base);
    put_string(path, is_xdg ? "/linkpolicy" : "/.local/state/linkpolicy");
    put_string(path, below);
    put_byte(path, '\0');
    return !path->full;
}

/* Is what the handle stands for of this type, our own, and closed to everybody else? */
static bool is_private(int handle, mode_t type, struct stat *status) {
    return handle >= 0 && fstat(handle, status) == 0 && (status->st_mode & S_IFMT) == type &&
           status->st_uid == uid && (status->st_mode & 077) == 0;
}

/* Open the record of this name; -1 when there is none that we may believe. Through a handle of the
 * directory, so that nobody can put another one in its place between the two looks. */
static int open_record(const char *name, struct stat *status) {
    struct text path = TEXT_IN(scratch);
    if (!put_state_directory(&path, "/decisions")) return -1;
    int directory = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int handle = -1;
    if (is_private(directory, S_IFDIR, status))
        handle = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (directory >= 0) close(directory);
    if (handle >= 0 && !is_private(handle, S_IFREG, status)) {
        close(handle);
        handle = -1;
    }
    return handle;
}

static struct slice read_record(const char *name) {
    struct slice content = {record, 0};
    struct stat status;
    int handle = open_record(name, &status);
    if (handle < 0) return content;
    if (status.st_size > 0 && status.st_size <= LONGEST_RECORD) {
        /* One byte more than there should be, to see that it is the end. */
        size_t size = (size_t)status.st_size;
        if (read(handle, record, size + 1) == (ssize_t)size) content.length = size;
    }
    close(handle);
    return content;
}

/* Becoming another program ------------------------------------------------------------------- */

/* The words for uv: the first place stays free for ENOEXEC, two more are for `tool uvx`. */
static const char *word_items[MOST_WORDS + MOST_ADDED + 5];
static const char *variable_items[MOST_WORDS + MOST_ADDED + 2];

/* execve(2), which returns only when it failed. `words[-1]` is free. */
static void execute(const char *path, const char **words, const char *const *variables) {
    execve(path, (char *const *)words, (char *const *)variables);
    if (errno != ENOEXEC) return;
    /* A script without `#!`: execvp(3) and every shell give it to /bin/sh. */
    const char *first = words[0];
    words[-1] = "sh";
    words[0] = path;
    execve("/bin/sh", (char *const *)(words - 1), (char *const *)variables);
    words[0] = first;
}

/* Put NAME=VALUE into the list: instead of the old one, else at the end, as setenv(3) does. False
 * when there are two old ones: programs differ in which of them they heed. */
static bool set_variable(struct list *variables, const char *entry) {
    struct slice rest = slice_of(entry), name;
    cut(&rest, '=', &name);
    size_t places = 0;
    for (size_t index = 0; index < variables->length; index++)
        if (value_in(variables->items[index], name)) {
            variables->items[index] = entry;
            places++;
        }
    if (places == 0) append(variables, entry);
    return places <= 1;
}

/* Is it a uv that has to be told to be uvx? */
static bool needs_tool_uvx(void) {
    return strcmp(program, "uvx") == 0 && strcmp(strrchr(uv, '/'), "/uv") == 0;
}

static void become_uv(bool again) {
    struct list words = LIST(word_items), variables = LIST(variable_items);
    append(&words, "");
    if (needs_tool_uvx()) {
        append(&words, "uv");
        append(&words, "tool");
        append(&words, "uvx");
    } else {
        append(&words, program);
    }
    for (size_t index = 0; index < argument_count; index++) append(&words, arguments[index]);
    size_t without_added = words.length;
    for (size_t index = 0; index < added_words.length; index++)
        append(&words, added_words.items[index]);

    variable_items[0] = NULL;
    for (size_t index = 0; index < clean.length; index++) append(&variables, clean.items[index]);
    for (size_t index = 0; index < added_variables.length; index++)
        if (!set_variable(&variables, added_variables.items[index])) return;
    if (!render_guard(again)) return;
    append(&variables, guard_bytes);
    if (words.full || variables.full) return;

    execute(uv, words.items + 1, variables.items);
    if (errno == E2BIG) {
        /* The kernel's limit for words and variables together: uv alone may still be below it. */
        words.items[without_added] = NULL;
        execute(uv, words.items + 1, clean.items);
    }
}

/* Where words and variables are too many to make room for more. */
static void become_uv_as_it_is(void) {
    if (needs_tool_uvx() || !argument_vector[0]) return;
    argument_vector[0] = (char *)program;
    execve(uv, argument_vector, environ);
}

/* Become the Python shim, with words and variables as they came. */
static void hand_over(void) {
    /* Python ignores two signals from its start on, and cannot tell then what they were before. */
    const int signals[] = {SIGPIPE, SIGXFSZ};
    char note_bytes[64];
    struct text note = TEXT_IN(note_bytes);
    put_string(&note, IGNORED_NAME "=");
    size_t bare = note.length;
    for (size_t index = 0; index < COUNT(signals); index++) {
        struct sigaction action;
        if (sigaction(signals[index], NULL, &action) != 0 || action.sa_handler != SIG_IGN) continue;
        if (note.length > bare) put_byte(&note, ',');
        put_number(&note, (uint64_t)signals[index], 10, 1);
    }
    bool ignored = note.length > bare;
    put_byte(&note, '\0');

    struct list variables = LIST(variable_items);
    variable_items[0] = NULL;
    bool stale = false; /* a note that is not about this process */
    for (char **entry = environ; *entry; entry++) {
        bool is_note = value_in(*entry, slice_of(IGNORED_NAME)) != NULL;
        if (is_note) stale = true;
        else append(&variables, *entry);
    }
    if (ignored) append(&variables, note_bytes);
    bool changed = (ignored || stale) && !variables.full;
    execve(fallback, argument_vector, changed ? (char *const *)variable_items : environ);
}

/* That nobody listens must not end us, and what uv inherits stays as it was. */
static void write_line(struct slice line) {
    void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
    void (*size_before)(int) = signal(SIGXFSZ, SIG_IGN);
    ssize_t written = write(STDERR_FILENO, line.start, line.length);
    (void)written;
    if (pipe_before != SIG_ERR) signal(SIGPIPE, pipe_before);
    if (size_before != SIG_ERR) signal(SIGXFSZ, size_before);
}

static bool is_first_here(void) {
    char terminal[256];
    bool seen = isatty(STDERR_FILENO);
    ssize_t length = seen ? readlink("/proc/self/fd/2", terminal, sizeof terminal) : 0;
    struct text path = TEXT_IN(scratch);
    struct stat state;
    if (length <= 0 || !put_state_directory(&path, "/told/")) return false;
    if (stat(scratch, &state) != 0) mkdir(scratch, 0700);
    if (stat(scratch, &state) != 0 || state.st_uid != uid) return false;
    path.length--;
    for (ssize_t index = 0; index < length; index++)
        put_byte(&path, terminal[index] == '/' ? '-' : terminal[index]);
    put_byte(&path, '.');
    put_number(&path, (uint64_t)getsid(0), 10, 1);
    put_byte(&path, '\0');
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int handle = path.full ? -1 : openat(AT_FDCWD, scratch, flags, 0600);
    if (handle >= 0) close(handle);
    return handle >= 0;
}

int main(int argc, char **argv) {
    return launch(argc, argv);
}
