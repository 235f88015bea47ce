/* What launcher.c asks of Windows: `uv.exe`, `uvx.exe` and `uvw.exe`.
 *
 * There is no exec: uv is started with the command line, handles, console, directory and variables
 * of this process, which waits, ends with its exit code, and takes it along when it is ended. What
 * Python is to decide it is asked on a pipe (uvx_policy/answer.py); it never starts uv.
 *
 * Everything inside is UTF-8, half surrogate pairs as three bytes, as Python has them. Names of
 * variables are upper case, as `os.environ` has them.
 *
 * Of kernel32.dll and ntdll.dll alone, without a C runtime. What setup has to say lies in a file
 * beside the launcher, so that a signature stays good.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winternl.h>
#include <tlhelp32.h>
#undef environ /* of the C runtime, which is not here */

#define CONFIG_NAME "linkpolicy-launcher.cfg"
#define ANSWER_FORMAT "linkpolicy-answer-v1"
#define CALL_FORMAT "linkpolicy-call-v1"

enum {
    EXIT_REFUSED = 2,
    WIDE = 32768,      /* UTF-16 units of a command line, a path or a variable, with its NUL */
    NARROW = 3 * WIDE, /* and bytes of UTF-8 */
    LONGEST_LOOK = 247, /* units of a path that a witness looks at */
    LONGEST_CONFIGURATION = 65536,
    LONGEST_SID = 68,   /* bytes */
    LONGEST_NAME = 300, /* units of what a file or a file system is called */
};

typedef WCHAR wide_text[WIDE];

/* What the compiler calls for copies of structs, and what <string.h> declares ----------------- */

void *memcpy(void *to, const void *from, size_t count) {
    char *target = to;
    const char *source = from;
    while (count--) *target++ = *source++;
    return to;
}

void *memset(void *to, int byte, size_t count) {
    for (char *target = to; count--;) *target++ = (char)byte;
    return to;
}

int memcmp(const void *one, const void *other, size_t count) {
    const unsigned char *left = one, *right = other;
    for (; count--; left++, right++)
        if (*left != *right) return *left < *right ? -1 : 1;
    return 0;
}

void *memchr(const void *in, int byte, size_t count) {
    for (const unsigned char *at = in; count--; at++)
        if (*at == (unsigned char)byte) return (void *)(uintptr_t)at;
    return NULL;
}

size_t strlen(const char *string) {
    size_t length = 0;
    while (string[length]) length++;
    return length;
}

int strcmp(const char *one, const char *other) {
    return strncmp(one, other, SIZE_MAX);
}

int strncmp(const char *one, const char *other, size_t count) {
    for (; count--; one++, other++) {
        if (*one != *other) return (unsigned char)*one < (unsigned char)*other ? -1 : 1;
        if (!*one) return 0;
    }
    return 0;
}

size_t strspn(const char *string, const char *accepted) {
    size_t length = 0;
    while (string[length] && memchr(accepted, string[length], strlen(accepted))) length++;
    return length;
}

/* UTF-8 and UTF-16 ---------------------------------------------------------------------------- */

static void put_wide(struct text *text, const WCHAR *wide, size_t length) {
    for (const WCHAR *end = wide + length; wide < end; wide++) {
        uint32_t code = *wide;
        if (code >> 10 == 0x36 && wide + 1 < end && wide[1] >> 10 == 0x37)
            code = 0x10000 + ((code & 0x3ff) << 10 | (*++wide & 0x3ff));
        if (code < 0x80) {
            put_byte(text, (char)code);
            continue;
        }
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        put_byte(text, (char)((0xff00 >> (more + 1) & 0xff) | code >> 6 * more));
        while (more-- > 0) put_byte(text, (char)(0x80 | (code >> 6 * more & 0x3f)));
    }
}

static size_t length_of(const WCHAR *wide) {
    size_t length = 0;
    while (wide[length]) length++;
    return length;
}

/* Append what was made by `put_wide`. False: it has no room, or is not UTF-8 at all. */
static bool widen(WCHAR *wide, size_t room, size_t *used, struct slice slice) {
    const unsigned char *byte = (const unsigned char *)slice.start, *end = byte + slice.length;
    while (byte < end) {
        uint32_t code = *byte++;
        enum { NEVER = 9 };
        int more = code < 0x80 ? 0 : code >> 5 == 6 ? 1 : code >> 4 == 14 ? 2 : NEVER;
        if (code >> 3 == 30) more = 3;
        if (more > end - byte) return false;
        if (more) code &= 0x3fU >> more;
        for (; more-- > 0; byte++) {
            if (*byte >> 6 != 2) return false;
            code = code << 6 | (*byte & 0x3f);
        }
        if (*used + 2 >= room || code > 0x10ffff) return false;
        if (code >= 0x10000) {
            wide[(*used)++] = (WCHAR)(0xd7c0 + (code >> 10));
            code = 0xdc00 | (code & 0x3ff);
        }
        wide[(*used)++] = (WCHAR)code;
    }
    wide[*used] = 0;
    return true;
}

static bool to_wide(WCHAR *wide, size_t room, const char *string) {
    size_t used = 0;
    return widen(wide, room, &used, slice_of(string));
}

static char upper(char byte) {
    return byte >= 'a' && byte <= 'z' ? (char)(byte & ~0x20) : byte;
}

/* The call ----------------------------------------------------------------------------------- */

char **environ;

static bool is_windowed;      /* we are uvw: no console, and uv gets none */
static bool is_strange;       /* more words or variables than there is room for: no record */
static const char *python;    /* path of the Python to ask */
static const char *asking;    /* the command line to start it with */

static char own_bytes[NARROW];  /* our own path */
static struct text own;
static char own_directory[NARROW];
static char configuration[LONGEST_CONFIGURATION];

static char command_bytes[NARROW];                /* what GetCommandLineW says */
static const char *behind_program;                /* in it: what follows argv[0] */
static char word_bytes[NARROW];
static const char *word_items[WIDE / 2 + 2];
static char variable_bytes[1 << 18];
static char *variable_items[MOST_WORDS + 1];
static char sid_bytes[200];

static HANDLE open_path(const char *path, DWORD access, DWORD flags) {
    static wide_text wide;
    if (!to_wide(wide, WIDE, path)) {
        SetLastError(ERROR_INVALID_NAME);
        return INVALID_HANDLE_VALUE;
    }
    DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    return CreateFileW(wide, access, share, NULL, OPEN_EXISTING, flags, NULL);
}

/* Read up to `room` bytes; how many, or -1. */
static int64_t read_file(HANDLE handle, char *bytes, size_t room) {
    size_t length = 0;
    DWORD got = 1;
    while (length < room && got > 0) {
        if (!ReadFile(handle, bytes + length, (DWORD)(room - length), &got, NULL)) return -1;
        length += got;
    }
    return (int64_t)length;
}

/* Which of the three this is: that is its name. */
static bool read_name(void) {
    static const struct {
        char file[8], program[4];
        bool windowed;
    } kinds[] = {{"uv.exe", "uv", false}, {"uvx.exe", "uvx", false}, {"uvw.exe", "uv", true}};
    const char *name = own.bytes;
    for (const char *at = name; *at; at++)
        if (*at == '\\' || *at == '/') name = at + 1;
    struct text directory = TEXT_IN(own_directory);
    put(&directory, (struct slice){own.bytes, (size_t)(name - own.bytes)});
    put_byte(&directory, '\0');
    for (size_t index = 0; index < COUNT(kinds); index++)
        if (is_word(name, kinds[index].file)) {
            program = kinds[index].program;
            is_windowed = kinds[index].windowed;
            return true;
        }
    return false;
}

/* Without the file, or with another one: no package, no Python, and uv runs without a policy. */
static void read_file_beside(void) {
    static char path_bytes[NARROW];
    struct text path = TEXT_IN(path_bytes);
    put_string(&path, own_directory);
    put_field(&path, CONFIG_NAME);
    fallback = path_bytes;
    python = NULL;
    HANDLE handle = path.full ? INVALID_HANDLE_VALUE : open_path(path_bytes, GENERIC_READ, 0);
    if (handle == INVALID_HANDLE_VALUE) return;
    int64_t length = read_file(handle, configuration, sizeof configuration);
    CloseHandle(handle);
    size_t head = sizeof CONFIG_HEAD - 1;
    if (length < (int64_t)head || memcmp(configuration, CONFIG_HEAD, head) != 0) return;
    struct slice rest = {configuration + head, (size_t)length - head}, field;
    const char *fields[3];
    for (size_t index = 0; index < COUNT(fields); index++) {
        if (!cut(&rest, '\0', &field) || field.length == 0) return;
        fields[index] = field.start;
    }
    embedded.start = rest.start;
    while (cut(&rest, '\0', &field))
        if (field.length == 0) {
            embedded.length = (size_t)(field.start - embedded.start);
            package = fields[0];
            fallback = python = fields[1];
            asking = fields[2];
            return;
        }
}

static bool read_configuration(void) {
    static wide_text wide;
    DWORD length = GetModuleFileNameW(NULL, wide, WIDE);
    own = TEXT_IN(own_bytes);
    put_wide(&own, wide, length < WIDE ? length : 0);
    put_byte(&own, '\0');
    if (!read_name()) return false;
    read_file_beside();
    return true;
}

/* Cut the command line into words as the C runtime of every program does, and Rust's library. */
static void read_words(void) {
    struct text line = TEXT_IN(command_bytes), words = TEXT_IN(word_bytes);
    const WCHAR *given = GetCommandLineW();
    put_wide(&line, given, length_of(given));
    put_byte(&line, '\0');
    struct list list = LIST(word_items);
    word_items[0] = NULL;
    const char *at = command_bytes;
    /* Of argv[0] a backslash escapes nothing. */
    for (bool quoted = false; *at && (quoted || (*at != ' ' && *at != '\t')); at++)
        if (*at == '"') quoted = !quoted;
    behind_program = at;
    for (;;) {
        while (*at == ' ' || *at == '\t') at++;
        if (!*at) break;
        append(&list, words.bytes + words.length);
        for (bool quoted = false; *at && (quoted || (*at != ' ' && *at != '\t'));) {
            size_t slashes = 0;
            while (*at == '\\') slashes++, at++;
            bool before_quote = *at == '"';
            for (size_t left = before_quote ? slashes / 2 : slashes; left > 0; left--)
                put_byte(&words, '\\');
            if (!before_quote) {
                if (*at && (quoted || (*at != ' ' && *at != '\t'))) put_byte(&words, *at++);
            } else if (slashes % 2) {
                put_byte(&words, *at++);
            } else if (quoted && at[1] == '"') { /* two of them within quotes are one */
                put_byte(&words, '"');
                at += 2;
            } else {
                quoted = !quoted;
                at++;
            }
        }
        put_byte(&words, '\0');
    }
    if (list.full || words.full || line.full) is_strange = true;
    arguments = word_items;
    argument_count = list.length;
}

static void read_variables(void) {
    struct text text = TEXT_IN(variable_bytes);
    struct list list = {(const char **)variable_items, COUNT(variable_items), 0, false};
    variable_items[0] = NULL;
    WCHAR *block = GetEnvironmentStringsW();
    for (const WCHAR *entry = block; entry && *entry; entry += length_of(entry) + 1) {
        if (*entry == L'=') continue; /* directories of drives */
        size_t start = text.length;
        put_wide(&text, entry, length_of(entry));
        put_byte(&text, '\0');
        if (text.full) break;
        for (char *at = text.bytes + start; *at && *at != '='; at++) *at = upper(*at);
        append(&list, text.bytes + start);
    }
    if (text.full || list.full) is_strange = true;
    if (block) FreeEnvironmentStringsW(block);
    environ = variable_items;
}

NTSYSAPI NTSTATUS NTAPI NtOpenProcessToken(HANDLE, ACCESS_MASK, PHANDLE);
NTSYSAPI NTSTATUS NTAPI NtQueryInformationToken(HANDLE, TOKEN_INFORMATION_CLASS, PVOID, ULONG,
                                                PULONG);

/* The user of this process as text: S-1-5-21-... */
static void see_user(void) {
    struct {
        TOKEN_USER user;
        char sid[LONGEST_SID];
    } answer;
    ULONG length;
    HANDLE token;
    sid_bytes[0] = '\0';
    if (NtOpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token) != 0) return;
    bool known = NtQueryInformationToken(token, TokenUser, &answer, sizeof answer, &length) == 0;
    CloseHandle(token);
    if (!known) return;
    const SID *sid = answer.user.User.Sid;
    struct text text = TEXT_IN(sid_bytes);
    uint64_t authority = 0;
    for (int index = 0; index < 6; index++)
        authority = authority << 8 | sid->IdentifierAuthority.Value[index];
    put_string(&text, "S-");
    put_number(&text, sid->Revision, 10, 1);
    put_byte(&text, '-');
    put_number(&text, authority, 10, 1);
    for (int index = 0; index < sid->SubAuthorityCount; index++) {
        put_byte(&text, '-');
        put_number(&text, sid->SubAuthority[index], 10, 1);
    }
    put_byte(&text, '\0');
}

static void put_user(struct text *text) {
    put_string(text, sid_bytes);
}

static uint64_t number_of(FILETIME time) {
    return (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

/* When it was started: no other process has this number and this time. 0: it cannot be seen. */
static uint64_t started(HANDLE process) {
    FILETIME begun, ended, kernel, user;
    return GetProcessTimes(process, &begun, &ended, &kernel, &user) ? number_of(begun) : 0;
}

static void put_identity(struct text *text, DWORD number, uint64_t begun) {
    put_number(text, number, 10, 1);
    put_byte(text, '.');
    put_number(text, begun, 10, 1);
    put_byte(text, '\0');
}

static void see_call(int argc, char **argv) {
    static wide_text wide;
    (void)argc, (void)argv;
    read_words();
    read_variables();
    see_user();
    struct text text = TEXT_IN(cwd);
    DWORD length = GetCurrentDirectoryW(WIDE, wide);
    put_wide(&text, wide, length < WIDE ? length : 0);
    put_byte(&text, '\0');
    if (text.full) cwd[0] = '\0';
    text = TEXT_IN(identity);
    put_identity(&text, GetCurrentProcessId(), started(GetCurrentProcess()));
    /* What launcher.c does with a call that has no directory: it has no record. */
    const char *home = variable((const char *const *)environ, "USERPROFILE");
    if (is_strange || !python || !sid_bytes[0] || !home || !home[0]) cwd[0] = '\0';
}

/* Processes above this one --------------------------------------------------------------------- */

/* The parent of a process, and the name of its program; 0 for none. */
static DWORD parent_of(HANDLE snapshot, DWORD number, PROCESSENTRY32W *entry) {
    entry->dwSize = sizeof *entry;
    for (BOOL more = Process32FirstW(snapshot, entry); more; more = Process32NextW(snapshot, entry))
        if (entry->th32ProcessID == number)
            return entry->th32ParentProcessID == number ? 0 : entry->th32ParentProcessID;
    return 0;
}

static bool identify(HANDLE handle, FILE_ID_INFO *id) {
    return handle != INVALID_HANDLE_VALUE &&
           GetFileInformationByHandleEx(handle, FileIdInfo, id, sizeof *id);
}

static bool same_file(const FILE_ID_INFO *one, const FILE_ID_INFO *other) {
    return one->VolumeSerialNumber == other->VolumeSerialNumber &&
           memcmp(&one->FileId, &other->FileId, sizeof one->FileId) == 0;
}

/* Does it hold what only a uv holds? As `is_uv` in uvx_policy/real_uv.py. The first letters stand
 * apart: this launcher must not hold the same. */
static bool has_marks(HANDLE handle) {
    static const struct {
        char rest[40], first;
    } marks[] = {{"n extremely fast Python package manager", 'A'},
                 {"nclude-system-site-packages", 'i'}};
    bool missing[COUNT(marks)] = {true, true};
    size_t kept = 0;
    DWORD got;
    while (ReadFile(handle, scratch + kept, (DWORD)(sizeof scratch - kept), &got, NULL) && got) {
        size_t length = kept + got;
        for (size_t index = 0; index < COUNT(marks); index++) {
            size_t size = strlen(marks[index].rest);
            struct slice rest = {scratch, length}, before;
            while (missing[index] && cut(&rest, marks[index].first, &before))
                if (rest.length >= size && memcmp(rest.start, marks[index].rest, size) == 0)
                    missing[index] = false;
        }
        if (!missing[0] && !missing[1]) return true;
        kept = length < sizeof marks[0] ? length : sizeof marks[0];
        for (size_t at = 0; at < kept; at++) scratch[at] = scratch[length - kept + at];
    }
    return false;
}

/* Is what this process runs the file `named`, or a uv? */
static bool runs_uv(HANDLE process, const FILE_ID_INFO *named, bool *seen) {
    static wide_text wide;
    DWORD length = WIDE;
    *seen = QueryFullProcessImageNameW(process, 0, wide, &length) != 0;
    if (!*seen) return false;
    DWORD share = FILE_SHARE_READ | FILE_SHARE_DELETE;
    HANDLE handle = CreateFileW(wide, GENERIC_READ, share, NULL, OPEN_EXISTING, 0, NULL);
    FILE_ID_INFO id;
    *seen = identify(handle, &id);
    bool found = *seen && ((named && same_file(named, &id)) || has_marks(handle));
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    return found;
}

static enum above look_above(const char *named) {
    static PROCESSENTRY32W entry;
    FILE_ID_INFO uv_id;
    HANDLE handle = named[0] ? open_path(named, GENERIC_READ, 0) : INVALID_HANDLE_VALUE;
    bool is_named = identify(handle, &uv_id);
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE) return UNSEEN;
    struct slice oldest = outer_field("process");
    enum above above = UNSEEN;
    bool all_seen = true;
    uint64_t child_begun = started(GetCurrentProcess());
    DWORD number = parent_of(snapshot, GetCurrentProcessId(), &entry);
    for (int generation = 0; number && generation < MOST_GENERATIONS; generation++) {
        char seen_bytes[48];
        struct text seen = TEXT_IN(seen_bytes);
        HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, number);
        uint64_t begun = process ? started(process) : 0;
        bool is_seen = false;
        bool is_uv = begun && begun <= child_begun &&
                     runs_uv(process, is_named ? &uv_id : NULL, &is_seen);
        if (process) CloseHandle(process);
        put_identity(&seen, number, begun);
        if (!begun || begun > child_begun) break; /* the number of one that has ended */
        if (is_uv) {
            above = A_UV;
            break;
        }
        all_seen = all_seen && is_seen;
        if (equals(oldest, seen_bytes)) {
            above = all_seen ? NO_UV : UNSEEN;
            break;
        }
        child_begun = begun;
        number = parent_of(snapshot, number, &entry);
    }
    CloseHandle(snapshot);
    return above;
}

/* The real uv -------------------------------------------------------------------------------- */

static const char *search_path(void) {
    const char *path = variable((const char *const *)environ, "PATH");
    return path ? path : "";
}

/* Quotes keep a `;` from separating, and are no part of the directory. */
static bool cut_directory(struct slice *rest, struct slice *directory) {
    static char bytes[LONGEST_PATH];
    struct text text = TEXT_IN(bytes);
    bool quoted = false, found = false;
    while (rest->length > 0 && !found) {
        char byte = rest->start[0];
        rest->start++;
        rest->length--;
        if (byte == '"') quoted = !quoted;
        else if (byte == ';' && !quoted) found = true;
        else put_byte(&text, byte);
    }
    *directory = (struct slice){bytes, text.full ? 0 : text.length};
    return found;
}

/* Does the file hold the marker in its head or its tail? */
static bool is_marked(HANDLE handle) {
    enum { HEAD = 1024, TAIL = 64 };
    LARGE_INTEGER at = {.QuadPart = 0};
    for (int part = 0; part < 2; part++) {
        if (part == 1) {
            at.QuadPart = -TAIL;
            if (!SetFilePointerEx(handle, at, NULL, FILE_END)) return false;
        }
        int64_t length = read_file(handle, scratch, part == 0 ? HEAD : TAIL);
        for (int64_t from = 0; from + (int64_t)sizeof MARKER - 1 <= length; from++)
            if (memcmp(scratch + from, MARKER, sizeof MARKER - 1) == 0) return true;
    }
    return false;
}

/* Is this a program, and no shim of ours? */
static bool is_program(const char *path) {
    static wide_text wide;
    if (!to_wide(wide, WIDE, path)) return false;
    DWORD attributes = GetFileAttributesW(wide);
    bool is_there = attributes != INVALID_FILE_ATTRIBUTES;
    if (!is_there || attributes & FILE_ATTRIBUTE_DIRECTORY) return false;
    HANDLE handle = open_path(path, GENERIC_READ, 0);
    if (handle == INVALID_HANDLE_VALUE) return true; /* it may be run, and not read */
    bool marked = is_marked(handle);
    CloseHandle(handle);
    return !marked;
}

static bool is_real(struct slice directory, const char *name, bool again) {
    if (directory.length == 0) return false;
    struct text path = TEXT_IN(uv);
    put(&path, directory);
    char last = directory.start[directory.length - 1];
    if (last != '\\' && last != '/') put_byte(&path, '\\');
    put_string(&path, name);
    put_field(&path, ".exe");
    return !path.full && is_program(uv) && !(again && is_tried(uv));
}

/* Witnesses ---------------------------------------------------------------------------------- */

/* Open what a witness looks at. One that is too long is never seen, here as in Python. */
static HANDLE look_at(const char *path, DWORD access, DWORD flags) {
    static WCHAR wide[LONGEST_LOOK + 2];
    if (!to_wide(wide, COUNT(wide), path)) {
        SetLastError(ERROR_FILENAME_EXCED_RANGE);
        return INVALID_HANDLE_VALUE;
    }
    return open_path(path, access, FILE_FLAG_BACKUP_SEMANTICS | flags);
}

static bool is_absent(void) {
    DWORD error = GetLastError();
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
}

static bool see_status(const char *path, bool followed, struct text *sight) {
    enum { KEPT = 0x5ccc01, NAME_SURROGATE = 0x20000000 };
    HANDLE handle =
        look_at(path, FILE_READ_ATTRIBUTES, followed ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
    if (handle == INVALID_HANDLE_VALUE) {
        if (is_absent()) return put_letter(sight, '-');
        if (!followed || GetLastError() != ERROR_CANT_ACCESS_FILE) return false;
        handle = look_at(path, FILE_READ_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT);
        if (handle == INVALID_HANDLE_VALUE) return false;
    }
    FILE_BASIC_INFO basic;
    FILE_STANDARD_INFO standard;
    FILE_ATTRIBUTE_TAG_INFO tag = {0, 0};
    FILE_ID_INFO id;
    bool known =
        GetFileInformationByHandleEx(handle, FileBasicInfo, &basic, sizeof basic) &&
        GetFileInformationByHandleEx(handle, FileStandardInfo, &standard, sizeof standard) &&
        identify(handle, &id);
    if (known && basic.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
        known = GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &tag, sizeof tag);
    CloseHandle(handle);
    if (!known) return false;
    bool is_link = tag.ReparseTag & NAME_SURROGATE;
    bool is_directory = !is_link && basic.FileAttributes & FILE_ATTRIBUTE_DIRECTORY;
    uint64_t file[2]; /* the least first */
    memcpy(file, &id.FileId, sizeof file);
    uint64_t numbers[] = {basic.FileAttributes & KEPT, id.VolumeSerialNumber, file[1], file[0],
                          (uint64_t)standard.EndOfFile.QuadPart,
                          (uint64_t)basic.LastWriteTime.QuadPart,
                          (uint64_t)basic.ChangeTime.QuadPart};
    put_byte(sight, is_link ? 'k' : is_directory ? 'd' : 'f');
    put_byte(sight, ':');
    return put_numbers(sight, is_directory ? 4 : COUNT(numbers), numbers);
}

static bool see_access(const char *path, uint64_t mode, struct text *sight) {
    static wide_text wide;
    if (mode > 7) return false;
    DWORD attributes = to_wide(wide, WIDE, path) ? GetFileAttributesW(wide) : 0;
    DWORD access = mode & 4 ? FILE_READ_DATA : 0;
    if (mode & 2)
        access |= attributes & FILE_ATTRIBUTE_DIRECTORY ? FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY
                                                        : FILE_WRITE_DATA;
    if (mode & 1) access |= FILE_EXECUTE;
    HANDLE handle = look_at(path, access, 0);
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    return put_letter(sight, handle != INVALID_HANDLE_VALUE ? 'y' : 'n');
}

static bool see_names(const char *path, struct text *sight) {
    static union {
        FILE_FULL_DIR_INFO first; /* aligned for it */
        char bytes[32768];
    } listing;
    HANDLE handle = look_at(path, FILE_LIST_DIRECTORY, 0);
    if (handle == INVALID_HANDLE_VALUE) return is_absent() && put_letter(sight, '-');
    uint64_t count = 0, sum = 0;
    while (GetFileInformationByHandleEx(handle, FileFullDirectoryInfo, &listing, sizeof listing)) {
        for (const char *at = listing.bytes;;) {
            const FILE_FULL_DIR_INFO *entry = (const void *)at;
            char name_bytes[3 * LONGEST_NAME];
            struct text name = TEXT_IN(name_bytes);
            put_wide(&name, entry->FileName, entry->FileNameLength / sizeof(WCHAR));
            struct slice slice = {name.bytes, name.length};
            if (!equals(slice, ".") && !equals(slice, "..")) {
                count++;
                sum += mixed(fingerprint(slice));
            }
            if (!entry->NextEntryOffset) break;
            at += entry->NextEntryOffset;
        }
    }
    bool all = GetLastError() == ERROR_NO_MORE_FILES;
    CloseHandle(handle);
    return all && put_numbers(sight, 2, (uint64_t[]){count, sum});
}

static bool see_content(const char *path, struct text *sight) {
    HANDLE handle = look_at(path, GENERIC_READ, 0);
    if (handle == INVALID_HANDLE_VALUE) return false;
    uint64_t length = 0, sum = 1;
    DWORD got;
    bool known = true;
    while ((known = ReadFile(handle, scratch, sizeof scratch, &got, NULL)) && got > 0 &&
           length < LONGEST_PSEUDO) {
        length += got;
        sum = fingerprint_more(sum, (struct slice){scratch, got});
    }
    CloseHandle(handle);
    return known && got == 0 && put_numbers(sight, 2, (uint64_t[]){length, sum});
}

static bool see_volume(const char *path, struct text *sight) {
    static wide_text wide;
    WCHAR name[LONGEST_NAME];
    char bytes[3 * LONGEST_NAME];
    DWORD serial = 0, flags = 0;
    ULARGE_INTEGER total;
    HANDLE handle = look_at(path, FILE_READ_ATTRIBUTES, 0);
    if (handle == INVALID_HANDLE_VALUE) return put_letter(sight, '-');
    bool known = GetVolumeInformationByHandleW(
        handle, NULL, 0, &serial, NULL, &flags, name, COUNT(name));
    CloseHandle(handle);
    if (!known || !to_wide(wide, WIDE, path) || !GetDiskFreeSpaceExW(wide, NULL, &total, NULL))
        return put_letter(sight, '-');
    struct text text = TEXT_IN(bytes);
    put_wide(&text, name, length_of(name));
    struct slice slice = {text.bytes, text.length};
    uint64_t most = UINT64_C(1) << 35;
    uint64_t numbers[] = {serial, flags, slice.length, fingerprint(slice),
                          total.QuadPart < most ? total.QuadPart : most};
    return put_numbers(sight, COUNT(numbers), numbers);
}

static bool see_room(const char *path, uint64_t needed, struct text *sight) {
    static wide_text wide;
    ULARGE_INTEGER available;
    if (!to_wide(wide, WIDE, path) || !GetDiskFreeSpaceExW(wide, &available, NULL, NULL))
        return put_letter(sight, '-');
    return put_letter(sight, available.QuadPart >= needed ? 'y' : 'n');
}

NTSYSAPI NTSTATUS NTAPI NtQuerySecurityObject(HANDLE, SECURITY_INFORMATION, PVOID, ULONG, PULONG);

static bool see_access_list(const char *path, struct text *sight) {
    HANDLE handle = look_at(path, READ_CONTROL, 0);
    if (handle == INVALID_HANDLE_VALUE) return false;
    SECURITY_INFORMATION wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    ULONG length = 0;
    bool known = NtQuerySecurityObject(handle, wanted, scratch, sizeof scratch, &length) == 0;
    CloseHandle(handle);
    uint64_t numbers[] = {length, fingerprint((struct slice){scratch, known ? length : 0})};
    return known && put_numbers(sight, COUNT(numbers), numbers);
}

/* As `python_above` in uvx_policy/windows/processes.py: is none of them a Python, as far as names
 * tell? */
static bool see_no_python(struct text *sight) {
    static const char names[][8] = {"python", "pypy", "graalpy"};
    static PROCESSENTRY32W entry;
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE) return false;
    bool found = false;
    DWORD number = parent_of(snapshot, GetCurrentProcessId(), &entry);
    for (int step = 0; number && step < 100 && !found; step++) {
        DWORD parent = parent_of(snapshot, number, &entry);
        if (entry.th32ProcessID != number) break; /* it has ended */
        for (size_t index = 0; index < COUNT(names); index++) {
            size_t at = 0;
            while (names[index][at] && (entry.szExeFile[at] | 0x20) == names[index][at]) at++;
            if (!names[index][at]) found = true;
        }
        number = parent;
    }
    CloseHandle(snapshot);
    return !found && put_letter(sight, '-');
}

NTSYSAPI NTSTATUS NTAPI NtOpenKey(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
NTSYSAPI NTSTATUS NTAPI NtQueryKey(HANDLE, int, PVOID, ULONG, PULONG);

/* When a key below HKEY_LOCAL_MACHINE was written last. */
static bool see_registry(const char *path, struct text *sight) {
    enum { BASIC = 0, NO_SUCH_NAME = (int)0xc0000034, NO_SUCH_PATH = (int)0xc000003a };
    static WCHAR wide[LONGEST_PATH];
    size_t used = 0;
    if (!widen(wide, COUNT(wide), &used, slice_of("\\Registry\\Machine\\")) ||
        !widen(wide, COUNT(wide), &used, slice_of(path)))
        return false;
    UNICODE_STRING name = {(USHORT)(used * sizeof(WCHAR)), sizeof wide, wide};
    OBJECT_ATTRIBUTES object;
    InitializeObjectAttributes(&object, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    HANDLE handle;
    NTSTATUS status = NtOpenKey(&handle, KEY_READ, &object);
    if (status == NO_SUCH_NAME || status == NO_SUCH_PATH) return put_letter(sight, '-');
    if (status != 0) return false;
    static union {
        LARGE_INTEGER written; /* what a KEY_BASIC_INFORMATION begins with */
        char bytes[1024];
    } answer;
    ULONG length;
    status = NtQueryKey(handle, BASIC, &answer, sizeof answer, &length);
    CloseHandle(handle);
    if (status != 0) return false;
    put_hex(sight, (uint64_t)answer.written.QuadPart);
    return true;
}

static bool see(char kind, const char *path, uint64_t number, struct text *sight) {
    switch (kind) {
    case 's': case 'l': return see_status(path, kind == 's', sight);
    case 'a': return see_access(path, number, sight);
    case 'n': return see_names(path, sight);
    case 'c': return see_content(path, sight);
    case 'v': return see_volume(path, sight);
    case 'x': return see_access_list(path, sight);
    case 'f': return see_room(path, number, sight);
    case 'p': return see_no_python(sight);
    case 'g': return see_registry(path, sight);
    default: return false;
    }
}

/* The record --------------------------------------------------------------------------------- */

/* Path of a file or directory below our state directory, as `state_home` in
 * uvx_policy/state/layout.py. */
static bool put_state_path(struct text *path, const char *directory, const char *name) {
    const char *local = variable((const char *const *)environ, "LOCALAPPDATA");
    const char *home = variable((const char *const *)environ, "USERPROFILE");
    bool is_local = local && local[0];
    if (!is_local && !(home && home[0])) return false;
    put_string(path, is_local ? local : home);
    put_string(path, is_local ? "\\linkpolicy\\" : "\\AppData\\Local\\linkpolicy\\");
    put_string(path, directory);
    put_string(path, name);
    put_byte(path, '\0');
    return !path->full;
}

/* The access list of the user's profile keeps others out. */
static struct slice read_record(const char *name) {
    struct slice content = {record, 0};
    struct text path = TEXT_IN(scratch);
    if (!put_state_path(&path, "decisions\\", name)) return content;
    HANDLE handle = open_path(scratch, GENERIC_READ, FILE_FLAG_OPEN_REPARSE_POINT);
    if (handle == INVALID_HANDLE_VALUE) return content;
    int64_t length = read_file(handle, record, sizeof record);
    CloseHandle(handle);
    if (length > 0 && length <= LONGEST_RECORD) content.length = (size_t)length;
    return content;
}

/* Starting a program ------------------------------------------------------------------------- */

static HANDLE child;

/* Ctrl-C and Ctrl-Break reach uv as well, and it decides. When the console closes or the user logs
 * off, we end when this returns, and take uv along: so let it finish. */
static BOOL WINAPI on_control(DWORD event) {
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT && child)
        WaitForSingleObject(child, INFINITE);
    return TRUE;
}

/* Whoever ends us ends this process. Its own children may live on, as they would without us. */
static void tie(HANDLE process) {
    static JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    static HANDLE job; /* stays open until we end */
    if (!job) job = CreateJobObjectW(NULL, NULL);
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    if (job &&
        SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits))
        AssignProcessToJobObject(job, process);
}

/* Start a program with this command line and all that is inherited. */
static bool start_program(const char *path, WCHAR *command, STARTUPINFOW *startup, DWORD flags,
                          PROCESS_INFORMATION *process) {
    static wide_text wide;
    /* Without a console, a console program would open a window of its own. */
    if (!flags && GetConsoleCP() == 0) flags = DETACHED_PROCESS;
    if (!to_wide(wide, WIDE, path) ||
        !CreateProcessW(wide, command, NULL, NULL, TRUE, flags | CREATE_SUSPENDED, NULL, NULL,
                        startup, process))
        return false;
    tie(process->hProcess); /* before it runs: nothing can be left behind */
    ResumeThread(process->hThread);
    CloseHandle(process->hThread);
    return true;
}

/* Put a word on a command line so that `read_words` reads it. */
static void put_quoted(struct text *line, const char *word) {
    put_string(line, " \"");
    for (;;) {
        size_t slashes = strspn(word, "\\");
        bool doubled = word[slashes] == '"' || !word[slashes];
        for (size_t left = doubled ? 2 * slashes : slashes; left > 0; left--) put_byte(line, '\\');
        word += slashes;
        if (!*word) break;
        if (*word == '"') put_byte(line, '\\');
        put_byte(line, *word++);
    }
    put_byte(line, '"');
}

static void set_variable(const char *name, const char *value) {
    static WCHAR wide_name[WIDE], wide_value[WIDE];
    if (to_wide(wide_name, WIDE, name) && (!value || to_wide(wide_value, WIDE, value)))
        SetEnvironmentVariableW(wide_name, value ? wide_value : NULL);
}

/* Set NAME=VALUE; with `drop`, take NAME out instead. */
static void set_entry(struct slice entry, bool drop) {
    static char bytes[NARROW];
    struct text text = TEXT_IN(bytes);
    struct slice name;
    cut(&entry, '=', &name);
    put(&text, name);
    put_byte(&text, '\0');
    size_t value = text.length;
    put(&text, entry);
    put_byte(&text, '\0');
    if (!text.full) set_variable(bytes, drop ? NULL : bytes + value);
}

/* Take out of our own variables what an outer shim has set, as `clean_environment` does of a list;
 * and set what is added. */
static bool change_variables(bool again) {
    struct slice rest = outer_guard, value;
    if (!render_guard(again)) return false;
    while (next_field(&rest, "set", &value)) {
        struct slice entry = value, name;
        cut(&value, '=', &name);
        for (char **at = environ; *at; at++) {
            const char *held = value_in(*at, name);
            if (held && means(value, slice_of(held))) set_entry(entry, true);
        }
    }
    for (size_t index = 0; index < added_variables.length; index++)
        set_entry(slice_of(added_variables.items[index]), false);
    set_entry(slice_of(guard_bytes), false);
    return true;
}

/* Is the name of the file `path` this one? */
static bool is_named(const char *path, const char *name) {
    size_t length = strlen(path), size = strlen(name);
    return length > size && is_word(path + length - size, name) &&
           (path[length - size - 1] == '\\' || path[length - size - 1] == '/');
}

/* The command line for uv: our own, and what is added. */
static bool put_command(struct text *line) {
    if (strcmp(program, "uvx") == 0 && is_named(uv, "uv.exe")) {
        put_string(line, "uv tool uvx");
        put_string(line, behind_program);
    } else {
        put_string(line, command_bytes);
    }
    for (size_t index = 0; index < added_words.length; index++)
        put_quoted(line, added_words.items[index]);
    put_byte(line, '\0');
    return !line->full;
}

/* The `uvw.exe` beside `uv` where that is what to start; else `uv`, without a console. */
static const char *to_start(DWORD *flags) {
    static char bytes[LONGEST_PATH];
    *flags = 0;
    if (!is_windowed) return uv;
    struct text path = TEXT_IN(bytes);
    put(&path, (struct slice){uv, strlen(uv) - strlen("uv.exe")});
    put_field(&path, "uvw.exe");
    if (!path.full && is_program(bytes)) return bytes;
    *flags = CREATE_NO_WINDOW;
    return uv;
}

static HANDLE inheritable(DWORD which) {
    HANDLE handle = GetStdHandle(which);
    SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
    return handle;
}

static void become_uv_as_it_is(void) {
    static wide_text command;
    static char line_bytes[NARROW];
    struct text line = TEXT_IN(line_bytes);
    STARTUPINFOW startup;
    PROCESS_INFORMATION process;
    DWORD flags, code = EXIT_CANNOT_EXECUTE;
    const char *path = to_start(&flags);
    if (!put_command(&line) || !to_wide(command, WIDE, line_bytes)) return;
    GetStartupInfoW(&startup); /* window, and the C runtime's descriptors */
    /* A process without a console gets no handles but those that are named. */
    startup.dwFlags |= STARTF_USESTDHANDLES;
    startup.hStdInput = inheritable(STD_INPUT_HANDLE);
    startup.hStdOutput = inheritable(STD_OUTPUT_HANDLE);
    startup.hStdError = inheritable(STD_ERROR_HANDLE);
    SetConsoleCtrlHandler(on_control, TRUE); /* not (NULL, TRUE): uv would inherit that */
    if (!start_program(path, command, &startup, flags, &process)) return;
    child = process.hProcess;
    WaitForSingleObject(child, INFINITE);
    GetExitCodeProcess(child, &code);
    ExitProcess(code);
}

static void become_uv(bool again) {
    if (change_variables(again)) become_uv_as_it_is();
}

/* Asking Python ------------------------------------------------------------------------------ */

/* What it said. */
static char said[1 << 20];

/* Send the call. It is shorter than what the pipe is told to hold. */
static void send_call(HANDLE to) {
    static char bytes[2 * NARROW];
    struct text text = TEXT_IN(bytes);
    DWORD written;
    put_field(&text, CALL_FORMAT);
    put_field(&text, program);
    put_field(&text, uv);
    put_number(&text, argument_count, 10, 1);
    put_byte(&text, '\0');
    for (size_t index = 0; index < argument_count; index++) put_field(&text, arguments[index]);
    put_field(&text, ".");
    if (!text.full) WriteFile(to, bytes, (DWORD)text.length, &written, NULL);
}

/* Start Python, send the call, and read into `said` until it ends. Its exit code; -1: none. */
static int64_t talk(size_t *length) {
    static wide_text command;
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
    PROCESS_INFORMATION process;
    HANDLE from, to, call_from, call_to;
    DWORD code = 0;
    *length = 0;
    if (!python || !to_wide(command, WIDE, asking)) return -1;
    if (!CreatePipe(&from, &to, &inherited, 0)) return -1;
    if (!CreatePipe(&call_from, &call_to, &inherited, 2 * NARROW)) return -1;
    SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(call_to, HANDLE_FLAG_INHERIT, 0);
    startup.hStdInput = call_from;
    startup.hStdOutput = startup.hStdError = to;
    DWORD flags = is_windowed ? CREATE_NO_WINDOW : 0;
    bool begun = start_program(python, command, &startup, flags, &process);
    CloseHandle(to);
    CloseHandle(call_from);
    if (begun) send_call(call_to);
    CloseHandle(call_to);
    DWORD got;
    while (begun && *length < sizeof said &&
           ReadFile(from, said + *length, (DWORD)(sizeof said - *length), &got, NULL) && got)
        *length += got;
    CloseHandle(from);
    if (!begun) return -1;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    CloseHandle(process.hProcess);
    return code;
}

/* Take the edits apart. As `replay`, but that nothing has to hold. */
static bool read_answer(struct slice rest) {
    struct slice field;
    forget_added();
    while (cut(&rest, '\0', &field)) {
        if (field.length == 0) return false;
        struct slice value = {field.start + 1, field.length - 1};
        if (field.start[0] == '.')
            return value.length == 0 && rest.length == 0 && !added_words.full &&
                   !added_variables.full;
        if (field.start[0] == 'a') append(&added_words, value.start);
        else if (field.start[0] != 'e' || !add_variable(value)) return false;
    }
    return false;
}

static void write_line(struct slice line) {
    DWORD written;
    if (line.length == 0) return;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), line.start, (DWORD)line.length, &written, NULL);
}

/* Ask, and tell what Python has to say. Exits when the policy refuses. */
static bool ask(void) {
    size_t length;
    int64_t code = talk(&length);
    struct slice rest = {said, length}, head, lines = {said, 0};
    /* What a Python without linkpolicy has to say is no line of ours. */
    bool speaks = cut(&rest, '\0', &head) && equals(head, ANSWER_FORMAT);
    bool refuses = speaks && code == EXIT_REFUSED;
    bool answered = speaks && cut(&rest, '\0', &lines) && code == 0 && read_answer(rest);
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    if (!speaks) lines = head;
    if (answered || refuses || (log && log[0])) write_line(lines);
    if (refuses) ExitProcess(EXIT_REFUSED);
    if (!answered) forget_added();
    return answered;
}

static void hand_over(void) {
    enum came_back back = came_back();
    bool again = back == YES;
    if (back == ENDLESS || !find_uv(again)) {
        is_python_lost = false; /* it was not asked */
        return;
    }
    const char *log = variable((const char *const *)environ, "LINKPOLICY_LOG");
    if (clean_environment() && is_left_alone() && !(log && log[0])) become_uv(again);
    else if (ask()) become_uv(again);
    else return;
    tell("cannot execute `", uv, "`");
    ExitProcess(EXIT_CANNOT_EXECUTE);
}

static bool is_first_here(void) {
    static PROCESSENTRY32W entry;
    static wide_text wide;
    DWORD mode;
    if (!GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode)) return false;
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (snapshot == INVALID_HANDLE_VALUE) return false;
    /* The session is what this was started from, commonly a shell. */
    DWORD parent = parent_of(snapshot, GetCurrentProcessId(), &entry);
    CloseHandle(snapshot);
    HANDLE process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, parent);
    char name_bytes[64];
    struct text name = TEXT_IN(name_bytes), path = TEXT_IN(scratch);
    put_string(&name, "console.");
    put_identity(&name, parent, process ? started(process) : 0);
    if (process) CloseHandle(process);
    if (!put_state_path(&path, "told", "") || !to_wide(wide, WIDE, scratch)) return false;
    CreateDirectoryW(wide, NULL);
    path = TEXT_IN(scratch);
    if (!put_state_path(&path, "told\\", name_bytes) || !to_wide(wide, WIDE, scratch)) return false;
    HANDLE handle = CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
    return handle != INVALID_HANDLE_VALUE;
}

/* Where the loader begins. */
void start(void) {
    ExitProcess((UINT)launch(0, NULL));
}
